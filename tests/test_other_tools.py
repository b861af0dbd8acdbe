"""Other tools' algorithms on a real ldm UNet, compared with ours with the settings read from their metadata.

docs/moving.md describes the same for users.
"""

import json
from types import SimpleNamespace

import pytest
import torch
from diffusers import UNet2DConditionModel
from hypothesis import given
from hypothesis import strategies as st

from freeu import Settings, arguments, attach, from_infotext, strength
from freeu.compat import comfyui as comfyui_reader
from freeu.compat import diffusers as diffusers_reader
from freeu.compat import invokeai as invokeai_reader
from freeu.core.backbone import channel_window
from freeu.webui.job import close_job, job_of, open_job
from tests.files import comfyui, invokeai
from tests.support import other_tools
from tests.support.other_tools import Factors, LjlebStage
from tests.support.reference import forward
from tests.support.strategies import shares
from tests.support.unets import SHAPES, inputs, shared

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
    """Return the backbone widths of a UNet's stages: 1280, 640 and 320 in the real SD 1.5 and SDXL."""
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


def assert_same(name, output, expected):
    torch.testing.assert_close(output, expected, rtol=0, atol=1e-5)
    assert (expected - off(name)).abs().max() > 1e-2, "FreeU must have an effect in this test"


WRITTEN = {
    "Forge": from_infotext(FORGE),
    "reForge": from_infotext({"freeu_enabled": "True", **KEYS}),
    "Fooocus": from_infotext({"FreeU": "(1.3, 1.4, 0.9, 0.2)"}),
    **{f"ComfyUI {node}": comfyui_reader.from_graph(comfyui(node)) for node in comfyui_reader.VERSIONS},
}
"""The settings in each tool's metadata."""


@pytest.mark.parametrize("name", [*MODELS, "SDXL refiner"])
@pytest.mark.parametrize("tool", WRITTEN)
def test_tools_with_stages_by_width(name, tool):
    version = "1" if tool == "ComfyUI FreeU" else "2"
    expected = theirs(name, other_tools.comfy(version, FACTORS, SHAPES[name].model_channels))
    assert_same(name, ours(name, WRITTEN[tool]), expected)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(
    "settings",
    [
        diffusers_reader.from_arguments(FACTORS._asdict()),
        invokeai_reader.from_graph(invokeai()),
        from_infotext({"FreeU": "b1=1.3 b2=1.4 s1=0.9 s2=0.2"}),
    ],
    ids=["diffusers", "InvokeAI", "SD.Next"],
)
def test_tools_with_stages_by_resolution(name, settings):
    """diffusers, and what uses it: InvokeAI, and SD.Next's default backend."""
    assert_same(name, ours(name, settings), theirs(name, other_tools.diffusers(FACTORS, blocks_per_level=3)))
    by_width = theirs(name, other_tools.comfy("1", FACTORS, SHAPES[name].model_channels))
    assert (ours(name, settings) - by_width).abs().max() > 1e-2, "the stage maps must differ"


@pytest.mark.parametrize("zero", ["s1", "s2", "b1", "b2"])
def test_a_factor_of_0_turns_off_freeu_in_diffusers(zero):
    """So `convert --tool diffusers` prints FreeU off."""
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
    """Return the keys that its extension writes: without values that are the initial ones."""
    initial = LjlebStage()._asdict()
    changed = [{k: v for k, v in stage._asdict().items() if v != initial[k]} for stage in stages]
    return {"FreeU Stages": json.dumps(changed), "FreeU Schedule": "0.0, 1.0, 0.0", "FreeU Version": version}


def with_exact_windows(settings, stages, name):
    windows = {}
    for n, (stage, channels) in enumerate(zip(stages, widths(name), strict=True), start=1):
        windows[f"offset{n}"], windows[f"width{n}"] = other_tools.exact_window(stage, channels)
    return settings.replace(**windows)


@pytest.mark.parametrize("stages", [PLAIN, RICH], ids=["plain", "rich"])
@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize("name", MODELS)
def test_ljleb_with_its_exact_window(name, version, stages):
    settings = with_exact_windows(from_infotext(ljleb_infotext(version, stages)), stages, name)
    assert_same(name, ours(name, settings), theirs(name, other_tools.ljleb(version, stages, widths(name))))


@pytest.mark.parametrize("name", MODELS)
def test_metadata_of_ljleb_gives_one_channel_less(name):
    """On purpose: we scale half the channels, as the authors do, and not one more."""
    settings = from_infotext(ljleb_infotext("2", PLAIN))
    assert_same(name, ours(name, settings), theirs(name, other_tools.comfy("2", FACTORS, SHAPES[name].model_channels)))
    with_one_more = theirs(name, other_tools.ljleb("2", PLAIN, widths(name)))
    assert (ours(name, settings) - with_one_more).abs().max() > 1e-4


@pytest.mark.parametrize("name", MODELS)
def test_sd_next_with_its_original_backend(name):
    """It is ljleb's version 1 with two stages. The metadata does not name the backend, so this needs changes."""
    stages = (PLAIN[0], PLAIN[1])
    settings = from_infotext({"FreeU": "b1=1.3 b2=1.4 s1=0.9 s2=0.2"}).replace(stage_map="channels")
    exact = with_exact_windows(settings, PLAIN, name)
    assert_same(name, ours(name, exact), theirs(name, other_tools.ljleb("1", stages, widths(name))))


@pytest.mark.parametrize("channels", [1280, 640, 320])
def test_widths_that_give_one_channel_more(channels):
    """641, 321 and 161 channels instead of half: the widths in docs/moving.md."""
    assert len(other_tools.ljleb_window(0.0, 0.5, channels)) == channels // 2 + 1
    assert other_tools.exact_window(LjlebStage(), channels) == (0, (channels // 2 + 1) / channels)
    assert channel_window(channels, 0.0, 0.5) == [slice(0, channels // 2)]


@given(shares, shares, st.sampled_from([1280, 640, 320, 32]))
def test_every_window_of_ljleb_has_an_offset_and_a_width(offset, width, channels):
    begin, share = other_tools.exact_window(LjlebStage(backbone_offset=offset, backbone_width=width), channels)
    scaled = {i for window in channel_window(channels, begin, share) for i in range(channels)[window]}
    assert scaled == other_tools.ljleb_window(offset, width, channels)


@pytest.mark.parametrize("smoothness", [0.0, 0.3, 1.0])
@pytest.mark.parametrize(("start", "stop"), [(0.0, 1.0), (0.2, 0.8), (0.33, 0.34), (0.5, 0.5), (1.0, 1.0)])
@pytest.mark.parametrize("steps", [1, 7, 20])
def test_schedule_of_ljleb(start, stop, smoothness, steps):
    """The same for samplers that call the model once per step."""
    settings = Settings(start=start, stop=stop, smoothness=smoothness)
    expected = [other_tools.ljleb_strength(start, stop, smoothness, steps, step) for step in range(steps)]
    assert [strength(settings, step, steps) for step in range(steps)] == pytest.approx(expected, abs=1e-12)


def test_schedule_of_ljleb_on_the_unet():
    name, steps = "SDXL", 5
    written = {**ljleb_infotext("2", PLAIN), "FreeU Schedule": "0.4, 1.0, 0.5"}
    settings = with_exact_windows(from_infotext(written), PLAIN, name)
    for step in range(steps):
        at_step = other_tools.ljleb_strength(0.4, 1.0, 0.5, steps, step)
        expected = theirs(name, other_tools.ljleb("2", PLAIN, widths(name), at_step))
        torch.testing.assert_close(ours(name, settings, step, steps), expected, rtol=0, atol=1e-5)


def active_calls(calls, steps, order, hires=False):
    """Return at which calls of the model a job of ours edits anything, in the WebUI."""
    p = SimpleNamespace(is_hr_pass=hires)
    open_job(p, arguments.Request(Settings(stop=0.99), arguments.ExtraOutputs()))
    job = job_of(p)
    active = []
    for call in range(calls):
        before = job.calls
        denoiser = SimpleNamespace(p=p, sampler=None, step=call, steps=steps, total_steps=order * steps)
        job.sync(SimpleNamespace(denoiser=denoiser, sampling_step=0), shared("SDXL"))
        with torch.inference_mode():
            shared("SDXL")(*inputs(1, 8, 8))
        active.append(job.calls > before)
    close_job(p)
    return active


def test_second_order_sampler_stops_ljleb_half_way_and_not_us():
    steps = 4
    calls = 2 * steps - 1  # the last step of Heun is one call
    by_ljleb = [other_tools.ljleb_strength(0.0, 0.99, 0.0, steps, call) > 0 for call in range(calls)]
    assert by_ljleb == [True] * 3 + [False] * 4
    assert active_calls(calls, steps, order=2) == [True] * 6 + [False]


def test_hires_pass_is_without_ljleb_and_starts_our_schedule_again():
    steps = 4
    by_ljleb = [other_tools.ljleb_strength(0.0, 0.99, 0.0, steps, steps + call) > 0 for call in range(steps)]
    assert by_ljleb == [False] * steps
    assert active_calls(steps, steps, order=1, hires=True) == [True] * 3 + [False]


@pytest.mark.parametrize(("start", "end"), [(0.0, 1.0), (0.2, 0.8), (0.25, 0.5), (1.0, 1.0)])
def test_schedule_of_forge_on_the_unet(start, end):
    name, steps = "SDXL", 5
    settings = from_infotext({**FORGE, "freeu_start": str(start), "freeu_end": str(end), "Steps": str(steps)})
    on = theirs(name, other_tools.comfy("2", FACTORS, SHAPES[name].model_channels))
    for step in range(steps):
        expected = on if other_tools.forge_is_active(start, end, step, steps) else off(name)
        torch.testing.assert_close(ours(name, settings, step, steps), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("is_list", [False, True], ids=["object", "list"])
def test_payloads_of_ljleb(is_list):
    name = "SDXL"
    stages = [stage._asdict() for stage in RICH]
    payload = [{"version": "2", "stage_infos": stages}]
    if is_list:
        order = ("backbone_factor", "skip_factor", "backbone_offset", "backbone_width", "skip_cutoff",
                 "skip_high_end_factor")  # fmt: skip
        payload = [True, 0.0, 1.0, 0.0, "Version 2", *(stage[field] for stage in stages for field in order)]
    settings = arguments.parse(payload, {}, steps=20).settings
    expected = theirs(name, other_tools.ljleb("2", RICH, widths(name)))
    assert_same(name, ours(name, with_exact_windows(settings, RICH, name)), expected)


@pytest.mark.parametrize(("start", "stop"), [(0.0, 1.0), (0.2, 0.6), (0.4, 0.8)])
def test_half_the_schedule_of_ljleb_is_its_schedule_with_a_second_order_sampler(start, stop):
    steps = 10
    settings = Settings(start=start / 2, stop=stop / 2)
    for call in range(2 * steps - 1):
        assert strength(settings, call // 2, steps) == other_tools.ljleb_strength(start, stop, 0.0, steps, call)
