"""The embedded default: the shipped model, its sampler, its commands and its training."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from freeu import Settings
from freeu.settings.settings import TABLE
from playground import __main__ as command_line
from playground import demo, emoji, evaluate, model, sampling, train
from playground.files import replacing
from playground.pictures import CELL, GAP, HEADING

OFF = Settings(enabled=False)
EDITED = 5  # decoder blocks of stages 1 and 2


@pytest.fixture(scope="module")
def shipped():
    return model.load()


def job(*prompts, **how):
    return sampling.Job(prompts, **{"steps": 4, **how})


def colour(picture):
    """The mean red, green and blue of what is not background."""
    return picture[:, (picture < 0.9).any(0)].mean(1).tolist()


@pytest.mark.parametrize("sampler", sampling.SAMPLERS)
def test_pictures_show_what_was_asked_for(shipped, sampler):
    apple, frog, lemon, berries = sampling.sample(
        shipped, job("red apple", "frog face", "lemon", "blueberries", steps=12, sampler=sampler), OFF
    ).pictures
    red, green, blue = colour(apple)
    assert red > green + 0.2
    assert red > blue + 0.2
    red, green, blue = colour(frog)
    assert green > red
    assert green > blue + 0.1
    red, green, blue = colour(lemon)
    assert min(red, green) > blue + 0.2
    red, green, blue = colour(berries)
    assert blue > red


@pytest.mark.parametrize("sampler", sampling.SAMPLERS)
def test_same_seed_same_picture_whatever_the_batch(shipped, sampler):
    alone = sampling.sample(shipped, job("tiger face", sampler=sampler, seed=3), Settings()).pictures
    again = sampling.sample(shipped, job("tiger face", sampler=sampler, seed=3), Settings()).pictures
    batch = sampling.sample(shipped, job("pear", "tiger face", sampler=sampler, seed=2), Settings()).pictures
    assert alone.equal(again)
    torch.testing.assert_close(batch[1], alone[0], rtol=0, atol=1e-4)


def test_freeu_changes_the_picture_and_leaves_no_trace(shipped):
    off = sampling.sample(shipped, job("strawberry"), OFF)
    for version in ("1", "2"):
        on = sampling.sample(shipped, job("strawberry"), Settings(version=version))
        assert on.edited == 4 * EDITED
        assert (on.pictures - off.pictures).abs().mean() > 0.005
    assert off.edited == 0
    assert sampling.sample(shipped, job("strawberry"), OFF).pictures.equal(off.pictures)


@pytest.mark.parametrize(("sampler", "calls"), [("Euler", 2), ("DDIM", 2), ("DPM++ 2M", 2), ("Heun", 3)])
def test_the_schedule_counts_sampler_steps(shipped, sampler, calls):
    """The second half of four steps. Heun calls the model twice a step, and once in the last."""
    drawn = sampling.sample(shipped, job("penguin", sampler=sampler), Settings(start=0.5))
    assert drawn.edited == calls * EDITED


def test_on_step_is_called_once_a_step(shipped):
    for sampler in sampling.SAMPLERS:
        steps = []
        sampling.sample(shipped, job("penguin", sampler=sampler), OFF, steps.append)
        assert len(steps) == 4


@pytest.mark.parametrize("sampler", sampling.SAMPLERS)
def test_steps_go_from_noise_to_the_picture(shipped, sampler):
    steps = []
    drawn = sampling.sample(shipped, job("red apple", sampler=sampler, steps=10), OFF, steps.append)
    assert steps[0].noisy.std() == pytest.approx(1, abs=0.1)
    last = (steps[-1].predicted / 2 + 0.5).clamp(0, 1)
    assert (last - drawn.pictures).abs().max() < 0.05
    far = [(step.predicted - steps[-1].predicted).square().mean() for step in steps]
    noisy = [(step.noisy - steps[-1].predicted).square().mean() for step in steps]
    assert far[0] > far[5] > far[8]
    assert noisy[0] > noisy[5] > noisy[9]


def test_the_weights_are_small_enough_to_clone():
    assert model.WEIGHTS.stat().st_size <= 10_000_000


def test_weights_survive_saving(shipped, tmp_path):
    model.save(shipped, tmp_path / "weights.safetensors")
    copy = model.load(tmp_path / "weights.safetensors")
    assert copy.text.words == shipped.text.words
    assert sampling.sample(copy, job("pear"), OFF).pictures.equal(sampling.sample(shipped, job("pear"), OFF).pictures)


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ("red aple", "does not know the word 'aple'; close words: "),
        ("qqqq", "does not know the word 'qqqq'; `python -m playground words` lists all"),
        ("red " * 7, "has 7 words; the model reads at most 6"),
    ],
)
def test_prompts_that_the_model_cannot_read(shipped, prompt, message):
    with pytest.raises(model.PromptError) as caught:
        sampling.sample(shipped, job(prompt), OFF)
    assert message in str(caught.value)


def run(capsys, *arguments):
    """Run a command; its exit status, output and errors."""
    try:
        command_line.main(arguments)
        status = 0
    except SystemExit as stop:
        status = stop.code
    out, err = capsys.readouterr()
    return status, out, err


def test_the_demo_draws_ways_with_names(capsys, tmp_path):
    ways = ("--way", "b alone: s1=1 s2=1", "--way", "more: b1=1.6")
    status, text, _ = run(
        capsys, "demo", "--prompt", "pear", "--steps", "2", "--b2", "1.2", *ways, "--out", str(tmp_path / "a.png")
    )
    assert status == 0
    assert [line[:9].strip() for line in text.splitlines()[:3]] == ["FreeU off", "b alone", "more"]
    assert Image.open(tmp_path / "a.png").height == HEADING + 3 * (CELL + GAP)
    named = {"b alone": {"s1": "1", "s2": "1"}, "more": {"b1": "1.6"}}
    assert list(demo.ways({"b2": "1.2"}, named).values()) == [
        OFF,
        Settings(b2=1.2, s1=1, s2=1),
        Settings(b1=1.6, b2=1.2),
    ]


@pytest.mark.parametrize("way", ["s1=1", "a: s1", ": s1=1", "a: s9=1", "a: s1=9"])
def test_bad_ways_are_explained(capsys, tmp_path, way):
    status, _, err = run(capsys, "demo", "--way", way, "--out", str(tmp_path / "a.png"))
    assert status == 2
    assert "is not allowed" in err


def test_the_demo_draws_off_and_both_versions(capsys, tmp_path):
    out = tmp_path / "new" / "demo.png"
    status, text, _ = run(
        capsys, "demo", "--prompt", "red apple", "--prompt", "pear", "--steps", "3", "--out", str(out)
    )
    assert status == 0
    assert [line[:16].strip() for line in text.splitlines()[:3]] == ["FreeU off", "FreeU version 1", "FreeU version 2"]
    assert f"{3 * EDITED} decoder blocks edited" in text
    with Image.open(out) as image:
        sheet = np.asarray(image.convert("RGB")).astype(int)
    assert sheet.shape[0] == HEADING + 3 * (CELL + GAP)
    tops = range(HEADING, sheet.shape[0], CELL + GAP)
    off, version_1, version_2 = (sheet[top : top + CELL, -(CELL + GAP) : -GAP] for top in tops)
    assert abs(off - version_1).mean() > 1
    assert abs(off - version_2).mean() > 1
    assert abs(version_1 - version_2).mean() > 0.1
    once = out.read_bytes()
    run(capsys, "demo", "--prompt", "red apple", "--prompt", "pear", "--steps", "3", "--out", str(out))
    assert out.read_bytes() == once


@pytest.mark.parametrize("name", TABLE)
def test_every_parameter_is_an_option(capsys, tmp_path, name):
    """A value out of range reaches Settings, which names the field."""
    option = f"--{name.replace('_', '-')}"
    status, _, err = run(capsys, "demo", option, "nonsense", "--out", str(tmp_path / "demo.png"))
    assert status == 2
    assert f"error: {name}: 'nonsense' is not allowed" in err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--b1", "9"], "b1: '9' is not allowed; it is a number from -1 to 3"),
        (["--preset", "SDLX"], "preset: 'SDLX' is not allowed"),
        (["--steps", "0"], "'0' is not allowed; it is a whole number from 1 to 1000"),
        (["--seed", "-1"], "--seed"),
        (["--guidance", "nan"], "--guidance"),
        (["--sampler", "Magic"], "--sampler"),
        (["--out", "demo.jpg"], "it is a file that ends in .png"),
        (["--prompt", "red aple"], "'aple'"),
        (["--b", "1.2"], "unrecognized arguments: --b"),
    ],
)
def test_bad_options_are_named(capsys, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    status, _, err = run(capsys, "demo", *arguments)
    assert status == 2
    assert message in err
    assert not list(tmp_path.iterdir())


def test_ways_follow_the_options():
    assert list(demo.ways({})) == ["FreeU off", "FreeU version 1", "FreeU version 2"]
    assert list(demo.ways({"version": "1", "b1": "1.1"}).values()) == [OFF, Settings(version="1", b1=1.1)]


def test_words_are_listed(capsys, shipped):
    status, out, _ = run(capsys, "words")
    assert status == 0
    assert out.strip().split(", ") == list(shipped.text.words)


@pytest.fixture
def package(tmp_path):
    """An unpacked emoji package in small: two emoji that count and one that does not."""
    folder = tmp_path / "package"
    pictures = folder / "img" / "google" / "64"
    pictures.mkdir(parents=True)
    entries = []
    for name, category, paint in (
        ("RED APPLE", "Food & Drink", "red"),
        ("FRONT-FACING FROG", "Animals & Nature", "green"),
        ("FLAG", "Flags", "blue"),
    ):
        Image.new("RGBA", (64, 64), paint).save(pictures / f"{paint}.png")
        entries.append({"name": name, "category": category, "image": f"{paint}.png"})
    (folder / "emoji.json").write_text(json.dumps(entries))
    return folder


def test_emoji_are_read_from_the_package(package):
    data = emoji.load(package)
    assert data.prompts == ["red apple", "front facing frog"]
    assert data.words == ["apple", "facing", "frog", "front", "red"]
    assert data.pictures.shape == (2, 3, 32, 32)
    assert data.pictures[0, :, 0, 0].tolist() == [1, -1, -1]


def test_missing_emoji_say_how_to_get_them(capsys, tmp_path):
    status, _, err = run(capsys, "train", "--emoji", str(tmp_path))
    assert status == 2
    assert "run `make emoji` first" in err


def test_training_learns_and_resumes_where_it_stopped(package, tmp_path):
    def trained(folder, *stops):
        checkpoint, weights = tmp_path / folder / "checkpoint.pt", tmp_path / folder / "weights.safetensors"
        for steps in stops:
            train.train(train.Plan(steps=steps, batch=4, warmup=2, decay=1e-9), package, checkpoint, weights)
        return torch.load(checkpoint, weights_only=True)["losses"], weights

    whole, weights = trained("whole", 12)
    resumed, _ = trained("resumed", 5, 12)
    assert resumed == pytest.approx(whole, rel=1e-3)
    assert np.mean(whole[-4:]) < np.mean(whole[:4])
    assert model.load(weights).text.words == ("apple", "facing", "frog", "front", "red")
    assert weights.with_name("loss.png").is_file()


def test_a_file_is_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "new" / "file"
    with replacing(path) as unfinished:
        unfinished.write_text("first")

    def interrupted():
        with replacing(path) as unfinished:
            unfinished.write_text("half")
            raise RuntimeError("interrupted")

    with pytest.raises(RuntimeError, match="interrupted"):
        interrupted()
    assert path.read_text() == "first"
    assert list(path.parent.iterdir()) == [path]


def test_recall_and_the_sheet(package, tmp_path):
    data = emoji.load(package)
    assert evaluate.recall(data.pictures / 2 + 0.5, data) == 1
    assert evaluate.recall(data.pictures.flip(0) / 2 + 0.5, data) == 0
    evaluate.save_sheet(data.pictures / 2 + 0.5, tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.size == (584, 584)
