"""Measuring pictures, latents and features: how much of each frequency is in them, and what FreeU moved.

The recipes are those of the paper's figures. None of them needs a Fourier transform: an amplitude profile has one
bin a frequency, which is two small real products a plane, so it is taken on whatever device the features are.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from freeu.backbone import structure_map
from freeu.pieces import exact_type, pieces, product
from freeu.skip import scale_skip_

FLOOR = 1e-6
"""Is added to an amplitude before its logarithm is taken, so that there is one."""


class Burn(NamedTuple):
    """How burnt pictures are: a value a picture, in 0..1, shape (pictures,).

    clipped: the share of pixels of which any channel is at a limit, 0 or 1.
    saturation: the mean over pixels of HSV's S, (max - min) / max over the channels; black has 0.
    """

    clipped: Tensor
    saturation: Tensor


def frequencies(height: int, width: int) -> Tensor:
    """The frequencies of a profile of planes of that size, in 0..pi radians a pixel: shape (ceil(smaller / 2),)."""
    smaller = min(height, width)
    return 2 * torch.pi / smaller * torch.arange((smaller + 1) // 2)


def relative_log_amplitude(x: Tensor) -> Tensor:
    """How the logarithm of the amplitude falls with frequency: a value for each of `frequencies(height, width)`.

    x: pictures, latents or features, shape (pictures, channels, height, width); 2 x 2 pixels or more. Half types
        are measured in float32.

    The paper's recipe: log(|fft2(x)| + 1e-6), shifted, the mean over pictures and channels, then the diagonal
    from the centre outward, minus its first element, which is the mean's. A plane that is not square has no such
    diagonal. There, the bins are taken that are nearest to the same frequency in both directions.
    """
    pictures, channels, height, width = x.shape
    total = x.new_zeros((min(height, width) + 1) // 2, dtype=exact_type(x.dtype))
    for _, piece in pieces(x):
        total += (_diagonal(piece.to(total.dtype)) + FLOOR).log().sum(0)
    mean = total / (pictures * channels)
    return mean - mean[0]


def split_frequencies(x: Tensor, radius: float) -> tuple[Tensor, Tensor]:
    """The parts of `x` of low and of high frequencies, which sum to `x`.

    radius: how far "low" reaches, 0..1, as a share of the highest frequency: what `scale_skip_` calls `cutoff`, with
        its disc. 0 leaves the mean of each plane alone in the low part.
    """
    high = scale_skip_(x.clone(), 0.0, cutoff=radius, mask="disc")
    return x - high, high


def mean_map(x: Tensor) -> Tensor:
    """The mean over channels, moved to 0..1 for each picture: shape (pictures, height, width).

    The paper draws features so (Fig. 8). Of the backbone before FreeU it is the structure map of version 2.
    """
    return structure_map(x).squeeze(1)


def energy(x: Tensor) -> Tensor:
    """The sum of squares, in float32 or wider."""
    norm: Tensor = torch.linalg.vector_norm(x, dtype=exact_type(x.dtype))
    return norm.square()


def moved_energy(before: Tensor, after: Tensor) -> float:
    """The energy of what changed, as a share of the energy that there was: 0 where nothing changed."""
    moved, whole = float(energy(after - before)), float(energy(before))
    return moved / whole if moved else 0.0


def burn(pictures: Tensor) -> Burn:
    """How burnt pictures in 0..1 are, shape (pictures, 3, height, width)."""
    low, high = torch.aminmax(pictures, dim=1)
    clipped = (low <= 0) | (high >= 1)
    saturation = (high - low) / high.clamp(min=torch.finfo(high.dtype).tiny)
    return Burn(clipped.float().mean((1, 2)), saturation.float().mean((1, 2)))


def _diagonal(x: Tensor) -> Tensor:
    """Amplitudes along the diagonal of each plane's spectrum, from the centre outward: shape (planes, bins)."""
    height, width = x.shape[2:]
    down, across = _waves(height, width, x), _waves(width, height, x)
    columns = product(x.reshape(1, -1, width), across.flatten(1)[None]).view(-1, height, *across.shape[1:])
    # (cos - i sin)(cos - i sin), with the sum over rows still to be taken
    real = (columns[:, :, 0] * down[:, 0] - columns[:, :, 1] * down[:, 1]).sum(1)
    imaginary = (columns[:, :, 0] * down[:, 1] + columns[:, :, 1] * down[:, 0]).sum(1)
    return torch.hypot(real, imaginary)


def _waves(size: int, other: int, like: Tensor) -> Tensor:
    """Cosines and sines along a direction of `size` pixels, for the bins of the diagonal: shape (size, 2, bins)."""
    shared = frequencies(size, other).double()
    bins = (shared * size / (2 * torch.pi)).round()
    angles = 2 * torch.pi / size * torch.outer(torch.arange(size).double(), bins)
    return torch.stack([angles.cos(), angles.sin()], 1).to(like)
