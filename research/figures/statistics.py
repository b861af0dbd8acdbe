"""Means with confidence intervals, and the Frechet distance."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

RESAMPLES = 1000
COVERAGE = 0.95


class Interval(NamedTuple):
    """An estimate and its 95 % confidence interval."""

    mean: float
    low: float
    high: float

    @property
    def above_zero(self) -> bool:
        """True if the whole interval is above 0."""
        return self.low > 0

    @property
    def below_zero(self) -> bool:
        """True if the whole interval is below 0."""
        return self.high < 0

    def __str__(self) -> str:
        # Two significant digits of the width: further digits are uncertain.
        width = self.high - self.low
        digits = 2 if width <= 0 else max(0, min(4, 1 - math.floor(math.log10(width))))
        return f"{self.mean:.{digits}f} ({self.low:.{digits}f} to {self.high:.{digits}f})"

    def __format__(self, spec: str) -> str:
        return str(self)


def bootstrap(
    statistic: Callable[[Tensor], Tensor], count: int, resamples: int = RESAMPLES, seed: int = 1
) -> list[Interval]:
    """Return a bootstrap interval for each value of `statistic`.

    These are percentiles, moved so that their median is the estimate. Without the move, an interval may not contain
    its estimate: a resample has fewer different items, and a Frechet distance is larger for fewer.

    statistic: maps the indices (N,) of a resample of `count` items to values (V,). All values of a call come from the
        same resample, so a value may be the difference of two others.
    """
    generator = torch.Generator().manual_seed(seed)
    estimate = statistic(torch.arange(count)).double()
    resampled = torch.stack(
        [statistic(torch.randint(count, (count,), generator=generator)).double() for _ in range(resamples)]
    )
    tail = (1 - COVERAGE) / 2
    low, middle, high = (resampled.quantile(share, dim=0) for share in (tail, 0.5, 1 - tail))
    low, high = estimate + low - middle, estimate + high - middle
    return [Interval(*values) for values in zip(estimate.tolist(), low.tolist(), high.tolist(), strict=True)]


def mean(values: Tensor) -> Interval:
    """Return the mean of `values` (N,)."""
    return bootstrap(lambda indices: values[indices].mean()[None], len(values))[0]


def proportion(hits: float, count: int, z: float = 1.96) -> Interval:
    """Return the share `hits / count` with Wilson's score interval, which also covers shares of 0 and 1."""
    rate, centre = hits / count, (hits + z * z / 2) / (count + z * z)
    half = z / (count + z * z) * math.sqrt(count * rate * (1 - rate) + z * z / 4)
    return Interval(rate, max(0.0, centre - half), min(1.0, centre + half))


def frechet_distance(first: Tensor, second: Tensor) -> float:
    """Return the Frechet distance between Gaussians fitted to two sets of features (N, D).

    |m1 - m2|^2 + tr(C1 + C2 - 2 (C1^1/2 C2 C1^1/2)^1/2) with means m and covariances C
    (https://arxiv.org/abs/1706.08500, eq. 6).
    """
    (m1, c1), (m2, c2) = _fit_gaussian(first), _fit_gaussian(second)
    return gaussian_frechet_distance(m1, c1, m2, c2)


def _fit_gaussian(features: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean (D,) and covariance (D, D) in float64."""
    features = features.double()
    return features.mean(0), torch.cov(features.T).view(features.shape[1], -1)


def gaussian_frechet_distance(m1: Tensor, c1: Tensor, m2: Tensor, c2: Tensor) -> float:
    """Return the distance for means (D,) and covariances (D, D).

    C1^1/2 C2 C1^1/2 is symmetric, so its eigenvalues are real and the trace of its root is exact up to rounding.
    """
    values, vectors = torch.linalg.eigh(c1)
    root = (vectors * values.clamp(min=0).sqrt()) @ vectors.T
    cross = torch.linalg.eigvalsh(root @ c2 @ root).clamp(min=0).sqrt().sum()
    distance = (m1 - m2).square().sum() + c1.trace() + c2.trace() - 2 * cross
    return max(0.0, float(distance))
