"""The factor s: scales the low frequencies of the skip features, without an FFT.

With x a plane of H x W pixels and L its low-pass filter, the authors' code computes

    filtered = high * x + (s - high) * L(x)

L is a real matrix (see lowpass.py), so L(x) is a few products of real matrices. They follow one rule, which
tests/test_device_rules.py checks: matrix products read dense operands, without a stride of 0, and write new tensors;
everything in place is pointwise. Apple's GPUs silently compute other products wrong.

Source: https://arxiv.org/abs/2309.11497, equations 5 to 8;
https://github.com/ChenyangSi/FreeU, demo/free_lunch_utils.py, Fourier_filter. There, high is 1.
"""

from __future__ import annotations

import math
from operator import index

from torch import Tensor

from freeu.core.lowpass import low_rank_basis, spectral_weights, wave_basis
from freeu.core.upcast import upcast_dtype, without_autocast


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
    height, width = map(index, skip.shape[2:])  # torch.compile takes the result of index() as a constant
    rows, columns = reach(height, cutoff), reach(width, cutoff)
    if mask == "box" and 2 * rows >= height and 2 * columns >= width:
        high = s  # every frequency is low
    if s == high:
        return skip if s == 1 else skip.mul_(s)
    with without_autocast(skip.device):
        for image in range(len(skip)):
            _filter_image_(skip[image], s, high, rows, columns, mask)
    return skip


def reach(size: int, cutoff: float) -> int:
    """Return how many frequencies are low in a direction of `size` pixels: `max(1, floor(size // 2 * cutoff))`."""
    return index(max(1, math.floor(size // 2 * cutoff)))


def _filter_image_(image: Tensor, s: float, high: float, rows: int, columns: int, mask: str) -> None:
    """Filter the planes of one image's features, shape (C, H, W), in place."""
    x = image.to(upcast_dtype(image.dtype)).contiguous()
    low = _low_rank(x, mask) if rows == columns == 1 else _low_frequencies(x, rows, columns, mask)
    if high != 1:
        x.mul_(high)
    x.add_(low, alpha=s - high)
    if x is not image:
        image.copy_(x)


def _low_rank(x: Tensor, mask: str) -> Tensor:
    """Return L(x) = (x A^T) A for the smallest mask and x of shape (C, H, W)."""
    height, width = map(index, x.shape[1:])
    basis = low_rank_basis(height, width, mask, x.device, x.dtype)
    return (x.flatten(1) @ basis.t() @ basis).view(x.shape)


def _low_frequencies(x: Tensor, rows: int, columns: int, mask: str) -> Tensor:
    """Return L(x) for a larger mask and x of shape (C, H, W), by way of the spectrum's low part."""
    height, width = map(index, x.shape[1:])
    vertical = wave_basis(height, rows, x.device, x.dtype)
    horizontal = wave_basis(width, columns, x.device, x.dtype)
    weights = spectral_weights(height, width, rows, columns, mask, x.device, x.dtype)
    spectrum = _product(_product(x, horizontal.t()).transpose(1, 2), vertical.t())
    spectrum = weights[0] * spectrum + weights[1] * spectrum.flip(1, 2)
    return _product(_product(spectrum, vertical).transpose(1, 2), horizontal)


def _product(x: Tensor, matrix: Tensor) -> Tensor:
    """Return `x @ matrix`, for x of shape (C, M, K), as one product of two matrices."""
    return (x.reshape(-1, x.shape[2]) @ matrix).view(*x.shape[:2], -1)
