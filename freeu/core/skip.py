"""The factor s: scales the low frequencies of the skip features, without an FFT.

With x a plane of H x W pixels and L its low-pass filter, the authors' code computes

    filtered = high * x + (s - high) * L(x)

L is a real matrix (see lowpass.py), so the filter is a few matrix products.

Source: https://arxiv.org/abs/2309.11497, equations 5 to 8;
https://github.com/ChenyangSi/FreeU, demo/free_lunch_utils.py, Fourier_filter. There, high is 1.
"""

from __future__ import annotations

import math

from torch import Tensor

from freeu.core.lowpass import low_rank_basis, separable_terms
from freeu.core.upcast import matmul, upcast_dtype

CHUNK = 64
"""Planes that a large filter processes at a time. Limits its memory to a few megabytes."""


def scale_skip_(skip: Tensor, s: float, *, high: float = 1.0, cutoff: float = 0.0, mask: str = "box") -> Tensor:
    """Scale the low frequencies of each plane of `skip` by `s` and the others by `high`, in place; return `skip`.

    Half types are computed in float32, also under autocast, and rounded once. On NVIDIA GPUs, the products use TF32
    if the host allows it.

    Args:
        skip: skip features, shape (B, C, H, W); may be a view.
        cutoff: how far the low frequencies reach, 0..1 (see `reach`).
        mask: "box" is [-reach, reach) in each direction, as in the authors' code. "disc" is radius < reach, as in
            equation 8: with cutoff 0 only the mean. On planes that are not square, a disc is round in cycles per
            pixel.

    Raises:
        ValueError: for another mask.
    """
    if mask not in ("box", "disc"):
        raise ValueError(f"mask must be box or disc, got {mask!r}")
    height, width = skip.shape[2:]
    rows, columns = reach(height, cutoff), reach(width, cutoff)
    if mask == "box" and 2 * rows >= height and 2 * columns >= width:
        high = s  # every frequency is low
    if s == high:
        return skip if s == 1 else skip.mul_(s)
    dtype = upcast_dtype(skip.dtype)
    x = skip if skip.dtype == dtype and skip[:1].is_contiguous() else skip.to(dtype).contiguous()
    if rows == columns == 1:
        _filter_low_rank_(x, s, high, mask)
    else:
        _filter_separable_(x, s, high, rows, columns, mask)
    return skip if x is skip else skip.copy_(x)


def reach(size: int, cutoff: float) -> int:
    """Return how many frequencies are low in a direction of `size` pixels: `max(1, floor(size // 2 * cutoff))`."""
    return max(1, math.floor(size // 2 * cutoff))


def _filter_low_rank_(x: Tensor, s: float, high: float, mask: str) -> None:
    """Apply the smallest mask to x of shape (B, C, H, W), with L(x) = (x A^T) A."""
    planes = x.flatten(2)
    height, width = x.shape[2:]
    basis = low_rank_basis(height, width, mask, x.device, x.dtype).expand(len(x), -1, -1)
    planes.baddbmm_(matmul(planes, basis.transpose(1, 2)), basis, beta=high, alpha=s - high)


def _filter_separable_(x: Tensor, s: float, high: float, rows: int, columns: int, mask: str) -> None:
    """Apply a larger mask to x of shape (B, C, H, W), a chunk of channels at a time."""
    height, width = x.shape[2:]
    forward, band, inverse = separable_terms(height, width, rows, columns, mask, x.device, x.dtype)
    for image in range(len(x)):
        for channel in range(0, x.shape[1], CHUNK):
            planes = x[image, channel : channel + CHUNK]
            spectrum = matmul(forward.expand(len(planes), -1, -1), planes)
            filtered = matmul(spectrum.transpose(0, 1), band).transpose(0, 1)
            planes.baddbmm_(inverse.expand(len(planes), -1, -1), filtered, beta=high, alpha=s - high)
