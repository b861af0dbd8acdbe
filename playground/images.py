"""Enlarge, label, arrange and save images."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import matplotlib
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from freeu.atomic_file import replace_file

CELL_SIZE = 128
GAP = 8
HEADING_HEIGHT = 30
TEXT_SIZE = 16
TEXT_COLOUR, BACKGROUND = "#222222", "#ffffff"
FONT = str(Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf"))
FORMATS = (".png", ".webp")
WEBP_QUALITY = 90


def to_image(rgb: Tensor, size: int = CELL_SIZE) -> Image.Image:
    """Convert (3, H, W) in 0..1 to an image, enlarged to `size` x `size` pixels."""
    pixels = (rgb * 255).round().byte().permute(1, 2, 0).numpy()
    return Image.fromarray(pixels).resize((size, size), Image.Resampling.BICUBIC)


def grid(
    rows: Sequence[Sequence[Image.Image]],
    column_labels: Sequence[str] = (),
    row_labels: Sequence[str] = (),
    text_size: int = TEXT_SIZE,
) -> Image.Image:
    """Arrange images of one size in rows and columns, with optional labels. Row labels may have several lines."""
    font = ImageFont.truetype(FONT, text_size)
    width, height = rows[0][0].size
    left = GAP + _max_width(font, [line for label in row_labels for line in label.splitlines()])
    top = HEADING_HEIGHT * text_size // TEXT_SIZE if column_labels else GAP
    column_width, row_height = max(width, _max_width(font, column_labels)) + GAP, height + GAP
    sheet = Image.new("RGB", (left + len(rows[0]) * column_width, top + len(rows) * row_height), BACKGROUND)
    draw = ImageDraw.Draw(sheet)
    for column, label in enumerate(column_labels):
        centre = left + column * column_width + (column_width - GAP) / 2
        draw.text((centre, top / 2), label, TEXT_COLOUR, font, anchor="mm")
    for row, label in enumerate(row_labels):
        middle = top + row * row_height + height / 2
        draw.text((left - GAP, middle), label, TEXT_COLOUR, font, anchor="rm", align="right")
    for row, images in enumerate(rows):
        for column, image in enumerate(images):
            x = left + column * column_width + (column_width - GAP - width) // 2
            sheet.paste(image, (x, top + row * row_height))
    return sheet


def _max_width(font: ImageFont.FreeTypeFont, texts: Sequence[str]) -> int:
    """Return the width in pixels of the widest text plus a gap; 0 without texts."""
    return max((int(font.getlength(text)) + GAP for text in texts), default=0)


def save(image: Image.Image, path: Path) -> None:
    """Write an image atomically, as PNG or WebP according to the suffix of `path`."""
    content = _encode_webp(image) if path.suffix.lower() == ".webp" else _encode(image, "PNG")
    with replace_file(path) as temporary:
        temporary.write_bytes(content)


def _encode_webp(image: Image.Image) -> bytes:
    """Return the smaller of lossless and lossy WebP: charts are smaller lossless, sheets of images are not."""
    return min(_encode(image, "WEBP", lossless=True), _encode(image, "WEBP", quality=WEBP_QUALITY), key=len)


def _encode(image: Image.Image, file_format: str, **options: int) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()
