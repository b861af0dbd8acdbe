"""The sampler for choices: optuna-dashboard's, with a kernel that fixes the utility of FreeU off.

Comparisons tell differences of utility only. With the kernel that PreferentialGPSampler has by default, the level that
all utilities share stays uncertain, and the sampler takes this uncertainty for a chance to improve: it suggests points
close to the best known one. `python -m benchmarks.tuning_choices` measures both kernels.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from gpytorch.constraints import GreaterThan
from gpytorch.kernels import MaternKernel
from gpytorch.priors import GammaPrior
from optuna.distributions import BaseDistribution
from optuna.study import Study
from optuna.trial import FrozenTrial
from optuna_dashboard.preferential.samplers.gp import PreferentialGPSampler

log = logging.getLogger(__name__)

_KNOWN = 0.99
"""The share of the variance at the origin that is removed. With all of it, the covariance would be singular there."""


JITTER = 1e-3
"""Added to the variance of each point, so that rounding does not make the variance of a well-known point negative."""


class PinnedKernel(MaternKernel):  # type: ignore[misc] # gpytorch has no types
    """A Matérn 3/2 kernel of functions whose value at `origin` is known: its variance is removed everywhere.

    Lengths have the prior and the constraint of PreferentialGPSampler's own kernel.
    """

    def __init__(self, origin: torch.Tensor) -> None:
        positive = GreaterThan(0.0, transform=torch.exp, inv_transform=torch.log)
        super().__init__(
            nu=1.5, ard_num_dims=len(origin), lengthscale_prior=GammaPrior(5.0, 10.0), lengthscale_constraint=positive
        )
        self.register_buffer("origin", origin[None])

    def forward(self, x1: torch.Tensor, x2: torch.Tensor, diag: bool = False, **params: Any) -> torch.Tensor:
        """Return the covariance of `x1` (..., N, D) and `x2` (..., M, D), or its diagonal."""
        first = super().forward(x1, self.origin.expand_as(x1[..., :1, :]))
        second = super().forward(x2, self.origin.expand_as(x2[..., :1, :]))
        known = (first * second)[..., 0] if diag else first @ second.mT
        covariance: torch.Tensor = super().forward(x1, x2, diag=diag, **params) - _KNOWN * known
        if torch.equal(x1, x2):
            covariance = covariance + JITTER * (1 if diag else torch.eye(x1.shape[-2], dtype=x1.dtype))
        return covariance


class ChoiceSampler(PreferentialGPSampler):  # type: ignore[misc]
    """PreferentialGPSampler that suggests random values if its model fails numerically, instead of no trial."""

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return the values to try; none, for random ones, without a choice or after a failure."""
        try:
            found: dict[str, Any] = super().sample_relative(study, trial, search_space)
        except RuntimeError as error:  # those of torch and gpytorch for matrices that are not positive definite
            log.warning("trial %d has random values, because the sampler failed: %s", trial.number, error)
            return {}
        return found


def choice_sampler(
    off: Mapping[str, float], ranges: Mapping[str, Sequence[float]], seed: int | None = None
) -> ChoiceSampler:
    """Return a sampler that learns from choices. Its study must be of the parameters in `ranges`.

    off: the values with FreeU off, which are those of a trial that is compared early.
    ranges: the lowest and the highest value of each parameter.
    """
    # The sampler scales parameters to 0..1 in their ranges, in alphabetical order.
    origin = [(off[name] - low) / (high - low) for name, (low, high) in sorted(ranges.items())]
    return ChoiceSampler(kernel=PinnedKernel(torch.tensor(origin, dtype=torch.float64)), seed=seed)
