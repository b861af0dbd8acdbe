"""A score for `python -m freeu tune`: how close images are to the pictures that the playground's model learned."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image

from playground import model
from research import dataset
from research.figures import metrics


def closeness(images: Sequence[Image.Image], prompts: Sequence[str]) -> float:
    """Return minus the mean square distance to the pictures of the prompts, of color values in 0..1.

    Raises ValueError for a prompt that is no picture's name, and FileNotFoundError if `make emoji` did not run.
    """
    pictures = dataset.load(dataset.FOLDER)
    size = (model.IMAGE_SIZE, model.IMAGE_SIZE)
    found = [np.asarray(image.resize(size, Image.Resampling.BOX), np.float32) / 255 for image in images]
    wanted = torch.stack([pictures.images[pictures.prompts.index(prompt)] for prompt in prompts]) / 2 + 0.5
    return -metrics.difference(torch.from_numpy(np.stack(found)).permute(0, 3, 1, 2), wanted).square().mean().item()
