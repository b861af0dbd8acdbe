"""The texts in an image file, read without decoding its pixels, so that the size of the image does not matter.

They are PNG's text chunks, and EXIF data and comments in PNG, JPEG and WebP. Pillow reads other formats.
"""

from __future__ import annotations

import importlib
import io
import logging
import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from freeu.settings.parameter import format_value

log = logging.getLogger(__name__)

INFOTEXT_CHUNK = "parameters"
"""The PNG text chunk that WebUIs write."""

COMMENT = "UserComment"
"""The name given to an EXIF comment, and to the comment of a JPEG or GIF. WebUIs write their infotext there."""

MAX_COMPRESSED_TEXT = 2**24
"""Bytes of a text that a file holds compressed. Compressed, a text can be a thousand times smaller."""

_COMMENT_ENCODINGS = (b"", b"ASCII", b"UNICODE", b"JIS")
"""What the first eight bytes of an EXIF comment say, without padding."""

_USER_COMMENT, _EXIF_DIRECTORY = 0x9286, 0x8769
"""EXIF tags of the comment, and of the directory that it belongs to. (Fooocus writes it outside of that.)"""

_DESCRIPTIONS = (0x0110, 0x010F, 0x010E)
"""The EXIF tags Model, Make and ImageDescription."""

_EXIF_PROFILE = b"Raw profile type exif"
"""The PNG text in which ImageMagick stores EXIF data: three lines, then hexadecimal digits."""

_APP1, _JPEG_COMMENT, _START_OF_SCAN = 0xE1, 0xFE, 0xDA
"""Markers of a JPEG's segments. APP1 is EXIF or XMP; the pixels follow START_OF_SCAN."""

_PLUGINS = ("pillow_avif", "pillow_jxl", "pillow_heif.HeifImagePlugin", "pillow_heif.AvifImagePlugin")
"""Modules that add formats to Pillow when they are imported: AVIF, JPEG XL, HEIF. WebUIs install some of them."""


class UnreadableFileError(ValueError):
    """A file of an unknown kind, or a damaged one."""


def is_image(data: bytes) -> bool:
    """Return True if a file begins as an image of the usual formats does."""
    return _reader(data) is not None


def image_texts(data: bytes) -> dict[str, list[str]]:
    """Return the texts in an image file by name, those of the same name in their order in the file.

    Raises UnreadableFileError for a damaged image, unless a text comes before the damage.
    """
    texts: dict[str, list[str]] = {}
    try:
        for name, text in (_reader(data) or _pillow_texts)(data):
            texts.setdefault(name, []).append(decode_text(text))
    except UnreadableFileError as error:
        if not texts:
            raise
        log.warning("%s", error)
    return texts


def decode_text(data: bytes) -> str:
    """Decode UTF-8, UTF-16 (with or without a byte order mark) or Latin-1, and remove NUL characters."""
    even = data[: len(data) // 2 * 2]
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = even.decode("utf-16", "replace")
    elif re.search(rb"\0[^\0]\0", data):  # two ASCII characters of UTF-16; not the end of a string in C
        big_endian = data[0::2].count(0) > data[1::2].count(0)
        text = even.decode("utf-16-be" if big_endian else "utf-16-le", "replace")
    else:
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = data.decode("latin-1")
    return text.replace("\0", "")


def _reader(data: bytes) -> Callable[[bytes], Iterator[tuple[str, bytes]]] | None:
    return next((read for signature, read in _READERS.items() if re.match(signature, data, re.DOTALL)), None)


def _png_texts(data: bytes) -> Iterator[tuple[str, bytes]]:
    for kind, chunk in _png_chunks(data):
        name, _, rest = chunk.partition(b"\0")
        if kind == b"eXIf":
            yield from _exif_texts(chunk)
        elif kind in (b"tEXt", b"zTXt", b"iTXt", b"comf"):
            with ignore_unreadable(f"the PNG text {format_value(name.decode('latin-1'))}"):
                text = _png_text(kind, rest)
                if name == _EXIF_PROFILE:
                    yield from _exif_texts(bytes.fromhex(b"".join(text.split(b"\n")[3:]).decode("latin-1")))
                else:
                    yield name.decode("latin-1"), text


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield each chunk's kind and content. Text can follow the pixels."""
    position, kind = 8, b""
    while kind != b"IEND":
        length = int.from_bytes(_take(data, position, 4), "big")
        kind = _take(data, position + 4, 4)
        yield kind, _take(data, position + 8, length)
        position += length + 12


def _png_text(kind: bytes, rest: bytes) -> bytes:
    """Return the text of a chunk, without its name. Raises ValueError."""
    if kind in (b"tEXt", b"comf"):  # ComfyUI's own chunk, in animations
        return rest
    if kind == b"zTXt":
        return _decompress(rest[1:])
    text = rest[2:].split(b"\0", 2)[-1]  # after the language, and the name in that language
    return _decompress(text) if rest.startswith(b"\1") else text


def _decompress(data: bytes) -> bytes:
    decompressor = zlib.decompressobj()
    try:
        text = decompressor.decompress(data, MAX_COMPRESSED_TEXT)
    except zlib.error as error:
        raise ValueError(str(error)) from error
    if not decompressor.eof:
        raise ValueError(f"it is incomplete, or longer than {MAX_COMPRESSED_TEXT} bytes")
    return text


def _jpeg_texts(data: bytes) -> Iterator[tuple[str, bytes]]:
    position = 2
    while True:
        prefix, marker = _take(data, position, 2)
        if prefix != 0xFF:
            raise UnreadableFileError("the image is damaged: a segment is missing")
        if marker == 0xFF:  # padding
            position += 1
            continue
        if marker == _START_OF_SCAN:
            return
        length = int.from_bytes(_take(data, position + 2, 2), "big")
        segment = _take(data, position + 4, length - 2)
        if marker == _APP1 and segment.startswith(b"Exif\0\0"):
            yield from _exif_texts(segment)
        elif marker == _JPEG_COMMENT:
            yield COMMENT, segment
        position += 2 + length


def _webp_texts(data: bytes) -> Iterator[tuple[str, bytes]]:
    position, end = 12, 8 + int.from_bytes(data[4:8], "little")
    while position < end:
        length = int.from_bytes(_take(data, position + 4, 4), "little")
        chunk = _take(data, position + 8, length)
        if data[position : position + 4] == b"EXIF":
            yield from _exif_texts(chunk)
        position += 8 + length + length % 2


def _pillow_texts(data: bytes) -> Iterator[tuple[str, bytes]]:
    pillow = _pillow()
    for plugin in _PLUGINS:
        with suppress(ImportError):
            importlib.import_module(plugin)
    try:
        with pillow.open(io.BytesIO(data)) as image:
            info = image.info
    except pillow.UnidentifiedImageError as error:
        raise UnreadableFileError("the file is not an image of a format that the installed Pillow reads") from error
    except (OSError, ValueError, SyntaxError, pillow.DecompressionBombError) as error:
        raise UnreadableFileError(f"the image cannot be opened: {error}") from error
    if isinstance(exif := info.get("exif"), bytes):
        yield from _exif_texts(exif)
    if isinstance(comment := info.get("comment"), bytes):
        yield COMMENT, comment


def _pillow() -> Any:
    """Return `PIL.Image`. Every WebUI has Pillow; the core does not need it."""
    try:
        from PIL import Image
    except ModuleNotFoundError as error:
        raise UnreadableFileError("the file needs Pillow to be read; install it with: pip install pillow") from error
    return Image


def _exif_texts(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the comment; and the descriptions, in which ComfyUI stores `name:text`."""
    for tag, value in _exif_values(data):
        content = value.encode("latin-1") if isinstance(value, str) else value
        if not isinstance(content, bytes):
            log.warning("an EXIF text cannot be read and is ignored: %s", format_value(content))
        elif tag == _USER_COMMENT:
            has_code = content[:8].upper().rstrip(b"\0 ") in _COMMENT_ENCODINGS
            yield COMMENT, content[8:] if has_code else content
        else:
            name, _, text = content.partition(b":")
            yield name.decode("latin-1"), text


def _exif_values(data: bytes) -> list[tuple[int, object]]:
    """Return the tags and values of the texts in EXIF data, as Pillow reads them."""
    values: list[tuple[int, object]] = []
    with ignore_unreadable("the EXIF data"):
        exif = _pillow().Exif()
        try:
            exif.load(data)
            values += [(tag, exif[tag]) for tag in (_USER_COMMENT, *_DESCRIPTIONS) if tag in exif]
            directory = exif.get_ifd(_EXIF_DIRECTORY)
            values += [(tag, directory[tag]) for tag in (_USER_COMMENT,) if tag in directory]
        except Exception as error:  # Pillow raises errors of any type for unusual data
            raise ValueError(str(error)) from error
    return values


@contextmanager
def ignore_unreadable(name: str) -> Iterator[None]:
    """Log a ValueError as a warning that `name` is ignored."""
    try:
        yield
    except ValueError as error:
        log.warning("%s cannot be read and is ignored: %s", name, error)


def _take(data: bytes, start: int, length: int) -> bytes:
    if length < 0 or start + length > len(data):
        raise UnreadableFileError("the image is damaged: it ends early")
    return data[start : start + length]


_READERS: Mapping[bytes, Callable[[bytes], Iterator[tuple[str, bytes]]]] = {
    rb"\x89PNG\r\n\x1a\n": _png_texts,
    rb"\xff\xd8\xff": _jpeg_texts,
    rb"RIFF.{4}WEBP": _webp_texts,
    rb"GIF8[79]a": _pillow_texts,
}
"""Patterns of the beginning of a file, each with the reader of its texts."""
