"""attach() on real UNets of diffusers, compared with diffusers' own FreeU and with the authors' algorithm."""

import gc
from functools import lru_cache

import pytest
import torch
from diffusers import FluxTransformer2DModel, UNet3DConditionModel, UNetMotionModel
from torch import nn

from freeu import Recorder, Settings, UnsupportedUNetError, attach
from freeu.core.unet import decoder_blocks
from tests.support import unets
from tests.support.diffusers_unets import KANDINSKY, NAMES, SHAPES, build, call, call_edited, conditions, shared
from tests.support.reference import freeu_edit
from tests.support.torch_versions import TORCH_2_1
from tests.support.unets import ALL_STAGES, KEPT, RICH, hooks_on

FACTORS = {"b1": 1.3, "b2": 1.4, "s1": 0.9, "s2": 0.2}
LIKE_DIFFUSERS = Settings(**FACTORS, version="1", stage_map="levels")
STRONG = Settings(**ALL_STAGES)
SMALL = {
    "block_out_channels": (8, 16), "layers_per_block": 1, "attention_head_dim": 8,
    "down_block_types": ("DownBlock2D", "DownBlock2D"), "up_block_types": ("UpBlock2D", "UpBlock2D"),
}  # fmt: skip
"""A UNet without attention."""


def test_recorder(unet):
    with attach(unet, STRONG):
        on = call(unet)
    recorder = Recorder()
    with attach(unet, STRONG, recorder) as session:
        for step in range(2):
            session.at(step, 2)
            assert call(unet).equal(on)
    assert recorder.steps == [0, 1]
    assert recorder.stages == {1, 2, 3}
    assert recorder.changed("backbone", stage=1) > 0
    profile = recorder.profile("skip", stage=3)
    assert profile.frequencies.shape == (8,)
    assert not profile.after.equal(profile.before)


@pytest.fixture
def name():
    """The model of a test that does not name its own."""
    return "SDXL"


@lru_cache
def off(name):
    """Return the output of a UNet without FreeU."""
    return call(shared(name))


@pytest.fixture
def unet(name):
    """Yield a UNet; after the test, check that it has no hooks and computes what it did before."""
    unet = shared(name)
    before = off(name)
    yield unet
    gc.collect()
    assert hooks_on(unet) == 0
    assert call(unet).equal(before)


def call_with(unet, settings, *args, **size):
    with attach(unet, settings):
        return call(unet, *args, **size)


def call_with_enable_freeu(unet, **size):
    unet.enable_freeu(**FACTORS)
    out = call(unet, **size)
    unet.disable_freeu()
    return out


# Decoder blocks


@pytest.mark.parametrize("stage_map", ["channels", "levels"])
@pytest.mark.parametrize("name", SHAPES)
def test_blocks_are_those_of_ldm(unet, name, stage_map):
    """Widths and stages are those of the ldm UNet with the same structure."""
    ldm = unets.shared("SD 1.5" if name == "SD 2" else name)
    assert widths_and_stages(unet, stage_map) == widths_and_stages(ldm, stage_map)


@pytest.mark.parametrize("shape", [*SHAPES.values(), KANDINSKY], ids=[*SHAPES, "Kandinsky"])
def test_widths_are_those_that_diffusers_joins(shape):
    unet, joined = build(shape), []

    def edit(block, backbone, skip):
        joined.append((backbone.shape[1], skip.shape[1]))
        return backbone, skip

    call_edited(unet, edit)
    assert [(block.backbone, block.skip) for block in decoder_blocks(unet)] == joined


def test_unet_without_a_middle_block(unet):
    """Distilled UNets (KOALA) have none."""
    assert widths_and_stages(build({**SHAPES["SDXL"], "mid_block_type": None})) == widths_and_stages(unet)


def widths_and_stages(unet, stage_map="channels"):
    return [(block.backbone, block.skip, block.stage) for block in decoder_blocks(unet, stage_map)]


# The edit


@pytest.mark.parametrize("size", [{"height": 16, "width": 16}, {"height": 40, "width": 24}], ids=["16x16", "40x24"])
@pytest.mark.parametrize("name", NAMES)
def test_equals_enable_freeu(unet, size):
    ours, theirs = call_with(unet, LIKE_DIFFUSERS, **size), call_with_enable_freeu(unet, **size)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)
    assert (theirs - call(unet, **size)).abs().max() > 1e-2, "FreeU must have an effect in this test"


def test_equals_enable_freeu_in_bfloat16():
    """Compares the effect of FreeU. Rounding makes 15 % of it; in float16, diffusers needs a GPU."""
    unet = build(SMALL).bfloat16()
    ours, theirs = call_with(unet, LIKE_DIFFUSERS), call_with_enable_freeu(unet)
    assert ours.dtype == torch.bfloat16
    assert (ours - theirs).norm() < 0.3 * (theirs - call(unet)).norm()


@pytest.mark.parametrize("stage_map", ["channels", "levels"])
@pytest.mark.parametrize(
    "others", [{}, {**RICH, **KEPT, "mask": "disc", "version": "1"}], ids=["version 2", "version 1, with all others"]
)
@pytest.mark.parametrize("name", NAMES)
def test_equals_the_official_algorithm(unet, stage_map, others):
    assert_official(unet, Settings(**ALL_STAGES, **KEPT, stage_map=stage_map).replace(**others))


@pytest.mark.parametrize("stage_map", ["channels", "levels"])
def test_kandinsky_equals_the_official_algorithm(stage_map):
    """diffusers' own FreeU has no effect on these blocks."""
    assert_official(build(KANDINSKY), Settings(**ALL_STAGES, stage_map=stage_map))


def assert_official(unet, settings):
    stages = {block.index: block.stage for block in decoder_blocks(unet, settings.stage_map) if block.stage}
    expected = call_edited(unet, freeu_edit(settings, stages), height=16, width=24)
    with attach(unet, settings) as session:
        out = call(unet, height=16, width=24)
    assert session.calls == len(stages)
    torch.testing.assert_close(out, expected, rtol=0, atol=1e-5)
    assert (out - call(unet, height=16, width=24)).abs().max() > 1e-2, "FreeU must have an effect in this test"


def test_neutral_settings_are_bit_identical_to_no_freeu(unet):
    off = call(unet)
    with attach(unet, STRONG.replace(start=0.5)) as session:
        session.at(0, 20)
        assert call(unet).equal(off)
    assert session.calls == 0


@torch.no_grad()
def test_resnets_may_be_called_with_keyword_arguments(unet):
    resnet = unet.up_blocks[0].resnets[0]
    joined, emb = torch.randn(1, resnet.in_channels, 4, 4), torch.randn(1, resnet.time_emb_proj.in_features)
    with attach(unet, STRONG):
        edited = resnet(joined.clone(), emb)
        assert resnet(input_tensor=joined.clone(), temb=emb).equal(edited)
    assert not resnet(joined, emb).equal(edited)


def test_gradients_are_the_same_with_checkpointing():
    """Then, diffusers calls each resnet twice."""
    unet = build(SHAPES["SDXL"]).train()
    x, _, context = unets.inputs()
    outs, gradients = [], []
    for enable in (unet.disable_gradient_checkpointing, unet.enable_gradient_checkpointing):
        enable()
        leaf = x.clone().requires_grad_()
        with attach(unet, STRONG):
            out = unet(leaf, 500, **conditions(context)).sample
            out.sum().backward()
        outs.append(out)
        gradients.append(leaf.grad)
    torch.testing.assert_close(*outs)
    torch.testing.assert_close(*gradients)


# Schedule


def test_schedule_scales_the_factors(unet):
    settings = STRONG.replace(curve="0:0, 0.5:0.5, 1:1")
    with attach(unet, settings) as session:
        outs = []
        for step in range(3):
            session.at(step, 3)
            outs.append(call(unet))
    for strength, out in zip((0, 0.5, 1), outs, strict=True):
        scaled = Settings(**{name: 1 + strength * (factor - 1) for name, factor in ALL_STAGES.items()})
        torch.testing.assert_close(out, call_with(unet, scaled), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("timestep", "keyword"),
    [(250, True), (250.4, False), (torch.tensor(250), True), (torch.tensor([250.0, 250.0]), False)],
    ids=repr,
)
def test_noise_clock_reads_the_timestep_of_each_call(unet, timestep, keyword):
    """A pipeline gives a number or a tensor without dimensions."""
    x, _, context = unets.inputs()
    settings = STRONG.replace(curve="0:0, 0.7:1, 1:0.2")
    with attach(unet, settings.replace(clock="noise")) as by_noise, torch.no_grad():
        if keyword:
            out = unet(x, timestep=timestep, **conditions(context)).sample
        else:
            out = unet(x, timestep, **conditions(context)).sample
    with attach(unet, settings) as by_step:
        by_step.at(749, 1000)
        assert by_noise.strength == by_step.strength > 0
        assert call(unet, timestep).equal(out)


# Recorder, and torch.compile


@pytest.mark.slow
@pytest.mark.skipif(TORCH_2_1, reason="its compiler fails in diffusers 0.35")
def test_compiled():
    """A UNet that is compiled while FreeU is on computes the same, and has no FreeU afterwards."""
    torch.compiler.reset()
    unet = build(SMALL)
    off, on = call(unet), call_with(unet, STRONG)
    compiled = torch.compile(unet, backend="eager")
    with attach(compiled, STRONG) as session:
        assert call(compiled).equal(on)
        assert session.calls > 0
    assert call(compiled).equal(off)
    torch.compiler.reset()


# Refusals


class Pipeline:
    """A pipeline of diffusers."""

    unet = nn.Identity()


VIDEO = {
    "sample_size": 8, "block_out_channels": (8, 16), "layers_per_block": 1, "norm_num_groups": 4,
    "cross_attention_dim": 8,
}  # fmt: skip
UNSUPPORTED = {
    "FreeU needs a U-Net (SD 1, SD 2, SDXL); this model, FluxTransformer2DModel, has none": lambda: (
        FluxTransformer2DModel(num_layers=0, num_single_layers=0, attention_head_dim=8, num_attention_heads=1)
    ),
    "FreeU needs the U-Net inside of Pipeline: attach to its attribute unet": Pipeline,
    "FreeU needs the U-Net inside of DataParallel: attach to its attribute module": lambda: (
        nn.DataParallel(shared("SDXL"))
    ),
    "FreeU needs up blocks as in UNet2DConditionModel, got CrossAttnUpBlock3D, UpBlock3D in UNet3DConditionModel": (
        lambda: UNet3DConditionModel(
            **VIDEO, attention_head_dim=4,
            down_block_types=("CrossAttnDownBlock3D", "DownBlock3D"),
            up_block_types=("CrossAttnUpBlock3D", "UpBlock3D"),
        )
    ),
    "FreeU needs up blocks as in UNet2DConditionModel, got UpBlockMotion, CrossAttnUpBlockMotion in UNetMotionModel": (
        lambda: UNetMotionModel(
            **VIDEO, num_attention_heads=2, motion_num_attention_heads=2,
            down_block_types=("CrossAttnDownBlockMotion", "DownBlockMotion"),
            up_block_types=("UpBlockMotion", "CrossAttnUpBlockMotion"),
        )
    ),
    "FreeU needs up blocks as in UNet2DConditionModel, got KUpBlock2D in UNet2DConditionModel": lambda: build(
        {
            "block_out_channels": (32,), "layers_per_block": 1, "mid_block_type": None, "attention_head_dim": 8,
            "down_block_types": ("KDownBlock2D",), "up_block_types": ("KUpBlock2D",),
        }
    ),
}  # fmt: skip


@pytest.mark.parametrize(("message", "model"), UNSUPPORTED.items(), ids=[m.split()[-1] for m in UNSUPPORTED])
def test_other_models_are_named(message, model):
    with pytest.raises(UnsupportedUNetError) as error:
        attach(model(), Settings())
    assert str(error.value) == message
