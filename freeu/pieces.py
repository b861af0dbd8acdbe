"""Large tensors a piece at a time: what is computed in a wider type, or needs room, needs it for one piece alone."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

ELEMENTS = {"cpu": 3 << 17}
"""How large a piece is: on the CPU a megabyte and a half in float32, which stay in its caches."""

ELEMENTS_ELSEWHERE = 1 << 24
"""On other devices each piece costs a launch, so hardly anything is cut."""


def exact_type(dtype: torch.dtype) -> torch.dtype:
    """The type in which sums are taken: float32, or float64 where that is given."""
    return torch.float64 if dtype == torch.float64 else torch.float32


def pieces(x: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """Views of `x`, shape (pictures, channels, height, width), each with the pictures that it is of.

    A piece is some whole pictures, or some channels of one.
    """
    most = ELEMENTS.get(x.device.type, ELEMENTS_ELSEWHERE)
    pictures = max(1, most // max(1, x[0].numel()))
    channels = max(1, most // max(1, x[0, 0].numel())) if pictures == 1 else x.shape[1]
    for first in range(0, len(x), pictures):
        for channel in range(0, x.shape[1], channels):
            where = slice(first, first + pictures)
            yield where, x[where, channel : channel + channels]


def in_exact_type(x: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """`x` to be read in float32, its rows joined: as it is where it is so, else copies of its pieces."""
    return ((pictures, wide) for pictures, _, wide in _widened(x))


def edit_in_exact_type(x: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """`x` to be edited in place in float32. A copy is rounded back into `x`, once, when the next one is asked for."""
    for pictures, piece, wide in _widened(x):
        yield pictures, wide
        if wide is not piece:
            piece.copy_(wide)


def each(x: Tensor) -> Iterator[Tensor]:
    """The pictures of `x`. Iterating over a tensor gives views that autograd lets nobody edit."""
    return (x[n] for n in range(len(x)))


def product(a: Tensor, b: Tensor) -> Tensor:
    """`torch.bmm` in the type of its inputs: autocast lowers the others, but not in-place operations."""
    return a.new_empty(len(a), a.shape[1], b.shape[2]).baddbmm_(a, b, beta=0)


def _widened(x: Tensor) -> Iterator[tuple[slice, Tensor, Tensor]]:
    """Pictures, piece and its copy, which is the piece itself where it is exact already."""
    exact = exact_type(x.dtype)
    if x.dtype == exact and _rows_join(x):
        yield slice(len(x)), x, x
        return
    for pictures, piece in pieces(x):
        yield pictures, piece, piece.to(exact, memory_format=torch.contiguous_format, copy=True)


def _rows_join(x: Tensor) -> bool:
    """Whether height and width can be viewed as one dimension, and channels and height too."""
    return x.stride()[1:] == (x.shape[2] * x.shape[3], x.shape[3], 1)
