"""Ways to generate a model's images: FreeU with many values, and controls without FreeU.

Images are generated once and stored next to the model's weights. So an interrupted run continues where it stopped, and
a change of a measure or of the plot needs no new images.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from freeu import Settings
from freeu.settings.presets import BUILTIN
from playground import model, sampling
from research import evaluation, training
from research.figures.experiment import OFF
from research.figures.subjects import Subject


class Trial(NamedTuple):
    """How images are generated. `contrast` multiplies the contrast of the finished image, with FreeU off."""

    label: str
    settings: Settings
    guidance: float = sampling.Job(()).guidance
    contrast: float = 1


OFF_TRIAL = Trial("off", OFF)
LEAD = Trial("lead", Settings(version="2", b1=0.83, b2=1.48, s1=1.58, s2=1.59, keep_contrast=1))
"""Values that a search found for another unfinished model."""

HIGH_GUIDANCE = Trial("off, guidance 4.5", OFF, guidance=4.5)


def authors() -> list[Trial]:
    """Return the authors' values for SDXL in both versions, with and without the contrast kept."""
    values = BUILTIN["SDXL"]
    return [
        Trial(_label(f"version {version}", keep), values.replace(version=version, keep_contrast=keep))
        for version in "12"
        for keep in (0, 1)
    ]


def combine(first: Trial, second: Trial) -> Trial:
    """Return the settings of the first trial with the guidance of the second."""
    return first._replace(label=f"{first.label}, guidance {second.guidance:g}", guidance=second.guidance)


def candidates() -> dict[str, list[Trial]]:
    """Return what to choose from, by kind."""
    guidances = [Trial(f"off, guidance {scale:g}", OFF, guidance=scale) for scale in (1.5, 2, 4.5, 6)]
    contrasts = [Trial(f"off, contrast {by:g}", OFF, contrast=by) for by in (0.6, 0.7, 0.8, 0.9, 1.1, 1.2)]
    return {"FreeU": _grid(), "guidance": guidances, "contrast": contrasts}


def _grid() -> list[Trial]:
    """Return FreeU with equal values in stages 1 and 2. The largest b clips colors unless the contrast is kept."""
    trials = [_trial("2", 1, s, 0) for s in (0.5, 1.5)]
    for b, keeps in ((0.8, (0, 1)), (1.2, (0, 1)), (1.4, (0, 1)), (1.8, (1,))):
        trials += [_trial(version, b, s, keep) for s in (0.5, 1, 1.5) for version in "12" for keep in keeps]
    return trials


def _trial(version: str, b: float, s: float, keep: int) -> Trial:
    settings = Settings(version=version, b1=b, b2=b, s1=s, s2=s, keep_contrast=keep)
    return Trial(_label(f"version {version}, b {b}, s {s}", keep), settings)


def _label(label: str, keep: int) -> str:
    return f"{label}, contrast kept" if keep else label


def generate(subject: Subject, trial: Trial, steps: int, folder: Path) -> Tensor:
    """Return an image for each prompt of `subject`, (N, 3, H, W) in 0..1, as an image file would store it.

    Reads the images of an earlier call from `folder`. Uses bfloat16 on a CPU that is faster with it.
    """
    if trial.contrast != 1:
        return change_contrast(generate(subject, OFF_TRIAL, steps, folder), trial.contrast)
    path = folder / subject.weights.stem / f"{trial.label}, {steps} steps, seed {subject.seed}.pt"
    if not path.is_file():
        job = sampling.Job(subject.prompted.prompts, subject.seed, steps, trial.guidance)
        with torch.autocast("cpu", torch.bfloat16, enabled=training.bfloat16_is_faster()):
            images = evaluation.generate_all(model.load(subject.weights), job, trial.settings)
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save((images * 255).round().byte(), path)
    stored: Tensor = torch.load(path, weights_only=True)
    return stored.float() / 255


def change_contrast(images: Tensor, factor: float | Tensor) -> Tensor:
    """Return images (N, 3, H, W) with the contrast of each changed by a factor, or by one of factors (N, 1, 1, 1)."""
    means = images.mean((1, 2, 3), keepdim=True)
    return (means + factor * (images - means)).clamp(0, 1)


def match_contrast(images: Tensor, others: Tensor) -> Tensor:
    """Return `images`, each with the standard deviation of the image in `others`, up to clipped pixels."""
    wanted, present = (one.std((1, 2, 3), keepdim=True) for one in (others, images))
    return change_contrast(images, wanted / present.clamp(min=1e-6))
