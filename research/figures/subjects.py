"""Models at several stages of training, the prompts to generate with them, and the pictures to compare with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from playground import model
from research import dataset, training
from research.dataset import Dataset

PROMPTS = 64
"""How many prompts are taken of each kind: those trained on, and those held out."""

CHOOSING = 3
"""One prompt in so many serves to choose values. The results are measured on the others."""


class Subject(NamedTuple):
    """A model, its prompts and pictures.

    weights: the model's file.
    steps: the steps of its training.
    prompted: the prompts to generate and their pictures; the first `held_out` of them were not trained on.
    pictures: the pictures for the Frechet distance (N, 3, H, W) in 0..1. If prompts are held out, they all are.
    candidates: the pictures among which recall looks for the nearest.
    seed: that of the first prompt.
    """

    weights: Path
    steps: int
    prompted: Dataset
    held_out: int
    pictures: Tensor
    candidates: Dataset
    seed: int = 1

    def part(self, *, choosing: bool) -> Subject:
        """Return the subject with the prompts for choosing values, or with all others and other seeds."""
        chosen = [n for n in range(len(self.prompted.prompts)) if (n % CHOOSING == 0) == choosing]
        held_out = sum(n < self.held_out for n in chosen)
        return self._replace(prompted=_take(self.prompted, chosen), held_out=held_out, seed=1 if choosing else 10_001)


def load_subjects(snapshots: Path, emoji: Path) -> list[Subject]:
    """Return the models `all-STEP.safetensors` in the folder `snapshots`, by step, and the shipped model.

    Prompts are names without a skin tone. Raises FileNotFoundError, with the command that trains the models.
    """
    files = {int(path.stem.partition("-")[2]): path for path in snapshots.glob("all-*.safetensors")}
    if not files:
        raise FileNotFoundError(f"no all-STEP.safetensors in {snapshots}: run `make unfinished` first")
    trained, held_out = (_without_tones(data) for data in dataset.load_all(emoji))
    known = set(trained.words)
    possible = [n for n, prompt in enumerate(held_out.prompts) if set(prompt.split()) <= known]
    parts = _spread(_take(held_out, possible)), _spread(trained)
    common = (_join(*parts), len(parts[0].prompts), held_out.images / 2 + 0.5, _join(trained, held_out))
    shipped = dataset.load(emoji)
    finished = Subject(model.WEIGHTS, training.Plan.steps, _spread(shipped), 0, shipped.images / 2 + 0.5, shipped)
    return [*(Subject(path, steps, *common) for steps, path in sorted(files.items())), finished]


def _without_tones(data: Dataset) -> Dataset:
    tones = {f"tone{n}" for n, _ in enumerate(dataset.TONES, 1)}
    return _take(data, [n for n, prompt in enumerate(data.prompts) if not tones & set(prompt.split())])


def _spread(data: Dataset) -> Dataset:
    """Return at most PROMPTS prompts, evenly spread."""
    count = min(PROMPTS, len(data.prompts))
    return _take(data, [len(data.prompts) * n // count for n in range(count)])


def _take(data: Dataset, indices: Sequence[int]) -> Dataset:
    return Dataset(data.images[list(indices)], [data.prompts[n] for n in indices])


def _join(first: Dataset, second: Dataset) -> Dataset:
    return Dataset(torch.cat([first.images, second.images]), [*first.prompts, *second.prompts])
