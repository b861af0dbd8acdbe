"""What is measured on: the decoder tensors of real models, read off their UNets, and such a UNet itself."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any, NamedTuple

import torch
from ldm.modules.attention import BasicTransformerBlock, SpatialTransformer
from torch import Tensor, nn

from freeu import Settings
from freeu.core.unet import DecoderBlock, decoder_blocks
from playground.model import build_unet

PICTURES = 2
"""A prompt and its negative."""

TOKENS = 77


class Model(NamedTuple):
    """How a model's UNet is built. `depths` are the transformer blocks of each resolution, where ldm has one number."""

    unet: dict[str, Any]
    depths: dict[int, int]


_COMMON: dict[str, Any] = {
    "image_size": 32,
    "in_channels": 4,
    "out_channels": 4,
    "model_channels": 320,
    "num_res_blocks": 2,
    "use_spatial_transformer": True,
    "legacy": False,
}
MODELS = {
    "SD 1.5": Model(
        {
            **_COMMON,
            "channel_mult": (1, 2, 4, 4),
            "attention_resolutions": (4, 2, 1),
            "num_heads": 8,
            "context_dim": 768,
        },
        {},
    ),
    "SDXL": Model(
        {
            **_COMMON,
            "channel_mult": (1, 2, 4),
            "attention_resolutions": (4, 2),
            "num_head_channels": 64,
            "context_dim": 2048,
            "use_linear_in_transformer": True,
        },
        {640: 2, 1280: 10},
    ),
}


class Size(NamedTuple):
    """A model at a picture size in pixels; its latents are an eighth of that."""

    model: str
    width: int
    height: int

    def __str__(self) -> str:
        return f"{self.model} {self.width}×{self.height}"

    @property
    def latents(self) -> tuple[int, int, int, int]:
        """The shape of the latents of a call."""
        return PICTURES, 4, self.height // 8, self.width // 8


SIZES = (
    Size("SD 1.5", 512, 512),
    Size("SD 1.5", 768, 512),
    Size("SD 1.5", 1024, 1024),
    Size("SDXL", 1024, 1024),
    Size("SDXL", 1216, 832),
)


class Features(NamedTuple):
    """What meets in one decoder block: joined, as ldm makes it, and before that, as the others take it."""

    joined: Tensor
    backbone: Tensor
    skip: Tensor


def build(name: str, device: torch.device, dtype: torch.dtype) -> nn.Module:
    """The UNet of a model, full size, with random weights."""
    shape, depths = MODELS[name]
    with device:
        unet: nn.Module = build_unet(**shape)
        for module in unet.modules():
            if isinstance(module, SpatialTransformer):
                _deepen(module, depths.get(module.in_channels, 1), shape["context_dim"])
    unet.eval().requires_grad_(False).to(dtype)
    return unet


def call(unet: nn.Module, size: Size) -> None:
    """Compute one step, half types under autocast, as the hosts do it."""
    weights = next(unet.parameters())
    x, context = (weights.new_empty(shape) for shape in (size.latents, _context(size)))
    if not weights.is_meta:
        x.normal_(), context.normal_()
    timesteps = torch.full((PICTURES,), 500, device=weights.device)
    half = weights.dtype in (torch.float16, torch.bfloat16)
    with torch.autocast(weights.device.type, weights.dtype) if half else nullcontext():
        # ldm takes a context a transformer block.
        unet(x, timesteps=timesteps, context=[context] * max(MODELS[size.model].depths.values(), default=1))


def edited_blocks(unet: nn.Module) -> list[DecoderBlock]:
    """The decoder blocks that FreeU's defaults edit, whoever computes it."""
    neutral = {n for n in (1, 2, 3) if Settings().stage(n).neutral}
    return [block for block in decoder_blocks(unet) if block.stage is not None and block.stage not in neutral]


def features(size: Size, device: torch.device, dtype: torch.dtype) -> list[Features]:
    """Random features in the shapes that the blocks which FreeU edits take in, first block first."""
    unet = build(size.model, torch.device("meta"), torch.float32)
    shapes: list[tuple[torch.Size, int]] = []
    for block in edited_blocks(unet):

        def note(layer: nn.Module, args: tuple[Tensor, Any], backbone: int = block.backbone) -> None:
            shapes.append((args[0].shape, backbone))

        block.first_layer.register_forward_pre_hook(note)
    call(unet, size)
    return [_features(shape, backbone, device, dtype) for shape, backbone in shapes]


def _features(shape: torch.Size, backbone: int, device: torch.device, dtype: torch.dtype) -> Features:
    joined = torch.randn(shape, device=device, dtype=dtype)
    return Features(joined, joined[:, :backbone].clone(), joined[:, backbone:].clone())


def _context(size: Size) -> tuple[int, int, int]:
    return PICTURES, TOKENS, MODELS[size.model].unet["context_dim"]


def _deepen(transformer: SpatialTransformer, depth: int, context: int) -> None:
    """Give a transformer of ldm's as many blocks as SDXL's has there."""
    first = transformer.transformer_blocks[0].attn1
    width = transformer.transformer_blocks[0].norm1.normalized_shape[0]
    for _ in range(depth - 1):
        block = BasicTransformerBlock(width, first.heads, width // first.heads, context_dim=context, checkpoint=False)
        transformer.transformer_blocks.append(block)
