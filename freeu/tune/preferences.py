"""Utilities of trials from comparisons of pairs: the best trial, how sure that is, and what to compare next.

The model is Bradley and Terry's: the better trial of a pair is chosen with probability `1 / (1 + exp(-d))`, where `d`
is its utility minus the other's. The prior of the utility is a Gaussian process over the parameters, so that trials
with similar values have similar utilities. The posterior is approximated by a Gaussian at its mode (Rasmussen and
Williams, Gaussian Processes for Machine Learning, section 3.4). benchmarks/estimates.py has other estimates.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[np.float64]
Indices: TypeAlias = npt.NDArray[np.intp]

_VARIANCE = 10.0
"""Prior variance of a utility. The utilities of two trials that are far apart differ by about 4.5, which is seen in 99
of 100 comparisons."""

_LENGTH = 0.5
"""The distance at which trials are still similar, as a share of each parameter's range."""

_CANDIDATES = 200
"""How many random values the next ones are chosen from."""

_SAMPLES, _SEED = 4000, 0
_MAX_STEPS, _TOLERANCE = 100, 1e-9


class Estimate(NamedTuple):
    """What the comparisons say about a trial: mean and standard deviation of its utility, comparisons won and lost.

    Comparisons tell differences only, so utilities are relative to the mean over the values that were compared. Trials
    with the same values have the same `probability_best`.
    """

    trial: int
    utility: float
    deviation: float
    won: int
    lost: int
    probability_best: float


class Spread(NamedTuple):
    """Mean and standard deviation of a parameter over the trials, weighted by their probability to be the best."""

    mean: float
    deviation: float


class Ranking(NamedTuple):
    """The compared trials, the one with the highest utility first, and the spread of each parameter."""

    estimates: Sequence[Estimate]
    spread: Mapping[str, Spread]

    @property
    def best(self) -> Estimate:
        """The trial with the highest utility."""
        return self.estimates[0]


def rank_trials(
    values: Mapping[int, Mapping[str, float]],
    ranges: Mapping[str, Sequence[float]],
    pairs: Iterable[tuple[int, int]],
    apart: Collection[int] = (),
) -> Ranking:
    """Estimate the utilities of the trials in `pairs`. The same arguments always give the same result.

    values: the parameters of each trial, by its number.
    ranges: the lowest and the highest value of each parameter.
    pairs: the numbers of two trials: the better one, the worse one.
    apart: trials that are like no other, whatever their values: FreeU off, if no value of `ranges` turns it off.

    Raises ValueError if there are no pairs, or if a trial in them has no values.
    """
    trials, points, point, winners, losers = _number(values, ranges, pairs, apart)
    prior = prior_covariance(_scale(points, ranges))
    mean, covariance = posterior(prior, point[winners], point[losers])
    probability = probability_best(mean, covariance)
    columns = (
        trials,
        mean[point],
        np.sqrt(covariance.diagonal().clip(0))[point],
        np.bincount(winners, minlength=len(trials)),
        np.bincount(losers, minlength=len(trials)),
        probability[point],
    )
    estimates = [Estimate(*row) for row in zip(*(column.tolist() for column in columns), strict=True)]
    estimates.sort(key=lambda estimate: (-estimate.utility, estimate.trial))
    return Ranking(estimates, _spread(points[:, :-1], probability, ranges))


def suggest_values(
    values: Mapping[int, Mapping[str, float]],
    ranges: Mapping[str, Sequence[float]],
    pairs: Iterable[tuple[int, int]],
    rng: np.random.Generator,
    apart: Collection[int] = (),
) -> dict[str, float]:
    """Return the values to compare next. Arguments and errors are those of `rank_trials`.

    Of random values, those are returned whose utility has the highest mean plus two standard deviations (upper
    confidence bound). Repeated calls differ.
    """
    _, points, point, winners, losers = _number(values, ranges, pairs, apart)
    candidates = np.pad(rng.uniform(size=(_CANDIDATES, len(ranges))), ((0, 0), (0, 1)))
    prior = prior_covariance(np.concatenate([_scale(points, ranges), candidates]))
    mean, covariance = posterior(prior, point[winners], point[losers])
    bound = mean + 2 * np.sqrt(covariance.diagonal().clip(0))
    best = candidates[bound[len(points) :].argmax(), :-1].tolist()
    return {name: low + share * (high - low) for (name, (low, high)), share in zip(ranges.items(), best, strict=True)}


def _number(
    values: Mapping[int, Mapping[str, float]],
    ranges: Mapping[str, Sequence[float]],
    pairs: Iterable[tuple[int, int]],
    apart: Collection[int],
) -> tuple[Indices, Array, Indices, Indices, Indices]:
    """Return the compared trials, their points, each trial's point, and each pair's better and worse trial, as indices.

    A point has the values of `ranges`, and 1 for a trial of `apart`. Trials with the same values are one point, because
    they have one utility.
    """
    compared = np.array(sorted(pairs), np.intp).reshape(-1, 2)
    if not len(compared):
        raise ValueError("pairs must have at least one comparison, got none")
    trials, rows = np.unique(compared, return_inverse=True)
    winners, losers = rows.reshape(-1, 2).T
    if missing := set(trials.tolist()) - set(values):
        raise ValueError(f"pairs must be of trials with values, got {min(missing)}")
    table = np.array([[*(values[trial][name] for name in ranges), trial in apart] for trial in trials.tolist()], float)
    points, point = np.unique(table, axis=0, return_inverse=True)
    return trials, points, point.reshape(-1), winners, losers  # np.unique gives two dimensions in numpy 2.0


def _scale(points: Array, ranges: Mapping[str, Sequence[float]]) -> Array:
    low, high = np.array([*ranges.values(), (0, 1)], float).T
    scaled: Array = (points - low) / np.where(high > low, high - low, 1)
    return scaled


def prior_covariance(points: Array) -> Array:
    """Return the Matérn 3/2 covariance of each pair of points."""
    distance = np.sqrt(3) / _LENGTH * np.linalg.norm(points[:, None] - points, axis=-1)
    covariance: Array = _VARIANCE * (1 + distance) * np.exp(-distance)
    return covariance


def posterior(prior: Array, winners: Indices, losers: Indices) -> tuple[Array, Array]:
    """Return mean and covariance of the utilities relative to their mean, by Newton's method."""
    unit = np.eye(len(prior))
    differences = unit[winners] - unit[losers]
    utility = np.zeros(len(prior))
    for _ in range(_MAX_STEPS):
        chosen = 1 / (1 + np.exp(-differences @ utility))
        gradient = differences.T @ (1 - chosen)
        curvature = differences.T @ (differences * (chosen * (1 - chosen))[:, None])
        previous = utility
        utility = prior @ np.linalg.solve(unit + curvature @ prior, curvature @ previous + gradient)
        if np.abs(utility - previous).max() < _TOLERANCE:
            break
    centre = unit - 1 / len(prior)
    covariance = centre @ np.linalg.solve(unit + prior @ curvature, prior) @ centre
    return centre @ utility, (covariance + covariance.T) / 2


def probability_best(mean: Array, covariance: Array) -> Array:
    """Return the share of joint samples of the utilities in which each is the highest."""
    samples = np.random.default_rng(_SEED).multivariate_normal(mean, covariance, _SAMPLES, method="eigh")
    return np.bincount(samples.argmax(1), minlength=len(mean)) / _SAMPLES


def _spread(points: Array, probability: Array, names: Iterable[str]) -> dict[str, Spread]:
    mean = probability @ points
    deviation = np.sqrt(probability @ (points - mean) ** 2)
    return {name: Spread(*pair) for name, *pair in zip(names, mean.tolist(), deviation.tolist(), strict=True)}
