"""The sampler for choices, and that its search beats random values and the presets."""

import numpy as np
import pytest
from optuna.distributions import FloatDistribution
from optuna.samplers import RandomSampler
from optuna_dashboard.preferential import create_study

from freeu.tune.preferences import rank_trials
from freeu.tune.sampler import ChoiceSampler
from tests.support.choice_search import PRESETS, search
from tests.support.simulated_person import OFF, RANGES, WRONG, Person

PEOPLE = range(100, 116)
CHOICES = (10, 20, 40)


def suggest(seed, *, choices):
    """Return two suggestions in a study in which a person has chosen."""
    ranges = {"s1": (0.0, 1.0), "b1": (1.0, 1.6)}
    distributions = {name: FloatDistribution(*its_range) for name, its_range in ranges.items()}
    study = create_study(n_generate=4, sampler=ChoiceSampler(ranges, seed))
    for values in ({"b1": 1, "s1": 1}, {"b1": 1.3, "s1": 0.5}, {"b1": 1.5, "s1": 0.2}):
        study.enqueue_trial(values)
        study.ask(distributions)
    for _ in range(choices):
        study.report_preference(study.trials[1:], study.trials[0])
    found = [study.ask(distributions).params for _ in range(2)]
    assert all(low <= values[name] <= high for values in found for name, (low, high) in ranges.items())
    return found


@pytest.mark.parametrize("choices", [0, 1, 5])
def test_suggestions(choices):
    """Those for two WebUIs that ask at once differ. A seed gives the same ones again."""
    first, second = suggest(3, choices=choices)
    assert first != second
    assert [first, second] == suggest(3, choices=choices)
    assert first != suggest(4, choices=choices)[0]


@pytest.mark.parametrize("seed", range(4))
def test_a_person_is_wrong_once_in_five_choices_of_random_settings(seed):
    person, rng = Person(seed), np.random.default_rng(100)
    wrong = 0
    for _ in range(1000):
        shown = [{name: rng.uniform(*its_range) for name, its_range in RANGES.items()} for _ in range(4)]
        wrong += person.worst(shown) != np.argmin(person.utility(shown))
    assert wrong / 1000 == pytest.approx(WRONG, abs=0.05)


@pytest.fixture(scope="module")
def mean_utilities():
    """The mean utility of what each sampler finds after each number of choices; of FreeU off and each preset."""
    samplers = {"search": lambda seed: ChoiceSampler(RANGES, seed), "random": RandomSampler}
    # With a seed of its own: with the person's, the sampler would get the random numbers that the taste is drawn with.
    found = {name: [found_by(sampler(1000 + seed), seed) for seed in PEOPLE] for name, sampler in samplers.items()}
    fixed = [Person(seed).utility([OFF, *PRESETS.values()]) for seed in PEOPLE]
    return {"fixed": np.mean(fixed, axis=0), **{name: np.mean(rows, axis=0) for name, rows in found.items()}}


def found_by(sampler, seed):
    history = search(Person(seed), sampler, max(CHOICES))
    values = dict(enumerate(history.trials))
    best = [rank_trials(values, RANGES, history.pairs(count)).best.trial for count in CHOICES]
    return Person(seed).utility([values[trial] for trial in best])


@pytest.mark.slow
@pytest.mark.parametrize("choices", CHOICES)
def test_the_search_beats_random_values_off_and_every_preset(mean_utilities, choices):
    """On average over people with different tastes. `python -m benchmarks.tuning_choices` has more of them."""
    found, found_at_random = (mean_utilities[name][CHOICES.index(choices)] for name in ("search", "random"))
    assert found > found_at_random + 0.05
    assert found > mean_utilities["fixed"].max() + 0.1
