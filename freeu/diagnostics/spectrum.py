"""Measurements of images, latents and features: amplitude by frequency, energy, clipped pixels.

The recipes are those of the paper's figures (https://arxiv.org/abs/2309.11497). An amplitude profile needs one
frequency bin per point, so it is computed by two small real matrix products per plane, on any device, without an FFT.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from freeu.core.backbone import structure_map
from freeu.core.skip import scale_skip_
from freeu.core.upcast import upcast_dtype, without_autocast

LOG_OFFSET = 1e-6
"""Added to an amplitude before its logarithm, which 0 does not have."""


class ColorStats(NamedTuple):
    """How oversaturated images are; each tensor has shape (B,) and values in 0..1.

    clipped: share of pixels with at least one channel at 0 or 1.
    saturation: mean over pixels of HSV's S, (max - min) / max over the channels; 0 for black.
    """

    clipped: Tensor
    saturation: Tensor


def frequencies(height: int, width: int) -> Tensor:
    """Return the frequencies of an amplitude profile, in radians per pixel, 0..pi: shape (ceil(min(H, W) / 2),)."""
    smaller = min(height, width)
    return 2 * torch.pi / smaller * torch.arange((smaller + 1) // 2)


def relative_log_amplitude(x: Tensor) -> Tensor:
    """Return the log amplitude at each of `frequencies(H, W)`, relative to that of the mean.

    The paper's recipe: log(|fft2(x)| + 1e-6), shifted, averaged over batch and channels; then the diagonal from the
    center outward, minus its first element. A plane that is not square has no such diagonal; its bins are those
    closest to the same frequency in both directions.

    Args:
        x: images, latents or features, shape (B, C, H, W), with H and W at least 2. Half types are measured in
            float32.
    """
    total = x.new_zeros((min(x.shape[2:]) + 1) // 2, dtype=upcast_dtype(x.dtype))
    for image in range(len(x)):  # one at a time, which limits memory
        total += (_diagonal(x[image].to(total.dtype)) + LOG_OFFSET).log().sum(0)
    mean = total / (x.shape[0] * x.shape[1])
    return mean - mean[0]


def split_frequencies(x: Tensor, radius: float) -> tuple[Tensor, Tensor]:
    """Split x of shape (B, C, H, W) into its low and its high frequencies, which sum to x.

    Args:
        x: images, latents or features.
        radius: end of the low frequencies as a share of the highest one, 0..1: the `cutoff` of `scale_skip_` with
            its disc. With 0, the low part is the mean of each plane.
    """
    high = scale_skip_(x.clone(), 0.0, cutoff=radius, mask="disc")
    return x - high, high


def mean_map(x: Tensor) -> Tensor:
    """Return the mean over channels, rescaled to 0..1 for each image, shape (B, H, W), as in the paper's figure 8.

    For backbone features before FreeU, it is the structure map of version 2.
    """
    return structure_map(x).squeeze(1)


def energy(x: Tensor) -> Tensor:
    """Return the sum of squares, in float32 or wider."""
    norm: Tensor = torch.linalg.vector_norm(x, dtype=upcast_dtype(x.dtype))
    return norm.square()


def color_stats(images: Tensor) -> ColorStats:
    """Measure images of shape (B, 3, H, W) with values in 0..1."""
    low, high = torch.aminmax(images, dim=1)
    clipped = (low <= 0) | (high >= 1)
    saturation = (high - low) / high.clamp(min=torch.finfo(high.dtype).tiny)
    return ColorStats(clipped.float().mean((1, 2)), saturation.float().mean((1, 2)))


def _diagonal(planes: Tensor) -> Tensor:
    """Return the amplitudes along the diagonal of each plane's spectrum, center first: (C, H, W) to (C, bins)."""
    channels, height, width = planes.shape
    down, across = _waves(height, width, planes), _waves(width, height, planes)
    with without_autocast(planes.device):
        columns = (planes.reshape(-1, width) @ across.flatten(1)).view(channels, height, 2, -1)
    # (cos - i sin)(cos - i sin), summed over the rows.
    real = (columns[:, :, 0] * down[:, 0] - columns[:, :, 1] * down[:, 1]).sum(1)
    imaginary = (columns[:, :, 0] * down[:, 1] + columns[:, :, 1] * down[:, 0]).sum(1)
    return torch.hypot(real, imaginary)


def _waves(size: int, other_size: int, like: Tensor) -> Tensor:
    """Return cosines and sines of the diagonal's bins along a direction of `size` pixels: shape (size, 2, bins)."""
    bins = (frequencies(size, other_size).double() * size / (2 * torch.pi)).round()
    angles = 2 * torch.pi / size * torch.outer(torch.arange(size).double(), bins)
    return torch.stack([angles.cos(), angles.sin()], 1).to(like)
