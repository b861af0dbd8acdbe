"""A UNet's decoder blocks: the widths of their backbone and skip features, and their stages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, cast

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


class UnsupportedUNetError(TypeError):
    """A model without ldm's output blocks, such as a DiT or a compiled engine. The message names its class."""


@dataclass(frozen=True)
class DecoderBlock:
    """An output block. Its input has `backbone` channels, then `skip` channels. Its stage may be None."""

    index: int
    first_layer: nn.Module
    backbone: int
    skip: int
    stage: int | None


def decoder_blocks(unet: nn.Module, stage_map: str = "channels") -> list[DecoderBlock]:
    """Return the decoder blocks of an ldm or sgm UNet, from the deepest on.

    The stage map "channels" groups them by the width of their backbone: 4, 2 and 1 times `model_channels`, the
    authors' rule (https://github.com/ChenyangSi/FreeU, README.md) for any base width. "levels" groups them by
    resolution, as diffusers does. Raises UnsupportedUNetError if the model has no such blocks.
    """
    ldm = _check_ldm(unet)
    levels = _stages_by_level(ldm) if stage_map == "levels" else None
    blocks = []
    # Distilled UNets (KOALA) may have no middle block.
    backbone = _res_blocks(unet, ldm.input_blocks, ldm.middle_block)[-1].out_channels
    for index, block in enumerate(ldm.output_blocks):
        layers = _res_blocks(unet, block)
        by_width = {4 * ldm.model_channels: 1, 2 * ldm.model_channels: 2, ldm.model_channels: 3}
        stage = by_width.get(backbone) if levels is None else next(levels, None)
        first = layers[0]
        blocks.append(DecoderBlock(index, cast(nn.Module, first), backbone, first.channels - backbone, stage))
        backbone = layers[-1].out_channels
    return blocks


def _check_ldm(unet: nn.Module) -> LdmUNet:
    if not all(hasattr(unet, name) for name in LdmUNet.__annotations__):
        model = type(unet).__name__
        raise UnsupportedUNetError(f"FreeU needs a U-Net (SD 1, SD 2, SDXL); this model, {model}, has none")
    return cast(LdmUNet, unet)


def _stages_by_level(unet: LdmUNet) -> Iterator[int | None]:
    """Yield the stage of each output block. A level has one block more in the decoder than in the encoder."""
    depths = unet.num_res_blocks
    depth_by_level = [depths] * len(unet.channel_mult) if isinstance(depths, int) else list(depths)
    for level, depth in enumerate(reversed(depth_by_level), start=1):
        for _ in range(depth + 1):
            yield level if level in STAGES else None


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
