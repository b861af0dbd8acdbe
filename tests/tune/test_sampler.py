"""The sampler for choices: its kernel, and that its search finds better values than the presets."""

import numpy as np
import pytest
import torch
from optuna.distributions import FloatDistribution
from optuna_dashboard.preferential import create_study
from optuna_dashboard.preferential.samplers.gp import PreferentialGPSampler

from benchmarks.choice_search import PRESETS, search
from benchmarks.simulated_person import OFF, RANGES, WRONG, Person
from freeu.tune.preferences import rank_trials
from freeu.tune.sampler import JITTER, PinnedKernel, choice_sampler


def test_the_utility_of_the_origin_is_known():
    origin = torch.tensor([0.0, 1.0], dtype=torch.float64)
    kernel = PinnedKernel(origin).double()
    points = torch.cat([origin[None], torch.rand(20, 2, dtype=torch.float64, generator=torch.manual_seed(0))])
    covariance = kernel(points).to_dense().detach()
    assert covariance[0].abs().max() < 0.02
    assert covariance.diagonal()[1:].min() > 0.02
    assert torch.linalg.eigvalsh(covariance).min() > 0
    torch.testing.assert_close(kernel(points, diag=True).detach(), covariance.diagonal())


def test_batches_are_computed_like_single_points():
    kernel = PinnedKernel(torch.tensor([0.0, 1.0], dtype=torch.float64)).double()
    points = torch.rand(6, 2, dtype=torch.float64, generator=torch.manual_seed(0))
    batches = kernel(points[:, None], points.expand(6, 6, 2)).to_dense()
    single = kernel(points, points).to_dense() - JITTER * torch.eye(6)  # each point is the same one here
    torch.testing.assert_close(batches[:, 0], single)


def test_values_are_random_if_the_model_fails(monkeypatch, caplog):
    """It does for some choices: the posterior variance of a point that was compared often can be negative."""
    ranges = {"s1": (0.0, 1.0)}
    monkeypatch.setattr(PreferentialGPSampler, "sample_relative", lambda *_: torch.linalg.cholesky(-torch.eye(2)))
    study = create_study(n_generate=4, sampler=choice_sampler({"s1": 1}, ranges))
    with pytest.warns(UserWarning, match="Falling back"):
        trial = study.ask({"s1": FloatDistribution(0, 1)})
    assert 0 <= trial.params["s1"] <= 1
    assert "trial 0 has random values, because the sampler failed" in caplog.text


@pytest.mark.parametrize("off", [{"b1": 1, "s1": 1}, {"b1": 1, "s1": 1.5}])
def test_a_seed_gives_the_same_suggestions_within_the_ranges(off):
    """FreeU off may be outside the ranges."""
    ranges = {"s1": (0.0, 1.0), "b1": (1.0, 1.6)}

    def suggest():
        distributions = {name: FloatDistribution(*its_range) for name, its_range in ranges.items()}
        study = create_study(n_generate=4, sampler=choice_sampler(off, ranges, seed=3))
        for values in ({"b1": 1, "s1": 1}, {"b1": 1.3, "s1": 0.5}, {"b1": 1.5, "s1": 0.2}):
            study.enqueue_trial(values)
        for _ in range(3):
            study.ask(distributions)
        study.report_preference(study.trials[1:], study.trials[0])
        return study.ask(distributions).params

    suggested = suggest()
    assert suggested == suggest()
    assert all(low <= suggested[name] <= high for name, (low, high) in ranges.items())


@pytest.mark.parametrize("seed", range(4))
def test_a_person_is_wrong_once_in_five_choices_of_random_settings(seed):
    person, rng = Person(seed), np.random.default_rng(100)
    wrong = 0
    for _ in range(1000):
        shown = [{name: rng.uniform(*its_range) for name, its_range in RANGES.items()} for _ in range(4)]
        wrong += person.worst(shown) != np.argmin(person.utility(shown))
    assert wrong / 1000 == pytest.approx(WRONG, abs=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("choices", [10, 20])
def test_the_search_beats_off_and_every_preset(choices):
    """On average over people with different tastes. `python -m benchmarks.tuning_choices` compares random values."""
    people = range(4)
    found = []
    for seed in people:
        history = search(Person(seed), choice_sampler(OFF, RANGES, seed), choices)
        best = rank_trials(dict(enumerate(history.trials)), RANGES, history.pairs(choices)).best
        found.extend(Person(seed).utility([history.trials[best.trial]]))
    fixed = np.mean([Person(seed).utility([OFF, *PRESETS.values()]) for seed in people], axis=0)
    assert np.mean(found) > fixed.max() + 0.1
