"""What s does: it scales the low frequencies of the skip features (paper, equations 5 to 8).

No Fourier transform is needed. What the official code computes, with x a plane of height x width and
L the projection onto its lowest frequencies, is

    filtered = high * x + (s - high) * L(x)

The official mask touches the four bins (u, v) with u, v in {-1, 0}. Taking the real part makes L real:
`L = A^T A`, where the rows of A are 1, cos p, sin p, cos q, sin q, cos(p + q), sin(p + q), each over
sqrt(height * width), with p = 2 pi y / height and q = 2 pi x / width. So the whole filter is seven dot
products a plane and one update in place. Larger boxes and discs are products with small real matrices.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from freeu.params import TABLE
from freeu.values import read

CACHED = 16
"""How many bases each cache keeps. A run needs a handful: one a size, cutoff and device."""


def scale_skip_(skip: Tensor, s: float, *, high: float = 1.0, cutoff: float = 0.0, mask: str = "box") -> Tensor:
    """Scale the low frequencies of each plane of `skip` by `s` and the others by `high`, in place; return `skip`.

    skip: skip features, shape (pictures, channels, height, width). A view into a larger tensor will do.
    cutoff: how far "low" reaches: `max(1, floor(half * cutoff))` bins in each direction, where half is
        half the height or width.
    mask: "box" is the official code's [-reach, reach) in each direction. "disc" is the paper's
        equation 8, radius < reach: with cutoff 0 the mean alone. On planes that are not square it is
        round in cycles per pixel.

    Raises SettingsError for another mask. Half types are computed in float32, autocast or not, and
    rounded once. On NVIDIA GPUs these products are TF32 where the host allows that for all of its own.
    """
    mask = str(read("mask", TABLE["mask"], mask))
    if s == high == 1:
        return skip
    exact = skip.to(torch.promote_types(skip.dtype, torch.float32))
    if not _rows_join(exact):
        exact = exact.clone(memory_format=torch.contiguous_format)
    _scale_(exact, s, high, cutoff, mask)
    return skip if exact is skip else skip.copy_(exact)


def reach(size: int, cutoff: float) -> int:
    """How many bins "low" reaches in a direction of `size` pixels."""
    return max(1, math.floor(size // 2 * cutoff))


def _scale_(x: Tensor, s: float, high: float, cutoff: float, mask: str) -> None:
    rows, columns = reach(x.shape[2], cutoff), reach(x.shape[3], cutoff)
    if s == high:
        x.mul_(high)
    elif rows == columns == 1:
        planes = x.flatten(2)
        a = lowest(x.shape[2], x.shape[3], mask, x.device, x.dtype).expand(len(x), -1, -1)
        planes.baddbmm_(_product(planes, a.transpose(1, 2)), a, beta=high, alpha=s - high)
    else:
        low = (_box if mask == "box" else _disc)(x, rows, columns)
        x.mul_(high).add_(low, alpha=s - high)


def _box(x: Tensor, rows: int, columns: int) -> Tensor:
    """L(x) for a box: Re(P x Q^T) = Re P x Re Q^T - Im P x Im Q^T, P and Q the projections of each direction."""
    (p_real, p_imag), (q_real, q_imag) = (
        (t.expand(len(x) * x.shape[1], -1, -1) for t in projection(size, r, x.device, x.dtype))
        for size, r in ((x.shape[2], rows), (x.shape[3], columns))
    )
    planes = x.flatten(0, 1)
    low = _product(_product(p_real, planes), q_real.transpose(1, 2))
    low.baddbmm_(_product(p_imag, planes), q_imag.transpose(1, 2), alpha=-1)
    return low.view(x.shape)


def _disc(x: Tensor, rows: int, columns: int) -> Tensor:
    """L(x) for a disc.

    A disc does not separate, but each of its columns of bins is a plain band of rows. So: to the
    frequencies of the columns inside it (few, and real, since the disc is symmetric), a band
    projection of the rows for each of them, and back. For a full disc that is three quarters of the
    box's products, where a basis of all its bins would cost tens of times as much.
    """
    there, bands, back = disc(x.shape[2], x.shape[3], rows, columns, x.device, x.dtype)
    height, width = x.shape[2:]
    spectrum = _product(x.reshape(1, -1, width), there[None]).view(-1, height, len(back))
    by_column = spectrum.permute(2, 1, 0)
    low = _product(bands, by_column).permute(2, 1, 0).reshape(1, -1, len(back))
    return _product(low, back[None]).view(x.shape)


@lru_cache(CACHED)
def lowest(height: int, width: int, mask: str, device: torch.device, dtype: torch.dtype) -> Tensor:
    """The rows of A for the lowest frequencies, shape (at most 7, height * width)."""
    bins = [(u, v) for u in (0, -1) for v in (0, -1)] if mask == "box" else [(0, 0)]
    # Where height or width is 1, or 2, bins coincide or are their own mirror: each counts once.
    distinct = {(u % height, v % width) for u, v in bins}
    p, q = _angles(height), _angles(width)
    waves = [wave(u * p[:, None] + v * q).ravel() for u, v in sorted(distinct) for wave in (np.cos, np.sin)]
    rows = [row for row in waves if np.abs(row).max() > 1e-9]
    return _tensor(np.array(rows) / math.sqrt(height * width), device, dtype)


@lru_cache(CACHED)
def projection(size: int, bins: int, device: torch.device, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Real and imaginary part of the projection onto the bins -bins..bins-1, each (1, size, size)."""
    distinct = sorted({u % size for u in range(-bins, bins)})
    waves = np.exp(1j * np.outer(_angles(size), distinct))
    p = waves @ waves.conj().T / size
    return _tensor(p.real[None], device, dtype), _tensor(p.imag[None], device, dtype)


@lru_cache(CACHED)
def disc(
    height: int, width: int, rows: int, columns: int, device: torch.device, dtype: torch.dtype
) -> tuple[Tensor, Tensor, Tensor]:
    """The three steps of `_disc`, with m = 2 * columns - 1 real column frequencies.

    To them, (width, m); the band of rows of each, (m, height, height); and back, (m, width).
    """
    frequencies = np.array([0, *(v for v in range(1, columns) for _ in range(2))])
    waves = [wave(v * _angles(width)) for v in range(columns) for wave in (np.cos, np.sin)]
    del waves[1]  # sin 0
    back = np.array(waves) * np.where(frequencies == 0, 1, 2)[:, None] / width
    # Whole numbers, so that a bin on the very edge is outside: u^2 / rows^2 + v^2 / columns^2 < 1.
    heights = [
        sum((u * columns) ** 2 + (v * rows) ** 2 < (rows * columns) ** 2 for u in range(rows)) for v in range(columns)
    ]
    bands = [_band(height, heights[v]) for v in frequencies]
    tensors = [_tensor(array, device, dtype) for array in (np.array(waves).T, np.array(bands), back)]
    return tensors[0], tensors[1], tensors[2]


def _band(size: int, count: int) -> NDArray[np.float64]:
    """The projection onto the bins with |u| < count, (size, size)."""
    kernel = (1 + 2 * np.cos(np.outer(_angles(size), np.arange(1, count))).sum(1)) / size
    pixel = np.arange(size)
    band: NDArray[np.float64] = kernel[(pixel[:, None] - pixel) % size]
    return band


def _angles(size: int) -> NDArray[np.float64]:
    return 2 * np.pi * np.arange(size) / size


def _tensor(array: NDArray[np.float64], device: torch.device, dtype: torch.dtype) -> Tensor:
    # An inference tensor in the cache could not take part in a later forward with gradients.
    with torch.inference_mode(False):
        return torch.from_numpy(array).to(device, dtype)


def _product(a: Tensor, b: Tensor) -> Tensor:
    """`torch.bmm` in the type of its inputs: autocast lowers the others, but not in-place operations."""
    return a.new_empty(len(a), a.shape[1], b.shape[2]).baddbmm_(a, b, beta=0)


def _rows_join(x: Tensor) -> bool:
    """Whether height and width can be viewed as one dimension."""
    return x.stride(2) == x.shape[3] * x.stride(3)
