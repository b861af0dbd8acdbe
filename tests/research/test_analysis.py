"""The paper's figures on the playground's model: metrics on known cases, each figure at a small size, and the page."""

import dataclasses
import json
import math
import re
import shutil
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from freeu import Settings
from playground import model
from research import __main__ as command_line
from research import dataset
from research.figures import (
    factor_sweeps,
    features,
    gains,
    markdown_tables,
    metrics,
    registry,
    results,
    sample_quality,
    scores,
    statistics,
    subjects,
    trials,
    unfinished_models,
)
from research.figures.experiment import OFF, Experiment, choose_prompts
from research.figures.results import Claim
from research.figures.statistics import Interval

pytestmark = pytest.mark.slow

DOCS = Path(__file__).parent.parent.parent / "docs"
FOLDER = DOCS / "analysis"
RESULTS = json.loads((FOLDER / results.FILE).read_text("utf-8"))
PAGE = (DOCS / "analysis.md").read_text("utf-8")
PHONE_WIDTH, PHONE_BYTES = 900, 300_000

numbers = st.floats(-3, 3)
spreads = st.floats(0, 4)


@pytest.fixture(scope="module")
def small():
    """An experiment with two prompts, two steps and eight random training images."""
    shipped = model.load()
    generator = torch.Generator().manual_seed(1)
    images = torch.rand((8, 3, model.IMAGE_SIZE, model.IMAGE_SIZE), generator=generator) * 2 - 1
    data = dataset.Dataset(images, list(shipped.text.words[:8]))
    return Experiment(shipped, data, ["red apple", "tiger face"], steps=2)


@pytest.fixture
def unfinished(small, tmp_path, monkeypatch):
    """The same experiment with two models at different steps of training, and few values to choose from."""
    for name, value in {"STEPS": 1, "OTHER_STEPS": (2,), "RESAMPLES": 3}.items():
        monkeypatch.setattr(gains, name, value)
    few = {kind: found[-2:] for kind, found in trials.candidates().items()}
    monkeypatch.setattr(gains, "candidates", lambda: few)
    files = [tmp_path / f"all-{steps}.safetensors" for steps in (1, 2)]
    for file in files:
        shutil.copy(model.WEIGHTS, file)
    models = [
        subjects.Subject(file, steps, small.data, held_out, small.data.images / 2 + 0.5, small.data)
        for file, steps, held_out in zip(files, (1, 2), (5, 0), strict=True)
    ]
    return dataclasses.replace(small, subjects=models, images=tmp_path / "images")


def wave(bins, size=32):
    """Return an image of one cosine along the width, with mean 0.5."""
    angles = 2 * torch.pi * bins / size * torch.arange(size)
    return (0.5 + 0.4 * angles.cos()).expand(1, 3, size, size)


# the Frechet distance


@given(st.lists(st.tuples(numbers, spreads, numbers, spreads), min_size=1, max_size=6))
def test_frechet_distance_of_independent_gaussians(axes):
    """Compare with the closed form: the squared differences of means and of standard deviations."""
    m1, s1, m2, s2 = torch.tensor(axes, dtype=torch.float64).T
    expected = ((m1 - m2).square() + (s1 - s2).square()).sum().item()
    found = statistics.gaussian_frechet_distance(m1, s1.square().diag(), m2, s2.square().diag())
    assert found == pytest.approx(expected, abs=1e-6)


@given(st.integers(0, 10_000), st.integers(1, 5))
def test_frechet_distance_is_symmetric_and_invariant_to_rotation(seed, width):
    generator = torch.Generator().manual_seed(seed)
    first, second = (torch.randn((30, width), generator=generator, dtype=torch.float64) for _ in range(2))
    rotation, _ = torch.linalg.qr(torch.randn((width, width), generator=generator, dtype=torch.float64))
    expected = statistics.frechet_distance(first, second)
    assert statistics.frechet_distance(second, first) == pytest.approx(expected, abs=1e-9)
    assert statistics.frechet_distance(first @ rotation, second @ rotation) == pytest.approx(expected, abs=1e-9)
    assert statistics.frechet_distance(first, first + 2) == pytest.approx(4 * width, abs=1e-9)


def test_frechet_distance_with_fewer_samples_than_features():
    samples = torch.randn((10, 64), generator=torch.Generator().manual_seed(1))
    assert statistics.frechet_distance(samples, samples) == pytest.approx(0, abs=1e-6)


# intervals


def test_intervals_have_their_nominal_coverage():
    """About 95 of 100 intervals contain the known mean."""
    generator = torch.Generator().manual_seed(1)
    found = [statistics.mean(torch.randn(40, generator=generator) + 3) for _ in range(100)]
    assert 88 <= sum(one.low <= 3 <= one.high for one in found) <= 100


@pytest.mark.parametrize("seed", range(5))
def test_an_interval_contains_its_estimate_also_if_resamples_are_biased(seed):
    features, others = torch.randn((2, 12, 8), generator=torch.Generator().manual_seed(seed)).unbind()
    distance = lambda i: torch.tensor([statistics.frechet_distance(others, features[i])])  # noqa: E731
    found = statistics.bootstrap(distance, 12, 50)[0]
    assert found.low < found.mean < found.high


def test_values_of_a_bootstrap_come_from_the_same_resamples():
    values = torch.randn(20, generator=torch.Generator().manual_seed(1))
    both = statistics.bootstrap(lambda i: torch.stack([values[i].mean(), (values[i] + 1).mean()]), 20)
    assert both[1].low - both[0].low == pytest.approx(1, abs=1e-6)


def test_proportions():
    assert statistics.proportion(290, 290) == pytest.approx((1, 290 / (290 + 1.96**2), 1))
    low, high = statistics.proportion(5, 10)[1:]
    assert (low, high) == pytest.approx((0.2366, 0.7634), abs=1e-4)  # the textbook value


@pytest.mark.parametrize(
    ("interval", "text"),
    [
        (Interval(0.1234, 0.1134, 0.1334), "0.123 (0.113 to 0.133)"),
        (Interval(12.34, 2, 22), "12 (2 to 22)"),
        (Interval(1, 0.987, 1), "1.000 (0.987 to 1.000)"),
        (Interval(1, 1, 1), "1.00 (1.00 to 1.00)"),
    ],
)
def test_intervals_are_written_with_two_significant_digits_of_their_width(interval, text):
    assert str(interval) == text


# metrics


@given(st.floats(0.1, 1), st.floats(-0.5, 0.5), st.integers(0, 1000))
def test_detail_is_a_share_that_does_not_depend_on_contrast(contrast, brightness, seed):
    images = torch.rand((2, 3, 32, 32), generator=torch.Generator().manual_seed(seed))
    share = metrics.detail(images)
    assert ((share > 0) & (share < 1)).all()
    torch.testing.assert_close(metrics.detail(images * contrast + brightness), share, rtol=1e-3, atol=1e-4)


def test_detail_separates_low_from_high_frequencies():
    assert metrics.detail(wave(2)).item() == pytest.approx(0, abs=1e-6)
    assert metrics.detail(wave(12)).item() == pytest.approx(1, abs=1e-6)


def test_means_over_half_of_the_frequencies():
    assert metrics.upper_half_mean(torch.tensor([[9.0, 9.0, 1.0, 3.0]])).tolist() == [2]
    assert metrics.lower_half_mean(torch.tensor([[9.0, 2.0, 4.0, 1.0, 1.0, 1.0]])).tolist() == [3]


@given(st.integers(0, 1000), numbers)
def test_explained_variance(seed, brightness):
    generator = torch.Generator().manual_seed(seed)
    images, noise = torch.rand((3, 3, 16, 16), generator=generator), torch.randn((3, 16, 16), generator=generator)
    mixture = brightness + 2 * images[:, 0] - images[:, 2]
    assert features.explained_variance(mixture, images).tolist() == pytest.approx([1] * 3, abs=1e-6)
    assert features.explained_variance(noise, images).max() < 0.1
    half = mixture / mixture.std((1, 2), keepdim=True) + noise / noise.std((1, 2), keepdim=True)
    assert features.explained_variance(half, images).tolist() == pytest.approx([0.5] * 3, abs=0.12)


def test_scale_everything_is_neutral_at_1_and_scales_all_channels(small):
    assert factor_sweeps.scale_everything().neutral
    assert small.generate(factor_sweeps.scale_everything()).equal(small.generate(OFF))
    all_channels = small.generate(factor_sweeps.scale_everything(b=0.6))
    assert (all_channels - small.generate(Settings(b1=0.6, b2=0.6))).abs().mean() > 0.01


def test_middle_block_features_separate_the_training_images_from_others(small):
    truth = sample_quality.middle_block_features(small.model, small.data.images)
    assert truth.shape == (8, 128)
    others = sample_quality.middle_block_features(small.model, -small.data.images)
    assert statistics.frechet_distance(truth, others) > statistics.frechet_distance(truth, truth) + 0.01
    assert sample_quality.middle_block_features(small.model, small.data.images[:1]).allclose(truth[:1], atol=1e-4)


# the figures


@pytest.mark.parametrize("name", registry.FIGURES)
def test_each_figure_is_drawn_and_measured(unfinished, tmp_path, monkeypatch, name):
    monkeypatch.setattr(sample_quality, "RESAMPLES", 3)
    registry.draw_figures(unfinished, [name], tmp_path)
    result = results.load(tmp_path)[name]
    assert result["verdict"] in ("agrees", "partly", "does not")
    assert result["verdict"] == results.verdict([claim["holds"] for claim in result["claims"]])
    with Image.open(tmp_path / f"{name}.webp") as image:
        assert image.width <= PHONE_WIDTH
    assert markdown_tables.claims_table(result).count("\n| ") >= len(result["claims"])


def test_the_table_compares_off_with_both_versions(small, monkeypatch):
    monkeypatch.setattr(sample_quality, "RESAMPLES", 3)
    table = {row["variant"]: row for row in sample_quality.quality(small).table}
    assert list(table) == list(sample_quality.variants())
    assert table["off"]["pixels, change from off"] == (0, 0, 0)
    distances = [row["model"].mean for row in table.values()]
    assert len(set(distances)) == len(distances)


def test_results_of_other_figures_are_kept(small, tmp_path):
    registry.draw_figures(small, ["spectrum"], tmp_path)
    before = results.load(tmp_path)["spectrum"]
    registry.draw_figures(small, ["rows"], tmp_path)
    assert list(results.load(tmp_path)) == ["rows", "spectrum"]
    assert results.load(tmp_path)["spectrum"] == before


@pytest.mark.parametrize(
    ("holds", "verdict"), [([True, True], "agrees"), ([True, False], "partly"), ([False, False], "does not")]
)
def test_verdicts(holds, verdict):
    assert results.verdict(holds) == verdict


def test_a_claim_formats_its_numbers():
    claim = Claim("It falls.", "By {fall}, {steps} times", {"fall": Interval(-2, -3, -1), "steps": 4}, holds=True)
    assert claim.measurement == "By -2.0 (-3.0 to -1.0), 4 times"


def test_an_unknown_figure_is_named(capsys):
    with pytest.raises(SystemExit):
        command_line.main(["figures", "--only", "fig9"])
    assert "--only: must be one of rows, " in capsys.readouterr().err


# models that are not finished


def test_unfinished_models_are_compared_with_controls(unfinished):
    spaces = scores.feature_spaces(unfinished.model, unfinished.data)
    found = [row for one in unfinished.subjects for row in gains.measure_subject(one, spaces, unfinished.images)]
    rows = {(row["training"], row["variant"]): row for row in found if row["sampler steps"] == gains.STEPS}
    off = rows[1, "off"]
    assert off["distance, change from off"] == off["model, change from off"] == (0, 0, 0)
    assert rows[1, "version 1"]["distance"].mean > off["distance"].mean
    assert rows[1, "version 1"]["clipped"].mean > rows[1, "version 1, contrast kept"]["clipped"].mean
    assert {row["values"] for row in found} > {"version 2", "off, guidance 6", "off, contrast 1.2"}
    assert "held out, change from off" in off
    assert "held out, change from off" not in rows[2, "off"]
    assert len({row["distance"].mean for (steps, _), row in rows.items() if steps == 1}) >= 9
    result = unfinished_models.gain(unfinished)
    assert all(claim.numbers.keys() == {"after_1"} for claim in result.claims)
    assert {row["variant"] for row in result.table} == set(unfinished_models.TABLE.values())
    assert all(row.keys() == unfinished_models.COLUMNS.keys() for row in result.table)


def test_images_are_generated_once(unfinished, monkeypatch):
    part = unfinished.subjects[0].part(choosing=True)
    first = trials.generate(part, trials.LEAD, 1, unfinished.images)
    monkeypatch.delattr("research.evaluation.generate_all")
    assert trials.generate(part, trials.LEAD, 1, unfinished.images).equal(first)


def test_values_are_chosen_on_other_prompts_with_other_seeds(unfinished):
    subject = unfinished.subjects[0]
    choosing, reporting = (subject.part(choosing=choosing) for choosing in (True, False))
    assert not set(choosing.prompted.prompts) & set(reporting.prompted.prompts)
    assert {*choosing.prompted.prompts, *reporting.prompted.prompts} == set(subject.prompted.prompts)
    assert choosing.held_out + reporting.held_out == subject.held_out
    assert choosing.seed != reporting.seed


def test_labels_of_trials_are_unique_and_differ_in_values():
    every = [
        trials.OFF_TRIAL,
        *trials.authors(),
        trials.LEAD,
        *(trial for kind in trials.candidates().values() for trial in kind),
    ]
    assert len({trial.label for trial in every}) == len({trial[1:] for trial in every}) == len(every)


@given(st.integers(0, 1000), st.floats(0.2, 1.5))
def test_contrast_is_matched_for_each_image(seed, factor):
    images = 0.4 + 0.2 * torch.rand((2, 3, 8, 8), generator=torch.Generator().manual_seed(seed))
    others = trials.change_contrast(images, torch.tensor([factor, 1.0]).view(2, 1, 1, 1))
    matched = trials.match_contrast(images, others)
    assert matched.allclose(others, atol=1e-5)
    assert matched.mean((1, 2, 3)).allclose(images.mean((1, 2, 3)), atol=1e-5)


def test_changes_are_relative_to_the_first_one_and_paired(unfinished):
    subject = unfinished.subjects[0]
    images = torch.rand((8, 3, 32, 32), generator=torch.Generator().manual_seed(2))
    one = scores.measure(subject, images, {})
    twice = one._replace(distance=one.distance * 2)
    table = scores.measures(subject, {})
    for name in ("distance", "held out"):
        value, none, change = scores.changes([twice, twice, one], table[name], 20)
        assert value.mean == pytest.approx(2 * table[name](one, torch.arange(8)))
        assert none == (0, 0, 0)
        assert change == pytest.approx((100, 100, 100))


def test_measures_of_the_prompted_pictures_themselves(unfinished):
    subject = unfinished.subjects[0]
    spaces = scores.feature_spaces(unfinished.model, unfinished.data)
    found = scores.measure(subject, subject.pictures, spaces)
    everything = torch.arange(8)
    values = {name: value(found, everything) for name, value in scores.measures(subject, spaces).items()}
    assert values["recall"] == 1
    assert [values[name] for name in ("distance", "held out", *spaces)] == pytest.approx([0] * 4, abs=1e-4)


def test_subjects_are_the_snapshots_by_step_and_the_shipped_model(tmp_path, monkeypatch):
    for name in ("all-20", "all-3", "all"):
        shutil.copy(model.WEIGHTS, tmp_path / f"{name}.safetensors")
    pictures = torch.arange(100.0).view(-1, 1, 1, 1).expand(-1, 3, 32, 32) / 100
    trained = dataset.Dataset(pictures, [f"face {n} tone2" if n % 10 else f"face {n}" for n in range(100)])
    held_out = dataset.Dataset(-pictures[:3], ["face 10", "unknown face", "face 20 tone1"])
    monkeypatch.setattr(dataset, "load_all", lambda folder: (trained, held_out))
    monkeypatch.setattr(dataset, "load", lambda folder: trained)
    found = subjects.load_subjects(tmp_path, tmp_path)
    assert [subject.weights.stem for subject in found] == ["all-3", "all-20", "emoji32"]
    assert found[0].prompted.prompts[:3] == ["face 10", "face 0", "face 10"]
    assert (found[0].held_out, found[-1].held_out) == (1, 0)
    assert len(found[0].prompted.prompts) == 11
    assert len(found[0].pictures) == 2
    assert len(found[0].candidates.prompts) == 12


def test_missing_snapshots_are_named(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(
        dataset, "load", lambda folder: dataset.Dataset(torch.zeros(0, 3, 32, 32), [f"{n}" for n in range(99)])
    )
    with pytest.raises(SystemExit):
        command_line.main(["figures", "--only", "unfinished", "--snapshots", str(tmp_path)])
    assert "run `make unfinished` first" in capsys.readouterr().err


# the page


def test_the_page_shows_what_was_measured():
    assert set(RESULTS["figures"]) == set(registry.FIGURES)
    assert markdown_tables.fill(PAGE, RESULTS["figures"], registry.TITLES) == PAGE
    assert set(re.findall(r"<!-- ([\w-]+) -->", PAGE)) == {"verdicts", "end", *registry.FIGURES}


@pytest.mark.parametrize(("name", "title"), registry.TITLES.items())
def test_the_page_shows_each_figure(name, title):
    section = PAGE.partition(f"## {title}\n")[2].partition("\n## ")[0]
    assert f"<!-- {name} -->" in section
    file = re.search(rf"\]\(analysis/({name}\.(?:png|webp))\)", section)[1]
    assert (FOLDER / file).stat().st_size < PHONE_BYTES
    with Image.open(FOLDER / file) as image:
        assert image.width <= PHONE_WIDTH


def test_the_results_are_those_of_the_shipped_model():
    """Measure one figure again with the configuration in results.json."""
    configuration = RESULTS["configuration"]
    no_data = dataset.Dataset(torch.zeros(0, 3, 32, 32), [])
    experiment = Experiment(
        model.load(), no_data, configuration["prompts"], configuration["steps"], configuration["seed"]
    )
    stored = RESULTS["figures"]["spectrum"]["claims"]
    for claim, expected in zip(registry.FIGURES["spectrum"][1](experiment).claims, stored, strict=True):
        assert claim.statement == expected["statement"]
        assert claim.holds == expected["holds"]
        for name, value in claim.numbers.items():
            assert value == pytest.approx(expected["numbers"][name], abs=0.02)


def test_prompts_are_those_of_the_demo_and_others_evenly_spread():
    others = [f"word {n}" for n in range(290)]
    prompts = choose_prompts(dataset.Dataset(torch.zeros(0, 3, 32, 32), [*others, "red apple"]))
    assert prompts[0] == "red apple"
    assert len(set(prompts)) == len(prompts) == 24
    indices = [others.index(prompt) for prompt in prompts[8:]]
    assert max(indices) > 250
    assert math.isclose(indices[1] - indices[0], indices[-1] - indices[-2], abs_tol=1)
