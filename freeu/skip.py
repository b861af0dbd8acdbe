"""What s does: it scales the low frequencies of the skip features (paper, equations 5 to 8).

No Fourier transform is needed. What the official code computes, with x a plane of height x width and
L the projection onto its lowest frequencies, is

    filtered = high * x + (s - high) * L(x)

The official mask touches the four bins (u, v) with u, v in {-1, 0}. Taking the real part makes L real:
`L = A^T A`, where the rows of A are 1, cos p, sin p, cos q, sin q, cos(p + q), sin(p + q), each over
sqrt(height * width), with p = 2 pi y / height and q = 2 pi x / width. So the whole filter is seven dot
products a plane and one update in place. Larger boxes and discs are a few more such products (basis.py).
"""

from __future__ import annotations

import math

from torch import Tensor

from freeu.basis import lowest, separated, terms
from freeu.params import TABLE
from freeu.pieces import each, edit_in_exact_type, pieces, product
from freeu.values import read

SMALL = 256
"""Pixels of a plane up to which, on the CPU, products with whole planes are the fastest."""


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
    height, width = skip.shape[2:]
    rows, columns = reach(height, cutoff), reach(width, cutoff)
    if mask == "box" and 2 * rows >= height and 2 * columns >= width:
        high = s  # all frequencies are low
    if s == high:
        return skip if s == 1 else skip.mul_(s)
    for _, x in edit_in_exact_type(skip):
        if rows > 1 or columns > 1:
            _scale_by_terms_(x, s, high, rows, columns, mask)
        elif x.device.type != "cpu" or height * width <= SMALL or min(height, width) < 3:
            _scale_whole_(x, s, high, mask)
        else:
            _scale_separated_(x, s, high, mask)
    return skip


def reach(size: int, cutoff: float) -> int:
    """How many bins "low" reaches in a direction of `size` pixels."""
    return max(1, math.floor(size // 2 * cutoff))


def _scale_whole_(x: Tensor, s: float, high: float, mask: str) -> None:
    """By A, in two operations: seven dot products a plane, and the update."""
    planes = x.flatten(2)
    a = lowest(x.shape[2], x.shape[3], mask, x.device, x.dtype).expand(len(x), -1, -1)
    dots = product(a, planes.transpose(1, 2)).transpose(1, 2)
    planes.baddbmm_(dots, a, beta=high, alpha=s - high)


def _scale_separated_(x: Tensor, s: float, high: float, mask: str) -> None:
    """By A along one direction at a time: more operations and less arithmetic."""
    height, width = x.shape[2:]
    p, e, d, q = separated(height, width, mask, x.device, x.dtype)
    for planes in each(x):
        columns = product(p.expand(len(planes), -1, -1), planes)
        dots = e.new_empty(len(e), len(planes)).addmm_(e, columns.flatten(1).T, beta=0)
        rows = d.new_empty(len(planes), d.shape[1]).addmm_(dots.T, d, beta=0)
        planes.view(-1, width).addmm_(rows.view(-1, len(q)), q, beta=high, alpha=s - high)


def _scale_by_terms_(x: Tensor, s: float, high: float, rows: int, columns: int, mask: str) -> None:
    """Larger boxes and discs."""
    there, bands, back = terms(x.shape[2], x.shape[3], rows, columns, mask, x.device, x.dtype)
    for _, piece in pieces(x):
        for planes in each(piece):
            spectrum = product(there.expand(len(planes), -1, -1), planes)
            low = product(spectrum.transpose(0, 1), bands).transpose(0, 1)
            planes.baddbmm_(back.expand(len(planes), -1, -1), low, beta=high, alpha=s - high)
