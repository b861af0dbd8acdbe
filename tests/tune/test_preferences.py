"""Comparisons: laws that hold for any of them, and known utilities that are found again."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freeu.tune.preferences import rank_trials, suggest_values

RANGES = {"b1": (1.0, 1.6), "s1": (0.0, 1.0)}
NUMBERS = st.integers(0, 7)
COMPARISONS = st.lists(st.tuples(NUMBERS, NUMBERS).filter(lambda pair: pair[0] != pair[1]), min_size=1, max_size=40)
# Of few different values, so that some trials have the same.
VALUES = st.lists(
    st.fixed_dictionaries({"b1": st.sampled_from([1.0, 1.2, 1.25, 1.6]), "s1": st.sampled_from([0.0, 0.5, 1.0])}),
    min_size=8,
    max_size=8,
).map(lambda rows: dict(enumerate(rows)))


def utilities(ranking):
    return {estimate.trial: estimate.utility for estimate in ranking.estimates}


def by_trial(ranking):
    return {estimate.trial: estimate for estimate in ranking.estimates}


@given(VALUES, COMPARISONS)
def test_every_compared_trial_has_an_estimate(values, pairs):
    ranking = rank_trials(values, RANGES, pairs)
    found = by_trial(ranking)
    assert found.keys() == {trial for pair in pairs for trial in pair}
    for trial, estimate in found.items():
        assert estimate.won == sum(better == trial for better, _ in pairs)
        assert estimate.lost == sum(worse == trial for _, worse in pairs)
        assert np.isfinite(estimate.utility)
        assert estimate.deviation >= 0
    points = {tuple(map(values[trial].get, RANGES)): estimate.probability_best for trial, estimate in found.items()}
    assert sum(points.values()) == pytest.approx(1)


@given(VALUES, COMPARISONS)
def test_the_best_is_the_one_with_the_highest_utility(values, pairs):
    ranking = rank_trials(values, RANGES, pairs)
    assert ranking.best.utility == max(utilities(ranking).values())
    assert [*utilities(ranking).values()] == sorted(utilities(ranking).values(), reverse=True)


@given(VALUES, COMPARISONS, st.randoms())
def test_the_order_of_comparisons_and_trials_does_not_matter(values, pairs, random):
    shuffled_pairs, shuffled_values = [*pairs], [*values.items()]
    random.shuffle(shuffled_pairs)
    random.shuffle(shuffled_values)
    assert rank_trials(dict(shuffled_values), RANGES, shuffled_pairs) == rank_trials(values, RANGES, pairs)


@given(VALUES, COMPARISONS)
def test_opposite_choices_give_opposite_utilities(values, pairs):
    expected = utilities(rank_trials(values, RANGES, pairs))
    opposite = utilities(rank_trials(values, RANGES, [(worse, better) for better, worse in pairs]))
    assert {trial: -utility for trial, utility in opposite.items()} == pytest.approx(expected, abs=1e-6)


@given(VALUES, COMPARISONS, st.floats(0.01, 100), st.floats(-100, 100))
def test_the_scale_of_a_parameter_does_not_matter(values, pairs, factor, offset):
    scaled_values = {trial: {**row, "b1": factor * row["b1"] + offset} for trial, row in values.items()}
    scaled_ranges = {**RANGES, "b1": tuple(factor * end + offset for end in RANGES["b1"])}
    scaled = rank_trials(scaled_values, scaled_ranges, pairs)
    assert utilities(scaled) == pytest.approx(utilities(rank_trials(values, RANGES, pairs)), abs=1e-6)


@given(VALUES, COMPARISONS, st.floats(-10, 10))
def test_a_parameter_that_never_changes_does_not_matter(values, pairs, constant):
    with_constant = {trial: {**row, "b2": constant} for trial, row in values.items()}
    expected = utilities(rank_trials(values, RANGES, pairs))
    for its_range in ((-10.0, 10.0), (constant, constant)):
        ranking = rank_trials(with_constant, {**RANGES, "b2": its_range}, pairs)
        assert utilities(ranking) == pytest.approx(expected, abs=1e-6)
        assert ranking.spread["b2"] == pytest.approx((constant, 0), abs=1e-6)


@given(VALUES, COMPARISONS)
def test_one_more_win_makes_no_trial_worse(values, pairs):
    better, worse = pairs[0]
    before = utilities(rank_trials(values, RANGES, pairs))
    after = utilities(rank_trials(values, RANGES, [*pairs, pairs[0]]))
    assert after[better] - after[worse] >= before[better] - before[worse] - 1e-6


@settings(max_examples=10)
@given(VALUES, COMPARISONS, st.integers(1, 100))
def test_suggestions_are_within_the_ranges(values, pairs, repeats):
    suggested = suggest_values(values, RANGES, pairs * repeats, np.random.default_rng(0))
    assert suggested.keys() == RANGES.keys()
    assert all(low <= suggested[name] <= high for name, (low, high) in RANGES.items())


@given(VALUES, COMPARISONS)
def test_trials_with_the_same_values_are_equally_good(values, pairs):
    found = by_trial(rank_trials(values, RANGES, pairs))
    for one, other in combinations(found, 2):
        if values[one] == values[other]:
            assert found[one].utility == found[other].utility
            assert found[one].probability_best == found[other].probability_best


def test_one_comparison():
    ranking = rank_trials({3: {"b1": 1.0, "s1": 1.0}, 5: {"b1": 1.5, "s1": 0.2}}, RANGES, [(5, 3)])
    assert ranking.best[:1] + ranking.best[3:5] == (5, 1, 0)
    assert 0.5 < ranking.best.probability_best < 0.95
    assert 1.25 < ranking.spread["b1"].mean < 1.5


def test_contradictory_choices_leave_two_trials_equal():
    values = {0: {"b1": 1.0, "s1": 1.0}, 1: {"b1": 1.5, "s1": 0.2}}
    ranking = rank_trials(values, RANGES, [(0, 1), (1, 0)] * 5)
    assert utilities(ranking) == pytest.approx({0: 0, 1: 0}, abs=1e-9)
    assert ranking.best.probability_best == pytest.approx(0.5, abs=0.05)


def test_a_choice_between_equal_values_says_nothing():
    same = {"b1": 1.2, "s1": 0.5}
    ranking = rank_trials({0: same, 1: same}, RANGES, [(0, 1)] * 3)
    assert [tuple(estimate) for estimate in ranking.estimates] == [(0, 0, 0, 3, 0, 1), (1, 0, 0, 0, 3, 1)]


def test_more_comparisons_make_it_surer():
    values = {0: {"b1": 1.0, "s1": 1.0}, 1: {"b1": 1.5, "s1": 0.2}}
    few, many = (rank_trials(values, RANGES, [(1, 0)] * count) for count in (1, 20))
    assert many.best.probability_best > 0.99 > few.best.probability_best
    assert many.spread["b1"].deviation < few.spread["b1"].deviation


@pytest.mark.parametrize("seed", range(5))
def test_a_known_utility_is_found_again(seed):
    """All pairs of 30 trials are compared, one comparison in ten is wrong."""
    rng = np.random.default_rng(seed)
    points, peak = rng.uniform(size=(30, 2)), rng.uniform(0.2, 0.8, 2)
    true = -np.linalg.norm(points - peak, axis=1)
    values = {trial: {"b1": 1 + 0.6 * x, "s1": y} for trial, (x, y) in enumerate(points)}
    pairs = [
        (one, other) if (true[one] > true[other]) != (rng.uniform() < 0.1) else (other, one)
        for one, other in combinations(range(30), 2)
    ]
    ranking = rank_trials(values, RANGES, pairs)
    estimated = utilities(ranking)
    assert np.corrcoef(true, [estimated[trial] for trial in range(30)])[0, 1] > 0.9
    assert ranking.best.trial in np.argsort(-true)[:3]
    assert ranking.spread["b1"].mean == pytest.approx(1 + 0.6 * peak[0], abs=0.1)
    assert ranking.spread["s1"].mean == pytest.approx(peak[1], abs=0.15)
    suggested = [suggest_values(values, RANGES, pairs, rng) for _ in range(20)]
    distances = np.linalg.norm([[(row["b1"] - 1) / 0.6, row["s1"]] for row in suggested] - peak, axis=1)
    assert distances.mean() < -true.mean() - 0.1


def test_similar_values_learn_from_each_other():
    """Trial 2 was compared once, and lost against the best; but all trials close to it win."""
    values = {0: {"b1": 1.0, "s1": 1.0}, 1: {"b1": 1.5, "s1": 0.2}, 2: {"b1": 1.49, "s1": 0.21}}
    estimated = utilities(rank_trials(values, RANGES, [(1, 0)] * 5 + [(1, 2)]))
    assert estimated[2] > estimated[0]


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ([], "pairs must have at least one comparison, got none"),
        ([(0, 1), (0, 7)], "pairs must be of trials with values, got 7"),
    ],
)
def test_what_cannot_be_ranked(pairs, message):
    values = {0: {"b1": 1.0, "s1": 1.0}, 1: {"b1": 1.5, "s1": 0.2}}
    with pytest.raises(ValueError, match=f"^{message}$"):
        rank_trials(values, RANGES, pairs)
    with pytest.raises(ValueError, match=f"^{message}$"):
        suggest_values(values, RANGES, pairs, np.random.default_rng(0))
