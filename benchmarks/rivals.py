"""What is compared. Each edits the features of one decoder block, in the form in which it takes them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from diffusers.utils.torch_utils import apply_freeu
from torch import Tensor

from benchmarks.work import Features
from freeu import scale_backbone_, scale_skip_

B, S = 1.001, 0.999
"""Factors so near 1 that features stay what they are, however often they are edited. No time depends on them."""

Edit = Callable[[Features], object]


def ours(version: str, cutoff: float = 0.0, mask: str = "box") -> Edit:
    """This project's, on the joined tensor."""

    def edit(features: Features) -> None:
        width = features.backbone.shape[1]
        scale_backbone_(features.joined[:, :width], B, version=version)
        scale_skip_(features.joined[:, width:], S, cutoff=cutoff, mask=mask)

    return edit


def official(version: str, cutoff: float = 0.0, mask: str = "box") -> Edit:
    """The authors' algorithm, from its definition: a structure map or a constant, and a Fourier transform.

    Half types are transformed in float32, as everybody does who supports them.
    """

    def edit(features: Features) -> Tensor:
        return official_edit(features.backbone, features.skip, version, cutoff, mask)

    return edit


def diffusers(version: str) -> Edit:
    """The function that diffusers calls in its up blocks. It knows version 1 alone, which stands for both here."""

    def edit(features: Features) -> object:
        return apply_freeu(0, features.backbone, features.skip, b1=B, s1=S, b2=B, s2=S)

    return edit


def floor(version: str) -> Edit:
    """One multiplication in place of what a version must touch at least.

    Version 1: the half of the backbone that it scales, and the skip. Version 2 reads all of the backbone as well.
    """

    def edit(features: Features) -> None:
        untouched = features.backbone.shape[1] // 2 if version == "1" else 0
        features.joined[:, untouched:].mul_(1.0)

    return edit


def official_edit(h: Tensor, skip: Tensor, version: str, cutoff: float, mask: str) -> Tensor:
    """Scale half of the channels of `h` in place, and return the filtered skip."""
    half = h.shape[1] // 2
    if version == "1":
        h[:, :half] = h[:, :half] * B
    else:
        mean = h.mean(1, keepdim=True)
        low, high = mean.amin((2, 3), keepdim=True), mean.amax((2, 3), keepdim=True)
        h[:, :half] = h[:, :half] * ((B - 1) * (mean - low) / (high - low) + 1)
    spectrum = torch.fft.fftshift(torch.fft.fftn(skip.float(), dim=(-2, -1)), dim=(-2, -1))
    spectrum = spectrum * _mask(skip, cutoff, mask)
    filtered: Tensor = torch.fft.ifftn(torch.fft.ifftshift(spectrum, dim=(-2, -1)), dim=(-2, -1)).real
    return filtered.to(skip.dtype)


def _mask(skip: Tensor, cutoff: float, kind: str) -> Tensor:
    """S in the low frequencies, 1 elsewhere. Full size and made anew each time for a box, as the authors do."""
    height, width = skip.shape[2:]
    rows, columns = (max(1, int(size // 2 * cutoff)) for size in (height, width))
    if kind == "box":
        mask = torch.ones(skip.shape, device=skip.device)
        mask[..., height // 2 - rows : height // 2 + rows, width // 2 - columns : width // 2 + columns] = S
        return mask
    v = (torch.arange(height, device=skip.device) - height // 2) / rows
    u = (torch.arange(width, device=skip.device) - width // 2) / columns
    return torch.where(v[:, None] ** 2 + u**2 < 1, S, 1.0)
