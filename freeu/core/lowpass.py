"""The matrices of the low-pass filter L, cached by size, device and dtype.

The authors' code multiplies the spectrum of a plane of H x W pixels by a mask M, transforms it back and takes the
real part. Taking the real part averages M with its mirror image, (M(u, v) + M(-u, -v)) / 2, so L is a real matrix.

The default mask touches the four frequencies (u, v) with u, v in {-1, 0}. Then L = A^T A, where the rows of A are
1, cos p, sin p, cos q, sin q, cos(p + q), sin(p + q), each over sqrt(H W), with p = 2 pi y / H and q = 2 pi x / W.

A larger mask touches low frequencies only, too. With F the waves of one direction up to its last row or column, the
low part of the spectrum is F x F^T, real and small. Each of its values is weighted, and F^T, F transform it back.

Source: https://github.com/ChenyangSi/FreeU, demo/free_lunch_utils.py, Fourier_filter.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache, wraps
from typing import ParamSpec, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Array = NDArray[np.float64]
P = ParamSpec("P")
R = TypeVar("R")

CACHE_SIZE = 16
"""Results that each cache keeps. A run needs one per size of the skip features."""


def _cached(make: Callable[P, R]) -> Callable[P, R]:
    """Cache the results of `make`; torch.compile takes them as constants and does not trace `make`."""
    cached = lru_cache(CACHE_SIZE)(make)

    @wraps(cached)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        return cached(*args, **kwargs)  # type: ignore[arg-type]  # all of them are hashable

    # What torch.compiler.assume_constant_result does. Calling that would import the compiler, which takes 0.7 s.
    call._dynamo_marked_constant = True  # type: ignore[attr-defined]
    return call


@_cached
def low_rank_basis(height: int, width: int, mask: str, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Return A with L = A^T A for the smallest mask, shape (R, H * W): R is 7 for a box, 1 for a disc.

    On planes with a side of 1 or 2 pixels, some frequencies coincide, and R is smaller.
    """
    frequencies = [(u, v) for u in (0, -1) for v in (0, -1)] if mask == "box" else [(0, 0)]
    distinct = sorted({(u % height, v % width) for u, v in frequencies})
    p, q = _angles(height)[:, None], _angles(width)
    waves = [wave(u * p + v * q).ravel() for u, v in distinct for wave in (np.cos, np.sin)]
    rows = [wave for wave in waves if np.abs(wave).max() > 1e-9]  # sin 0 is no row
    return _to_tensor(np.array(rows) / math.sqrt(height * width), device, dtype)


@_cached
def wave_basis(size: int, reach: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Return F for one direction of `size` pixels, shape (2 * R + 2, size): the waves of frequencies 0 to R = `reach`.

    Rows are cos of 0 to R, then sin of R to 0, of unit length, or 0 where there is no such wave. So the rows of a
    frequency's cos and sin change places if the order is reversed.
    """
    frequencies = _ascending_and_descending(size, reach)
    basis = np.outer(frequencies, _angles(size))
    basis[len(basis) // 2 :] -= np.pi / 2  # cos(x - pi / 2) = sin x
    np.cos(basis, out=basis)
    basis *= np.sqrt(np.where(2 * frequencies % size == 0, 1.0, 2.0) / size)[:, None]
    return _to_tensor(basis, device, dtype)


@_cached
def spectral_weights(
    height: int, width: int, rows: int, columns: int, mask: str, device: torch.device, dtype: torch.dtype
) -> Tensor:
    """Return the weights of the low part of the spectrum, shape (2, V, U), for V columns and U rows.

    The first are those of each value itself, the second those of the value with cos and sin exchanged in both
    directions. The second are 0 but for a box's corner: the waves (u, v) and (u, -v) are sums and differences of
    cos u cos v and sin u sin v, or of cos u sin v and sin u cos v, and only one of them is in the mask there.
    """
    u, v = _ascending_and_descending(height, rows), _ascending_and_descending(width, columns)[:, None]

    def inside(u: Array, v: Array) -> Array:
        return _is_inside(_alias(u, height), _alias(v, width), rows, columns, mask)

    same, mirrored = (inside(u, v) + inside(-u, -v)) / 2, (inside(u, -v) + inside(-u, v)) / 2
    is_sin_u, is_sin_v = (np.arange(w.size) >= w.size // 2 for w in (u, v))
    sign = np.where(is_sin_u == is_sin_v[:, None], 1, -1)
    return _to_tensor(np.array([same + mirrored, sign * (mirrored - same)]) / 2, device, dtype)


def _is_inside(u: Array, v: Array, rows: int, columns: int, mask: str) -> Array:
    """Return 1 where the frequency (u, v) is in the mask, else 0."""
    if mask == "box":
        inside = (u >= -rows) & (u < rows) & (v >= -columns) & (v < columns)
    else:
        # (u / rows)^2 + (v / columns)^2 < 1 in integers, so that a frequency on the circle is outside.
        inside = (u * columns) ** 2 + (v * rows) ** 2 < (rows * columns) ** 2
    return inside.astype(float)


def _alias(frequency: Array, size: int) -> Array:
    """Return the frequency that looks the same on `size` pixels and is in an FFT: from -(size // 2) on."""
    return (frequency + size // 2) % size - size // 2


def _ascending_and_descending(size: int, reach: int) -> Array:
    """Return the frequencies 0 to `reach` and back to 0."""
    frequencies = np.arange(min(reach, size // 2) + 1.0)
    return np.concatenate([frequencies, frequencies[::-1]])


def _angles(size: int) -> Array:
    return 2 * np.pi / size * np.arange(size)


def _to_tensor(array: Array, device: torch.device, dtype: torch.dtype) -> Tensor:
    # An inference tensor from the cache could not be used later with gradients.
    with torch.inference_mode(False):
        # The dtype before the device: not every device has float64.
        return torch.from_numpy(np.ascontiguousarray(array)).to(dtype).to(device)
