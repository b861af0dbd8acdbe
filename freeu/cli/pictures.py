"""The texts in a picture's file: PNG chunks, and the EXIF comment in which WebUIs keep them in JPEG and WebP."""

from __future__ import annotations

import io
from typing import Any

USER_COMMENT, EXIF = 0x9286, 0x8769
"""EXIF's tags of the comment, and of the part of EXIF where it belongs (Fooocus writes it beside that)."""

TOOLS_TEXT = "parameters"
"""The PNG chunk that WebUIs write. The comment stands for it in other files."""


class UnreadableError(ValueError):
    """A file of a kind that is not read here, or a damaged one."""


def texts(data: bytes) -> dict[str, str]:
    """The names and texts in a picture's file. Raises UnreadableError."""
    image = _opened(data)
    found = {name: text for name, text in image.info.items() if isinstance(text, str)}
    exif = image.getexif()
    comment = exif.get_ifd(EXIF).get(USER_COMMENT) or exif.get(USER_COMMENT)
    return {**found, TOOLS_TEXT: _decoded(comment)} if comment else found


def _opened(data: bytes) -> Any:
    try:
        from PIL import Image, UnidentifiedImageError
    except ModuleNotFoundError as error:
        raise UnreadableError("reading pictures needs Pillow, which every WebUI has: pip install pillow") from error
    try:
        image: Any = Image.open(io.BytesIO(data))
        image.load()  # PNG's texts may follow the pixels
    except UnidentifiedImageError as error:
        raise UnreadableError("it is no picture") from error
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise UnreadableError(f"the picture is damaged: {error}") from error
    return image


def _decoded(comment: bytes | str) -> str:
    """EXIF's comment begins with the name of its encoding, in eight bytes. Unicode means UTF-16, of either order."""
    if isinstance(comment, str):
        return comment
    name, text = comment[:8], comment[8:]
    if name.startswith(b"UNICODE"):
        big = text[0::2].count(0) > text[1::2].count(0)
        return text.decode("utf-16-be" if big else "utf-16-le", "replace")
    return (text if name.startswith(b"ASCII") else comment).decode("utf-8", "replace")
