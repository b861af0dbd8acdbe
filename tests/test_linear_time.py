"""Every parser of text from outside takes time in proportion to its length, so that no text can stop a server."""

import json
import re
import signal
import struct
import zlib
from contextlib import contextmanager, suppress

import pytest

from freeu import SettingsError, arguments
from freeu.compat import detect, ljleb, sdnext
from freeu.settings.infotext import parse_parameters
from freeu.settings.parameter import parse_curve
from tests.files import jpeg, png, tiff, webp

LENGTH = 150_000
LIMIT = 5
"""Seconds of the processor after which a parser is stopped. A text takes at most half a second in linear time, and more
than 30 seconds in quadratic time."""

PATTERNS = ["a", " ", "\n", "\\", '"', ",", "[", "{},", "a: ", ': "', 'a: "', '\\"', '", "', "\\,", ' \t"', "0:0,"]
FRAMES = [
    "{}",
    "Steps: 1, {}",
    'Steps: 1, a: "{}',
    'Steps: 1, a: "{}" b',
    "a\n{}\nb",
    "FreeU: {}",
    "FreeU: ={}",
    "FreeU Stages: {}",
]
KEYS = [
    "FreeU",
    "freeu",
    "FreeU b1",
    "FreeU curve",
    "FreeU Stages",
    "FreeU Schedule",
    "FreeU Version",
    "freeu_enabled",
    "freeu_b1",
]


def infotext_value(text):
    for key in KEYS:
        with suppress(SettingsError):
            detect.from_infotext({"Steps": "20", key: text})


def request(text):
    for payload in ({"b1": text}, {text: 1}, {"preset": text}, {"stage_infos": [{text: 1}]}, [text], text):
        with suppress(SettingsError):
            arguments.parse(payload if isinstance(payload, list) else [payload], {}, 20)


TEXT_PARSERS = {
    "infotext": lambda text: [parse_parameters(frame.format(text)) for frame in FRAMES],
    "value in an infotext": infotext_value,
    "value of SD.Next": lambda text: sdnext.from_infotext({"FreeU": f"={text}"}),
    "stages of ljleb's extension": lambda text: ljleb.from_infotext({"FreeU Stages": f"[{text}]"}),
    "quoted stages": lambda text: ljleb.from_infotext({"FreeU Stages": json.dumps(text)}),
    "curve": parse_curve,
    "request": request,
    "text file": lambda text: detect.read_file(text.encode()),
    "UTF-16 file": lambda text: detect.read_file(text.encode("utf-16")),
    "JSON file": lambda text: detect.read_file(json.dumps({"b1": text}).encode()),
}
IMAGES = {
    "PNG text": lambda length: png((b"tEXt", b"parameters\0" + b"a" * length)),
    "PNG text, compressed": lambda length: png((b"zTXt", b"parameters\0\0" + zlib.compress(b"a: " * length))),
    "PNG text without an end": lambda length: png((b"iTXt", b"parameters\0\0\0" + b"a" * length)),
    "PNG texts": lambda length: png(*[(b"tEXt", b"prompt\0")] * (length // 20)),
    "PNG texts without a name": lambda length: png(*[(b"tEXt", b"")] * (length // 12)),
    "PNG text of digits": lambda length: png((b"tEXt", b"Raw profile type exif\0\n\n\n" + b"0" * length)),
    "PNG text of lines": lambda length: png((b"tEXt", b"Raw profile type exif\0" + b"\n" * length)),
    "JPEG segments": lambda length: jpeg(*[(0xFE, b"")] * (length // 4)),
    "JPEG padding": lambda length: b"\xff\xd8" + b"\xff" * length,
    "EXIF in many segments": lambda length: jpeg(*[(0xE1, b"Exif\0\0" + tiff(b"a"))] * (length // 80)),
    "WebP chunks": lambda length: webp(*[(b"EXIF", b"")] * (length // 8)),
    "EXIF comment": lambda length: webp((b"EXIF", tiff(b"a" * length))),
    "EXIF entries": lambda length: webp((b"EXIF", many_entries(length))),
}


def many_entries(length):
    """Return a directory whose entries all have the same long comment."""
    count = length // 24
    entry = struct.pack("<HHII", 0x9286, 7, length // 2, 14)
    return b"II*\0" + struct.pack("<IH", 8, count) + entry * count + bytes(length // 2)


@contextmanager
def processor_limit(seconds=LIMIT):
    """Fail after these seconds of this process on the processor, however long other processes keep it waiting."""

    def stop(number, frame):
        pytest.fail("the time is not linear")

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def test_the_limit_stops_a_quadratic_pattern():
    with processor_limit(0.1), pytest.raises(pytest.fail.Exception, match="not linear"):
        re.search(" *x", " " * LENGTH)


@pytest.mark.parametrize("parser", TEXT_PARSERS)
def test_parser_takes_linear_time(parser):
    parse = TEXT_PARSERS[parser]
    for pattern in PATTERNS:
        text = pattern * (LENGTH // len(pattern))
        with processor_limit(), suppress(ValueError):  # of which SettingsError and UnreadableFileError are
            parse(text)


@pytest.mark.parametrize("image", IMAGES)
def test_metadata_of_images_take_linear_time(image, caplog):
    caplog.set_level("ERROR")
    made = IMAGES[image](LENGTH)
    with processor_limit(), suppress(ValueError):
        detect.read_image(made)
