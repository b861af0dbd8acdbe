"""FreeU as other tools define it, to compare with ours and with docs/moving.md.

Each function returns an `Edit` for `reference.forward`, which computes the backbone and skip features that the tool
joins before a decoder block. All values are float64, with an FFT, as in the tools.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from diffusers.utils.torch_utils import apply_freeu
from torch import Tensor

from tests.support.reference import Edit


class Factors(NamedTuple):
    """The factors of every tool but ljleb's."""

    b1: float
    b2: float
    s1: float
    s2: float


class LjlebStage(NamedTuple):
    """A stage of ljleb/sd-webui-freeu, with the names and initial values of its API."""

    backbone_factor: float = 1.0
    skip_factor: float = 1.0
    backbone_offset: float = 0.0
    backbone_width: float = 0.5
    skip_cutoff: float = 0.0
    skip_high_end_factor: float = 1.0

    def at_strength(self, strength: float) -> LjlebStage:
        """Return the stage with its factors at a strength of 0..1; window and cutoff stay."""
        factors = {name: (1 - strength) + strength * getattr(self, name) for name in self._fields if "factor" in name}
        return self._replace(**factors)


def ljleb(version: str, stages: Sequence[LjlebStage], widths: Sequence[int], strength: float = 1.0) -> Edit:
    """Return the edit of ljleb/sd-webui-freeu: a stage for each of `widths`, which are 1280, 640 and 320 there."""

    def edit(block: int, backbone: Tensor, skip: Tensor) -> tuple[Tensor, Tensor]:
        channels = backbone.shape[1]
        if channels not in widths[: len(stages)] or strength == 0:
            return backbone, skip
        stage = stages[widths.index(channels)].at_strength(strength)
        inside = ljleb_window(stage.backbone_offset, stage.backbone_width, channels)
        factor = torch.ones(1, channels, 1, 1, dtype=torch.float64)
        backbone = backbone.double()
        scale = stage.backbone_factor if version == "1" else _structure_factor(backbone, stage.backbone_factor)
        factor = torch.where(_channel_mask(inside, channels), scale, factor)
        return backbone * factor, box_filter(skip, stage.skip_factor, stage.skip_high_end_factor, stage.skip_cutoff)

    return edit


def ljleb_window(offset: float, width: float, channels: int) -> set[int]:
    """Return the channels that it scales. Both ends belong to the window; a window that wraps is inverted."""
    inverted = offset + width > 1
    begin, end = (offset + width - 1, offset) if inverted else (offset, offset + width)
    window = {i for i in range(channels) if round(begin * channels) <= i <= round(end * channels)}
    return set(range(channels)) - window if inverted else window


def exact_window(stage: LjlebStage, channels: int) -> tuple[float, float]:
    """Return the offset and width with which we scale the same channels as ljleb's extension, with both ends."""
    window = ljleb_window(stage.backbone_offset, stage.backbone_width, channels)
    begin = next((i for i in sorted(window) if (i - 1) % channels not in window), 0)
    return begin / channels, len(window) / channels


def ljleb_strength(start: float, stop: float, smoothness: float, steps: int, call: int) -> float:
    """Return its strength at a call of the model. It goes on counting calls in the hires. fix pass."""
    first, end = int(start * steps), int(stop * steps)
    if first == end:
        return 0.0
    smooth = call / first if call < first else 1 - (call - first) / (end - first)
    flat = 1.0 if first <= call < end else 0.0
    return (1 - smoothness) * flat + smoothness * min(1.0, max(0.0, smooth))


def comfy(version: str, factors: Factors, model_channels: int) -> Edit:
    """Return the edit of ComfyUI, Forge, reForge and Fooocus: half the channels of 4 and 2 times the base width."""
    by_width = {4 * model_channels: (factors.b1, factors.s1), 2 * model_channels: (factors.b2, factors.s2)}

    def edit(block: int, backbone: Tensor, skip: Tensor) -> tuple[Tensor, Tensor]:
        if backbone.shape[1] not in by_width:
            return backbone, skip
        b, s = by_width[backbone.shape[1]]
        backbone = backbone.double()
        half = backbone.shape[1] // 2
        factor = b if version == "1" else _structure_factor(backbone, b)
        return torch.cat([backbone[:, :half] * factor, backbone[:, half:]], 1), box_filter(skip, s)

    return edit


def forge_is_active(start: float, end: float, step: int, steps: int) -> bool:
    """Return True if Forge's FreeU is active at a step. Both ends of its window are part of it."""
    return start <= step / (steps - 1) <= end


def diffusers(factors: Factors, blocks_per_level: int) -> Edit:
    """Return the edit of diffusers, InvokeAI and SD.Next: stages by resolution. It calls diffusers' function."""

    def edit(block: int, backbone: Tensor, skip: Tensor) -> tuple[Tensor, Tensor]:
        level = block // blocks_per_level
        return apply_freeu(level, backbone.double(), skip.double(), **factors._asdict())

    return edit


def box_filter(x: Tensor, low: float, high: float = 1.0, cutoff: float = 0.0) -> Tensor:
    """Return the filtered skip features. Only ljleb's tool has `cutoff` and `high`."""
    spectrum = torch.fft.fftshift(torch.fft.fftn(x.double(), dim=(-2, -1)), dim=(-2, -1))
    row, column = x.shape[-2] // 2, x.shape[-1] // 2
    rows, columns = max(1, math.floor(row * cutoff)), max(1, math.floor(column * cutoff))
    mask = torch.full(x.shape[-2:], high, dtype=torch.float64)
    mask[row - rows : row + rows, column - columns : column + columns] = low
    return torch.fft.ifftn(torch.fft.ifftshift(spectrum * mask, dim=(-2, -1)), dim=(-2, -1)).real


def _structure_factor(backbone: Tensor, b: float) -> Tensor:
    """Return version 2's factor: 1 where the mean over channels is lowest, rising to b where it is highest."""
    mean = backbone.mean(1, keepdim=True)
    low, high = mean.amin((2, 3), keepdim=True), mean.amax((2, 3), keepdim=True)
    return 1 + (b - 1) * (mean - low) / (high - low)


def _channel_mask(inside: set[int], channels: int) -> Tensor:
    return torch.tensor([i in inside for i in range(channels)]).view(1, -1, 1, 1)
