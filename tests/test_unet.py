"""Decoder blocks of real ldm UNets."""

import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from freeu import Settings, UnsupportedUNetError, attach
from freeu.core.unet import decoder_blocks
from tests.support.unets import SHAPES, build, call, inputs, shared


@pytest.mark.parametrize("stage_map", ["channels", "levels"])
@pytest.mark.parametrize("name", SHAPES)
def test_stages_of_each_model(name, stage_map):
    stages = {block.index: block.stage for block in decoder_blocks(shared(name), stage_map) if block.stage}
    assert stages == SHAPES[name].stages(stage_map)


@pytest.mark.parametrize("name", SHAPES)
def test_widths_are_those_of_the_tensors(name):
    """Backbone and skip widths add up to the input of the first layer, and skips are the encoder's outputs."""
    unet = shared(name)
    blocks = decoder_blocks(unet)
    assert [block.first_layer for block in blocks] == [block[0] for block in unet.output_blocks]
    skips = [layers[0] for layers in unet.input_blocks]
    widths = [getattr(layer, "out_channels", None) for layer in skips]
    assert [block.skip for block in blocks] == widths[::-1]
    for block in blocks:
        assert block.first_layer.in_layers[0].num_channels == block.backbone + block.skip


def test_sd15_has_the_backbone_widths_of_the_real_model():
    multiples = [block.backbone // 32 for block in decoder_blocks(shared("SD 1.5"))]
    assert multiples == [4] * 7 + [2] * 3 + [1] * 2


def test_unet_without_a_middle_block():
    unet = build("SDXL")
    complete = decoder_blocks(unet)
    unet.middle_block = None
    assert decoder_blocks(unet) == complete


def test_backbone_is_as_wide_as_the_last_layer_of_the_block_before():
    unet = build("SDXL")
    block = unet.output_blocks[0]
    first = block[0]
    block.append(type(first)(first.out_channels, first.emb_channels, 0, out_channels=first.out_channels + 32))
    unet.middle_block.append(type(first)(first.out_channels, first.emb_channels, 0, out_channels=96))
    blocks = decoder_blocks(unet)
    assert blocks[0].first_layer is first
    assert [block.backbone for block in blocks[:2]] == [96, first.out_channels + 32]


@pytest.mark.parametrize(
    ("depths", "levels"), [(2, [1, 1, 1, 2, 2, 2, 3, 3, 3]), ([3, 2, 1], [1, 1, 2, 2, 2, 3, 3, 3, 3])]
)
def test_depth_of_a_level_may_be_one_number_for_all(depths, levels):
    """As in the first ldm."""
    unet = copy.copy(shared("SDXL"))
    unet.num_res_blocks = depths
    assert [block.stage for block in decoder_blocks(unet, "levels")] == levels


class DiffusionTransformer(nn.Module):
    """A model without ldm's decoder."""

    def forward(self, x):
        return x


def test_error_names_a_model_without_decoder_blocks():
    message = r"FreeU needs a U-Net \(SD 1, SD 2, SDXL\); this model, DiffusionTransformer, has none"
    with pytest.raises(UnsupportedUNetError, match=message):
        attach(DiffusionTransformer(), Settings())


def test_error_names_missing_attributes_of_an_ldm_unet():
    unet = copy.copy(shared("SDXL"))
    del unet.channel_mult, unet.num_res_blocks
    message = "needs the attributes of ldm's UNet, got UNetModel without channel_mult, num_res_blocks"
    with pytest.raises(UnsupportedUNetError, match=message):
        attach(unet, Settings())


def test_error_names_decoder_blocks_of_another_kind():
    model = nn.Module()
    model.middle_block, model.model_channels = nn.Sequential(nn.Conv2d(8, 8, 1)), 8
    model.channel_mult, model.num_res_blocks, model.input_blocks = (1,), 1, nn.ModuleList()
    model.output_blocks = nn.ModuleList([nn.Sequential(nn.Linear(8, 8))])
    with pytest.raises(UnsupportedUNetError, match="each block of Module, got ModuleList, Sequential, Conv2d"):
        attach(model, Settings())


class Scaler(nn.Module):
    """Wrapper that an extension puts around a block."""

    def __init__(self, block):
        super().__init__()
        self.block = block

    def forward(self, x, *args):
        return self.block(x, *args)


WRAPPERS = {
    "wrapped": Scaler,
    "wrapped twice": lambda block: Scaler(Scaler(block)),
    "another class": lambda block: type("Other", (type(block),), {})(*block),
    "after another layer": lambda block: type(block)(nn.Identity(), *block),
}


@pytest.mark.parametrize("wrap", WRAPPERS.values(), ids=WRAPPERS)
@pytest.mark.parametrize("stage_map", ["channels", "levels"])
def test_wrapped_blocks_are_those_inside(wrap, stage_map):
    unet = build("SDXL")
    blocks = decoder_blocks(unet, stage_map)
    with attach(unet, Settings()):
        expected = call(unet, *inputs())
    for part in (unet.input_blocks, unet.output_blocks):
        for index in (1, 4):
            part[index] = wrap(part[index])
    assert decoder_blocks(unet, stage_map) == blocks
    with attach(unet, Settings()):
        assert call(unet, *inputs()).equal(expected)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 8), st.sampled_from([nn.Identity, nn.ModuleList, Scaler]))))
def test_any_block_may_be_replaced(changes):
    """A model whose blocks were replaced is read or named, whatever they are now."""
    unet = copy.copy(shared("SDXL"))
    unet._modules = dict(unet._modules)
    for is_encoder, index, kind in changes:
        name = "input_blocks" if is_encoder else "output_blocks"
        blocks = list(getattr(unet, name))
        blocks[index] = kind(blocks[index]) if kind is Scaler else kind()
        setattr(unet, name, nn.ModuleList(blocks))
    replaced = {index for is_encoder, index, kind in changes if not is_encoder and kind is not Scaler}
    if replaced:
        with pytest.raises(UnsupportedUNetError, match=r"each block of UNetModel, got .*(Identity|ModuleList)"):
            decoder_blocks(unet)
    else:
        assert decoder_blocks(unet) == decoder_blocks(shared("SDXL"))


def test_neutral_settings_accept_any_model():
    model = DiffusionTransformer()
    with attach(model, Settings(enabled=False)) as session:
        model(torch.ones(1))
    assert session.calls == 0
