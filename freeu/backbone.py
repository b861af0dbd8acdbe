"""What b does: it strengthens a window of the backbone's channels (paper, equations 2 to 4)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from freeu.params import TABLE
from freeu.pieces import edit_in_exact_type, exact_type, in_exact_type
from freeu.values import read


def scale_backbone_(
    h: Tensor, b: float, *, version: str | int = "2", offset: float = 0.0, width: float = 0.5
) -> Tensor:
    """Scale a window of the channels of `h`, in place, and return `h`.

    h: backbone features, shape (pictures, channels, height, width).
    b: the factor. Version "1" multiplies by b everywhere; "2" by 1 where the picture's structure map
        is lowest up to b where it is highest.
    offset, width: the window, as shares of the channels: `round(width * channels)` of them from
        `round(offset * channels)` on, wrapping around. The paper's is the first half.
    """
    one_factor = read("version", TABLE["version"], version) == "1"
    windows = channel_window(h.shape[1], offset, width)
    if b == 1 or not windows:
        return h
    factor = b if one_factor else 1 + (b - 1) * structure_map(h)
    for window in windows:
        _multiply_(h[:, window], factor)
    return h


def channel_window(channels: int, offset: float, width: float) -> list[slice]:
    """The window as at most two slices: the second one is what wraps around."""
    begin, count = round(offset * channels), round(width * channels)
    begin %= channels
    slices = (slice(begin, min(begin + count, channels)), slice(0, max(0, begin + count - channels)))
    return [s for s in slices if s.stop > s.start]


def structure_map(h: Tensor) -> Tensor:
    """The mean over channels, moved to 0..1 for each picture: shape (pictures, 1, height, width).

    Equations 2 and 3. Means of half types are taken in float32. A flat map (max = min) is 0: also one
    that differs by no more than the rounding of the mean, judged by the features of one pixel.
    """
    mean = _channel_mean(h)
    low, high = mean.amin(dim=(2, 3), keepdim=True), mean.amax(dim=(2, 3), keepdim=True)
    spread = high - low
    size = torch.linalg.vector_norm(h[:, :, :1, :1], 1, dim=1, keepdim=True, dtype=mean.dtype) / h.shape[1]
    flat = spread <= 16 * torch.finfo(mean.dtype).eps * size
    return (mean - low) / spread.masked_fill(flat, math.inf)


def _channel_mean(h: Tensor) -> Tensor:
    """The mean over channels, shape (pictures, 1, height, width)."""
    if h.device.type != "cpu":
        return h.mean(dim=1, keepdim=True, dtype=exact_type(h.dtype))
    # A CPU reads features faster for a product than for a sum over channels.
    sums = h.new_zeros(len(h), 1, h.shape[2] * h.shape[3], dtype=exact_type(h.dtype))
    for pictures, wide in in_exact_type(h):
        sums[pictures].baddbmm_(wide.new_ones(len(wide), 1, wide.shape[1]), wide.flatten(2))
    return sums.div_(h.shape[1]).view(len(h), 1, *h.shape[2:])


def _multiply_(h: Tensor, factor: Tensor | float) -> None:
    """`h *= factor`, in the type of a factor that is a tensor, shape (pictures, 1, height, width)."""
    if not isinstance(factor, Tensor) or h.dtype == factor.dtype or h.device.type != "cpu":
        h.mul_(factor)
        return
    # For two types, torch on the CPU would copy all of h.
    for pictures, wide in edit_in_exact_type(h):
        wide.mul_(factor[pictures])
