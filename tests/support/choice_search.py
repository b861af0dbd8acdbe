"""A search by the choices of a simulated person, with the same engine as `python -m freeu tune`."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import optuna
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna_dashboard.preferential import create_study

from freeu.settings.presets import BUILTIN
from tests.support.simulated_person import OFF, RANGES, SHOWN, Array, Person, Values

DISTRIBUTIONS: dict[str, BaseDistribution] = {
    name: FloatDistribution(low, high) for name, (low, high) in RANGES.items()
}
PRESETS: Mapping[str, Values] = {
    name: {parameter: getattr(settings, parameter) for parameter in RANGES} for name, settings in BUILTIN.items()
}
FIRST_PRESET = "SD1.4"
"""The preset among the first trials."""


class History(NamedTuple):
    """The values of each trial, and for each choice its pairs of trials: (better, worse)."""

    trials: Sequence[Values]
    choices: Sequence[Sequence[tuple[int, int]]]

    def pairs(self, choices: int) -> list[tuple[int, int]]:
        """Return the pairs of the first choices."""
        return [pair for chosen in self.choices[:choices] for pair in chosen]

    def share_wrong(self, utility: Array) -> float:
        """Return the share of choices that did not take the worst of the shown trials, by their utility."""
        wrong = [any(utility[better] < utility[worse] for better, worse in chosen) for chosen in self.choices]
        return sum(wrong) / len(wrong)


def search(person: Person, sampler: optuna.samplers.BaseSampler, choices: int) -> History:
    """Let `person` choose the worst of the shown trials again and again. Each time, `sampler` suggests a new one.

    FreeU off and a preset are among the first trials.
    """
    study = create_study(n_generate=SHOWN, sampler=sampler)
    study.enqueue_trial(dict(OFF))
    study.enqueue_trial(dict(PRESETS[FIRST_PRESET]))
    shown: list[int] = []
    made = []
    with warnings.catch_warnings():
        # Before the first choice, the sampler has nothing to learn from and says so.
        warnings.filterwarnings("ignore", "Dynamic search space detected")
        for _ in range(choices):
            while len(shown) < SHOWN:
                shown.append(study.ask(DISTRIBUTIONS).number)
            trials = study.trials
            worst = shown.pop(person.worst([trials[number].params for number in shown]))
            study.report_preference([trials[number] for number in shown], trials[worst])
            made.append([(number, worst) for number in shown])
    return History([trial.params for trial in study.trials], made)
