"""Workloads: decoder features with the shapes that real models give them, and a whole UNet."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from freeu import Settings
from freeu.core.unet import DecoderBlock, decoder_blocks
from playground.model import build_unet

BATCH = 2
"""A prompt and its negative prompt."""

TOKENS = 77

_COMMON: dict[str, Any] = {
    "image_size": 32,
    "in_channels": 4,
    "out_channels": 4,
    "model_channels": 320,
    "num_res_blocks": 2,
    "use_spatial_transformer": True,
    "legacy": False,
}
MODELS: dict[str, dict[str, Any]] = {
    "SD 1.5": {
        **_COMMON,
        "channel_mult": (1, 2, 4, 4),
        "attention_resolutions": (4, 2, 1),
        "num_heads": 8,
        "context_dim": 768,
    },
    # SDXL has more transformer blocks at each resolution, which does not change the shapes of the features.
    "SDXL": {
        **_COMMON,
        "channel_mult": (1, 2, 4),
        "attention_resolutions": (4, 2),
        "num_head_channels": 64,
        "context_dim": 2048,
        "use_linear_in_transformer": True,
    },
}
"""Arguments of ldm's UNet, by model."""


class Workload(NamedTuple):
    """A model, an image size in pixels and a dtype."""

    model: str
    width: int
    height: int
    dtype: torch.dtype

    def __str__(self) -> str:
        return f"{self.model} {self.width}×{self.height}, {str(self.dtype).removeprefix('torch.')}"


SIZES = (
    ("SD 1.5", 512, 512),
    ("SD 1.5", 768, 512),
    ("SD 1.5", 1024, 1024),
    ("SDXL", 1024, 1024),
    ("SDXL", 1216, 832),
)
"""Model, width and height."""


class Features(NamedTuple):
    """The input of a decoder block, shape (B, C, H, W): joined, as in ldm, and as two tensors, as in the baselines."""

    joined: Tensor
    backbone: Tensor
    skip: Tensor


def unet_for(workload: Workload, device: torch.device) -> nn.Module:
    """Build the UNet of a workload in full size, with random weights."""
    with device:
        unet: nn.Module = build_unet(**MODELS[workload.model])
    return unet.eval().requires_grad_(False).to(workload.dtype)


def run_unet(unet: nn.Module, workload: Workload) -> None:
    """Compute one step of `unet` on random latents. Half types run under autocast, as in the WebUI."""
    weight = next(unet.parameters())
    latents = torch.randn(BATCH, 4, workload.height // 8, workload.width // 8, device=weight.device, dtype=weight.dtype)
    context_size = MODELS[workload.model]["context_dim"]
    context = torch.randn(BATCH, TOKENS, context_size, device=weight.device, dtype=weight.dtype)
    timesteps = torch.full((BATCH,), 500, device=weight.device)
    half = weight.dtype in (torch.float16, torch.bfloat16)
    with torch.autocast(weight.device.type, weight.dtype) if half else nullcontext():
        unet(latents, timesteps=timesteps, context=context)


def edited_blocks(unet: nn.Module) -> list[DecoderBlock]:
    """Return the decoder blocks that FreeU edits with its default settings."""
    return [block for block in decoder_blocks(unet) if block.stage and not Settings().stage(block.stage).neutral]


def decoder_features(workload: Workload, device: torch.device) -> list[Features]:
    """Return random features for every decoder block that FreeU edits, from the deepest on."""
    # The meta device computes shapes without allocating memory.
    unet = unet_for(workload._replace(dtype=torch.float32), torch.device("meta"))
    features: list[Features] = []
    for block in edited_blocks(unet):

        def add(layer: nn.Module, args: tuple[Tensor, Any], width: int = block.backbone) -> None:
            joined = torch.randn(args[0].shape, device=device, dtype=workload.dtype)
            features.append(Features(joined, joined[:, :width].clone(), joined[:, width:].clone()))

        block.first_layer.register_forward_pre_hook(add)
    run_unet(unet, workload)
    return features
