"""FreeU's strength at each step of a run."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freeu import Settings, strength
from freeu.core.schedule import strength_at_timestep
from freeu.settings.parameter import parse_curve
from tests.support.strategies import curves, shares

steps_and_step = st.integers(1, 1000).flatmap(lambda n: st.tuples(st.integers(0, n + 5), st.just(n)))
windows = st.tuples(shares, shares).map(sorted)


def ljleb(start, stop, smoothness, step, steps):
    """Return the strength in ljleb/sd-webui-freeu: a mix of a hard window and a triangle."""
    first, end = int(start * steps), int(stop * steps)
    hard = 1.0 if first <= step < end else 0.0
    if first == end:
        smooth = 0.0
    elif step < first:
        smooth = step / first
    else:
        smooth = 1 + (step - first) / (first - end)
    smooth = min(1.0, max(0.0, smooth))
    return (1 - smoothness) * hard + smoothness * smooth


@given(windows, shares, steps_and_step)
def test_start_stop_and_smoothness(window, smoothness, when):
    (start, stop), (step, steps) = window, when
    settings = Settings(start=start, stop=stop, smoothness=smoothness)
    computed = strength(settings, step, steps)
    assert 0 <= computed <= 1
    assert computed == pytest.approx(ljleb(start, stop, smoothness, min(step, steps - 1), steps), abs=1e-12)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, [1, 1, 1, 1, 1]),
        ({"start": 0.2, "stop": 0.8}, [0, 1, 1, 1, 0]),
        ({"start": 0.4, "stop": 1, "smoothness": 1}, [0, 1 / 2, 1, 2 / 3, 1 / 3]),
        ({"start": 0.4, "stop": 1, "smoothness": 0.5}, [0, 1 / 4, 1, 5 / 6, 2 / 3]),
        ({"curve": "0:0, 0.5:1, 1:0"}, [0, 0.5, 1, 0.5, 0]),
        ({"curve": "0.25:0.2, 0.75:0.6"}, [0.2, 0.2, 0.4, 0.6, 0.6]),
        ({"curve": "0:0.3", "start": 0.9}, [0.3] * 5),
        ({"start": 0.5, "stop": 0.5, "smoothness": 1}, [0] * 5),
    ],
)
def test_strengths_of_five_steps(changes, expected):
    assert [strength(Settings(**changes), step, 5) for step in range(5)] == pytest.approx(expected)


@st.composite
def curves_on_steps(draw):
    """Draw a number of steps, and points that lie exactly on some of them: strength by step."""
    steps = draw(st.integers(2, 1000))
    return steps, draw(st.dictionaries(st.integers(0, steps - 1), shares, min_size=1, max_size=6))


@given(curves_on_steps())
def test_curve_passes_exactly_through_its_points(drawn):
    steps, points = drawn
    curve = ", ".join(f"{step / (steps - 1)!r}:{expected!r}" for step, expected in points.items())
    for step, expected in points.items():
        assert strength(Settings(curve=curve), step, steps) == expected


@given(curves.filter(bool), steps_and_step)
def test_curve_stays_between_its_points(curve, when):
    strengths = [point for _, point in parse_curve(curve)]
    assert min(strengths) - 1e-12 <= strength(Settings(curve=curve), *when) <= max(strengths) + 1e-12


@pytest.mark.parametrize("changes", [{}, {"smoothness": 1}, {"curve": "0:0.4, 1:1"}, {"start": 0.9}])
def test_run_of_one_step(changes):
    assert strength(Settings(**changes), 0, 1) == (0.4 if "curve" in changes else 1)


def test_steps_after_the_last_one_keep_its_strength():
    assert strength(Settings(), 45, 6) == 1
    assert strength(Settings(stop=0.5), 45, 6) == 0
    assert strength(Settings(curve="0:0, 1:0.7"), 45, 6) == 0.7


@given(st.integers(0, 999), windows)
def test_noise_clock_counts_timesteps_down(timestep, window):
    settings = Settings(start=window[0], stop=window[1], clock="noise")
    assert strength_at_timestep(settings, timestep) == strength(settings, 999 - timestep, 1000)


@pytest.mark.parametrize(("timestep", "nearest"), [(501.4, 501), (501.6, 502)])
def test_noise_clock_rounds_to_the_nearest_timestep(timestep, nearest):
    curve = Settings(curve="0:0, 1:1", clock="noise")
    assert strength_at_timestep(curve, timestep) == strength_at_timestep(curve, nearest)


@pytest.mark.parametrize("timestep", [-3.0, 1000.0, 5000.0])
def test_noise_clock_clamps_timesteps_out_of_range(timestep):
    curve = Settings(curve="0:0.1, 1:0.9", clock="noise")
    assert strength_at_timestep(curve, timestep) == (0.9 if timestep < 0 else 0.1)


@pytest.mark.parametrize(("step", "steps"), [(-1, 5), (0, 0), (0, -2)])
def test_impossible_steps_are_a_value_error(step, steps):
    with pytest.raises(ValueError, match=f"step must be at least 0 and steps at least 1, got {step} and {steps}"):
        strength(Settings(), step, steps)
