"""Real ldm UNets with the structure of common models, scaled down."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn

from freeu import Settings, attach
from playground.model import build_unet

CONTEXT = 16
ALL_STAGES = {"b1": 1.3, "s1": 0.7, "b2": 1.4, "s2": 0.2, "b3": 1.2, "s3": 0.5}
STRONG = Settings(**ALL_STAGES)
RICH = {"high1": 1.1, "offset1": 0.75, "width2": 0.3, "cutoff2": 0.6, "cutoff3": 1.0}
KEPT = {"keep_contrast": 0.7}


class Shape(NamedTuple):
    """The structure of a UNet, and the decoder blocks of its stages by both stage maps."""

    model_channels: int
    channel_mult: tuple[int, ...]
    attention: tuple[int, ...]
    channels: dict[int, range]
    levels: dict[int, range]

    def stages(self, stage_map: str) -> dict[int, int]:
        """Return the stage of each decoder block that has one."""
        return {block: stage for stage, blocks in getattr(self, stage_map).items() for block in blocks}


def _stages(one: range, two: range, three: range) -> dict[int, range]:
    return {1: one, 2: two, 3: three}


SHAPES = {
    "SD 1.5": Shape(
        32,
        (1, 2, 4, 4),
        (4, 2, 1),
        channels=_stages(range(7), range(7, 10), range(10, 12)),
        levels=_stages(range(3), range(3, 6), range(6, 9)),
    ),
    "SDXL": Shape(
        32,
        (1, 2, 4),
        (4, 2),
        channels=_stages(range(4), range(4, 7), range(7, 9)),
        levels=_stages(range(3), range(3, 6), range(6, 9)),
    ),
    "SDXL refiner": Shape(
        64,
        (1, 2, 4, 4),
        (4, 2),
        channels=_stages(range(7), range(7, 10), range(10, 12)),
        levels=_stages(range(3), range(3, 6), range(6, 9)),
    ),
}


NAMES = ["SDXL", *(pytest.param(name, marks=pytest.mark.slow) for name in SHAPES if name != "SDXL")]
"""The names for a test that calls a UNet: make test runs it on one."""


@torch.inference_mode(False)  # `shared` keeps it, and weights made in inference mode take no part in gradients
def build(name: str, seed: int = 0, **changes: Any) -> nn.Module:
    """Build a UNet with random weights, also in the layers that ldm fills with zeros, so that every block matters."""
    shape = SHAPES[name]
    torch.manual_seed(seed)
    options = {
        "image_size": 16,
        "in_channels": 4,
        "out_channels": 4,
        "model_channels": shape.model_channels,
        "channel_mult": shape.channel_mult,
        "num_res_blocks": 2,
        "attention_resolutions": shape.attention,
        "num_heads": 2,
        "use_spatial_transformer": True,
        "context_dim": CONTEXT,
        "legacy": False,
    }
    unet = build_unet(**{**options, **changes})
    for parameter in unet.parameters():
        if not parameter.any():
            nn.init.normal_(parameter, std=0.05)
    return unet.eval().requires_grad_(False)


@lru_cache
def shared(name: str) -> nn.Module:
    """Return the UNet that all tests share. A test must leave it as it was."""
    return build(name)


def inputs(batch: int = 2, height: int = 16, width: int = 16, seed: int = 1) -> tuple[Tensor, Tensor, Tensor]:
    """Return latents, timesteps and context for a call."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(batch, 4, height, width, generator=generator)
    return x, torch.full((batch,), 500), torch.randn(batch, 5, CONTEXT, generator=generator)


@torch.inference_mode()
def call(unet: nn.Module, x: Tensor, timesteps: Tensor, context: Tensor) -> Tensor:
    """Return the UNet's output."""
    return unet(x, timesteps=timesteps, context=context)


def off_and_on(unet: nn.Module, settings: Settings = STRONG) -> tuple[Tensor, Tensor]:
    """Return the UNet's output without and with FreeU."""
    off = call(unet, *inputs())
    with attach(unet, settings):
        return off, call(unet, *inputs())


def hooks_on(unet: nn.Module) -> int:
    """Return how many hooks are on a UNet and its layers."""
    return sum(len(m._forward_pre_hooks) + len(m._forward_hooks) for m in unet.modules())
