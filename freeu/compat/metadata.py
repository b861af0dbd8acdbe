"""The texts in an image file: PNG text chunks, and the EXIF comment that WebUIs use in JPEG and WebP."""

from __future__ import annotations

import io
from typing import Any

USER_COMMENT, EXIF = 0x9286, 0x8769
"""EXIF tags of the comment, and of the directory that it belongs to. (Fooocus writes it outside of that.)"""

INFOTEXT_CHUNK = "parameters"
"""The PNG text chunk that WebUIs write. In other files, the EXIF comment takes its place."""


class UnreadableFileError(ValueError):
    """A file of an unknown kind, or a damaged one."""


def image_texts(data: bytes) -> dict[str, str]:
    """Return the names and texts in an image file. Raises UnreadableFileError."""
    image = _open(data)
    texts = {name: text for name, text in image.info.items() if isinstance(text, str)}
    exif = image.getexif()
    comment = exif.get_ifd(EXIF).get(USER_COMMENT) or exif.get(USER_COMMENT)
    return {**texts, INFOTEXT_CHUNK: _decode(comment)} if comment else texts


def _open(data: bytes) -> Any:
    try:
        from PIL import Image, UnidentifiedImageError  # every WebUI has Pillow; the core does not need it
    except ModuleNotFoundError as error:
        raise UnreadableFileError("reading an image needs Pillow; install it with: pip install pillow") from error
    try:
        image: Any = Image.open(io.BytesIO(data))
        image.load()  # text chunks of a PNG can follow the pixels
    except UnidentifiedImageError as error:
        raise UnreadableFileError("the file is not an image") from error
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise UnreadableFileError(f"the image is damaged: {error}") from error
    return image


def _decode(comment: bytes | str) -> str:
    """Decode an EXIF comment. Its first eight bytes name the encoding; Unicode means UTF-16 of either byte order."""
    if isinstance(comment, str):
        return comment
    encoding, text = comment[:8], comment[8:]
    if encoding.startswith(b"UNICODE"):
        big_endian = text[0::2].count(0) > text[1::2].count(0)
        return text.decode("utf-16-be" if big_endian else "utf-16-le", "replace")
    return (text if encoding.startswith(b"ASCII") else comment).decode("utf-8", "replace")
