"""A UNet's decoder blocks: the widths of their backbone and skip features, and their stages.

ldm's UNet and its successors join backbone and skip features before each output block. diffusers' UNet2DConditionModel
joins them inside its up blocks, before each resnet: there, each resnet begins a decoder block. Both give the joined
features to a residual block. FreeU reads attributes only, so neither package needs to be installed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, cast

from torch import nn

from freeu.settings.stage import STAGES


class LdmUNet(Protocol):
    """The attributes of a UNet that FreeU reads. Those of ldm, sgm, Forge and reForge have them."""

    input_blocks: nn.Module
    middle_block: nn.Module | None
    output_blocks: Iterable[nn.Module]
    model_channels: int
    channel_mult: Sequence[int]
    num_res_blocks: int | Sequence[int]


class ResBlock(Protocol):
    """The attributes of a residual block. ldm, sgm, Forge and reForge give them to no other layer."""

    channels: int
    emb_channels: int
    out_channels: int


class DiffusersResnet(Protocol):
    """The attributes of diffusers' residual block that FreeU reads."""

    in_channels: int
    out_channels: int


class DiffusersUpBlock(Protocol):
    """The attribute of a diffusers up block that FreeU reads: its residual blocks, all of one resolution."""

    resnets: Sequence[DiffusersResnet]


class DiffusersUNet(Protocol):
    """The attribute of diffusers' UNet2DConditionModel that FreeU reads."""

    up_blocks: Sequence[DiffusersUpBlock]


DIFFUSERS_UP_BLOCKS = {
    "UpBlock2D",
    "CrossAttnUpBlock2D",
    "AttnUpBlock2D",
    "ResnetUpsampleBlock2D",
    "SimpleCrossAttnUpBlock2D",
}
"""Classes that give joined features to each of their resnets. Others join once a block, or have other features."""


class UnsupportedUNetError(TypeError):
    """A model that FreeU cannot edit, such as a DiT or a compiled engine. The message names its class."""


@dataclass(frozen=True)
class DecoderBlock:
    """A decoder block. Its input has `backbone` channels, then `skip` channels. Its stage may be None."""

    index: int
    first_layer: nn.Module
    backbone: int
    skip: int
    stage: int | None


class _Decoder(NamedTuple):
    """What is read from any UNet: the width of its highest resolution, and that of the first backbone features."""

    base_width: int
    backbone: int
    blocks: Iterable[_Block]


class _Block(NamedTuple):
    """A decoder block: its resolution level (1 is the deepest), and the widths of its joined input and its output."""

    level: int | None
    first_layer: nn.Module
    joined: int
    output: int


def decoder_blocks(unet: nn.Module, stage_map: str = "channels") -> list[DecoderBlock]:
    """Return the decoder blocks of a UNet of ldm, sgm or diffusers, from the deepest on.

    The stage map "channels" groups them by the width of their backbone: 4, 2 and 1 times the base width, the
    authors' rule (https://github.com/ChenyangSi/FreeU, README.md) for any base width. "levels" groups them by
    resolution, as diffusers does. Raises UnsupportedUNetError if the model has no such blocks.
    """
    decoder = _read_decoder(unet)
    by_width = {4 * decoder.base_width: 1, 2 * decoder.base_width: 2, decoder.base_width: 3}
    blocks = []
    backbone = decoder.backbone
    for index, block in enumerate(decoder.blocks):
        by_level = block.level if block.level in STAGES else None
        stage = by_level if stage_map == "levels" else by_width.get(backbone)
        blocks.append(DecoderBlock(index, block.first_layer, backbone, block.joined - backbone, stage))
        backbone = block.output
    return blocks


def _read_decoder(unet: nn.Module) -> _Decoder:
    if hasattr(unet, "output_blocks"):
        return _read_ldm(unet)
    if hasattr(unet, "up_blocks"):
        return _read_diffusers(cast(DiffusersUNet, unet))
    name = type(unet).__name__
    for attribute in ("unet", "module"):  # a pipeline of diffusers; DataParallel
        if isinstance(getattr(unet, attribute, None), nn.Module):
            raise UnsupportedUNetError(f"FreeU needs the U-Net inside of {name}: attach to its attribute {attribute}")
    raise UnsupportedUNetError(f"FreeU needs a U-Net (SD 1, SD 2, SDXL); this model, {name}, has none")


def _read_ldm(unet: nn.Module) -> _Decoder:
    missing = [name for name in LdmUNet.__annotations__ if not hasattr(unet, name)]
    if missing:
        raise UnsupportedUNetError(
            f"FreeU needs the attributes of ldm's UNet, got {type(unet).__name__} without {', '.join(missing)}"
        )
    ldm = cast(LdmUNet, unet)
    # Distilled UNets (KOALA) may have no middle block.
    backbone = _res_blocks(unet, ldm.input_blocks, ldm.middle_block)[-1].out_channels
    levels = _ldm_levels(ldm)
    blocks = []
    for block in ldm.output_blocks:
        layers = _res_blocks(unet, block)
        first, last = layers[0], layers[-1]
        blocks.append(_Block(next(levels, None), cast(nn.Module, first), first.channels, last.out_channels))
    return _Decoder(ldm.model_channels, backbone, blocks)


def _ldm_levels(unet: LdmUNet) -> Iterator[int]:
    """Yield the level of each output block. A level has one block more in the decoder than in the encoder."""
    depths = unet.num_res_blocks
    depth_by_level = [depths] * len(unet.channel_mult) if isinstance(depths, int) else list(depths)
    for level, depth in enumerate(reversed(depth_by_level), start=1):
        yield from [level] * (depth + 1)


def _res_blocks(unet: nn.Module, *parts: nn.Module | None) -> list[ResBlock]:
    """Return the residual blocks in parts of a UNet, in their order. Other extensions wrap parts in modules of theirs.

    Raises UnsupportedUNetError if there is none.
    """
    modules = [module for part in parts if part is not None for module in part.modules()]
    found = [module for module in modules if all(hasattr(module, name) for name in ResBlock.__annotations__)]
    if not found:
        names = ", ".join(dict.fromkeys(type(module).__name__ for module in modules))
        raise UnsupportedUNetError(f"FreeU needs an ldm ResBlock in each block of {type(unet).__name__}, got {names}")
    return cast(list[ResBlock], found)


def _read_diffusers(unet: DiffusersUNet) -> _Decoder:
    names = [type(block).__name__ for block in unet.up_blocks]
    unknown = dict.fromkeys(name for name in names if name not in DIFFUSERS_UP_BLOCKS)
    if unknown:
        raise UnsupportedUNetError(
            f"FreeU needs up blocks as in UNet2DConditionModel, got {', '.join(unknown)} in {type(unet).__name__}"
        )
    blocks = [
        _Block(level, cast(nn.Module, resnet), resnet.in_channels, resnet.out_channels)
        for level, block in enumerate(unet.up_blocks, start=1)
        for resnet in block.resnets
    ]
    # The first backbone features are as wide as the deepest level, with a middle block (which keeps them) or without.
    return _Decoder(blocks[-1].output, blocks[0].output, blocks)
