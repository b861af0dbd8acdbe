"""The paper's figures on the playground's model: measures on known cases, each figure once in small, and the page."""

import json
import math
import re
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from freeu import Settings
from playground import __main__ as command_line
from playground import emoji, model
from playground.figures import factors, features, findings, measures, page, quality, run, statistics
from playground.figures.findings import Check
from playground.figures.lab import OFF, Lab, choose_prompts
from playground.figures.statistics import Interval

DOCS = Path(__file__).parent.parent / "docs"
FOLDER = DOCS / "analysis"
RESULTS = json.loads((FOLDER / findings.RESULTS).read_text("utf-8"))
PAGE = (DOCS / "analysis.md").read_text("utf-8")
PHONE_WIDTH, PHONE_BYTES = 900, 300_000

numbers = st.floats(-3, 3)
spreads = st.floats(0, 4)


@pytest.fixture(scope="module")
def small():
    """Two prompts, two steps, and training pictures of eight colours in a ramp."""
    shipped = model.load()
    dice = torch.Generator().manual_seed(1)
    pictures = torch.rand((8, 3, model.PICTURE_SIZE, model.PICTURE_SIZE), generator=dice) * 2 - 1
    return Lab(shipped, emoji.Emoji(pictures, list(shipped.text.words[:8])), ["red apple", "tiger face"], steps=2)


def wave(bins, size=32):
    """A picture that is one cosine along the width, about 0.5."""
    angles = 2 * torch.pi * bins / size * torch.arange(size)
    return (0.5 + 0.4 * angles.cos()).expand(1, 3, size, size)


# the Frechet distance


@given(st.lists(st.tuples(numbers, spreads, numbers, spreads), min_size=1, max_size=6))
def test_frechet_distance_of_independent_gaussians(axes):
    """In closed form: the squares of what means and standard deviations differ by."""
    m1, s1, m2, s2 = torch.tensor(axes, dtype=torch.float64).T
    expected = ((m1 - m2).square() + (s1 - s2).square()).sum().item()
    found = statistics.frechet_of_gaussians(m1, s1.square().diag(), m2, s2.square().diag())
    assert found == pytest.approx(expected, abs=1e-6)


@given(st.integers(0, 10_000), st.integers(1, 5))
def test_frechet_distance_is_the_same_both_ways_and_after_a_turn(seed, width):
    dice = torch.Generator().manual_seed(seed)
    first, second = (torch.randn((30, width), generator=dice, dtype=torch.float64) for _ in range(2))
    turn, _ = torch.linalg.qr(torch.randn((width, width), generator=dice, dtype=torch.float64))
    there = statistics.frechet(first, second)
    assert statistics.frechet(second, first) == pytest.approx(there, abs=1e-9)
    assert statistics.frechet(first @ turn, second @ turn) == pytest.approx(there, abs=1e-9)
    assert statistics.frechet(first, first + 2) == pytest.approx(4 * width, abs=1e-9)


def test_frechet_distance_where_there_are_fewer_things_than_features():
    things = torch.randn((10, 64), generator=torch.Generator().manual_seed(1))
    assert statistics.frechet(things, things) == pytest.approx(0, abs=1e-6)


# intervals


def test_intervals_hold_what_they_promise():
    """Of 100 samples of a known mean, about 95 intervals hold it."""
    dice = torch.Generator().manual_seed(1)
    found = [statistics.mean(torch.randn(40, generator=dice) + 3) for _ in range(100)]
    assert 88 <= sum(one.low <= 3 <= one.high for one in found) <= 100


def test_values_of_a_bootstrap_see_the_same_draws():
    values = torch.randn(20, generator=torch.Generator().manual_seed(1))
    both = statistics.bootstrap(lambda drawn: torch.stack([values[drawn].mean(), (values[drawn] + 1).mean()]), 20)
    assert both[1].low - both[0].low == pytest.approx(1, abs=1e-6)


def test_shares():
    assert statistics.share(290, 290) == pytest.approx((1, 290 / (290 + 1.96**2), 1))
    low, high = statistics.share(5, 10)[1:]
    assert (low, high) == pytest.approx((0.2366, 0.7634), abs=1e-4)  # as in textbooks


@pytest.mark.parametrize(
    ("interval", "text"),
    [
        (Interval(0.1234, 0.1134, 0.1334), "0.123 (0.113 to 0.133)"),
        (Interval(12.34, 2, 22), "12 (2 to 22)"),
        (Interval(1, 0.987, 1), "1.000 (0.987 to 1.000)"),
        (Interval(1, 1, 1), "1.00 (1.00 to 1.00)"),
    ],
)
def test_intervals_are_written_as_exactly_as_they_are_known(interval, text):
    assert str(interval) == text


# what is measured of pictures


@given(st.floats(0.1, 1), st.floats(-0.5, 0.5), st.integers(0, 1000))
def test_detail_is_a_share_that_contrast_does_not_change(contrast, brightness, seed):
    pictures = torch.rand((2, 3, 32, 32), generator=torch.Generator().manual_seed(seed))
    share = measures.detail(pictures)
    assert ((share > 0) & (share < 1)).all()
    torch.testing.assert_close(measures.detail(pictures * contrast + brightness), share, rtol=1e-3, atol=1e-4)


def test_detail_knows_low_from_high():
    assert measures.detail(wave(2)).item() == pytest.approx(0, abs=1e-6)
    assert measures.detail(wave(12)).item() == pytest.approx(1, abs=1e-6)


def test_upper_is_the_upper_half():
    assert measures.upper(torch.tensor([[9.0, 9.0, 1.0, 3.0]])).tolist() == [2]


@given(st.integers(0, 1000), numbers)
def test_what_a_picture_explains_of_a_map(seed, brightness):
    dice = torch.Generator().manual_seed(seed)
    pictures, noise = torch.rand((3, 3, 16, 16), generator=dice), torch.randn((3, 16, 16), generator=dice)
    mixed = brightness + 2 * pictures[:, 0] - pictures[:, 2]
    assert features.explained(mixed, pictures).tolist() == pytest.approx([1] * 3, abs=1e-6)
    assert features.explained(noise, pictures).max() < 0.1
    half = mixed / mixed.std((1, 2), keepdim=True) + noise / noise.std((1, 2), keepdim=True)
    assert features.explained(half, pictures).tolist() == pytest.approx([0.5] * 3, abs=0.12)


def test_whole_is_neutral_at_1_and_scales_everything_else(small):
    assert factors.whole().neutral
    assert small.draw(factors.whole()).equal(small.draw(OFF))
    assert (small.draw(factors.whole(b=0.6)) - small.draw(Settings(b1=0.6, b2=0.6))).abs().mean() > 0.01


def test_features_of_the_training_pictures_tell_them_from_others(small):
    truth = quality.middle_features(small.model, small.data.pictures)
    assert truth.shape == (8, 128)
    others = quality.middle_features(small.model, -small.data.pictures)
    assert statistics.frechet(truth, others) > statistics.frechet(truth, truth) + 0.01
    assert quality.middle_features(small.model, small.data.pictures[:1]).allclose(truth[:1], atol=1e-4)


# the figures


@pytest.mark.slow
@pytest.mark.parametrize("name", run.FIGURES)
def test_each_figure_is_drawn_and_measured(small, tmp_path, monkeypatch, name):
    monkeypatch.setattr(quality, "RESAMPLES", 3)
    run.run(small, [name], tmp_path)
    result = findings.load(tmp_path)[name]
    assert result["verdict"] in ("agrees", "partly", "does not")
    assert result["verdict"] == findings.verdict([check["holds"] for check in result["checks"]])
    with Image.open(tmp_path / f"{name}.png") as picture:
        assert picture.width <= PHONE_WIDTH
    assert page.measured(result).count("\n| ") >= len(result["checks"])


@pytest.mark.slow
def test_the_table_compares_off_with_both_versions(small, monkeypatch):
    monkeypatch.setattr(quality, "RESAMPLES", 3)
    table = {row["way"]: row for row in quality.quality(small).table}
    assert list(table) == list(quality.ways())
    assert table["off"]["pixels, more than off"] == (0, 0, 0)
    distances = [row["model"].mean for row in table.values()]
    assert len(set(distances)) == len(distances)


def test_results_of_other_figures_stay(small, tmp_path):
    run.run(small, ["spectrum"], tmp_path)
    before = findings.load(tmp_path)["spectrum"]
    run.run(small, ["rows"], tmp_path)
    assert list(findings.load(tmp_path)) == ["rows", "spectrum"]
    assert findings.load(tmp_path)["spectrum"] == before


@pytest.mark.parametrize(
    ("holds", "verdict"), [([True, True], "agrees"), ([True, False], "partly"), ([False, False], "does not")]
)
def test_verdicts(holds, verdict):
    assert findings.verdict(holds) == verdict


def test_a_check_tells_its_numbers():
    check = Check("It falls.", "By {fall}, {steps} times", {"fall": Interval(-2, -3, -1), "steps": 4}, holds=True)
    assert check.measured == "By -2.0 (-3.0 to -1.0), 4 times"


def test_unknown_figures_are_named(capsys):
    with pytest.raises(SystemExit):
        command_line.main(["figures", "--only", "fig9"])
    assert "'fig9' is not allowed; it is one of rows, " in capsys.readouterr().err


# the page


def test_the_page_shows_what_was_measured():
    assert set(RESULTS["figures"]) == set(run.FIGURES)
    assert page.fill(PAGE, RESULTS["figures"], run.TITLES) == PAGE
    assert set(re.findall(r"<!-- ([\w-]+) -->", PAGE)) == {"verdicts", "end", *run.FIGURES}


@pytest.mark.parametrize(("name", "title"), run.TITLES.items())
def test_the_page_shows_each_figure(name, title):
    section = PAGE.partition(f"## {title}\n")[2].partition("\n## ")[0]
    assert f"](analysis/{name}.png)" in section
    assert f"<!-- {name} -->" in section
    path = FOLDER / f"{name}.png"
    assert path.stat().st_size < PHONE_BYTES
    with Image.open(path) as picture:
        assert picture.width <= PHONE_WIDTH


@pytest.mark.slow
def test_what_was_measured_is_of_the_shipped_model():
    """One figure anew, from what results.json says that it was made with."""
    about = RESULTS["about"]
    nothing = emoji.Emoji(torch.zeros(0, 3, 32, 32), [])
    lab = Lab(model.load(), nothing, about["prompts"], about["steps"], about["seed"])
    told = RESULTS["figures"]["spectrum"]["checks"]
    for check, expected in zip(run.FIGURES["spectrum"][1](lab).checks, told, strict=True):
        assert check.says == expected["says"]
        assert check.holds == expected["holds"]
        for name, value in check.numbers.items():
            assert value == pytest.approx(expected["numbers"][name], abs=0.02)


def test_prompts_are_the_demos_and_others_evenly():
    others = [f"word {n}" for n in range(290)]
    prompts = choose_prompts(emoji.Emoji(torch.zeros(0, 3, 32, 32), [*others, "red apple"]))
    assert prompts[0] == "red apple"
    assert len(set(prompts)) == len(prompts) == 24
    places = [others.index(prompt) for prompt in prompts[8:]]
    assert max(places) > 250
    assert math.isclose(places[1] - places[0], places[-1] - places[-2], abs_tol=1)
