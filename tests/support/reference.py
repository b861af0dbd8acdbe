"""FreeU by its definition, to compare with the core: in float64 and with an FFT, as in the paper and the authors' code.

Equations: https://arxiv.org/abs/2309.11497.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from ldm.modules.diffusionmodules.util import timestep_embedding
from torch import Tensor, nn

from freeu import Settings

Edit = Callable[[int, Tensor, Tensor], tuple[Tensor, Tensor]]


def low_mask(height: int, width: int, cutoff: float, mask: str) -> Tensor:
    """Return which bins of the shifted spectrum are low, shape (H, W)."""
    row, column = height // 2, width // 2
    rows, columns = max(1, int(row * cutoff)), max(1, int(column * cutoff))
    low = torch.zeros(height, width, dtype=torch.bool)
    if mask == "box":
        # A size of 1 has one bin, which is low. Without max, its slice would begin at -1.
        low[max(0, row - rows) : row + rows, max(0, column - columns) : column + columns] = True
        return low
    for y in range(height):
        for x in range(width):
            # (u / rows)^2 + (v / columns)^2 < 1 without rounding
            low[y, x] = ((y - row) * columns) ** 2 + ((x - column) * rows) ** 2 < (rows * columns) ** 2
    return low


def filter_skip(skip: Tensor, s: float, high: float = 1.0, cutoff: float = 0.0, mask: str = "box") -> Tensor:
    """Return filtered skip features of shape (B, C, H, W), float64: equations 5 to 8, as in the authors' code."""
    spectrum = torch.fft.fftshift(torch.fft.fftn(skip.double(), dim=(-2, -1)), dim=(-2, -1))
    low = low_mask(*skip.shape[-2:], cutoff, mask)
    spectrum = spectrum * (low.double() * s + (~low).double() * high)
    return torch.fft.ifftn(torch.fft.ifftshift(spectrum, dim=(-2, -1)), dim=(-2, -1)).real


def scale_backbone(
    h: Tensor, b: float, version: str = "2", offset: float = 0.0, width: float = 0.5, keep_contrast: float = 0.0
) -> Tensor:
    """Return scaled backbone features of shape (B, C, H, W), float64: equations 2 to 4, one channel at a time.

    Then the root mean square of each image's features is restored, by a share of `keep_contrast`.
    """
    h = h.double()
    channels = h.shape[1]
    window = {(round(offset * channels) + i) % channels for i in range(round(width * channels))}
    out = h.clone()
    for index, features in enumerate(h):
        mean = features.mean(0)
        spread = mean.max() - mean.min()
        flat = spread <= 1e-12 * mean.abs().max()
        alpha = torch.ones_like(mean) if flat else 1 + (b - 1) * (mean - mean.min()) / spread
        for channel in window:
            out[index, channel] = features[channel] * (b if version == "1" else alpha)
        if after := rms(out[index]):
            out[index] *= 1 - keep_contrast + keep_contrast * rms(features) / after
    return out


def rms(features: Tensor) -> float:
    """Return the root mean square in float64."""
    return features.double().square().mean().sqrt().item()


def rounding(value: Tensor, dtype: torch.dtype) -> Tensor:
    """Return the largest error of rounding `value` to `dtype` once: half a unit in the last place.

    That is eps / 2 of the value, or half the distance between subnormal numbers if that is larger.
    """
    limits = torch.finfo(dtype)
    return (value.abs() * limits.eps / 2).clamp_min(limits.smallest_normal * limits.eps / 2)


def freeu_edit(settings: Settings, stages: dict[int, int]) -> Edit:
    """Return FreeU at full strength. `stages` gives the stage of each decoder block that has one."""

    def edit(block: int, backbone: Tensor, skip: Tensor) -> tuple[Tensor, Tensor]:
        if block not in stages:
            return backbone, skip
        stage = settings.stage(stages[block])
        backbone = scale_backbone(
            backbone, stage.b, settings.version, stage.offset, stage.width, settings.keep_contrast
        )
        return backbone, filter_skip(skip, stage.s, stage.high, stage.cutoff, settings.mask)

    return edit


def forward(unet: nn.Module, x: Tensor, timesteps: Tensor, context: Tensor, edit: Edit) -> Tensor:
    """Run the authors' forward: ldm's, with backbone and skip features edited before they are joined."""
    skips = []
    emb = unet.time_embed(timestep_embedding(timesteps, unet.model_channels))
    h = x
    for module in unet.input_blocks:
        h = module(h, emb, context)
        skips.append(h)
    h = unet.middle_block(h, emb, context)
    for index, module in enumerate(unet.output_blocks):
        backbone, skip = edit(index, h, skips.pop())
        h = module(torch.cat([backbone.to(x.dtype), skip.to(x.dtype)], dim=1), emb, context)
    return unet.out(h)
