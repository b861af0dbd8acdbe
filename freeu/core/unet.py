"""A UNet's decoder blocks: the widths of their backbone and skip features, and their stages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

from torch import nn

from freeu.settings.stage import STAGES


class LdmUNet(Protocol):
    """The attributes of a UNet that FreeU reads. Those of ldm, sgm, Forge and reForge have them."""

    input_blocks: Sequence[Any]
    middle_block: nn.Sequential | None
    output_blocks: Iterable[Any]
    model_channels: int
    channel_mult: Sequence[int]
    num_res_blocks: int | Sequence[int]


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
    backbone = _output_width(ldm.middle_block or ldm.input_blocks[-1])
    for index, block in enumerate(ldm.output_blocks):
        by_width = {4 * ldm.model_channels: 1, 2 * ldm.model_channels: 2, ldm.model_channels: 3}
        stage = by_width.get(backbone) if levels is None else next(levels, None)
        blocks.append(DecoderBlock(index, block[0], backbone, _input_width(block) - backbone, stage))
        backbone = _output_width(block)
    return blocks


def _check_ldm(unet: nn.Module) -> LdmUNet:
    missing = [name for name in LdmUNet.__annotations__ if not hasattr(unet, name)]
    if missing:
        raise UnsupportedUNetError(
            f"FreeU needs a UNet with ldm's decoder blocks, got {type(unet).__name__} without {', '.join(missing)}"
        )
    return cast(LdmUNet, unet)


def _stages_by_level(unet: LdmUNet) -> Iterator[int | None]:
    """Yield the stage of each output block. A level has one block more in the decoder than in the encoder."""
    depths = unet.num_res_blocks
    depth_by_level = [depths] * len(unet.channel_mult) if isinstance(depths, int) else list(depths)
    for level, depth in enumerate(reversed(depth_by_level), start=1):
        for _ in range(depth + 1):
            yield level if level in STAGES else None


def _input_width(block: nn.Sequential) -> int:
    """Return the input channels of a block's first layer."""
    if not hasattr(block[0], "channels"):
        raise UnsupportedUNetError(
            f"FreeU needs decoder blocks that begin with ldm's ResBlock, got one that begins with "
            f"{type(block[0]).__name__}"
        )
    return int(cast(Any, block[0].channels))


def _output_width(block: nn.Sequential) -> int:
    """Return the output channels of a block: those of its last layer that states them."""
    widths: list[Any] = [layer.out_channels for layer in block if hasattr(layer, "out_channels")]
    return int(widths[-1])
