"""Measures of a subject's images, and their changes from FreeU off with intervals."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from freeu.diagnostics.spectrum import color_stats
from playground.model import TextToImage
from research.dataset import Dataset
from research.figures import metrics, sample_quality
from research.figures.statistics import Interval, bootstrap, frechet_distance
from research.figures.subjects import Subject

DIMENSIONS = 32
"""Principal components that are kept of each feature space."""

Spaces = Mapping[str, Callable[[Tensor], Tensor]]
"""Maps of images (N, 3, H, W) in 0..1 to features (N, DIMENSIONS), by name."""


class Scores(NamedTuple):
    """Measures of images: one value per prompt, and the features in each space (N, DIMENSIONS)."""

    distance: Tensor
    recall: Tensor
    clipped: Tensor
    saturation: Tensor
    detail: Tensor
    features: Mapping[str, Tensor]


Value = Callable[[Scores, Tensor], float]
"""A measure of the images of some prompts."""


def measure(subject: Subject, images: Tensor, spaces: Spaces) -> Scores:
    """Measure images (N, 3, H, W) of the prompts of `subject`."""
    candidates, pictures = subject.candidates, subject.prompted.images / 2 + 0.5
    nearest = torch.cdist(images.flatten(1), (candidates.images / 2 + 0.5).flatten(1)).argmin(1).tolist()
    hits = [candidates.prompts[n] == prompt for n, prompt in zip(nearest, subject.prompted.prompts, strict=True)]
    return Scores(
        metrics.difference(images, pictures).square(),
        torch.tensor(hits).float(),
        *color_stats(images),
        metrics.detail(images).nan_to_num(),  # an image of one color has no detail
        {name: extract(images) for name, extract in spaces.items()},
    )


def measures(subject: Subject, spaces: Spaces) -> dict[str, Value]:
    """Return the measures of a subject's images by name; "held out" is the distance for prompts not trained on."""

    def mean_of(name: str) -> Value:
        return lambda scores, prompts: getattr(scores, name)[prompts].mean().item()

    def held_out(scores: Scores, prompts: Tensor) -> float:
        return scores.distance[prompts[prompts < subject.held_out]].mean().item()

    def frechet(space: str) -> Value:
        pictures = spaces[space](subject.pictures)
        return lambda scores, prompts: frechet_distance(pictures, scores.features[space][prompts])

    means = {name: mean_of(name) for name in Scores._fields if name != "features"}
    return {
        **means,
        **({"held out": held_out} if subject.held_out else {}),
        **{space: frechet(space) for space in spaces},
    }


def changes(scores: Sequence[Scores], value: Value, resamples: int) -> list[Interval]:
    """Return the value of the first scores, and its change from each of the others in %.

    The bootstrap resamples prompts.
    """

    def statistic(prompts: Tensor) -> Tensor:
        first, *others = torch.tensor([value(one, prompts) for one in scores], dtype=torch.float64)
        return torch.stack([first, *(100 * (first / other - 1) for other in others)])

    return bootstrap(statistic, len(scores[0].distance), resamples)


def feature_spaces(shipped: TextToImage, data: Dataset) -> dict[str, Callable[[Tensor], Tensor]]:
    """Return the feature spaces "pixels" and "model", the same for all subjects.

    They are the first principal components, on the pictures of `data`, of the pixels and of the shipped model's
    middle block (`sample_quality.middle_block_features`).
    """

    def middle_block(images: Tensor) -> Tensor:
        return sample_quality.middle_block_features(shipped, images * 2 - 1).double()

    def projected(extract: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
        features = extract(data.images / 2 + 0.5)
        vectors = torch.linalg.svd(features - features.mean(0), full_matrices=False).Vh[:DIMENSIONS]
        return lambda images: extract(images) @ vectors.T

    return {"pixels": projected(lambda images: images.flatten(1).double()), "model": projected(middle_block)}
