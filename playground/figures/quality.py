"""In the manner of the paper's tables 3 and 4: distance to the training pictures, recall of the prompt, and burn.

There are no Inception weights here. The features are
    pixels   the first PIXEL_FEATURES principal components of the training pictures' pixels, in 0..1: anyone can
             compute them, and FreeU has no part in them. They see shapes and colours, and little texture.
    model    what the UNet's middle block makes of a clean picture with no prompt, at timestep 0, mean over its
             8 x 8 places: 128 features that a network learned on these very pictures, as Inception's of others.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from freeu import Settings
from freeu.diagnostics.spectrum import color_stats
from freeu.settings.presets import BUILTIN
from playground import evaluate, sampling
from playground.emoji import Emoji
from playground.figures import plots
from playground.figures.findings import Check, Finding
from playground.figures.lab import OFF, Lab
from playground.figures.statistics import Interval, bootstrap, frechet, mean, share
from playground.model import TextToImage

PIXEL_FEATURES = 32
STEPS = 6
SEEDS = (1, 10_001)
RESAMPLES = 200
GRID = {
    "gentle": BUILTIN["SDXL gentle"],
    "SDXL": BUILTIN["SDXL"],
    "SD1.5": BUILTIN["SD1.5"],
    "too much": Settings(b1=2, b2=2.4, s1=0.2, s2=0.2),
}
"""From little to more than anyone should take. "Too much" is the README's."""


class Samples(NamedTuple):
    """What one way drew: a row a seed, in the order of the training pictures, shape (seeds, prompts, ...)."""

    pixels: Tensor
    model: Tensor
    hits: Tensor
    clipped: Tensor
    saturation: Tensor


def ways() -> dict[str, Settings]:
    """What is compared. s alone is the same in both versions."""
    both = {f"version {v}, {name}": chosen.replace(version=v) for name, chosen in GRID.items() for v in ("1", "2")}
    return {"off": OFF, "s alone, SDXL": Settings(b1=1, b2=1), **both}


def quality(lab: Lab) -> Finding:
    """The table, and a chart of its distances."""
    basis = principal_components(lab.data)
    drawn = {name: _samples(lab, settings, basis) for name, settings in ways().items()}
    truth = {"pixels": _on(basis, lab.data.pictures / 2 + 0.5), "model": middle_features(lab.model, lab.data.pictures)}
    distances = {space: _distances(drawn, space, features) for space, features in truth.items()}
    rows = [_row(name, samples, distances) for name, samples in drawn.items()]
    chart = plots.intervals(
        [row["way"] for row in rows],
        {f"features: {space}": [Interval(*row[space]) for row in rows] for space in truth},
        "Fréchet distance to the training pictures",
    )
    return Finding(chart, _checks(rows), rows)


def principal_components(data: Emoji) -> Tensor:
    """The directions of pixel space in which the training pictures differ most, shape (pixels, PIXEL_FEATURES)."""
    pixels = (data.pictures / 2 + 0.5).flatten(1).double()
    vectors: Tensor = torch.linalg.svd(pixels - pixels.mean(0), full_matrices=False).Vh
    return vectors[:PIXEL_FEATURES].T


@torch.inference_mode()
def middle_features(model: TextToImage, pictures: Tensor) -> Tensor:
    """The features "model" of pictures in -1..1, shape (pictures, 128)."""
    seen: list[Tensor] = []
    hook = model.unet.middle_block.register_forward_hook(lambda block, given, out: seen.append(out.mean((2, 3))))
    try:
        for batch in torch.split(pictures, evaluate.BATCH):
            model(batch, torch.zeros(len(batch), dtype=torch.long), model.text.tokens([""] * len(batch)))
    finally:
        hook.remove()
    return torch.cat(seen)


def _samples(lab: Lab, settings: Settings, basis: Tensor) -> Samples:
    """Draw every training prompt with every seed."""
    rounds = []
    for seed in SEEDS:
        job = sampling.Job(lab.data.prompts, seed, min(STEPS, lab.steps))
        pictures = evaluate.draw_all(lab.model, job, settings)
        features = _on(basis, pictures), middle_features(lab.model, pictures * 2 - 1)
        rounds.append((*features, evaluate.recalled(pictures, lab.data), *color_stats(pictures)))
    return Samples(*(torch.stack(parts) for parts in zip(*rounds, strict=True)))


def _on(basis: Tensor, pictures: Tensor) -> Tensor:
    return pictures.flatten(1).double() @ basis


def _distances(drawn: Mapping[str, Samples], space: str, truth: Tensor) -> list[tuple[Interval, Interval]]:
    """For each way, its distance, and what that is more than that of the first way.

    Prompts are drawn anew, with their samples of all ways and their training pictures: were all samples
    their training pictures, the distance would be 0 in every draw.
    """

    def statistic(prompts: Tensor) -> Tensor:
        wanted = truth[prompts]
        found = [frechet(wanted, getattr(samples, space)[:, prompts].flatten(0, 1)) for samples in drawn.values()]
        return torch.tensor([*found, *(distance - found[0] for distance in found)])

    both = bootstrap(statistic, len(truth), RESAMPLES)
    return list(zip(both[: len(drawn)], both[len(drawn) :], strict=True))


def _row(name: str, samples: Samples, distances: Mapping[str, list[tuple[Interval, Interval]]]) -> dict[str, Any]:
    """A row of the table. Burn is that of all samples; of recall, a prompt counts once however many seeds it has."""
    n = list(ways()).index(name)
    prompts = samples.hits.shape[1]
    return {
        "way": name,
        **{space: distance[n][0] for space, distance in distances.items()},
        **{f"{space}, more than off": distance[n][1] for space, distance in distances.items()},
        "recall": share(samples.hits.double().mean(0).sum().item(), prompts),
        "clipped": mean(samples.clipped.mean(0)),
        "saturation": mean(samples.saturation.mean(0)),
    }


def _checks(rows: list[dict[str, Any]]) -> list[Check]:
    """What Tables 3 and 4 say of the authors' own values: better pictures that fit the prompt as well or better."""
    off, on = (next(row for row in rows if row["way"] == way) for way in ("off", "version 2, SDXL"))
    nearer = [
        Check(
            f"FreeU lowers the Fréchet distance (features: {space}).",
            "{off} off, {on} with the authors' values for SDXL in version 2: a change by {change}",
            {"off": off[space], "on": on[space], "change": on[f"{space}, more than off"]},
            on[f"{space}, more than off"].below_zero,
        )
        for space in ("pixels", "model")
    ]
    return [
        *nearer,
        Check(
            "Pictures show the prompt as well as before.",
            "Recall is {off} off and {on} with FreeU",
            {"off": off["recall"], "on": on["recall"]},
            on["recall"].mean >= off["recall"].mean,
        ),
    ]
