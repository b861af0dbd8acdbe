"""Estimates of the best trial from choices: that of `freeu.tune.preferences`, plainer ones, and BoTorch's."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeAlias, cast

import numpy as np
import torch
from botorch.fit import fit_gpytorch_mll
from botorch.models.pairwise_gp import PairwiseGP, PairwiseLaplaceMarginalLogLikelihood
from botorch.posteriors.gpytorch import GPyTorchPosterior

from freeu.tune.preferences import posterior, probability_best, rank_trials
from tests.support.simulated_person import RANGES, Array, Values, scale

Pairs: TypeAlias = Sequence[tuple[int, int]]


class Guess(NamedTuple):
    """The trial that an estimate takes for the best, and how probable it says that is."""

    trial: int
    probability: float | None = None


def ranking(trials: Sequence[Values], pairs: Pairs) -> Guess:
    """Return the best trial of `freeu.tune.preferences`."""
    best = rank_trials(dict(enumerate(trials)), RANGES, pairs).best
    return Guess(best.trial, best.probability_best)


def share_won(trials: Sequence[Values], pairs: Pairs) -> Guess:
    """Return the trial that won the largest share of its comparisons. One win and one loss are added to each."""
    won, lost = (np.bincount(column, minlength=len(trials)) for column in np.array(pairs).T)
    return Guess(int(np.argmax((won + 1) / (won + lost + 2))))


def bradley_terry(trials: Sequence[Values], pairs: Pairs) -> Guess:
    """Return the best trial if each trial's utility has a prior of its own, whatever its values."""
    compared, rows = np.unique(np.array(pairs), return_inverse=True)
    winners, losers = rows.reshape(-1, 2).T
    mean, covariance = posterior(10 * np.eye(len(compared)), winners, losers)
    return _guess(compared, mean, covariance)


def pairwise_gp(trials: Sequence[Values], pairs: Pairs) -> Guess:
    """Return the best trial of BoTorch's Gaussian process, with fitted length scales and variance."""
    compared, rows = np.unique(np.array(pairs), return_inverse=True)
    points = torch.from_numpy(scale([trials[number] for number in compared]))
    model = PairwiseGP(points, torch.from_numpy(rows.reshape(-1, 2)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it retries when its optimizer stops early, and says so
        fit_gpytorch_mll(PairwiseLaplaceMarginalLogLikelihood(model.likelihood, model))
    with torch.no_grad():
        found = cast(GPyTorchPosterior, model.posterior(points))
    return _guess(compared, found.mean[:, 0].numpy(), found.covariance_matrix.numpy())


def _guess(compared: Array, mean: Array, covariance: Array) -> Guess:
    best = mean.argmax()
    return Guess(int(compared[best]), float(probability_best(mean, covariance)[best]))


ESTIMATES: Mapping[str, Callable[[Sequence[Values], Pairs], Guess]] = {
    "freeu.tune": ranking,
    "share of comparisons won": share_won,
    "Bradley-Terry, no parameters": bradley_terry,
    "BoTorch's PairwiseGP": pairwise_gp,
}
