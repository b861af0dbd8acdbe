"""A person's choices in a study of Optuna, and the sampler that learns from them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.samplers import RandomSampler
from optuna.study import Study
from optuna.trial import FrozenTrial
from optuna_dashboard.preferential import PreferentialStudy

from freeu.tune.preferences import suggest_values

APART = "apart"
"""The user attribute of a trial that is like no other, whatever its values."""


class Comparisons(NamedTuple):
    """The arguments of `rank_trials` and `suggest_values` with these names. `values` are those of compared trials."""

    values: Mapping[int, Mapping[str, float]]
    pairs: Sequence[tuple[int, int]]
    apart: Collection[int]


def read_comparisons(study: Study) -> Comparisons:
    """Return what a person has chosen."""
    pairs = PreferentialStudy(study).get_preferences(deepcopy=False)
    trials = {trial.number: trial for pair in pairs for trial in pair}
    return Comparisons(
        {number: trial.params for number, trial in trials.items()},
        [(better.number, worse.number) for better, worse in pairs],
        {number for number, trial in trials.items() if trial.user_attrs.get(APART)},
    )


class ChoiceSampler(RandomSampler):
    """Suggests random values before the first choice, then learns from a person's choices.

    ranges: the lowest and the highest value of each parameter.
    """

    def __init__(self, ranges: Mapping[str, Sequence[float]], seed: int | None = None) -> None:
        super().__init__(seed)
        self._ranges = ranges
        self._generator = np.random.default_rng(seed)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Return the parameters that are suggested together: all."""
        return {name: FloatDistribution(low, high) for name, (low, high) in self._ranges.items()}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return the values to try; none, for random ones, without a choice."""
        values, pairs, apart = read_comparisons(study)
        return suggest_values(values, self._ranges, pairs, self._generator, apart) if pairs else {}
