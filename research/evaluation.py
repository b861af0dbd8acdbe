"""Evaluate the model: recall of the training images, and a sheet of samples.

Recall is the share of samples whose nearest training image, by Euclidean distance of pixels, is the one that the
prompt names.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from freeu import Settings
from playground import images
from playground.model import TextToImage
from playground.sampling import Job, sample
from research.dataset import Dataset

BATCH_SIZE = 32
SHEET_SIDE = 8


def generate_all(model: TextToImage, job: Job, settings: Settings) -> Tensor:
    """Generate one sample per prompt, in batches with a progress bar. Returns (N, 3, H, W) in 0..1."""
    samples = []
    for first in tqdm(range(0, len(job.prompts), BATCH_SIZE), unit="batch"):
        batch = job._replace(prompts=job.prompts[first : first + BATCH_SIZE], seed=job.seed + first)
        samples.append(sample(model, batch, settings).images)
    return torch.cat(samples)


def recall(samples: Tensor, data: Dataset) -> float:
    """Return the recall of samples (N, 3, H, W) in 0..1, one per prompt in the order of `data`."""
    return recalled(samples, data).double().mean().item()


def recalled(samples: Tensor, data: Dataset) -> Tensor:
    """Return, as booleans (N,), whether the nearest training image of each sample has the sample's prompt."""
    nearest = torch.cdist(samples.flatten(1), (data.images / 2 + 0.5).flatten(1)).argmin(1)
    return torch.tensor([data.prompts[n] == prompt for n, prompt in zip(nearest.tolist(), data.prompts, strict=True)])


def save_sheet(samples: Tensor, path: Path) -> None:
    """Save SHEET_SIDE x SHEET_SIDE samples, spread evenly over all."""
    chosen = samples[torch.linspace(0, len(samples) - 1, SHEET_SIDE**2).long()]
    cells = [images.to_image(rgb, size=64) for rgb in chosen]
    images.save(images.grid([cells[i : i + SHEET_SIDE] for i in range(0, len(cells), SHEET_SIDE)]), path)
