"""The status line, and the data of the page's graph."""

import copy
import math
from types import SimpleNamespace

import pytest
from torch import nn

from freeu import Settings, UnsupportedUNetError, strength
from freeu.webui.status import MAX_STEPS, describe, describe_steps, graph, known_steps, run_strengths
from tests.support.unets import shared


def line_of(settings, unet, family):
    return describe(settings, unet, family, 20, run_strengths(settings, 20))


def steps_of(settings, steps):
    return describe_steps(settings, steps, run_strengths(settings, steps))


def graph_of(settings, steps):
    return graph(settings, steps, run_strengths(settings, steps))


@pytest.mark.parametrize(
    ("model", "settings", "line"),
    [
        ("SDXL", Settings(start=0.2, stop=0.8), "SDXL: b1, s1 on 4 blocks, b2, s2 on 3 blocks; steps 5 to 16 of 20"),
        ("SD 1.5", Settings(), "SD 1.5: b1, s1 on 7 blocks, b2, s2 on 3 blocks; steps 1 to 20 of 20"),
        (
            "SDXL",
            Settings(b1=1, s2=1, high3=0.9, width2=0),
            "SDXL: s1 on 4 blocks, high3 on 2 blocks; steps 1 to 20 of 20",
        ),
        ("SDXL", Settings(enabled=False), "SDXL: FreeU is off"),
        ("SDXL", Settings(b1=1, b2=1, s1=1, s2=1), "SDXL: these values change no image"),
    ],
)
def test_describe(model, settings, line):
    assert line_of(settings, shared(model), model) == line


def test_an_unknown_family_is_replaced_by_the_class_name():
    assert line_of(Settings(), shared("SDXL"), "").startswith("UNetModel: b1")


def test_a_model_without_ldm_decoder_blocks_raises():
    with pytest.raises(UnsupportedUNetError, match="Sequential"):
        line_of(Settings(), shared("SDXL").middle_block, "")


class Changing(nn.Module):
    """A block that another thread changes while it is read."""

    def modules(self):
        raise RuntimeError("dictionary changed size during iteration")


def changed(unet=None, **attributes):
    """Return a model with other attributes than those of an ldm UNet."""
    model = copy.copy(unet or shared("SDXL"))
    model._modules = dict(model._modules)
    for name, value in attributes.items():
        setattr(model, name, value)
    return model


@pytest.mark.parametrize(
    ("model", "names"),
    [
        (SimpleNamespace(diffusion_model=changed(nn.Identity())), "Identity"),
        (SimpleNamespace(diffusion_model=changed(output_blocks=nn.ModuleList([nn.Linear(1, 1)]))), "Linear"),
        (SimpleNamespace(diffusion_model=changed(output_blocks=nn.ModuleList([Changing()]))), "UNetModel"),
        (SimpleNamespace(diffusion_model=changed(output_blocks=None)), "UNetModel"),
        (SimpleNamespace(diffusion_model=changed(model_channels=None)), "UNetModel"),
        (SimpleNamespace(diffusion_model="engine"), "SimpleNamespace"),
        (object(), "object"),
    ],
)
def test_the_line_names_any_model_that_cannot_be_read(monkeypatch, model, names):
    from modules import sd_models

    from freeu.webui.callbacks import Callbacks
    from freeu.webui.script import FreeU

    monkeypatch.setattr(sd_models.model_data, "sd_model", SimpleNamespace(model=model))
    line = Callbacks(FreeU.catalog, is_img2img=False).status(Settings(), 20)
    assert "FreeU has no effect" in line
    assert names in line


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"start": 0.5, "stop": 0.5}, "no step"),
        ({"start": 0.25, "stop": 0.5}, "step 2 of 4"),
        ({"curve": "0:1, 0.3:1, 0.4:0, 0.9:0, 1:1"}, "steps 1 to 2, 4 of 4"),
        ({"passes": "first"}, "steps 1 to 4 of 4, not in the hires. fix pass"),
        ({"passes": "hires"}, "steps 1 to 4 of 4, only in the hires. fix pass"),
        ({"clock": "noise", "start": 0.2, "stop": 0.5}, "while the timestep is 799 to 500"),
    ],
)
def test_describe_steps(changes, text):
    assert steps_of(Settings(**changes), 4) == text


def test_unknown_steps_are_described_in_percent_of_the_run():
    assert steps_of(Settings(start=0.2, stop=0.8), None) == "from 20 % to 80 % of the run"
    assert steps_of(Settings(passes="hires"), None) == "from 0 % to 100 % of the run, only in the hires. fix pass"


WINDOW = {"start": 0.2, "stop": 0.8, "smoothness": 0.3}


@pytest.mark.parametrize("settings", [Settings(**WINDOW), Settings(curve="0:0, 0.3:1, 1:0.5"), Settings(enabled=False)])
@pytest.mark.parametrize("steps", [1, 2, 20, 150])
def test_the_graph_has_one_strength_per_step(settings, steps):
    data = graph_of(settings, steps)
    assert (data["axis"], data["ends"]) == ("step", [1, steps])
    assert data["strengths"] == pytest.approx([strength(settings, step, steps) for step in range(steps)], abs=1e-4)


def test_the_graph_in_percent():
    data = graph_of(Settings(**WINDOW), None)
    assert (data["axis"], data["ends"]) == ("percent", [0, 100])
    assert data["strengths"] == pytest.approx(
        [strength(Settings(**WINDOW), step, 100) for step in range(100)], abs=1e-4
    )


@pytest.mark.parametrize("steps", [20, None])
def test_the_graph_of_the_noise_clock_starts_at_the_first_timestep(steps):
    settings = Settings(clock="noise", curve="0:0, 1:1")
    data = graph_of(settings, steps)
    assert (data["axis"], data["ends"]) == ("timestep", [999, 0])
    indices = range(len(data["strengths"]))
    assert data["strengths"] == pytest.approx([index / indices[-1] for index in indices], abs=1e-4)


@pytest.mark.parametrize(
    ("typed", "steps"),
    [
        (20.0, 20),
        (MAX_STEPS, MAX_STEPS),
        *((typed, None) for typed in (MAX_STEPS + 1, 1_000_000, 10**400, math.inf, math.nan, -5, 0.5, None)),
    ],
)
def test_steps_that_the_graph_cannot_show_are_unknown(typed, steps):
    assert known_steps(typed) == steps
