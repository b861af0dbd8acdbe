"""Noise that depends on an image's seed only, not on its batch."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


class ImageRNG:
    """One random generator per image. Ancestral samplers draw from `generators` as well."""

    def __init__(self, shape: Sequence[int], seeds: Sequence[int]) -> None:
        self.shape = tuple(shape)
        self.generators = [torch.Generator().manual_seed(seed) for seed in seeds]

    def next(self) -> Tensor:
        """Return the next noise, (B, *shape)."""
        return torch.stack([torch.randn(self.shape, generator=generator) for generator in self.generators])
