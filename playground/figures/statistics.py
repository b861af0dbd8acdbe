"""Means with their intervals, and the Frechet distance."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

RESAMPLES = 1000
COVERAGE = 0.95


class Interval(NamedTuple):
    """An estimate, and where 95 % of its resamples lie."""

    mean: float
    low: float
    high: float

    @property
    def above_zero(self) -> bool:
        """Whether all of it is."""
        return self.low > 0

    @property
    def below_zero(self) -> bool:
        """Whether all of it is."""
        return self.high < 0

    def __str__(self) -> str:
        # By the width of the interval: what is uncertain needs no digits.
        width = self.high - self.low
        digits = 2 if width <= 0 else max(0, min(4, 1 - math.floor(math.log10(width))))
        return f"{self.mean:.{digits}f} ({self.low:.{digits}f} to {self.high:.{digits}f})"

    def __format__(self, spec: str) -> str:
        return str(self)


def bootstrap(
    statistic: Callable[[Tensor], Tensor], count: int, resamples: int = RESAMPLES, seed: int = 1
) -> list[Interval]:
    """Intervals for each value of `statistic`, which takes the numbers of those of `count` things that are drawn.

    All values see the same draws, so differences between two of them may be among the values.
    """
    dice = torch.Generator().manual_seed(seed)
    estimate = statistic(torch.arange(count)).double()
    draws = torch.stack([statistic(torch.randint(count, (count,), generator=dice)).double() for _ in range(resamples)])
    tail = (1 - COVERAGE) / 2
    low, high = draws.quantile(tail, dim=0), draws.quantile(1 - tail, dim=0)
    return [Interval(*three) for three in zip(estimate.tolist(), low.tolist(), high.tolist(), strict=True)]


def mean(values: Tensor) -> Interval:
    """The mean of `values`, shape (things,)."""
    return bootstrap(lambda drawn: values[drawn].mean()[None], len(values))[0]


def share(hits: float, count: int, z: float = 1.96) -> Interval:
    """A share and Wilson's interval for it, which is right also where all or none were hit."""
    rate, middle = hits / count, (hits + z * z / 2) / (count + z * z)
    half = z / (count + z * z) * math.sqrt(count * rate * (1 - rate) + z * z / 4)
    return Interval(rate, max(0.0, middle - half), min(1.0, middle + half))


def frechet(first: Tensor, second: Tensor) -> float:
    """The Frechet distance between Gaussians fitted to two sets of features, shape (things, width):

    |m1 - m2|^2 + tr(C1 + C2 - 2 (C1^1/2 C2 C1^1/2)^1/2), of means m and covariances C.
    """
    (m1, c1), (m2, c2) = gaussian(first), gaussian(second)
    return frechet_of_gaussians(m1, c1, m2, c2)


def gaussian(features: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and covariance, in float64."""
    features = features.double()
    return features.mean(0), torch.cov(features.T).view(features.shape[1], -1)


def frechet_of_gaussians(m1: Tensor, c1: Tensor, m2: Tensor, c2: Tensor) -> float:
    """The same for means and covariances. The product under the root is symmetric, so its root is exact to rounding."""
    values, vectors = torch.linalg.eigh(c1)
    root = (vectors * values.clamp(min=0).sqrt()) @ vectors.T
    cross = torch.linalg.eigvalsh(root @ c2 @ root).clamp(min=0).sqrt().sum()
    distance = (m1 - m2).square().sum() + c1.trace() + c2.trace() - 2 * cross
    return max(0.0, float(distance))
