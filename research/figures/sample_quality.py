"""Distance to the training images, recall of the prompt and clipped pixels, as in Tables 3 and 4.

No Inception weights are available here. The Frechet distance is computed on two sets of features:
    pixels   the first PRINCIPAL_COMPONENTS principal components of the training images' pixels, in 0..1: they do not
             depend on the model; they capture shapes and colors, and little texture.
    model    the output of the UNet's middle block for a clean image with an empty prompt at timestep 0, averaged over
             its 8 x 8 positions: 128 features that the network learned on these images.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from freeu import Settings
from freeu.diagnostics.spectrum import color_stats
from freeu.settings.presets import BUILTIN
from playground import sampling
from playground.model import TextToImage
from research import evaluation
from research.dataset import Dataset
from research.figures import plots
from research.figures.experiment import OFF, Experiment
from research.figures.results import Claim, FigureResult
from research.figures.statistics import Interval, bootstrap, frechet_distance, mean, proportion

PRINCIPAL_COMPONENTS = 32
STEPS = 6
SEEDS = (1, 10_001)
RESAMPLES = 200
STRENGTHS = {
    "gentle": BUILTIN["SDXL gentle"],
    "SDXL": BUILTIN["SDXL"],
    "SD1.5": BUILTIN["SD1.5"],
    "too much": Settings(b1=2, b2=2.4, s1=0.2, s2=0.2),
}
"""Settings from weak to too strong. "too much" is the example in docs/values.md."""


COLUMNS = {
    "variant": "FreeU",
    "pixels": "Fréchet, pixels",
    "model": "Fréchet, model",
    "recall": "recall",
    "clipped": "clipped pixels",
}
"""The columns in the page. results.json has more."""


class Samples(NamedTuple):
    """Features and measures of a variant's samples, (seeds, prompts, ...), in the order of the training data."""

    pixels: Tensor
    model: Tensor
    hits: Tensor
    clipped: Tensor
    saturation: Tensor


class Distances(NamedTuple):
    """Frechet distance of a variant, and its difference from the distance of the first variant."""

    distance: Interval
    change: Interval


def variants() -> dict[str, Settings]:
    """Return the settings to compare. s alone is the same in both versions."""
    both = {f"version {v}, {name}": chosen.replace(version=v) for name, chosen in STRENGTHS.items() for v in "12"}
    return {"off": OFF, "s alone, SDXL": Settings(b1=1, b2=1), **both}


def quality(experiment: Experiment) -> FigureResult:
    """Tables 3 and 4, and a plot of the distances."""
    data = experiment.data
    components = principal_components(data)
    samples = {name: _sample(experiment, settings, components) for name, settings in variants().items()}
    targets = {
        "pixels": _project(components, data.images / 2 + 0.5),
        "model": middle_block_features(experiment.model, data.images),
    }
    distances = {space: _distances(samples, space, target) for space, target in targets.items()}
    rows = [
        _table_row(name, samples[name], {space: found[n] for space, found in distances.items()})
        for n, name in enumerate(samples)
    ]
    plot = plots.intervals(
        [row["variant"] for row in rows],
        {f"features: {space}": [row[space] for row in rows] for space in targets},
        "Fréchet distance to the training images",
    )
    return FigureResult(plot, _claims(rows), rows, COLUMNS)


def principal_components(data: Dataset) -> Tensor:
    """Return the first principal components of the training images' pixels, (pixels, PRINCIPAL_COMPONENTS)."""
    pixels = (data.images / 2 + 0.5).flatten(1).double()
    vectors: Tensor = torch.linalg.svd(pixels - pixels.mean(0), full_matrices=False).Vh
    return vectors[:PRINCIPAL_COMPONENTS].T


@torch.inference_mode()
def middle_block_features(model: TextToImage, images: Tensor) -> Tensor:
    """Return the features "model" (N, 128) of images (N, 3, H, W) in -1..1."""
    features: list[Tensor] = []

    def record(block: Any, args: Any, output: Tensor) -> None:
        features.append(output.mean((2, 3)))

    hook = model.unet.middle_block.register_forward_hook(record)
    try:
        for batch in torch.split(images, evaluation.BATCH_SIZE):
            model(batch, torch.zeros(len(batch), dtype=torch.long), model.text.tokens([""] * len(batch)))
    finally:
        hook.remove()
    return torch.cat(features)


def _sample(experiment: Experiment, settings: Settings, components: Tensor) -> Samples:
    """Generate an image for each training prompt and seed, and measure it."""
    measured = []
    for seed in SEEDS:
        job = sampling.Job(experiment.data.prompts, seed, min(STEPS, experiment.steps))
        images = evaluation.generate_all(experiment.model, job, settings)
        features = _project(components, images), middle_block_features(experiment.model, images * 2 - 1)
        measured.append((*features, evaluation.recalled(images, experiment.data), *color_stats(images)))
    return Samples(*(torch.stack(parts) for parts in zip(*measured, strict=True)))


def _project(components: Tensor, images: Tensor) -> Tensor:
    return images.flatten(1).double() @ components


def _distances(samples: Mapping[str, Samples], space: str, target: Tensor) -> list[Distances]:
    """Return the distances of each variant in one feature space.

    The bootstrap resamples prompts, each with its samples of all variants and its training image. So samples that equal
    their training images have distance 0 in every resample.
    """

    def statistic(prompts: Tensor) -> Tensor:
        wanted = target[prompts]
        found = [
            frechet_distance(wanted, getattr(variant, space)[:, prompts].flatten(0, 1)) for variant in samples.values()
        ]
        return torch.tensor([*found, *(distance - found[0] for distance in found)])

    intervals = bootstrap(statistic, len(target), RESAMPLES)
    return [Distances(*pair) for pair in zip(intervals[: len(samples)], intervals[len(samples) :], strict=True)]


def _table_row(name: str, samples: Samples, distances: Mapping[str, Distances]) -> dict[str, Any]:
    """Return a row of the table. In recall a prompt counts once, as the mean over its seeds."""
    return {
        "variant": name,
        **{space: found.distance for space, found in distances.items()},
        **{f"{space}, change from off": found.change for space, found in distances.items()},
        "recall": proportion(samples.hits.double().mean(0).sum().item(), samples.hits.shape[1]),
        "clipped": mean(samples.clipped.mean(0)),
        "saturation": mean(samples.saturation.mean(0)),
    }


def _claims(rows: list[dict[str, Any]]) -> list[Claim]:
    """Return the claims of Tables 3 and 4 for the authors' values: better images, and prompts followed as well."""
    off, on = (next(row for row in rows if row["variant"] == name) for name in ("off", "version 2, SDXL"))
    lower_distance = [
        Claim(
            f"FreeU lowers the Fréchet distance (features: {space}).",
            "{off} with FreeU off, {on} with the authors' values for SDXL in version 2: a change of {change}",
            {"off": off[space], "on": on[space], "change": on[f"{space}, change from off"]},
            on[f"{space}, change from off"].below_zero,
        )
        for space in ("pixels", "model")
    ]
    return [
        *lower_distance,
        Claim(
            "Images show the prompt as well as with FreeU off.",
            "Recall is {off} with FreeU off and {on} with FreeU on",
            {"off": off["recall"], "on": on["recall"]},
            on["recall"].mean >= off["recall"].mean,
        ),
    ]
