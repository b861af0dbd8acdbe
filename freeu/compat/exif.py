"""The texts in EXIF data: directories of tags, as in a TIFF file (CIPA DC-008).

Pillow is not used, since its reader raises errors of any type for unusual data.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, NamedTuple

log = logging.getLogger(__name__)

PREFIX = b"Exif\0\0"
"""What comes before the data in a JPEG, and in some other files."""

USER_COMMENT = 0x9286
DESCRIPTIONS = (0x0110, 0x010F, 0x010E)
"""The tags Model, Make and ImageDescription."""

_DIRECTORY = 0x8769
"""The tag with the offset of the directory that has UserComment. Fooocus writes the comment outside of it."""

_BYTES = (1, 2, 7)
_OFFSETS = (4, 13)
"""Types of a value: BYTE, ASCII, UNDEFINED; LONG, IFD."""


def exif_texts(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the tags and values of the comment and the descriptions. What cannot be read is ignored, with a warning."""
    with ignore_unreadable("the EXIF data"):
        tiff = _Tiff.parse(data.removeprefix(PREFIX))
        image = tiff.directory(tiff.number(4, 4))
        directories = [image]
        if _DIRECTORY in image:
            with ignore_unreadable("the EXIF directory"):
                offset = tiff.value(image[_DIRECTORY], _OFFSETS, size=4)
                directories.insert(0, tiff.directory(int.from_bytes(offset, tiff.byte_order)))
        for directory in directories:
            for tag in (USER_COMMENT, *DESCRIPTIONS):
                if tag in directory:
                    with ignore_unreadable("an EXIF text"):
                        yield tag, tiff.value(directory[tag], _BYTES)


@contextmanager
def ignore_unreadable(name: str) -> Iterator[None]:
    """Log a ValueError as a warning that `name` is ignored."""
    try:
        yield
    except ValueError as error:
        log.warning("%s cannot be read and is ignored: %s", name, error)


class _Tiff(NamedTuple):
    """Numbers, directories and values in TIFF data. Each method raises ValueError."""

    data: bytes
    byte_order: Literal["little", "big"]

    @classmethod
    def parse(cls, data: bytes) -> _Tiff:
        if data.startswith(b"II*\0"):
            return cls(data, "little")
        if data.startswith(b"MM\0*"):
            return cls(data, "big")
        raise ValueError("there is no TIFF header")

    def take(self, start: int, length: int) -> bytes:
        if start + length > len(self.data):
            raise ValueError("a value lies outside of the data")
        return self.data[start : start + length]

    def number(self, start: int, length: int) -> int:
        return int.from_bytes(self.take(start, length), self.byte_order)

    def directory(self, start: int) -> dict[int, int]:
        """Return the tags of a directory, each with the position of its entry."""
        count = self.number(start, 2)
        entries = [start + 2 + 12 * n for n in range(count)]
        return {self.number(entry, 2): entry for entry in entries}

    def value(self, entry: int, types: tuple[int, ...], size: int = 1) -> bytes:
        """Return the value of an entry; its type must be one of `types`, of `size` bytes each."""
        type_, count = self.number(entry + 2, 2), self.number(entry + 4, 4)
        if type_ not in types:
            raise ValueError(f"its type is {type_}")
        length = count * size
        return self.take(entry + 8 if length <= 4 else self.number(entry + 8, 4), length)
