"""The factor b: scales a window of the backbone's channels, and can keep the size of the whole backbone.

Source of b: https://arxiv.org/abs/2309.11497, equations 2 to 4;
https://github.com/ChenyangSi/FreeU, README.md (version 2) and demo/free_lunch_utils.py (version 1).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from freeu.core.upcast import upcast_dtype


def scale_backbone_(
    h: Tensor,
    b: float,
    *,
    version: str | int = "2",
    offset: float = 0.0,
    width: float = 0.5,
    keep_contrast: float = 0.0,
) -> Tensor:
    """Scale a window of the channels of `h` in place, and return `h`.

    Args:
        h: backbone features, shape (B, C, H, W).
        b: the factor. Version 1 multiplies by b. Version 2 multiplies by 1 where the structure map is lowest,
            rising to b where it is highest.
        version: "1" or "2".
        offset, width: the window as shares of C: `round(width * C)` channels from channel `round(offset * C)` on,
            wrapping around. The paper uses the first half.
        keep_contrast: 0..1. All channels are then multiplied by `1 - keep_contrast + keep_contrast * before / after`,
            where before and after are the root mean squares of each image's features.

    Raises:
        ValueError: for another version.
    """
    if str(version) not in ("1", "2"):
        raise ValueError(f"version must be 1 or 2, got {version!r}")
    windows = channel_window(h.shape[1], offset, width)
    if b == 1 or not windows:
        return h
    # Half types are converted to float32 once (30 % faster for version 2). Multiplying by b alone does not need it.
    x = h if str(version) == "1" and not keep_contrast else h.to(upcast_dtype(h.dtype))
    if keep_contrast:
        _scale_and_keep_norm_(x, b, str(version), windows, keep_contrast)
        windows = [slice(None)]
    else:
        _scale_(x, b, str(version), windows)
    if x is not h:
        for window in windows:
            h[:, window].copy_(x[:, window])
    return h


def channel_window(channels: int, offset: float, width: float) -> list[slice]:
    """Return the window as at most two slices of the channels; the second one is the part that wraps around."""
    first, count = round(offset * channels) % channels, round(width * channels)
    slices = (slice(first, min(first + count, channels)), slice(0, max(0, first + count - channels)))
    return [s for s in slices if s.stop > s.start]


def structure_map(h: Tensor) -> Tensor:
    """Return the mean over channels, rescaled to 0..1 for each image: shape (B, 1, H, W), float32 or wider.

    Equations 2 and 3 of the paper. The sum over channels does for the mean, since it is rescaled all the same, and
    its gradient needs no copy of `h`. A flat map (max = min) gives 0. A sum over equal features still differs by
    rounding from pixel to pixel, so a range within the rounding error of one pixel's sum counts as flat.
    """
    total = h.sum(dim=1, keepdim=True, dtype=upcast_dtype(h.dtype))
    low, high = total.amin(dim=(2, 3), keepdim=True), total.amax(dim=(2, 3), keepdim=True)
    magnitude = torch.linalg.vector_norm(h[:, :, :1, :1], 1, dim=1, keepdim=True, dtype=total.dtype)
    flat = high - low <= 16 * torch.finfo(total.dtype).eps * magnitude
    return (total - low) / (high - low).masked_fill(flat, math.inf)


def _scale_(x: Tensor, b: float, version: str, windows: list[slice]) -> None:
    """Scale the channels of `x` in these windows by b (version 1), or by b and the structure map."""
    factor = b if version == "1" else 1 + (b - 1) * structure_map(x)
    for window in windows:
        x[:, window].mul_(factor)


def _scale_and_keep_norm_(x: Tensor, b: float, version: str, windows: list[slice], share: float) -> None:
    """Scale `x`, then bring the norm of each image's features back to what it was, by a share of 0..1.

    Meanwhile, each image's features are divided by a power of two, which is exact, so that the largest is 1 to 2:
    float32 has no squares of 1e20 or 1e-23. An image with an infinity has no norm and keeps its size. Features of 0
    stay 0.
    """
    limits = torch.finfo(x.dtype)
    largest = _norm(x.detach(), math.inf).nan_to_num(1, posinf=1).clamp(limits.tiny, limits.max / 2)
    scale = largest.log2().floor().exp2()
    x.div_(scale)
    before = _norm(x)
    _scale_(x, b, version, windows)
    after = _norm(x)
    kept = 1 - share + share * (before / after.masked_fill(after == 0, math.inf)).nan_to_num(1)
    x.mul_((kept * scale).clamp(max=limits.max))  # infinity times 0 would be NaN


def _norm(x: Tensor, order: float = 2) -> Tensor:
    """Return the norm of each image's features, shape (B, 1, 1, 1): Euclidean, or the largest magnitude."""
    # The features are edited in place afterwards, and the gradient needs them as they are now.
    x = x.clone() if x.requires_grad else x
    norm: Tensor = torch.linalg.vector_norm(x, order, dim=(1, 2, 3), keepdim=True)
    return norm
