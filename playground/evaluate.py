"""How good the model is: a sheet of samples to look at, and recall.

Recall is how often, of all training pictures, the one nearest to a sample (Euclidean distance of
pixels) is the one that the prompt asked for.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from freeu import Settings
from playground import pictures
from playground.emoji import Emoji
from playground.model import TextToImage
from playground.sampling import Job, sample

BATCH = 32
SHEET = 8


def draw_all(model: TextToImage, job: Job, settings: Settings) -> Tensor:
    """One sample a prompt, in batches with a progress bar: shape (prompts, 3, height, width), in 0..1."""
    drawn = []
    for first in tqdm(range(0, len(job.prompts), BATCH), unit="batch"):
        batch = job._replace(prompts=job.prompts[first : first + BATCH], seed=job.seed + first)
        drawn.append(sample(model, batch, settings).pictures)
    return torch.cat(drawn)


def recall(samples: Tensor, data: Emoji) -> float:
    """The share of samples, one a prompt in order, whose nearest training picture has that prompt."""
    return recalled(samples, data).double().mean().item()


def recalled(samples: Tensor, data: Emoji) -> Tensor:
    """Whether it is so for each sample, one a prompt in order."""
    nearest = torch.cdist(samples.flatten(1), (data.pictures / 2 + 0.5).flatten(1)).argmin(1)
    return torch.tensor([data.prompts[n] == prompt for n, prompt in zip(nearest.tolist(), data.prompts, strict=True)])


def save_sheet(samples: Tensor, path: Path) -> None:
    """A square of SHEET x SHEET samples, evenly drawn from all."""
    chosen = samples[torch.linspace(0, len(samples) - 1, SHEET**2).long()]
    images = [pictures.to_image(picture, size=64) for picture in chosen]
    pictures.save(pictures.grid([images[i : i + SHEET] for i in range(0, len(images), SHEET)]), path)
