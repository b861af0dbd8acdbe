"""The matrices of the low-pass filter L, cached by size, device and dtype.

The authors' code multiplies the spectrum of a plane of H x W pixels by a mask M, transforms it back and takes the
real part. Taking the real part averages M with its mirror image, (M(u, v) + M(-u, -v)) / 2, so L is a real matrix.

The default mask touches the four frequencies (u, v) with u, v in {-1, 0}. Then L = A^T A, where the rows of A are
1, cos p, sin p, cos q, sin q, cos(p + q), sin(p + q), each over sqrt(H W), with p = 2 pi y / H and q = 2 pi x / W.

Source: https://github.com/ChenyangSi/FreeU, demo/free_lunch_utils.py, Fourier_filter.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache, wraps
from typing import NamedTuple, ParamSpec, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Array = NDArray[np.float64]
P = ParamSpec("P")
R = TypeVar("R")

CACHE_SIZE = 16
"""Results that each cache keeps. A run needs one per size of the skip features."""


class SeparableTerms(NamedTuple):
    """L as a sum of M terms, L(x) = inverse ((forward x) band): from rows to row frequencies and back.

    Shapes: forward (1, M, H), band (M, W, W), inverse (1, H, M).
    """

    forward: Tensor
    band: Tensor
    inverse: Tensor


def _cached(make: Callable[P, R]) -> Callable[P, R]:
    """Cache the results of `make`; torch.compile takes them as constants and does not trace `make`."""
    cached = lru_cache(CACHE_SIZE)(make)

    @wraps(make)
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
def separable_terms(
    height: int, width: int, rows: int, columns: int, mask: str, device: torch.device, dtype: torch.dtype
) -> SeparableTerms:
    """Return L for a mask that reaches `rows` and `columns` frequencies."""
    terms = []
    for u, shares in enumerate(_symmetric_mask(height, width, rows, columns, mask)):
        # Frequency -u is the mirror image of u and contributes the same, unless both are the same frequency.
        weight = (1 if 2 * u in (0, height) else 2) / height
        wave, band = np.exp(1j * u * _angles(height)), _circulant(shares)
        # The real part of wave * band * conj(wave), as four real terms.
        terms += [
            (wave.real, band.real, weight * wave.real),
            (wave.imag, band.real, weight * wave.imag),
            (wave.imag, band.imag, weight * wave.real),
            (wave.real, -band.imag, weight * wave.imag),
        ]
    terms = [term for term in terms if all(np.abs(factor).max() > 1e-9 for factor in term)]
    forward, bands, inverse = (np.array(factors) for factors in zip(*terms, strict=True))
    return SeparableTerms(*(_to_tensor(array, device, dtype) for array in (forward[None], bands, inverse.T[None])))


def _symmetric_mask(height: int, width: int, rows: int, columns: int, mask: str) -> Array:
    """Return the mask averaged with its mirror image, for row frequencies 0..H // 2: shape (H // 2 + 1, W)."""
    u, v = (np.arange(size) - size // 2 for size in (height, width))
    if mask == "box":
        inside = np.outer((u >= -rows) & (u < rows), (v >= -columns) & (v < columns))
    else:
        # (u / rows)^2 + (v / columns)^2 < 1 in integers, so that a frequency on the circle is outside.
        inside = np.add.outer((u * columns) ** 2, (v * rows) ** 2) < (rows * columns) ** 2
    spectrum = np.roll(inside, (-(height // 2), -(width // 2)), (0, 1)).astype(float)
    mirrored = np.roll(spectrum[::-1, ::-1], (1, 1), (0, 1))
    shares: Array = ((spectrum + mirrored) / 2)[: height // 2 + 1]
    return shares


def _circulant(shares: Array) -> NDArray[np.complex128]:
    """Return the matrix that scales each frequency of a row of pixels by its share: shape (W, W)."""
    waves = np.exp(1j * np.outer(_angles(len(shares)), np.arange(len(shares))))
    matrix: NDArray[np.complex128] = (waves.conj() * shares) @ waves.T / len(shares)
    return matrix


def _angles(size: int) -> Array:
    return 2 * np.pi / size * np.arange(size)


def _to_tensor(array: Array, device: torch.device, dtype: torch.dtype) -> Tensor:
    # An inference tensor from the cache could not be used later with gradients.
    with torch.inference_mode(False):
        # The dtype before the device: not every device has float64.
        return torch.from_numpy(np.ascontiguousarray(array)).to(dtype).to(device)
