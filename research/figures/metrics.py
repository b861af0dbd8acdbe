"""Measures of images (B, 3, H, W): one value per image."""

from __future__ import annotations

import torch
from torch import Tensor

from freeu.diagnostics.spectrum import energy, frequencies, relative_log_amplitude, split_frequencies
from playground.model import IMAGE_SIZE

LOW = 0.25
"""Upper limit of the low frequencies, as a share of the highest: 4 of the 16 bins of a 32-pixel image."""

FREQUENCIES = (frequencies(IMAGE_SIZE, IMAGE_SIZE) / torch.pi).tolist()
"""The frequencies of an amplitude profile, as shares of the highest."""


def detail(images: Tensor) -> Tensor:
    """Return the share (B,) of each image's variance above LOW. It does not depend on contrast."""
    return torch.stack([energy(_high_pass(one, LOW)) / energy(_high_pass(one, 0)) for one in images[:, None]])


def difference(images: Tensor, others: Tensor) -> Tensor:
    """Return the root-mean-square difference (B,) of two batches."""
    return (images - others).square().mean((1, 2, 3)).sqrt()


def amplitude_profiles(images: Tensor) -> Tensor:
    """Return the relative log amplitude of each image, (B, bins)."""
    return torch.stack([relative_log_amplitude(one) for one in images[:, None]])


def upper_half_mean(profile: Tensor) -> Tensor:
    """Return the mean of a profile (..., bins) over the upper half of its frequencies."""
    return profile[..., profile.shape[-1] // 2 :].mean(-1)


def lower_half_mean(profile: Tensor) -> Tensor:
    """Return the mean over the lower half of the frequencies, without frequency 0, whose value is 0 by definition."""
    return profile[..., 1 : profile.shape[-1] // 2].mean(-1)


def _high_pass(image: Tensor, radius: float) -> Tensor:
    return split_frequencies(image, radius)[1]
