"""The seconds in which a sampler suggests the next trial, after a number of comparisons or of trials with a score."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable

from optuna import create_study
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.trial import create_trial
from optuna_dashboard import preferential

from tests.support.choice_search import DISTRIBUTIONS, search
from tests.support.simulated_person import SHOWN, Person

_PAIRS = SHOWN - 1
"""Comparisons in a choice."""


def ask_after_comparisons(sampler: BaseSampler, comparisons: int, rounds: int) -> list[float]:
    """Return the seconds for each of some suggestions by choices, with a new sampler."""
    history = search(Person(0), RandomSampler(seed=0), comparisons // _PAIRS)
    study = preferential.create_study(n_generate=SHOWN, sampler=sampler)
    study.add_trials([create_trial(params=dict(v), distributions=DISTRIBUTIONS, value=0) for v in history.trials])
    trials = study.trials
    for better, worse in history.pairs(len(history.choices)):
        study.report_preference(trials[better], trials[worse])
    seconds = [_elapsed(lambda: study.ask(DISTRIBUTIONS)) for _ in range(rounds + 1)]
    return seconds[1:]  # the first one starts without what the sampler has fitted before


def ask_after_trials(trials: int, rounds: int) -> list[float]:
    """Return the seconds for a suggestion by score, with Optuna's TPE."""
    person, study = Person(0), create_study(direction="maximize", sampler=TPESampler(seed=0))
    values = search(person, RandomSampler(seed=0), trials).trials[:trials]
    scores = person.utility(values)
    for row, score in zip(values, scores, strict=True):
        study.add_trial(create_trial(params=dict(row), distributions=DISTRIBUTIONS, value=score))
    return [_elapsed(lambda: study.ask(DISTRIBUTIONS)) for _ in range(rounds)]


def _elapsed(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        function()
    return time.perf_counter() - start
