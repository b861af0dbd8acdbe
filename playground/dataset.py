"""The training data: Noto emoji of food and animals at 32 x 32 pixels, with their names as prompts.

The images come from the npm package `emoji-datasource-google` (Apache-2.0, Google), which `make emoji` downloads.
Only training, evaluation and the figures need it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from playground.model import IMAGE_SIZE, split_words

CATEGORIES = ("Animals & Nature", "Food & Drink")
FOLDER = Path("emoji/package")


class Dataset(NamedTuple):
    """Images (N, 3, IMAGE_SIZE, IMAGE_SIZE) in -1..1, and their N prompts."""

    images: Tensor
    prompts: list[str]

    @property
    def words(self) -> list[str]:
        """All words of the prompts, sorted."""
        return sorted({word for prompt in self.prompts for word in split_words(prompt)})


def load(folder: Path = FOLDER) -> Dataset:
    """Read the unpacked npm package. Raises FileNotFoundError, with the command that downloads it."""
    index = folder / "emoji.json"
    if not index.is_file():
        raise FileNotFoundError(f"no emoji in {folder}: run `make emoji` first")
    entries = [entry for entry in json.loads(index.read_text("utf-8")) if entry["category"] in CATEGORIES]
    images = [_load_image(folder / "img" / "google" / "64" / entry["image"]) for entry in entries]
    return Dataset(torch.stack(images), [" ".join(split_words(entry["name"])) for entry in entries])


def _load_image(path: Path) -> Tensor:
    """Read one emoji on a white background: (3, IMAGE_SIZE, IMAGE_SIZE) in -1..1."""
    emoji = Image.open(path).convert("RGBA")
    flat = Image.alpha_composite(Image.new("RGBA", emoji.size, "white"), emoji).convert("RGB")
    small = flat.resize((IMAGE_SIZE, IMAGE_SIZE), Image.Resampling.LANCZOS)
    return torch.from_numpy(np.array(small)).permute(2, 0, 1).float() / 127.5 - 1
