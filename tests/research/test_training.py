"""The training data, training, evaluation, and the score that compares images with the training data."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from playground import model
from research import __main__ as command_line
from research import closeness, dataset, evaluation, training

pytestmark = pytest.mark.slow


@pytest.fixture
def package(tmp_path):
    """A small emoji package: two emoji of the wanted categories and one of another."""
    folder = tmp_path / "package"
    image_folder = folder / "img" / "google" / "64"
    image_folder.mkdir(parents=True)
    entries = []
    for name, category, paint in (
        ("RED APPLE", "Food & Drink", "red"),
        ("FRONT-FACING FROG", "Animals & Nature", "green"),
        ("FLAG", "Flags", "blue"),
    ):
        Image.new("RGBA", (64, 64), paint).save(image_folder / f"{paint}.png")
        entries.append({"name": name, "category": category, "image": f"{paint}.png"})
    (folder / "emoji.json").write_text(json.dumps(entries))
    return folder


def test_the_dataset_is_read_from_the_package(package):
    data = dataset.load(package)
    assert data.prompts == ["red apple", "front facing frog"]
    assert data.words == ["apple", "facing", "frog", "front", "red"]
    assert data.images.shape == (2, 3, 32, 32)
    assert data.images[0, :, 0, 0].tolist() == [1, -1, -1]


def test_all_emoji_are_read_with_skin_tones_and_a_tenth_of_the_names_is_held_out(package):
    index = package / "emoji.json"
    tones = {"1F3FB": True, "1F3FD-1F3FF": True, "1F3FE": False}
    variations = {code: {"image": "red.png", "has_img_google": has_image} for code, has_image in tones.items()}
    entries = [
        {"name": f"PERSON WITH A HAND: {n}", "image": "red.png", "has_img_google": True, "skin_variations": variations}
        for n in range(200)
    ]
    index.write_text(json.dumps([*entries, {"name": "OTHER", "image": "none.png", "has_img_google": False}]))
    trained, held_out = dataset.load_all(package)
    # The last six words of a name.
    assert trained.prompts[:2] == ["person with a hand 0", "person with a hand 0 tone1"]
    assert trained.prompts[2] == "with a hand 0 tone3 tone5"
    assert len(trained.prompts) + len(held_out.prompts) == 600
    names = [{prompt.partition("hand ")[2].split()[0] for prompt in part.prompts} for part in (trained, held_out)]
    assert len(names[0] | names[1]) == 200
    assert not names[0] & names[1]
    assert 10 <= len(names[1]) <= 30
    # A name is held out whatever else is in the index.
    index.write_text(json.dumps(entries[100:]))
    assert set(dataset.load_all(package)[1].prompts) < set(held_out.prompts)


def test_missing_emoji(capsys, tmp_path):
    with pytest.raises(SystemExit) as stop:
        command_line.main(["train", "--emoji", str(tmp_path)])
    assert stop.value.code == 2
    assert "run `make emoji` first" in capsys.readouterr().err


@pytest.mark.parametrize("is_faster", [True, False])
def test_training_uses_bfloat16_where_it_is_faster(package, monkeypatch, is_faster):
    monkeypatch.setattr(training, "bfloat16_is_faster", lambda: is_faster)
    trainer = training.Trainer(dataset.load(package), training.Plan(batch_size=4))
    seen = []
    trainer.model.register_forward_hook(lambda _model, _args, predicted: seen.append(predicted.dtype))
    trainer.train_step()
    assert seen == [torch.bfloat16 if is_faster else torch.float32]


def test_training_learns_and_resumes_where_it_stopped(package, tmp_path, monkeypatch):
    monkeypatch.setattr(training, "bfloat16_is_faster", lambda: False)

    def trained(folder, *stops):
        checkpoint, weights = tmp_path / folder / "checkpoint.pt", tmp_path / folder / "weights.safetensors"
        for steps in stops:
            plan = training.Plan(steps=steps, batch_size=4, warmup=2, decay=1e-9, snapshots=[5])
            training.train(plan, dataset.load(package), checkpoint, weights)
        return torch.load(checkpoint, weights_only=True)["losses"], weights

    whole, weights = trained("whole", 12)
    resumed, _ = trained("resumed", 5, 12)
    assert resumed == pytest.approx(whole, rel=1e-3)
    assert np.mean(whole[-4:]) < np.mean(whole[:4])
    assert model.load(weights).text.words == ("apple", "facing", "frog", "front", "red")
    assert weights.with_name("loss.png").is_file()
    snapshot = model.load(training.snapshot_path(weights, 5))
    assert not snapshot.text.position.equal(model.load(weights).text.position)


@pytest.mark.parametrize(("count", "decay"), [(0, 0.1), (90, 0.91), (1_000_000, 0.999)])
def test_the_average_reaches_back_less_far_at_the_start_of_training(count, decay):
    """So that the weights of an unfinished model are not the random ones of its first step."""
    averaged = torch.ones(3)
    training.Plan().average_([averaged], [torch.zeros(3)], count)
    torch.testing.assert_close(averaged, torch.full((3,), decay))


def test_recall_and_the_sheet(package, tmp_path):
    data = dataset.load(package)
    assert evaluation.recall(data.images / 2 + 0.5, data) == 1
    assert evaluation.recall(data.images.flip(0) / 2 + 0.5, data) == 0
    evaluation.save_sheet(data.images / 2 + 0.5, tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.size == (584, 584)


def test_closeness_is_largest_for_the_pictures_themselves(monkeypatch):
    pixels = np.random.default_rng(1).integers(0, 256, (2, model.IMAGE_SIZE, model.IMAGE_SIZE, 3), np.uint8)
    pictures = torch.from_numpy(pixels).permute(0, 3, 1, 2) / 127.5 - 1
    monkeypatch.setattr(dataset, "load", lambda folder: dataset.Dataset(pictures, ["red apple", "pear"]))
    large = [Image.fromarray(one).resize((256, 256), Image.Resampling.NEAREST) for one in pixels]
    assert closeness.closeness(large, ["red apple", "pear"]) == pytest.approx(0, abs=1e-9)
    squares = (pixels[0] / 255 - pixels[1] / 255) ** 2
    assert closeness.closeness(large, ["pear", "red apple"]) == pytest.approx(-squares.mean(), rel=1e-5)
    with pytest.raises(ValueError, match="not in list"):
        closeness.closeness(large[:1], ["no picture"])
