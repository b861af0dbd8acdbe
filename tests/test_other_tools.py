"""Coming from another tool: its algorithm, on the real ldm UNet, against ours with what its picture says.

docs/moving.md says the same in words.
"""

import json
from types import SimpleNamespace

import pytest
import torch
from diffusers import UNet2DConditionModel
from hypothesis import given
from hypothesis import strategies as st

from freeu import Settings, attach, from_infotext, strength
from freeu.cli import graphs
from freeu.core.backbone import channel_window
from freeu.webui import arguments, run
from tests import other_tools
from tests.other_tools import Factors, LjlebStage
from tests.reference import forward
from tests.strategies import shares
from tests.test_cli import comfyui, invokeai
from tests.unets import SHAPES, inputs, shared

MODELS = ("SD 1.5", "SDXL")
FACTORS = Factors(b1=1.3, b2=1.4, s1=0.9, s2=0.2)
KEYS = {f"freeu_{name}": str(value) for name, value in FACTORS._asdict().items()}
FORGE = {"freeu_enabled": "True", **KEYS, "freeu_start": "0.0", "freeu_end": "1.0"}
RICH = (
    LjlebStage(1.3, 0.9, backbone_offset=0.25, backbone_width=0.5),
    LjlebStage(1.4, 0.2, backbone_offset=0.75, backbone_width=0.5, skip_cutoff=0.6),
    LjlebStage(1.2, 0.6, backbone_width=1.0, skip_high_end_factor=1.1),
)
PLAIN = (LjlebStage(1.3, 0.9), LjlebStage(1.4, 0.2), LjlebStage())


def widths(name):
    """The backbone widths of a UNet's stages: 1280, 640 and 320 in the real SD 1.5 and SDXL."""
    return [times * SHAPES[name].model_channels for times in (4, 2, 1)]


@torch.inference_mode()
def ours(name, settings, step=0, steps=1):
    x, timesteps, context = inputs(height=16, width=24)
    with attach(shared(name), settings) as session:
        session.at(step, steps)
        return shared(name)(x, timesteps=timesteps, context=context)


@torch.inference_mode()
def theirs(name, edit):
    return forward(shared(name), *inputs(height=16, width=24), edit)


def off(name):
    return theirs(name, lambda block, backbone, skip: (backbone, skip))


def assert_same(name, found, expected, atol=1e-5):
    torch.testing.assert_close(found, expected, rtol=0, atol=atol)
    assert (expected - off(name)).abs().max() > 1e-2, "FreeU must matter for this test to mean anything"


WRITTEN = {
    "Forge": from_infotext(FORGE),
    "reForge": from_infotext({"freeu_enabled": "True", **KEYS}),
    "Fooocus": from_infotext({"FreeU": "(1.3, 1.4, 0.9, 0.2)"}),
    **{f"ComfyUI {node}": graphs.comfyui(comfyui(node)) for node in graphs.COMFYUI_NODES},
}
"""What each tool's picture says."""


@pytest.mark.parametrize("name", [*MODELS, "SDXL refiner"])
@pytest.mark.parametrize("tool", WRITTEN)
def test_tools_that_go_by_width(name, tool):
    version = "1" if tool == "ComfyUI FreeU" else "2"
    expected = theirs(name, other_tools.comfy(version, FACTORS, SHAPES[name].model_channels))
    assert_same(name, ours(name, WRITTEN[tool]), expected)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(
    "settings",
    [
        graphs.diffusers(FACTORS._asdict()),
        graphs.invokeai(invokeai()),
        from_infotext({"FreeU": "b1=1.3 b2=1.4 s1=0.9 s2=0.2"}),
    ],
    ids=["diffusers", "InvokeAI", "SD.Next"],
)
def test_tools_that_go_by_resolution(name, settings):
    """diffusers, and what is built on it: InvokeAI, and SD.Next's default backend."""
    assert_same(name, ours(name, settings), theirs(name, other_tools.diffusers(FACTORS, blocks_a_level=3)))
    by_width = theirs(name, other_tools.comfy("1", FACTORS, SHAPES[name].model_channels))
    assert (ours(name, settings) - by_width).abs().max() > 1e-2, "the stage maps must differ"


@pytest.mark.parametrize("zero", ["s1", "s2", "b1", "b2"])
def test_a_factor_of_0_turns_diffusers_off(zero):
    """Of all of FreeU. Hence `convert --diffusers` answers with FreeU off."""
    unet = UNet2DConditionModel(
        sample_size=8, block_out_channels=(8, 16), layers_per_block=1, cross_attention_dim=8, norm_num_groups=4,
        down_block_types=("DownBlock2D", "DownBlock2D"), up_block_types=("UpBlock2D", "UpBlock2D"),
        attention_head_dim=4,
    )  # fmt: skip
    args = torch.randn(1, 4, 8, 8), torch.tensor([500]), torch.randn(1, 3, 8)
    with torch.inference_mode():
        plain = unet(*args).sample
        unet.enable_freeu(**FACTORS._asdict())
        assert not unet(*args).sample.equal(plain)
        unet.enable_freeu(**{**FACTORS._asdict(), zero: 0.0})
        assert unet(*args).sample.equal(plain)


def ljleb_infotext(version, stages):
    """As its extension writes them: what has its initial value is left out."""
    initial = LjlebStage()._asdict()
    changed = [{k: v for k, v in stage._asdict().items() if v != initial[k]} for stage in stages]
    return {"FreeU Stages": json.dumps(changed), "FreeU Schedule": "0.0, 1.0, 0.0", "FreeU Version": version}


def exact_window(stage, channels):
    """The offset and width by which we scale the channels that ljleb's extension does, both ends included."""
    window = other_tools.ljleb_window(stage.backbone_offset, stage.backbone_width, channels)
    begin = next((i for i in sorted(window) if (i - 1) % channels not in window), 0)
    return begin / channels, len(window) / channels


def with_exact_windows(settings, stages, name):
    windows = {}
    for n, (stage, channels) in enumerate(zip(stages, widths(name), strict=True), start=1):
        windows[f"offset{n}"], windows[f"width{n}"] = exact_window(stage, channels)
    return settings.replace(**windows)


@pytest.mark.parametrize("stages", [PLAIN, RICH], ids=["plain", "rich"])
@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize("name", MODELS)
def test_ljleb_with_its_window(name, version, stages):
    settings = with_exact_windows(from_infotext(ljleb_infotext(version, stages)), stages, name)
    assert_same(name, ours(name, settings), theirs(name, other_tools.ljleb(version, stages, widths(name))))


@pytest.mark.parametrize("name", MODELS)
def test_ljleb_without_its_window_is_a_channel_off(name):
    """On purpose: what its picture says gives the authors' half, not one channel more."""
    settings = from_infotext(ljleb_infotext("2", PLAIN))
    assert_same(name, ours(name, settings), theirs(name, other_tools.comfy("2", FACTORS, SHAPES[name].model_channels)))
    with_one_more = theirs(name, other_tools.ljleb("2", PLAIN, widths(name)))
    assert (ours(name, settings) - with_one_more).abs().max() > 1e-4


@pytest.mark.parametrize("name", MODELS)
def test_sd_next_on_its_original_backend(name):
    """ljleb's code in version 1 with two stages; its pictures say no backend, so this is by hand."""
    stages = (PLAIN[0], PLAIN[1])
    settings = from_infotext({"FreeU": "b1=1.3 b2=1.4 s1=0.9 s2=0.2"}).replace(stage_map="channels")
    exact = with_exact_windows(settings, PLAIN, name)
    assert_same(name, ours(name, exact), theirs(name, other_tools.ljleb("1", stages, widths(name))))


@pytest.mark.parametrize("channels", [1280, 640, 320])
def test_the_width_that_gives_one_channel_more(channels):
    """641, 321 and 161 channels where half was asked for: the widths that docs/moving.md names."""
    assert len(other_tools.ljleb_window(0.0, 0.5, channels)) == channels // 2 + 1
    assert exact_window(LjlebStage(), channels) == (0, (channels // 2 + 1) / channels)
    assert channel_window(channels, 0.0, 0.5) == [slice(0, channels // 2)]


@given(shares, shares, st.sampled_from([1280, 640, 320, 32]))
def test_every_window_of_ljlebs_can_be_said(offset, width, channels):
    begin, share = exact_window(LjlebStage(backbone_offset=offset, backbone_width=width), channels)
    found = {i for window in channel_window(channels, begin, share) for i in range(channels)[window]}
    assert found == other_tools.ljleb_window(offset, width, channels)


@pytest.mark.parametrize("smoothness", [0.0, 0.3, 1.0])
@pytest.mark.parametrize(("start", "stop"), [(0.0, 1.0), (0.2, 0.8), (0.33, 0.34), (0.5, 0.5), (1.0, 1.0)])
@pytest.mark.parametrize("steps", [1, 7, 20])
def test_ljlebs_schedule(start, stop, smoothness, steps):
    """The same for samplers that call the model once a step."""
    settings = Settings(start=start, stop=stop, smoothness=smoothness)
    expected = [other_tools.ljleb_strength(start, stop, smoothness, steps, step) for step in range(steps)]
    assert [strength(settings, step, steps) for step in range(steps)] == pytest.approx(expected, abs=1e-12)


def test_ljlebs_schedule_on_the_unet():
    name, steps = "SDXL", 5
    written = {**ljleb_infotext("2", PLAIN), "FreeU Schedule": "0.4, 1.0, 0.5"}
    settings = with_exact_windows(from_infotext(written), PLAIN, name)
    for step in range(steps):
        at = other_tools.ljleb_strength(0.4, 1.0, 0.5, steps, step)
        expected = theirs(name, other_tools.ljleb("2", PLAIN, widths(name), at))
        torch.testing.assert_close(ours(name, settings, step, steps), expected, rtol=0, atol=1e-5)


def acting_calls(calls, steps, order, hires=False):
    """At which calls of the model a job of ours edits anything, in the WebUI."""
    job = SimpleNamespace(is_hr_pass=hires)
    run.start(job, Settings(stop=0.99))
    acting = []
    for call in range(calls):
        denoiser = SimpleNamespace(p=job, step=call, steps=steps, total_steps=order * steps)
        before = run.run_of(job).calls
        run.run_of(job).follow(denoiser, shared("SDXL"))
        with torch.inference_mode():
            shared("SDXL")(*inputs(1, 8, 8))
        acting.append(run.run_of(job).calls > before)
    run.end(job)
    return acting


def test_on_a_second_order_sampler_ljlebs_ends_half_way_and_ours_does_not():
    steps = 4
    calls = 2 * steps - 1  # the last step of Heun is one call
    ljlebs = [other_tools.ljleb_strength(0.0, 0.99, 0.0, steps, call) > 0 for call in range(calls)]
    assert ljlebs == [True] * 3 + [False] * 4
    assert acting_calls(calls, steps, order=2) == [True] * 6 + [False]


def test_in_the_hires_pass_ljlebs_is_over_and_ours_begins_anew():
    steps = 4
    ljlebs = [other_tools.ljleb_strength(0.0, 0.99, 0.0, steps, steps + call) > 0 for call in range(steps)]
    assert ljlebs == [False] * steps
    assert acting_calls(steps, steps, order=1, hires=True) == [True] * 3 + [False]


@pytest.mark.parametrize(("start", "end"), [(0.0, 1.0), (0.2, 0.8), (0.25, 0.5), (1.0, 1.0)])
def test_forges_schedule_on_the_unet(start, end):
    name, steps = "SDXL", 5
    settings = from_infotext({**FORGE, "freeu_start": str(start), "freeu_end": str(end), "Steps": str(steps)})
    on = theirs(name, other_tools.comfy("2", FACTORS, SHAPES[name].model_channels))
    for step in range(steps):
        expected = on if other_tools.forge_acts(start, end, step, steps) else off(name)
        torch.testing.assert_close(ours(name, settings, step, steps), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("flat", [False, True], ids=["object", "list"])
def test_ljlebs_payloads(flat):
    name = "SDXL"
    stages = [stage._asdict() for stage in RICH]
    payload = [{"version": "2", "stage_infos": stages}]
    if flat:
        order = ("backbone_factor", "skip_factor", "backbone_offset", "backbone_width", "skip_cutoff",
                 "skip_high_end_factor")  # fmt: skip
        payload = [True, 0.0, 1.0, 0.0, "Version 2", *(stage[field] for stage in stages for field in order)]
    settings = arguments.read(arguments.filled_up(payload), {}, steps=20)
    expected = theirs(name, other_tools.ljleb("2", RICH, widths(name)))
    assert_same(name, ours(name, with_exact_windows(settings, RICH, name)), expected)


@pytest.mark.parametrize(("start", "stop"), [(0.0, 1.0), (0.2, 0.6), (0.4, 0.8)])
def test_half_of_ljlebs_schedule_is_its_schedule_on_a_second_order_sampler(start, stop):
    steps = 10
    settings = Settings(start=start / 2, stop=stop / 2)
    for call in range(2 * steps - 1):
        assert strength(settings, call // 2, steps) == other_tools.ljleb_strength(start, stop, 0.0, steps, call)
