"""The training data: Noto emoji pictures of food and animals, with their names.

They come in the npm package `emoji-datasource-google` (pictures: Apache-2.0, Google). Training and
evaluation read its unpacked folder; drawing pictures never does. `make emoji` fetches it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from playground.model import PICTURE_SIZE, split_words

CATEGORIES = ("Animals & Nature", "Food & Drink")
FOLDER = Path("emoji/package")


class Emoji(NamedTuple):
    """Pictures in -1..1, shape (n, 3, PICTURE_SIZE, PICTURE_SIZE), and their n prompts."""

    pictures: Tensor
    prompts: list[str]

    @property
    def words(self) -> list[str]:
        """Every word of the prompts, sorted."""
        return sorted({word for prompt in self.prompts for word in split_words(prompt)})


def load(folder: Path = FOLDER) -> Emoji:
    """Read the unpacked npm package. Raises FileNotFoundError that says how to fetch it."""
    index = folder / "emoji.json"
    if not index.is_file():
        raise FileNotFoundError(f"no emoji in {folder}: run `make emoji` first")
    entries = [entry for entry in json.loads(index.read_text("utf-8")) if entry["category"] in CATEGORIES]
    pictures = [_picture(folder / "img" / "google" / "64" / entry["image"]) for entry in entries]
    return Emoji(torch.stack(pictures), [" ".join(split_words(entry["name"])) for entry in entries])


def _picture(path: Path) -> Tensor:
    """One emoji on white, shape (3, PICTURE_SIZE, PICTURE_SIZE), in -1..1."""
    emoji = Image.open(path).convert("RGBA")
    flat = Image.alpha_composite(Image.new("RGBA", emoji.size, "white"), emoji).convert("RGB")
    small = flat.resize((PICTURE_SIZE, PICTURE_SIZE), Image.Resampling.LANCZOS)
    return torch.from_numpy(np.array(small)).permute(2, 0, 1).float() / 127.5 - 1
