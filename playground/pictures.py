"""Pictures as people see them: enlarged, labelled, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from playground.files import replacing

CELL = 128
GAP = 8
HEADING = 30
TEXT = 16
INK, PAPER = "#222222", "#ffffff"


def to_image(picture: Tensor, size: int = CELL) -> Image.Image:
    """A picture in 0..1, shape (3, height, width), enlarged to `size` pixels."""
    pixels = (picture * 255).round().byte().permute(1, 2, 0).numpy()
    return Image.fromarray(pixels).resize((size, size), Image.Resampling.BICUBIC)


def grid(
    rows: Sequence[Sequence[Image.Image]], columns: Sequence[str] = (), labels: Sequence[str] = (), text: int = TEXT
) -> Image.Image:
    """Pictures of one size in rows and columns, with a heading a column and a label a row, if given.

    Letters are `text` pixels high. Labels may have several lines.
    """
    font = ImageFont.load_default(size=text)
    width, height = rows[0][0].size
    left = GAP + _widest(font, [line for label in labels for line in label.splitlines()])
    top = HEADING * text // TEXT if columns else GAP
    across, down = max(width, _widest(font, columns)) + GAP, height + GAP
    sheet = Image.new("RGB", (left + len(rows[0]) * across, top + len(rows) * down), PAPER)
    draw = ImageDraw.Draw(sheet)
    for x, heading in enumerate(columns):
        draw.text((left + x * across + (across - GAP) / 2, top / 2), heading, INK, font, anchor="mm")
    for y, label in enumerate(labels):
        draw.text((left - GAP, top + y * down + height / 2), label, INK, font, anchor="rm", align="right")
    for y, row in enumerate(rows):
        for x, image in enumerate(row):
            sheet.paste(image, (left + x * across + (across - GAP - width) // 2, top + y * down))
    return sheet


def _widest(font: ImageFont.FreeTypeFont | ImageFont.ImageFont, texts: Sequence[str]) -> int:
    """Pixels for the widest of the texts and a gap beside it; none for no texts."""
    return max((int(font.getlength(text)) + GAP for text in texts), default=0)


def save(image: Image.Image, path: Path) -> None:
    """Write a PNG atomically."""
    with replacing(path) as unfinished:
        image.save(unfinished, "PNG")
