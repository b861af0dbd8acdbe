"""The texts in image files: unusual EXIF, unusual encodings, several sources, damage, and sizes that cost nothing."""

import io
import struct
import sys
import zlib
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from freeu import Settings, SettingsError
from freeu.cli.main import main
from freeu.compat.detect import CHUNKS, Detected, read_file, read_image
from freeu.compat.metadata import MAX_COMPRESSED_TEXT, UnreadableFileError, decode_text, image_texts
from tests.files import ASCII, LONG, SHORT, jpeg, png, tiff, webp

SETTINGS = Settings(b1=1.1)
INFOTEXT = "a\nSteps: 20, Sampler: Euler, FreeU b1: 1.1"
PARAMETERS = (b"tEXt", b"parameters\0" + INFOTEXT.encode())
WITH_EXIF = {
    "PNG": lambda exif: png((b"eXIf", exif)),
    "PNG, ImageMagick": lambda exif: png((b"tEXt", b"Raw profile type exif\0\nexif\n  99\n" + exif.hex().encode())),
    "JPEG": lambda exif: jpeg((0xE1, b"Exif\0\0" + exif)),
    "WebP": lambda exif: webp((b"EXIF", exif)),
    "WebP with the prefix of a JPEG": lambda exif: webp((b"EXIF", b"Exif\0\0" + exif)),
}  # fmt: skip


@pytest.mark.parametrize("kind", WITH_EXIF)
@pytest.mark.parametrize("byte_order", "<>")
def test_comment_is_read_from_every_format(kind, byte_order):
    image = WITH_EXIF[kind](tiff(INFOTEXT.encode(), byte_order=byte_order))
    assert read_image(image) == ("this extension", SETTINGS)


UNREADABLE = {
    "no EXIF": b"hello",
    "a header only": b"II*\0",
    "a prefix and half a header": b"Exif\0\0MM",
    "a pointer that is a text": tiff(b"comment", pointer=ASCII),
    "a comment of type SHORT": tiff(b"comment", kind=SHORT),
    "a comment of type LONG": tiff(b"comment", kind=LONG),
    "a comment outside of the data": tiff(b"comment")[:-1],
    "more entries than data": b"MM\0*" + struct.pack(">IH", 8, 65535),
}


@pytest.mark.parametrize("exif", UNREADABLE)
@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
def test_unreadable_exif_is_ignored(exif):
    for add in WITH_EXIF.values():
        assert read_image(add(UNREADABLE[exif])) is None
    assert read_image(png((b"eXIf", UNREADABLE[exif]), PARAMETERS)).settings == SETTINGS


@pytest.mark.parametrize(
    "chunk",
    [
        (b"tEXt", b"exif\0hello"),
        (b"tEXt", b"exif\0Exif\0\0MM"),
        (b"tEXt", b"Raw profile type exif\0\nexif\n 5\nhello"),
        (b"tEXt", b"Raw profile type exif\0"),
        (b"zTXt", b"prompt\0\0hello"),
        (b"iTXt", b"prompt\0\1"),
        (b"zTXt", b"prompt\0\0" + zlib.compress(bytes(2 * MAX_COMPRESSED_TEXT))),
        (b"zTXt", b"Comment\0\0" + zlib.compress(bytes(MAX_COMPRESSED_TEXT // 4))),
    ],
)
def test_text_that_cannot_be_read_hides_no_other(chunk):
    assert read_image(png(chunk, PARAMETERS)).settings == SETTINGS
    assert read_image(png(chunk)) is None


def test_descriptions_are_read_although_the_comment_is_not():
    """ComfyUI stores its graph in the tag Model."""
    data = tiff(b"", pointer=ASCII, description=b'prompt:{"a": 1}\0')
    assert image_texts(webp((b"EXIF", data))) == {"prompt": ['{"a": 1}']}


@pytest.mark.parametrize("comment", [b"ASCII\0\0\0Screenshot", b"Screenshot", b"        ", b"", bytes(8), b"UNICODE\0"])
def test_comment_does_not_hide_the_text_chunk(comment):
    exif = (b"eXIf", tiff(comment))
    assert read_image(png(PARAMETERS, exif)).settings == SETTINGS
    assert read_image(png(exif, PARAMETERS)).settings == SETTINGS


def test_sources_are_tried_in_their_order_until_one_has_freeu():
    comment = (b"eXIf", tiff(INFOTEXT.replace("1.1", "1.2").encode()))
    assert read_image(png(comment, PARAMETERS)).settings == SETTINGS
    assert read_image(png((b"tEXt", b"parameters\0a\nSteps: 20"), comment)).settings == Settings(b1=1.2)
    assert read_image(png((b"tEXt", b"parameters\0hello"), PARAMETERS)).settings == SETTINGS
    assert CHUNKS[:2] == ("parameters", "UserComment")


ENCODED = {
    "UTF-8": INFOTEXT.encode(),
    "UTF-8 with a byte order mark": INFOTEXT.encode("utf-8-sig"),
    "Latin-1": b"caf\xe9 " + INFOTEXT.encode(),
    "UTF-16 LE": INFOTEXT.encode("utf-16-le"),
    "UTF-16 BE": INFOTEXT.encode("utf-16-be"),
    "UTF-16 LE with a byte order mark": "\ufeff貓".encode("utf-16-le") + INFOTEXT.encode("utf-16-le"),
    "UTF-16 BE with a byte order mark": "\ufeff貓".encode("utf-16-be") + INFOTEXT.encode("utf-16-be"),
}
ENDS = [b"", b"\0", b"\0\0", b"\0\0\0"]


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("code", [b"", b"ASCII\0\0\0", b"UNICODE\0", b"Unicode\0", b"JIS\0\0\0\0\0", bytes(8)])
@pytest.mark.parametrize("encoding", ENCODED)
def test_comment_of_every_encoding_is_read(encoding, code, end):
    assert read_image(webp((b"EXIF", tiff(code + ENCODED[encoding] + end)))).settings == SETTINGS


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("encoding", ENCODED)
def test_text_file_of_every_encoding_is_read(encoding, end):
    assert read_file(ENCODED[encoding] + end).settings == SETTINGS


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be"])
def test_nul_between_values_hides_none(encoding):
    text = f"{INFOTEXT}\0, Version: v1.10.1\0\nTemplate: a".encode(encoding)
    assert read_image(webp((b"EXIF", tiff(text)))).settings == SETTINGS
    assert read_file(text).settings == SETTINGS


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le"])
@pytest.mark.parametrize("end", ENDS)
def test_json_of_every_encoding_is_read(encoding, end):
    assert read_file('{"b1": 1.1}'.encode(encoding) + end).settings == SETTINGS


@pytest.mark.parametrize("kind", ["tEXt", "iTXt"])
def test_nul_at_the_end_of_json_in_a_png(kind):
    content = b"parameters\0" + b"\0\0\0\0" * (kind == "iTXt") + b'{"freeu": "(1.3, 1.4, 0.9, 0.2)"}\0'
    assert read_image(png((kind.encode(), content))) == ("Fooocus", Settings())


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), st.sampled_from(["utf-8", "utf-16"]))
def test_text_is_decoded_as_it_was_encoded(text, encoding):
    assert decode_text(text.encode(encoding)) == text.removeprefix("\ufeff" if encoding == "utf-8" else "")


@pytest.mark.parametrize(
    "image",
    [
        png(PARAMETERS, size=(20000, 9000)),
        jpeg((0xE1, b"Exif\0\0" + tiff(INFOTEXT.encode())), size=(20000, 9000)),
        webp((b"EXIF", tiff(INFOTEXT.encode())), size=(16000, 16000)),
    ],
    ids=["PNG", "JPEG", "WebP"],
)
def test_large_images_are_read_without_their_pixels(image):
    with pytest.raises((Image.DecompressionBombError, OSError)):
        Image.open(io.BytesIO(image))
    assert read_image(image).settings == SETTINGS


def test_damaged_image_is_read_up_to_the_damage(caplog):
    image = png(PARAMETERS)
    assert read_image(image[:-20]).settings == SETTINGS
    assert "the image is damaged: it ends early" in caplog.text
    with pytest.raises(UnreadableFileError, match="the image is damaged: it ends early"):
        read_image(image[: image.index(b"FreeU b1: 1.") + 12])


@pytest.mark.parametrize(
    "data", [b"\xff\xd8\xff", b"\xff\xd8\xff\xe1\0\0", b"\xff\xd8\xff\xff\xff\xfe\0\0", webp()[:-2]]
)
def test_damaged_image_without_texts_is_an_error(data):
    with pytest.raises(UnreadableFileError, match="the image is damaged"):
        read_image(data)


def test_jpeg_with_padding_and_a_comment():
    comment = b"\xff\xff\xff\xfe" + struct.pack(">H", len(INFOTEXT) + 2) + INFOTEXT.encode()
    assert read_image(jpeg()[:2] + comment + jpeg()[2:]).settings == SETTINGS


def test_comment_of_a_gif_is_read():
    file = io.BytesIO()
    Image.new("P", (1, 1)).save(file, "GIF", comment=INFOTEXT.encode())
    assert read_image(file.getvalue()).settings == SETTINGS


PLUGIN = """
from PIL import Image

def open_image(file, filename):
    image = Image.new("RGB", (1, 1))
    image.info["exif"] = file.read()[5:]
    return image

Image.register_open("NEW", open_image, lambda prefix: prefix.startswith(bytes([0]) + b"NEW:"))
"""


@pytest.mark.parametrize("name", ["pillow_avif", "pillow_jxl"])
def test_formats_of_installed_plugins_are_read(name, tmp_path, monkeypatch):
    """Importing such a module adds a format to Pillow. In a terminal, no WebUI has done that."""
    image = b"\0NEW:" + tiff(INFOTEXT.encode())
    monkeypatch.setattr(Image, "OPEN", dict(Image.OPEN))
    monkeypatch.setattr(Image, "ID", list(Image.ID))
    with pytest.raises(UnreadableFileError, match="not an image of a format that the installed Pillow reads"):
        read_image(image)
    (tmp_path / f"{name}.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, name, raising=False)
    assert read_image(image).settings == SETTINGS
    monkeypatch.delitem(sys.modules, name)


@pytest.mark.parametrize(
    ("image", "status", "message"),
    [
        (jpeg((0xE1, b"Exif\0\0hello")), 1, "the EXIF data cannot be read and is ignored: not a TIFF file"),
        (webp((b"EXIF", tiff(b"Screenshot", kind=SHORT))), 1, "no FreeU settings in"),
        (png((b"eXIf", b"hello"))[:-20], 2, "the image is damaged"),
    ],
)
def test_exit_status_of_unusual_images(image, status, message, tmp_path, capsys, caplog):
    (tmp_path / "file").write_bytes(image)
    with pytest.raises(SystemExit) as caught:
        main(["read", str(tmp_path / "file")])
    assert caught.value.code == status
    assert message in capsys.readouterr().err + caplog.text


def changed(data):
    """Return a strategy for the data with some bytes replaced, and cut."""
    replacement = st.tuples(st.integers(0, len(data) - 1), st.integers(0, 255))

    def apply(changes):
        replacements, end = changes
        result = bytearray(data)
        for position, value in replacements:
            result[position] = value
        return bytes(result[:end])

    return st.tuples(st.lists(replacement, max_size=6), st.integers(0, len(data)) | st.just(len(data))).map(apply)


VALID_EXIF = [
    tiff(b"UNICODE\0" + INFOTEXT.encode(f"utf-16-{order}"), description=b"prompt:{}") for order in ("le", "be")
]
fields = st.one_of(st.binary(max_size=60), *(changed(exif) for exif in VALID_EXIF), changed(PARAMETERS[1]))
names = st.sampled_from([*CHUNKS, "exif", "Comment", "Raw profile type exif", "XML:com.adobe.xmp"]).map(str.encode)
chunks = st.one_of(
    st.tuples(st.sampled_from([b"eXIf", b"tEXt", b"zTXt", b"iTXt", b"acTL"]), fields),
    st.builds(lambda name, text: (b"tEXt", name + b"\0" + text), names, fields),
    st.builds(lambda name, text: (b"tEXt", name + b"\0\n\n\n" + text.hex().encode()), names, fields),
    st.builds(lambda name, text: (b"zTXt", name + b"\0\0" + zlib.compress(text)), names, fields),
    st.builds(lambda name, flags, text: (b"iTXt", name + b"\0" + flags + text), names, st.binary(max_size=6), fields),
)
images = st.one_of(
    st.lists(chunks, max_size=3).map(lambda chunks: png(*chunks)),
    st.lists(st.tuples(st.sampled_from([0xE1, 0xE0, 0xFE]), fields), max_size=3).map(lambda parts: jpeg(*parts)),
    fields.map(lambda field: jpeg((0xE1, b"Exif\0\0" + field))),
    st.lists(st.tuples(st.sampled_from([b"EXIF", b"XMP ", b"ICCP"]), fields), max_size=3).map(lambda c: webp(*c)),
    changed(png(PARAMETERS, (b"eXIf", VALID_EXIF[0]))),
    changed(webp((b"EXIF", VALID_EXIF[1]))),
)


@given(images)
def test_any_bytes_in_any_field_are_read_or_raise_an_expected_error(image):
    for read in (read_image, read_file):
        with suppress(SettingsError, UnreadableFileError):
            assert read(image) is None or isinstance(read(image), Detected)


@given(fields)
def test_bytes_in_other_fields_hide_no_settings(field):
    assert (
        read_image(png((b"eXIf", field), (b"tEXt", field.replace(b"parameters", b"")), PARAMETERS)).settings == SETTINGS
    )
