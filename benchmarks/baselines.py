"""The implementations that are compared. Each edits the features of one decoder block.

"official" follows the authors' code (https://github.com/ChenyangSi/FreeU, README.md and demo/free_lunch_utils.py).
"diffusers" is the function that diffusers calls, which has version 1 only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import torch
from diffusers.utils.torch_utils import apply_freeu
from torch import Tensor

from benchmarks.workloads import Features
from freeu import scale_backbone_, scale_skip_

B, S = 1.001, 0.999
"""Factors close to 1: features that are edited hundreds of times stay finite. The time does not depend on them."""


def extension(features: Features, version: str, keep_contrast: float = 0.0) -> None:
    """Apply this extension to the joined features, in place."""
    width = features.backbone.shape[1]
    scale_backbone_(features.joined[:, :width], B, version=version, keep_contrast=keep_contrast)
    scale_skip_(features.joined[:, width:], S)


def official(features: Features, version: str) -> Tensor:
    """Apply the authors' algorithm: scale the backbone features in place, and return the filtered skip features."""
    h, skip = features.backbone, features.skip
    factor: Tensor | float = B
    if version == "2":
        mean = h.mean(1, keepdim=True)
        low, high = mean.amin((2, 3), keepdim=True), mean.amax((2, 3), keepdim=True)
        factor = (B - 1) * (mean - low) / (high - low) + 1
    half = h.shape[1] // 2
    h[:, :half] = h[:, :half] * factor
    return _fourier_filter(skip)


def diffusers(features: Features) -> tuple[Tensor, Tensor]:
    """Apply diffusers' function, version 1."""
    return apply_freeu(0, features.backbone, features.skip, b1=B, s1=S)  # type: ignore[no-any-return]


IMPLEMENTATIONS: Mapping[str, Callable[[Features], object]] = {
    "extension, version 1": partial(extension, version="1"),
    "official, version 1": partial(official, version="1"),
    "diffusers, version 1": diffusers,
    "extension, version 2": partial(extension, version="2"),
    "official, version 2": partial(official, version="2"),
    "contrast kept, version 1": partial(extension, version="1", keep_contrast=1.0),
    "contrast kept, version 2": partial(extension, version="2", keep_contrast=1.0),
}


def _fourier_filter(skip: Tensor) -> Tensor:
    """Scale the four lowest frequencies of each plane by S, in float32."""
    height, width = skip.shape[2:]
    spectrum = torch.fft.fftshift(torch.fft.fftn(skip.float(), dim=(-2, -1)), dim=(-2, -1))
    mask = torch.ones(skip.shape, device=skip.device)
    mask[..., height // 2 - 1 : height // 2 + 1, width // 2 - 1 : width // 2 + 1] = S
    spectrum = spectrum * mask
    filtered: Tensor = torch.fft.ifftn(torch.fft.ifftshift(spectrum, dim=(-2, -1)), dim=(-2, -1)).real
    return filtered.to(skip.dtype)
