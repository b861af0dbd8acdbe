"""What the figures measure of pictures, a value a picture."""

from __future__ import annotations

import torch
from torch import Tensor

from freeu.diagnostics.spectrum import energy, frequencies, relative_log_amplitude, split_frequencies
from playground.model import PICTURE_SIZE

LOW = 0.25
"""How far "low" reaches, as a share of the highest frequency: 4 of the 16 bins of a picture of 32 pixels."""

BINS = (frequencies(PICTURE_SIZE, PICTURE_SIZE) / torch.pi).tolist()
"""The frequencies of a profile of pictures, in 0..1 of the highest."""


def detail(pictures: Tensor) -> Tensor:
    """The share of a picture's variance that lies above LOW, shape (pictures,). Contrast alone does not change it."""
    return torch.stack([energy(_above(one, LOW)) / energy(_above(one, 0)) for one in pictures[:, None]])


def change(pictures: Tensor, others: Tensor) -> Tensor:
    """The root of the mean square of what differs, shape (pictures,)."""
    return (pictures - others).square().mean((1, 2, 3)).sqrt()


def profiles(pictures: Tensor) -> Tensor:
    """The relative log amplitude of each picture, shape (pictures, bins)."""
    return torch.stack([relative_log_amplitude(one) for one in pictures[:, None]])


def upper(profile: Tensor) -> Tensor:
    """The mean of profiles, shape (..., bins), over the upper half of their frequencies."""
    return profile[..., profile.shape[-1] // 2 :].mean(-1)


def _above(picture: Tensor, radius: float) -> Tensor:
    return split_frequencies(picture, radius)[1]
