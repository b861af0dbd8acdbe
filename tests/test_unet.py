"""Decoder blocks of real ldm UNets."""

import pytest
import torch
from torch import nn

from freeu import Settings, UnsupportedUNetError, attach
from freeu.core.unet import decoder_blocks
from tests.unets import SHAPES, build, shared


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


class DiffusionTransformer(nn.Module):
    """A model without ldm's decoder."""

    def forward(self, x):
        return x


def test_error_names_a_model_without_decoder_blocks():
    message = (
        "FreeU needs a UNet with ldm's decoder blocks, got DiffusionTransformer without "
        "input_blocks, middle_block, output_blocks"
    )
    with pytest.raises(UnsupportedUNetError, match=message):
        attach(DiffusionTransformer(), Settings())


def test_error_names_decoder_blocks_of_another_kind():
    model = nn.Module()
    model.middle_block, model.model_channels = nn.Sequential(nn.Conv2d(8, 8, 1)), 8
    model.channel_mult, model.num_res_blocks, model.input_blocks = (1,), 1, nn.ModuleList()
    model.output_blocks = nn.ModuleList([nn.Sequential(nn.Linear(8, 8))])
    with pytest.raises(UnsupportedUNetError, match="got one that begins with Linear"):
        attach(model, Settings())


def test_neutral_settings_accept_any_model():
    model = DiffusionTransformer()
    with attach(model, Settings(enabled=False)) as session:
        model(torch.ones(1))
    assert session.calls == 0
