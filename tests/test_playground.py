"""The playground: the shipped model, its samplers and commands."""

import numpy as np
import pytest
import torch
from PIL import Image

from freeu import Settings
from freeu.settings.settings import TABLE
from playground import __main__ as command_line
from playground import demo, images, model, sampling
from playground.images import CELL_SIZE, GAP, HEADING_HEIGHT

OFF = Settings(enabled=False)
EDITED_BLOCKS = 5  # decoder blocks of stages 1 and 2


@pytest.fixture(scope="module")
def shipped():
    return model.load()


def job(*prompts, **fields):
    return sampling.Job(prompts, **{"steps": 4, **fields})


def mean_color(image):
    """Return the mean red, green and blue of the pixels that are not background."""
    return image[:, (image < 0.9).any(0)].mean(1).tolist()


@pytest.mark.parametrize(
    "sampler", ["Euler", *(pytest.param(name, marks=pytest.mark.slow) for name in sampling.SAMPLERS if name != "Euler")]
)
def test_images_show_the_prompt(shipped, sampler):
    apple, frog, lemon, berries = sampling.sample(
        shipped, job("red apple", "frog face", "lemon", "blueberries", steps=12, sampler=sampler), OFF
    ).images
    red, green, blue = mean_color(apple)
    assert red > green + 0.2
    assert red > blue + 0.2
    red, green, blue = mean_color(frog)
    assert green > red
    assert green > blue + 0.1
    red, green, blue = mean_color(lemon)
    assert min(red, green) > blue + 0.2
    red, green, blue = mean_color(berries)
    assert blue > red


@pytest.mark.parametrize("sampler", sampling.SAMPLERS)
def test_an_image_does_not_depend_on_its_batch(shipped, sampler):
    alone = sampling.sample(shipped, job("tiger face", sampler=sampler, seed=3), Settings()).images
    again = sampling.sample(shipped, job("tiger face", sampler=sampler, seed=3), Settings()).images
    batch = sampling.sample(shipped, job("pear", "tiger face", sampler=sampler, seed=2), Settings()).images
    assert alone.equal(again)
    torch.testing.assert_close(batch[1], alone[0], rtol=0, atol=1e-4)


def test_freeu_changes_the_image_and_leaves_the_model_unchanged(shipped):
    off = sampling.sample(shipped, job("strawberry"), OFF)
    for version in ("1", "2"):
        on = sampling.sample(shipped, job("strawberry"), Settings(version=version))
        assert on.edited_blocks == 4 * EDITED_BLOCKS
        assert (on.images - off.images).abs().mean() > 0.005
    assert off.edited_blocks == 0
    assert sampling.sample(shipped, job("strawberry"), OFF).images.equal(off.images)


@pytest.mark.parametrize(("sampler", "calls"), [("Euler", 2), ("DDIM", 2), ("DPM++ 2M", 2), ("Heun", 3)])
def test_the_schedule_counts_sampler_steps(shipped, sampler, calls):
    """FreeU acts in the second half of four steps. Heun calls the model twice per step, once in the last."""
    result = sampling.sample(shipped, job("penguin", sampler=sampler), Settings(start=0.5))
    assert result.edited_blocks == calls * EDITED_BLOCKS


def test_on_step_is_called_once_per_step(shipped):
    for sampler in sampling.SAMPLERS:
        steps = []
        sampling.sample(shipped, job("penguin", sampler=sampler), OFF, steps.append)
        assert len(steps) == 4


@pytest.mark.parametrize("sampler", sampling.SAMPLERS)
def test_steps_go_from_noise_to_the_image(shipped, sampler):
    steps = []
    result = sampling.sample(shipped, job("red apple", sampler=sampler, steps=10), OFF, steps.append)
    assert steps[0].noisy.std() == pytest.approx(1, abs=0.1)
    last = (steps[-1].predicted / 2 + 0.5).clamp(0, 1)
    assert (last - result.images).abs().max() < 0.05
    distances = [(step.predicted - steps[-1].predicted).square().mean() for step in steps]
    noisy = [(step.noisy - steps[-1].predicted).square().mean() for step in steps]
    assert distances[0] > distances[5] > distances[8]
    assert noisy[0] > noisy[5] > noisy[9]


def test_the_weights_have_at_most_10_mb():
    assert model.WEIGHTS.stat().st_size <= 10_000_000


def test_saved_weights_load_again(shipped, tmp_path):
    model.save(shipped, tmp_path / "weights.safetensors")
    copy = model.load(tmp_path / "weights.safetensors")
    assert copy.text.words == shipped.text.words
    assert sampling.sample(copy, job("pear"), OFF).images.equal(sampling.sample(shipped, job("pear"), OFF).images)


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ("red aple", "must contain only words that the model knows, got 'aple'; similar words: "),
        ("qqqq", "must contain only words that the model knows, got 'qqqq'; `python -m playground words` lists all"),
        ("red " * 7, "must have at most 6 words, got 7"),
    ],
)
def test_invalid_prompts(shipped, prompt, message):
    with pytest.raises(model.PromptError) as caught:
        sampling.sample(shipped, job(prompt), OFF)
    assert message in str(caught.value)


def run(capsys, *arguments):
    """Run a command. Returns its exit status, standard output and standard error."""
    try:
        command_line.main(arguments)
        status = 0
    except SystemExit as stop:
        status = stop.code
    out, err = capsys.readouterr()
    return status, out, err


def test_the_demo_compares_labelled_variants(capsys, tmp_path):
    variants = ("--variant", "b alone: s1=1 s2=1", "--variant", "more: b1=1.6")
    status, text, _ = run(
        capsys, "demo", "--prompt", "pear", "--steps", "2", "--b2", "1.2", *variants, "--out", str(tmp_path / "a.png")
    )
    assert status == 0
    assert [line[:9].strip() for line in text.splitlines()[:3]] == ["FreeU off", "b alone", "more"]
    assert Image.open(tmp_path / "a.png").height == HEADING_HEIGHT + 3 * (CELL_SIZE + GAP)
    labelled = {"b alone": {"s1": "1", "s2": "1"}, "more": {"b1": "1.6"}}
    assert list(demo.variants({"b2": "1.2"}, labelled).values()) == [
        OFF,
        Settings(b2=1.2, s1=1, s2=1),
        Settings(b1=1.6, b2=1.2),
    ]


@pytest.mark.parametrize(
    ("variant", "message"),
    [
        ("s1=1", "--variant: must be a label and values"),
        ("a: s1", "--variant: must be a label and values"),
        (": s1=1", "--variant: must be a label and values"),
        ("a: s9=1", "s9"),
        ("a: s1=9", "s1 must be between -1 and 3, got '9'"),
    ],
)
def test_invalid_variants(capsys, tmp_path, variant, message):
    status, _, err = run(capsys, "demo", "--variant", variant, "--out", str(tmp_path / "a.png"))
    assert status == 2
    assert message in err
    assert not list(tmp_path.iterdir())


def test_the_demo_saves_webp(capsys, tmp_path):
    status, _, _ = run(capsys, "demo", "--prompt", "pear", "--steps", "2", "--out", str(tmp_path / "a.webp"))
    assert status == 0
    with Image.open(tmp_path / "a.webp") as sheet:
        assert (sheet.format, sheet.height) == ("WEBP", HEADING_HEIGHT + 4 * (CELL_SIZE + GAP))


def test_webp_is_smaller_than_png_and_nearly_equal(tmp_path):
    generator = torch.Generator().manual_seed(1)
    smooth = torch.nn.functional.interpolate(torch.rand((1, 3, 8, 8), generator=generator), 64, mode="bicubic")
    photo = images.grid([[images.to_image(smooth[0].clamp(0, 1))]], ["label"])
    chart = images.grid([[Image.new("RGB", (64, 64), color) for color in ("red", "blue")]], ["one", "two"])
    for image, tolerance in ((photo, 3), (chart, 0)):
        images.save(image, tmp_path / "a.png")
        images.save(image, tmp_path / "a.webp")
        assert (tmp_path / "a.webp").stat().st_size < (tmp_path / "a.png").stat().st_size
        read = [np.asarray(Image.open(tmp_path / name).convert("RGB")).astype(int) for name in ("a.png", "a.webp")]
        assert abs(read[0] - read[1]).mean() <= tolerance


def test_the_demo_compares_off_with_both_versions(capsys, tmp_path):
    out = tmp_path / "new" / "demo.png"
    status, text, _ = run(
        capsys, "demo", "--prompt", "red apple", "--prompt", "pear", "--steps", "3", "--out", str(out)
    )
    assert status == 0
    labels = ["FreeU off", "FreeU version 1", "FreeU version 2", "version 2, contrast kept"]
    assert [line[: len(labels[-1])].rstrip() for line in text.splitlines()[:4]] == labels
    assert f"{3 * EDITED_BLOCKS} decoder blocks edited" in text
    with Image.open(out) as image:
        sheet = np.asarray(image.convert("RGB")).astype(int)
    assert sheet.shape[0] == HEADING_HEIGHT + 4 * (CELL_SIZE + GAP)
    tops = range(HEADING_HEIGHT, sheet.shape[0], CELL_SIZE + GAP)
    off, version_1, version_2, kept = (sheet[top : top + CELL_SIZE, -(CELL_SIZE + GAP) : -GAP] for top in tops)
    assert abs(off - version_1).mean() > 1
    assert abs(off - version_2).mean() > 1
    assert abs(version_1 - version_2).mean() > 0.1
    assert abs(off - kept).mean() < abs(off - version_2).mean()
    once = out.read_bytes()
    run(capsys, "demo", "--prompt", "red apple", "--prompt", "pear", "--steps", "3", "--out", str(out))
    assert out.read_bytes() == once


@pytest.mark.parametrize("name", TABLE)
def test_every_parameter_is_an_option(capsys, tmp_path, name):
    """Settings validates the value and names the field."""
    option = f"--{name.replace('_', '-')}"
    status, _, err = run(capsys, "demo", option, "nonsense", "--out", str(tmp_path / "demo.png"))
    assert status == 2
    assert f"error: {name} must be" in err
    assert "got 'nonsense'" in err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--b1", "9"], "error: b1 must be between -1 and 3, got '9'"),
        (["--preset", "SDLX"], "error: preset must be one of "),
        (["--steps", "0"], "--steps: must be a whole number from 1 to 1000, got '0'"),
        (["--seed", "-1"], "--seed"),
        (["--guidance", "nan"], "--guidance: must be a finite number, got 'nan'"),
        (["--sampler", "Magic"], "--sampler"),
        (["--out", "demo.jpg"], "--out: must be a file that ends in .png or .webp, got 'demo.jpg'"),
        (["--prompt", "red aple"], "'aple'"),
        (["--b", "1.2"], "unrecognized arguments: --b"),
    ],
)
def test_invalid_options_are_named(capsys, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    status, _, err = run(capsys, "demo", *arguments)
    assert status == 2
    assert message in err
    assert not list(tmp_path.iterdir())


def test_variants_without_labels_are_the_versions_and_the_contrast_kept():
    kept = "version 2, contrast kept"
    assert list(demo.variants({})) == ["FreeU off", "FreeU version 1", "FreeU version 2", kept]
    assert demo.variants({})[kept] == Settings(version="2", keep_contrast=1)
    one = Settings(version="1", b1=1.1)
    assert list(demo.variants({"version": "1", "b1": "1.1"}).values()) == [OFF, one, one.replace(keep_contrast=1)]
    half = {"version": "1", "keep_contrast": "0.5"}
    assert list(demo.variants(half).values()) == [OFF, Settings(version="1", keep_contrast=0.5)]


def test_words_are_listed(capsys, shipped):
    status, out, _ = run(capsys, "words")
    assert status == 0
    assert out.strip().split(", ") == list(shipped.text.words)
