"""The sampler for choices, for Optuna: see `freeu.tune.preferences.suggest_values`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.samplers import RandomSampler
from optuna.study import Study
from optuna.trial import FrozenTrial
from optuna_dashboard.preferential import PreferentialStudy

from freeu.tune.preferences import suggest_values

APART = "apart"
"""The user attribute of a trial that is like no other, whatever its values."""


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
        comparisons = PreferentialStudy(study).get_preferences(deepcopy=False)
        if not comparisons:
            return {}
        compared = {one.number: one for pair in comparisons for one in pair}
        values = {number: one.params for number, one in compared.items()}
        apart = {number for number, one in compared.items() if one.user_attrs.get(APART)}
        pairs = [(better.number, worse.number) for better, worse in comparisons]
        return suggest_values(values, self._ranges, pairs, self._generator, apart)
