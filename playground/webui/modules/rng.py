"""Noise that depends on a picture's seed only, so that its batch does not matter."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


class ImageRNG:
    """A stream of noise a picture. `generators` are the streams, for samplers that draw noise of their own."""

    def __init__(self, shape: Sequence[int], seeds: Sequence[int]) -> None:
        self.shape = tuple(shape)
        self.seeds = list(seeds)
        self.generators = [torch.Generator().manual_seed(seed) for seed in self.seeds]

    def next(self) -> Tensor:
        """The next noise, shape (pictures, *shape)."""
        return torch.stack([torch.randn(self.shape, generator=generator) for generator in self.generators])
