"""Pictures as people see them: enlarged, labelled, side by side."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

CELL = 160
GAP = 8
HEADING = 30
INK, PAPER = "#222222", "#ffffff"


def to_image(picture: Tensor, size: int = CELL) -> Image.Image:
    """A picture in 0..1, shape (3, height, width), enlarged to `size` pixels."""
    pixels = (picture * 255).round().byte().permute(1, 2, 0).numpy()
    return Image.fromarray(pixels).resize((size, size), Image.Resampling.BICUBIC)


def grid(rows: Sequence[Sequence[Image.Image]], columns: Sequence[str] = (), labels: Sequence[str] = ()) -> Image.Image:
    """Pictures of one size in rows and columns, with a heading a column and a label a row, if given."""
    font = ImageFont.load_default(size=16)
    left = GAP + max((int(font.getlength(label)) + GAP for label in labels), default=0)
    top = HEADING if columns else GAP
    width, height = rows[0][0].size
    sheet = Image.new("RGB", (left + len(rows[0]) * (width + GAP), top + len(rows) * (height + GAP)), PAPER)
    draw = ImageDraw.Draw(sheet)
    for x, heading in enumerate(columns):
        draw.text((left + x * (width + GAP) + width / 2, top / 2), heading, INK, font, anchor="mm")
    for y, label in enumerate(labels):
        draw.text((left - GAP, top + y * (height + GAP) + height / 2), label, INK, font, anchor="rm")
    for y, row in enumerate(rows):
        for x, image in enumerate(row):
            sheet.paste(image, (left + x * (width + GAP), top + y * (height + GAP)))
    return sheet


def save(image: Image.Image, path: Path) -> None:
    """Write a PNG atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.unfinished")
    image.save(unfinished, "PNG")
    os.replace(unfinished, path)
