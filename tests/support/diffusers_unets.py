"""Real UNets of diffusers with the structure of common models, scaled down."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from itertools import count
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pytest
import torch
from diffusers import DDIMScheduler, UNet2DConditionModel
from diffusers.models.unets import unet_2d_blocks
from torch import Tensor

from tests.support.reference import Edit
from tests.support.unets import CONTEXT, inputs

StepCallback = Callable[["RandomPipeline", int, Tensor, dict[str, Tensor]], dict[str, Tensor]]

_SD = {
    "block_out_channels": (32, 64, 128, 128),
    "down_block_types": (*["CrossAttnDownBlock2D"] * 3, "DownBlock2D"),
    "up_block_types": ("UpBlock2D", *["CrossAttnUpBlock2D"] * 3),
}
_SDXL = {
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 8,
    "projection_class_embeddings_input_dim": 6 * 8 + CONTEXT,
    "use_linear_projection": True,
}
SHAPES: dict[str, dict[str, Any]] = {
    "SD 1.5": {**_SD, "attention_head_dim": 8},
    "SD 2": {**_SD, "attention_head_dim": (2, 4, 8, 8), "use_linear_projection": True},
    "SDXL": {
        **_SDXL,
        "block_out_channels": (32, 64, 128),
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        "attention_head_dim": (2, 4, 8),
        "transformer_layers_per_block": (1, 1, 2),
    },
    "SDXL refiner": {
        **_SDXL,
        "block_out_channels": (64, 128, 256, 256),
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        "attention_head_dim": (2, 4, 8, 8),
    },
}
NAMES = ["SDXL", *(pytest.param(name, marks=pytest.mark.slow) for name in SHAPES if name != "SDXL")]
"""The names for a test that calls a UNet: make test runs it on one."""


KANDINSKY = {
    "block_out_channels": (32, 64, 96, 128),
    "down_block_types": ("ResnetDownsampleBlock2D", *["SimpleCrossAttnDownBlock2D"] * 3),
    "mid_block_type": "UNetMidBlock2DSimpleCrossAttn",
    "up_block_types": (*["SimpleCrossAttnUpBlock2D"] * 3, "ResnetUpsampleBlock2D"),
    "attention_head_dim": 8,
}
"""The structure of Kandinsky 2's UNet, whose widths are 3 times the base width in one level."""


def build(shape: dict[str, Any], seed: int = 0) -> UNet2DConditionModel:
    """Build a UNet with random weights."""
    torch.manual_seed(seed)
    unet = UNet2DConditionModel(sample_size=16, cross_attention_dim=CONTEXT, norm_num_groups=8, **shape)
    return unet.eval().requires_grad_(False)


@lru_cache
def shared(name: str) -> UNet2DConditionModel:
    """Return the UNet that all tests share. A test must leave it as it was."""
    return build(SHAPES[name])


def conditions(context: Tensor) -> dict[str, Any]:
    """Return the arguments that a pipeline adds: the prompt's embeddings, and those that only SDXL reads."""
    added = {"text_embeds": context[:, 0], "time_ids": context[:, 1, :6]}
    return {"encoder_hidden_states": context, "added_cond_kwargs": added}


@torch.no_grad()
def call(unet: UNet2DConditionModel, timestep: Any = 500, **size: int) -> Tensor:
    """Return the output for fixed inputs, as a pipeline calls the UNet."""
    x, _, context = inputs(**size)
    return unet(x.to(unet.dtype), timestep, **conditions(context.to(unet.dtype))).sample


def call_edited(unet: UNet2DConditionModel, edit: Edit, **size: int) -> Tensor:
    """Call the UNet with another `edit` of the features that diffusers is about to join."""
    block = count()

    def join(features: list[Tensor], dim: int) -> Tensor:
        edited = edit(next(block), *features)
        return torch.cat([x.to(features[0].dtype) for x in edited], dim=dim)

    with patch.object(unet_2d_blocks, "torch", SimpleNamespace(**{**vars(torch), "cat": join})):
        return call(unet, **size)


class RandomPipeline:
    """A pipeline of diffusers for SDXL, without a text encoder and an image decoder. It loads random weights."""

    def __init__(self) -> None:
        self.unet = build(SHAPES["SDXL"])
        self.scheduler = DDIMScheduler()

    @classmethod
    def from_pretrained(cls, model: str, torch_dtype: torch.dtype) -> RandomPipeline:
        return cls()

    def to(self, device: str) -> RandomPipeline:
        return self

    @property
    def num_timesteps(self) -> int:
        return len(self.scheduler.timesteps)

    @torch.no_grad()
    def __call__(self, prompt: str, num_inference_steps: int, callback_on_step_end: StepCallback) -> SimpleNamespace:
        latents, _, context = inputs()
        self.scheduler.set_timesteps(num_inference_steps)
        for step, timestep in enumerate(self.scheduler.timesteps):
            noise = self.unet(latents, timestep, **conditions(context), return_dict=False)[0]
            latents = self.scheduler.step(noise, timestep, latents).prev_sample
            latents = callback_on_step_end(self, step, timestep, {"latents": latents})["latents"]
        return SimpleNamespace(images=list(latents))
