"""The sampler for choices: optuna-dashboard's, with a kernel that fixes the utility of FreeU off.

Comparisons tell differences of utility only. With the kernel that PreferentialGPSampler has by default, the level that
all utilities share stays uncertain, and the sampler takes this uncertainty for a chance to improve: it suggests points
close to the best known one. `python -m benchmarks.tuning_choices` measures both kernels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from gpytorch.constraints import GreaterThan
from gpytorch.kernels import MaternKernel
from gpytorch.priors import GammaPrior
from optuna_dashboard.preferential.samplers.gp import PreferentialGPSampler

_KNOWN = 0.99
"""The share of the variance at the origin that is removed. With all of it, the covariance would be singular there."""


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
        return covariance


def choice_sampler(
    off: Mapping[str, float], ranges: Mapping[str, Sequence[float]], seed: int | None = None
) -> PreferentialGPSampler:
    """Return a sampler that learns from choices. Its study must be of the parameters in `ranges`.

    off: the values with FreeU off, which are those of a trial that is compared early.
    ranges: the lowest and the highest value of each parameter.
    """
    # The sampler scales parameters to 0..1 in their ranges, in alphabetical order.
    origin = [(off[name] - low) / (high - low) for name, (low, high) in sorted(ranges.items())]
    return PreferentialGPSampler(kernel=PinnedKernel(torch.tensor(origin, dtype=torch.float64)), seed=seed)
