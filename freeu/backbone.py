"""What b does: it strengthens a window of the backbone's channels (paper, equations 2 to 4)."""

from __future__ import annotations

import torch
from torch import Tensor

from freeu.params import TABLE
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
        h[:, window].mul_(factor)
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
    exact = torch.promote_types(h.dtype, torch.float32)
    mean = h.mean(dim=1, keepdim=True, dtype=exact)
    low, high = mean.amin(dim=(2, 3), keepdim=True), mean.amax(dim=(2, 3), keepdim=True)
    spread = high - low
    rounding = 16 * torch.finfo(exact).eps * h[:, :, :1, :1].abs().mean(dim=1, keepdim=True, dtype=exact)
    flat = spread <= rounding
    return torch.where(flat, 0.0, (mean - low) / torch.where(flat, 1.0, spread))
