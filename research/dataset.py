"""The training data: Noto emoji at 32 x 32 pixels, with their names as prompts.

The images come from the npm package `emoji-datasource-google` (Apache-2.0, Google), which `make emoji` downloads.
Only training, evaluation and the figures need it.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from playground.model import IMAGE_SIZE, MAX_WORDS, split_words

CATEGORIES = ("Animals & Nature", "Food & Drink")
FOLDER = Path("emoji/package")
HELD_OUT = 10
"""One name in so many is held out by `load_all`, chosen by its checksum."""

TONES = ("1F3FB", "1F3FC", "1F3FD", "1F3FE", "1F3FF")
"""The codes of the skin tones, from light to dark: the words tone1 to tone5 of a prompt."""


class Dataset(NamedTuple):
    """Images (N, 3, IMAGE_SIZE, IMAGE_SIZE) in -1..1, and their N prompts."""

    images: Tensor
    prompts: list[str]

    @property
    def words(self) -> list[str]:
        """All words of the prompts, sorted."""
        return sorted({word for prompt in self.prompts for word in split_words(prompt)})


def load(folder: Path = FOLDER) -> Dataset:
    """Read the food and animals of the unpacked npm package: the data of the shipped model.

    Raises FileNotFoundError, with the command that downloads it.
    """
    return _load_images(folder, [(x["name"], x["image"]) for x in _entries(folder) if x["category"] in CATEGORIES])


def load_all(folder: Path = FOLDER) -> tuple[Dataset, Dataset]:
    """Read all emoji with all skin tones: those to train on, and the tenth of the names that is held out.

    More than a small model can learn by heart. Raises FileNotFoundError as `load` does.
    """
    parts: tuple[list[tuple[str, str]], list[tuple[str, str]]] = ([], [])
    for entry in _entries(folder):
        is_held_out = zlib.crc32(entry["name"].encode()) % HELD_OUT == 0
        parts[is_held_out].extend(_skin_tones(entry))
    training, held_out = (_load_images(folder, part) for part in parts)
    return training, held_out


def _entries(folder: Path) -> list[dict[str, Any]]:
    index = folder / "emoji.json"
    if not index.is_file():
        raise FileNotFoundError(f"no emoji in {folder}: run `make emoji` first")
    entries: list[dict[str, Any]] = json.loads(index.read_text("utf-8"))
    return entries


def _skin_tones(entry: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the name and file of an emoji, and of each skin tone: "WAVING HAND SIGN tone1"."""
    if entry["has_img_google"]:
        yield entry["name"], entry["image"]
    for codes, variation in entry.get("skin_variations", {}).items():
        if variation["has_img_google"]:
            tones = " ".join(f"tone{TONES.index(code) + 1}" for code in codes.split("-"))
            yield f"{entry['name']} {tones}", variation["image"]


def _load_images(folder: Path, named: Sequence[tuple[str, str]]) -> Dataset:
    """Read images by name. A prompt has the last words of a name if they are too many: they tell more of it."""
    images = [_load_image(folder / "img" / "google" / "64" / file) for _, file in named]
    return Dataset(torch.stack(images), [" ".join(split_words(name)[-MAX_WORDS:]) for name, _ in named])


def _load_image(path: Path) -> Tensor:
    """Read one emoji on a white background: (3, IMAGE_SIZE, IMAGE_SIZE) in -1..1."""
    emoji = Image.open(path).convert("RGBA")
    flat = Image.alpha_composite(Image.new("RGBA", emoji.size, "white"), emoji).convert("RGB")
    small = flat.resize((IMAGE_SIZE, IMAGE_SIZE), Image.Resampling.LANCZOS)
    return torch.from_numpy(np.array(small)).permute(2, 0, 1).float() / 127.5 - 1
