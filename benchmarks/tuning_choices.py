"""`python -m benchmarks.tuning_choices`: how good are the values that a person finds by choosing the worst of four?"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from functools import partial
from importlib.metadata import version
from typing import Any

import optuna
import torch
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.study import Study
from optuna.trial import FrozenTrial
from optuna_dashboard.preferential.samplers.gp import PreferentialGPSampler
from tqdm import tqdm

from benchmarks.asking import ask_after_comparisons, ask_after_trials
from benchmarks.estimates import ESTIMATES
from benchmarks.measure import machine
from benchmarks.tuning_report import (
    DASHBOARD,
    RANDOM,
    SEARCH,
    SHIPPED_ESTIMATE,
    Guessed,
    PersonResult,
    Results,
    save,
    to_markdown,
)
from freeu.tune.sampler import ChoiceSampler
from tests.support.choice_search import PRESETS, History, search
from tests.support.simulated_person import OFF, RANGES, Array, Person

CHOICES = (10, 20, 40)
PEOPLE, DASHBOARD_PEOPLE, FEW_PEOPLE = 100, 32, 2
"""How many choose, how many of them with optuna-dashboard's sampler too, which is slow, and how many with --quick."""

FIRST_SEED = 100
"""People with seeds below 20 and from 200 were used to choose the sampler, so they would flatter it."""

SAMPLER_SEED = 1000
"""Added to a person's seed for our sampler: with the same seed, both would draw the same random numbers."""

ROUNDS = 5


class DashboardSampler(PreferentialGPSampler):  # type: ignore[misc] # optuna-dashboard has no types
    """optuna-dashboard's sampler, with random values if its model fails numerically, as it does now and then."""

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return the values to try; none, for random ones, after a failure."""
        try:
            found: dict[str, Any] = super().sample_relative(study, trial, search_space)
        except RuntimeError:  # torch: a matrix is not positive definite
            return {}
        return found


SAMPLERS: Mapping[str, Callable[[int], BaseSampler]] = {
    SEARCH: lambda seed: ChoiceSampler(RANGES, SAMPLER_SEED + seed),
    DASHBOARD: lambda seed: DashboardSampler(seed=seed),
    RANDOM: lambda seed: RandomSampler(seed=seed),
}

ASKED = {SEARCH: (10, 100, 1000), DASHBOARD: (10, 100)}  # with 1,000 comparisons, it needs a minute


def main() -> None:
    """Run the command."""
    parser = _parser()
    options = parser.parse_args()
    if options.quick and options.save:
        parser.error("--save needs a complete run; remove --quick")
    people = range(FIRST_SEED, FIRST_SEED + (FEW_PEOPLE if options.quick else PEOPLE))
    context = multiprocessing.get_context("spawn")  # PyTorch's threads do not survive a fork
    with ProcessPoolExecutor(options.processes, context, _set_up) as pool:
        measured = list(tqdm(pool.map(measure_person, people), "People", len(people), unit="person"))
    _set_up()
    results = Results(_environment(), CHOICES, measured, _measure_asking())
    sys.stdout.write(f"\n{to_markdown(results)}\n")
    if options.save:
        save(results)


def measure_person(seed: int, choices: Sequence[int] = CHOICES) -> PersonResult:
    """Let a person choose with each sampler, and return the utility of what each number of choices finds."""
    person = Person(seed)
    fixed = {"FreeU off": OFF, **PRESETS}
    found, wrong = {}, {}
    names = [name for name in SAMPLERS if name != DASHBOARD or seed < FIRST_SEED + DASHBOARD_PEOPLE]
    histories = {name: search(Person(seed), SAMPLERS[name](seed), max(choices)) for name in names}
    for name, history in histories.items():
        utility = person.utility(history.trials)
        found[name] = [_guess(SHIPPED_ESTIMATE, history, utility, count).utility for count in choices]
        wrong[name] = history.share_wrong(utility)
    history = histories[SEARCH]
    utility = person.utility(history.trials)
    guesses = {name: [_guess(name, history, utility, count) for count in choices] for name in ESTIMATES}
    of_fixed = dict(zip(fixed, person.utility([*fixed.values()]).tolist(), strict=True))
    return PersonResult(person.taste_name, of_fixed, found, wrong, guesses)


def _guess(estimate: str, history: History, utility: Array, choices: int) -> Guessed:
    pairs = history.pairs(choices)
    guess = ESTIMATES[estimate](history.trials, pairs)
    highest = max(utility[trial] for pair in pairs for trial in pair)
    return Guessed(float(utility[guess.trial]), guess.probability, bool(utility[guess.trial] == highest))


def _measure_asking() -> dict[str, list[float]]:
    """Return the seconds for one suggestion, by the name of a row."""
    functions = {
        f"{name}, {count:,} comparisons": partial(ask_after_comparisons, SAMPLERS[name](0), count)
        for name, counts in ASKED.items()
        for count in counts
    }
    functions |= {f"TPE, {count:,} trials with a score": partial(ask_after_trials, count) for count in (10, 100, 1000)}
    return {name: function(ROUNDS) for name, function in tqdm(functions.items(), "Asking")}


def _environment() -> dict[str, str]:
    packages = ("optuna", "optuna-dashboard", "botorch", "torch", "numpy")
    versions = ", ".join(f"{package} {version(package)}" for package in packages)
    return {"machine": machine(torch.device("cpu")), "date": date.today().isoformat(), "versions": versions}


def _set_up() -> None:
    """Use one thread in this process, and silence messages that do not matter here."""
    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    warnings.filterwarnings("ignore", ".*torch.jit.script.*deprecated", FutureWarning)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("benchmarks.tuning_choices", description="Simulated people tune FreeU by choices.")
    parser.add_argument("--quick", action="store_true", help=f"{FEW_PEOPLE} people: a few minutes")
    parser.add_argument("--processes", type=int, default=2, help="how many people choose at once (default 2)")
    parser.add_argument("--save", action="store_true", help="update README.md, results/tuning/ and the chart")
    return parser


if __name__ == "__main__":
    main()
