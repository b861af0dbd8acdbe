"""The low frequencies of a plane as small real matrices, cached by size, device and dtype.

L is the projection of a plane of height x width onto its low frequencies, as the official code makes it:
the mask on the spectrum, and the real part of what comes back. Taking the real part averages the mask M with its
mirror, (M(u, v) + M(-u, -v)) / 2, which makes L a real matrix. All here is that matrix, factored.

Matrices are made in float64, without a Fourier transform.
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

CACHED = 16
"""How many bases each cache keeps. A run needs a handful: one a size, cutoff and device."""

_MULTIPLE = 4
"""Rows are filled up with zeros to a multiple of this: products with 7 or 3 rows are slower than with 8 or 4."""


def _made_once(make: Callable[P, R]) -> Callable[P, R]:
    """Keep the last CACHED results. torch.compile takes them as constants, rather than tracing how they are made."""
    cached = lru_cache(CACHED)(make)

    @wraps(make)
    def kept(*args: P.args, **kwargs: P.kwargs) -> R:
        return cached(*args, **kwargs)  # type: ignore[arg-type]  # all of them are hashable

    # What torch.compiler.assume_constant_result does. Calling it would import the compiler, which takes a second.
    kept._dynamo_marked_constant = True  # type: ignore[attr-defined]
    return kept


class Separated(NamedTuple):
    """A of `lowest` as products along one direction at a time: A x = e (p x), and A^T c = (c d) q.

    p: (1, 4, height). e: (8, 4 * width). d: (8, height * 3). q: (3, width).
    """

    p: Tensor
    e: Tensor
    d: Tensor
    q: Tensor


class Terms(NamedTuple):
    """L as a sum of m terms: `there` to the row frequencies inside the mask, `bands` of columns, and `back`.

    there: (1, m, height). bands: (m, width, width). back: (1, height, m).
    """

    there: Tensor
    bands: Tensor
    back: Tensor


@_made_once
def lowest(height: int, width: int, mask: str, device: torch.device, dtype: torch.dtype) -> Tensor:
    """A with L = A^T A for the lowest frequencies alone, shape (at most 8, height * width)."""
    return _tensor(_filled_up(_lowest(height, width, mask)), device, dtype)


@_made_once
def separated(height: int, width: int, mask: str, device: torch.device, dtype: torch.dtype) -> Separated:
    """The same A, factored. Needs a height and width of 3 or more."""
    a = _filled_up(_lowest(height, width, mask)).reshape(-1, height, width)
    p, q = (np.stack([np.ones(size), np.cos(_angles(size)), np.sin(_angles(size))]) for size in (height, width))
    e = np.einsum("khw,hi->kiw", a, np.linalg.pinv(_filled_up(p))).reshape(len(a), -1)
    d = np.einsum("khw,wj->khj", a, np.linalg.pinv(q)).reshape(len(a), -1)
    return Separated(*(_tensor(array, device, dtype) for array in (_filled_up(p)[None], e, d, q)))


@_made_once
def terms(
    height: int, width: int, rows: int, columns: int, mask: str, device: torch.device, dtype: torch.dtype
) -> Terms:
    """L for a box or disc that reaches `rows` and `columns` bins."""
    there, bands, back = [], [], []
    for u, share in enumerate(_real_mask(height, width, rows, columns, mask)):
        if not share.any():
            continue
        wave, kernel = np.exp(1j * u * _angles(height)), _circulant(share)
        # Frequency -u is the mirror of u, and adds the same once more, unless it is the same bin.
        weight = (1 if 2 * u in (0, height) else 2) / height
        # Re(wave * kernel * conj(wave) x), written out.
        for into, band, out in (
            (wave.real, kernel.real, wave.real),
            (wave.imag, kernel.real, wave.imag),
            (wave.imag, kernel.imag, wave.real),
            (wave.real, -kernel.imag, wave.imag),
        ):
            if all(np.abs(factor).max() > 1e-9 for factor in (into, band, out)):
                there.append(into)
                bands.append(band)
                back.append(weight * out)
    arrays = np.array(there)[None], np.array(bands), np.array(back).T[None]
    return Terms(*(_tensor(array, device, dtype) for array in arrays))


def _lowest(height: int, width: int, mask: str) -> Array:
    """1, cos p, sin p, cos q, sin q, cos(p + q), sin(p + q) over sqrt(height * width), a row each; for a disc the 1."""
    bins = [(u, v) for u in (0, -1) for v in (0, -1)] if mask == "box" else [(0, 0)]
    # Where height or width is 1, or 2, bins coincide or are their own mirror: each counts once.
    distinct = {(u % height, v % width) for u, v in bins}
    p, q = _angles(height), _angles(width)
    waves = [wave(u * p[:, None] + v * q).ravel() for u, v in sorted(distinct) for wave in (np.cos, np.sin)]
    return np.array([row for row in waves if np.abs(row).max() > 1e-9]) / math.sqrt(height * width)


def _real_mask(height: int, width: int, rows: int, columns: int, mask: str) -> Array:
    """The mask averaged with its mirror, for row frequencies 0 to half the height: (height // 2 + 1, width)."""
    u, v = np.arange(-(height // 2), height - height // 2)[:, None], np.arange(-(width // 2), width - width // 2)
    if mask == "box":
        inside = (u >= -rows) & (u < rows) & (v >= -columns) & (v < columns)
    else:
        # Whole numbers, so that a bin on the very edge is outside: (u / rows)^2 + (v / columns)^2 < 1.
        inside = (u * columns) ** 2 + (v * rows) ** 2 < (rows * columns) ** 2
    there = np.zeros((height, width))
    there[u % height, v % width] = inside
    mirrored = there[-u % height, -v % width]
    share = np.zeros_like(there)
    share[u % height, v % width] = (inside + mirrored) / 2
    return share[: height // 2 + 1]


def _circulant(share: Array) -> NDArray[np.complex128]:
    """The matrix that, to the right of a row of pixels, scales each frequency by its share: (size, size)."""
    size = len(share)
    waves = np.exp(1j * np.outer(_angles(size), np.arange(size)))
    matrix: NDArray[np.complex128] = (waves.conj() * share) @ waves.T / size
    return matrix


def _angles(size: int) -> Array:
    return 2 * np.pi * np.arange(size) / size


def _filled_up(rows: Array) -> Array:
    return np.pad(rows, ((0, -len(rows) % _MULTIPLE), (0, 0)))


def _tensor(array: Array, device: torch.device, dtype: torch.dtype) -> Tensor:
    # An inference tensor in the cache could not take part in a later forward with gradients.
    with torch.inference_mode(False):
        # First the type: not every device has float64.
        return torch.from_numpy(np.ascontiguousarray(array)).to(dtype).to(device)
