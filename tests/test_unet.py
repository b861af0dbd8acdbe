"""Reading real ldm UNets."""

import pytest
import torch
from torch import nn

from freeu import Settings, UnsupportedUNetError, attach
from freeu.core.unet import decoder_blocks
from tests.unets import SHAPES, build, shared


@pytest.mark.parametrize("stage_map", ["channels", "levels"])
@pytest.mark.parametrize("name", SHAPES)
def test_stages_are_those_of_the_models(name, stage_map):
    found = {block.index: block.stage for block in decoder_blocks(shared(name), stage_map) if block.stage}
    assert found == SHAPES[name].stages(stage_map)


@pytest.mark.parametrize("name", SHAPES)
def test_widths_are_those_of_the_tensors(name):
    """Backbone and skip widths add up to what the first layer reads, and chain from block to block."""
    unet = shared(name)
    blocks = decoder_blocks(unet)
    assert [block.first_layer for block in blocks] == [block[0] for block in unet.output_blocks]
    skips = [layers[0] for layers in unet.input_blocks]
    widths = [getattr(layer, "out_channels", None) for layer in skips]
    assert [block.skip for block in blocks] == widths[::-1]
    for block in blocks:
        assert block.first_layer.in_layers[0].num_channels == block.backbone + block.skip


def test_sd15_has_the_channels_of_the_published_model():
    multiples = [block.backbone // 32 for block in decoder_blocks(shared("SD 1.5"))]
    assert multiples == [4] * 7 + [2] * 3 + [1] * 2


def test_a_unet_without_a_middle_block():
    unet = build("SDXL")
    whole = decoder_blocks(unet)
    unet.middle_block = None
    assert decoder_blocks(unet) == whole


class DiffusionTransformer(nn.Module):
    """No ldm decoder here."""

    def forward(self, x):
        return x


def test_a_model_without_decoder_blocks_is_named():
    with pytest.raises(
        UnsupportedUNetError, match="DiffusionTransformer has no input_blocks, middle_block, output_blocks"
    ):
        attach(DiffusionTransformer(), Settings())


def test_decoder_blocks_of_another_kind_are_named():
    model = nn.Module()
    model.middle_block, model.model_channels = nn.Sequential(nn.Conv2d(8, 8, 1)), 8
    model.channel_mult, model.num_res_blocks, model.input_blocks = (1,), 1, nn.ModuleList()
    model.output_blocks = nn.ModuleList([nn.Sequential(nn.Linear(8, 8))])
    with pytest.raises(UnsupportedUNetError, match="one begins with Linear"):
        attach(model, Settings())


def test_neutral_settings_ask_nothing_of_a_model():
    model = DiffusionTransformer()
    with attach(model, Settings(enabled=False)) as session:
        model(torch.ones(1))
    assert session.calls == 0
