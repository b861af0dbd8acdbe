"""What variants of FreeU, and controls without FreeU, change in the images of a subject.

Values are chosen on a third of the prompts. The rows come from the other prompts, with other seeds. Two measures
choose: the mean square distance to the picture that the prompt names, and the Frechet distance (features: model). Where
the model is uncertain, the first one prefers pale and blurred images; the second one does not.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from research.figures.scores import Scores, Spaces, Value, changes, measure, measures
from research.figures.subjects import Subject
from research.figures.trials import (
    HIGH_GUIDANCE,
    LEAD,
    OFF_TRIAL,
    Trial,
    authors,
    candidates,
    combine,
    generate,
    match_contrast,
)

STEPS = 8
OTHER_STEPS = (4, 20)
"""Sampler steps. Values are chosen with STEPS."""

RESAMPLES = 200
CHOOSERS = ("distance", "model")
"""The measures that choose the best values."""

LEVELS = ("recall", "clipped", "saturation", "detail")
"""Measures that have no change in %: they can be 0, or more of them is neither better nor worse."""

AUTHORS, KEPT = "version 2", "version 2, contrast kept"


def best(kind: str, chooser: str) -> str:
    """Return the name of the variant of a kind that a measure chooses."""
    return f"best {kind}, by {chooser}"


def change(name: str, other: str = "off") -> str:
    """Return the name of the column with the change of a measure from another variant, in %."""
    return f"{name}, change from {other}"


def choose(subject: Subject, spaces: Spaces, folder: Path) -> dict[str, Trial]:
    """Return the best trials of a subject by name. `folder` keeps the images."""
    part = subject.part(choosing=True)
    everything, table = torch.arange(len(part.prompted.prompts)), measures(part, spaces)
    chosen = {}
    for kind, trials in candidates().items():
        scores = {trial: measure(part, generate(part, trial, STEPS, folder), spaces) for trial in trials}
        for chooser in CHOOSERS:
            values = {trial: table[chooser](scores[trial], everything) for trial in trials}
            chosen[best(kind, chooser)] = min(values, key=lambda trial: values[trial])
    for chooser in CHOOSERS:
        both = combine(chosen[best("FreeU", chooser)], chosen[best("guidance", chooser)])
        chosen[best("FreeU and guidance", chooser)] = both
    return chosen


def measure_subject(subject: Subject, spaces: Spaces, folder: Path) -> list[dict[str, Any]]:
    """Return a row for each number of sampler steps and variant: first those with STEPS."""
    trials = {trial.label: trial for trial in (OFF_TRIAL, *authors(), LEAD, HIGH_GUIDANCE)}
    trials |= choose(subject, spaces, folder)
    part = subject.part(choosing=False)
    images = {name: generate(part, trial, STEPS, folder) for name, trial in trials.items()}
    for name in (AUTHORS, best("FreeU", "model")):
        images[f"off, contrast of {name}"] = match_contrast(images["off"], images[name])
    images["mean of all pictures"] = (subject.candidates.images / 2 + 0.5).mean(0).expand_as(images["off"])
    few = {name: trials[name] for name in ("off", AUTHORS, best("FreeU", "model"))}
    by_steps = {STEPS: images}
    for steps in OTHER_STEPS:
        by_steps[steps] = {name: generate(part, trial, steps, folder) for name, trial in few.items()}
    table, rows = measures(part, spaces), []
    for steps, generated in by_steps.items():
        scores = {name: measure(part, found, spaces) for name, found in generated.items()}
        for name, columns in {name: _columns(scores, name, table) for name in scores}.items():
            fixed = {"training": subject.steps, "sampler steps": steps, "variant": name}
            rows.append({**fixed, "values": trials[name].label if name in trials else name, **columns})
    return rows


def _columns(scores: Mapping[str, Scores], variant: str, table: Mapping[str, Value]) -> dict[str, Any]:
    """Return each measure of a variant, and its change from "off" and from the variant's controls in %."""
    controls = {KEPT: [AUTHORS]}
    for chooser in CHOOSERS:
        controls[best("FreeU", chooser)] = [best("guidance", chooser), best("contrast", chooser)]
        controls[best("FreeU and guidance", chooser)] = [best("guidance", chooser)]
    columns = {}
    for name, value in table.items():
        others = [] if name in LEVELS else [other for other in ("off", *controls.get(variant, [])) if other in scores]
        first, *compared = changes([scores[variant], *(scores[other] for other in others)], value, RESAMPLES)
        columns[name] = first
        columns |= {change(name, other): found for other, found in zip(others, compared, strict=True)}
    return columns
