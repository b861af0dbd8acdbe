"""Simulated people who choose the worst of four settings: a known utility of b1, b2, s1 and s2, and noise."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[np.float64]
Values: TypeAlias = Mapping[str, float]

RANGES: Mapping[str, tuple[float, float]] = {"b1": (1, 1.6), "b2": (1, 1.6), "s1": (0, 1), "s2": (0, 1)}
OFF: Values = {"b1": 1, "b2": 1, "s1": 1, "s2": 1}
SHOWN = 4
WRONG = 0.2
"""The share of choices in which the noise hides the worst of four random settings."""

_CALIBRATION_CHOICES = 20_000
_MORE_EFFECT = np.array([1, 1, -1, -1])
"""The direction in which the effect of each parameter grows."""


class Taste(NamedTuple):
    """A utility with a single optimum. The utility is of points: rows of values that are scaled to 0..1."""

    optimum: Array
    utility: Callable[[Array], Array]


def smooth(rng: np.random.Generator) -> Taste:
    """Return a smooth peak. Some parameters matter less than others."""
    optimum, widths = _inside(rng), _widths(rng)
    return Taste(optimum, lambda points: np.exp(-0.5 * _squared_distance(points - optimum, widths)))


def correlated(rng: np.random.Generator) -> Taste:
    """Return a smooth peak whose axes are mixtures of the parameters."""
    optimum, widths = _inside(rng), _widths(rng)
    axes = np.linalg.qr(rng.normal(size=(len(RANGES), len(RANGES))))[0]
    return Taste(optimum, lambda points: np.exp(-0.5 * _squared_distance((points - optimum) @ axes, widths)))


def oversaturated(rng: np.random.Generator) -> Taste:
    """Return a sharp peak. Too much effect costs three times as much as too little."""
    optimum, widths = _inside(rng), _widths(rng)

    def utility(points: Array) -> Array:
        offset = points - optimum
        return -np.sqrt(_squared_distance(np.where(offset * _MORE_EFFECT > 0, 3 * offset, offset), widths))

    return Taste(optimum, utility)


def off(rng: np.random.Generator) -> Taste:
    """Return a utility that is highest with FreeU off and falls with the distance from it."""
    optimum, widths = scale([OFF])[0], _widths(rng)
    return Taste(optimum, lambda points: -np.sqrt(_squared_distance(points - optimum, widths)))


TASTES: Mapping[str, Callable[[np.random.Generator], Taste]] = {
    "smooth": smooth,
    "correlated": correlated,
    "oversaturated": oversaturated,
    "off": off,
}


class Person:
    """A person with a taste, both drawn with `seed`. People with the seeds 0, 1, 2, ... have the tastes in turn."""

    def __init__(self, seed: int) -> None:
        self.taste_name = [*TASTES][seed % len(TASTES)]
        self._rng = np.random.default_rng(seed)
        self._taste = TASTES[self.taste_name](self._rng)
        utilities = self._taste.utility(self._rng.uniform(size=(_CALIBRATION_CHOICES * SHOWN, len(RANGES))))
        self._mean = float(utilities.mean())
        self._best = float(self._taste.utility(self._taste.optimum[None])[0])
        self._noise = _calibrated_noise(utilities.reshape(-1, SHOWN), self._rng)

    def utility(self, values: Sequence[Values]) -> Array:
        """Return the utility of each setting: 1 is the best possible, 0 the mean of random settings."""
        return (self._taste.utility(scale(values)) - self._mean) / (self._best - self._mean)

    def worst(self, shown: Sequence[Values]) -> int:
        """Return the index of the setting that the person takes for the worst."""
        seen = self._taste.utility(scale(shown))
        return int(np.argmin(seen + self._noise * self._rng.normal(size=len(seen))))


def scale(values: Sequence[Values]) -> Array:
    """Return settings as points: a row for each, its parameters scaled to 0..1."""
    return np.array([[(row[name] - low) / (high - low) for name, (low, high) in RANGES.items()] for row in values])


def _calibrated_noise(utilities: Array, rng: np.random.Generator) -> float:
    """Return the standard deviation of noise with which the share of wrong choices is `WRONG`, by bisection."""
    unit_noise = rng.normal(size=utilities.shape)
    low, high = 0.0, 10 * float(utilities.std())
    for _ in range(30):
        middle = (low + high) / 2
        wrong = (utilities + middle * unit_noise).argmin(1) != utilities.argmin(1)
        low, high = (low, middle) if wrong.mean() > WRONG else (middle, high)
    return high


def _squared_distance(offsets: Array, widths: Array) -> Array:
    squared: Array = ((offsets / widths) ** 2).sum(1)
    return squared


def _inside(rng: np.random.Generator) -> Array:
    """Return a point that is not close to the border."""
    return rng.uniform(0.15, 0.85, len(RANGES))


def _widths(rng: np.random.Generator) -> Array:
    widths: Array = np.exp(rng.uniform(np.log(0.25), np.log(1), len(RANGES)))
    return widths
