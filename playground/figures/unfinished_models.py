"""FreeU on models whose training is not finished: what it gains, and how much of that is contrast or guidance.

Values are chosen on a third of the prompts. The results come from the other prompts, with other seeds. Two measures
choose: the mean square distance to the picture that the prompt names, and the Frechet distance (features: model). Where
the model is uncertain, the first one prefers pale and blurred images; the second one does not.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from playground.figures import plots
from playground.figures.experiment import Experiment
from playground.figures.results import Claim, FigureResult
from playground.figures.scores import Scores, Spaces, Value, changes, feature_spaces, measure, measures
from playground.figures.subjects import Subject
from playground.figures.trials import (
    HIGH_GUIDANCE,
    LEAD,
    OFF_TRIAL,
    Trial,
    authors,
    candidates,
    generate,
    match_contrast,
)

STEPS = 8
OTHER_STEPS = (4, 20)
"""Sampler steps. Values are chosen with STEPS."""

RESAMPLES = 200
CHOOSERS = {"distance": "Distance to the prompted picture", "model": "Fréchet distance (features: model)"}
"""The measures that choose the best values, and that are plotted."""

AUTHORS, KEPT = "version 2", "version 2, contrast kept"
LINES = {
    AUTHORS: "authors' values",
    KEPT: "authors' values, contrast kept",
    "best FreeU": "best values of FreeU",
    "best guidance": "FreeU off, best guidance",
    "best contrast": "FreeU off, best contrast",
}
"""The variants in the plot. The best of a kind is the one that the measure of the panel chooses."""

COLUMNS = {
    "training": "steps of training",
    "variant": "variant",
    "values": "values",
    "distance": "distance",
    "distance, change": "change in %",
    "held out, change": "change in %, held out",
    "pixels, change": "Fréchet, pixels: change in %",
    "model": "Fréchet, model",
    "model, change": "change in %",
    "recall": "recall",
    "clipped": "clipped pixels",
    "saturation": "saturation",
    "detail": "detail",
}
LEVELS = ("recall", "clipped", "saturation", "detail")
"""Measures of which more is neither better nor worse, or which can be 0: they have no change in %."""


def gain(experiment: Experiment) -> FigureResult:
    """Table and plot of the change from FreeU off, against the steps of training."""
    subjects = experiment.subjects
    spaces = feature_spaces(experiment.model, subjects[0].candidates)
    rows = [row for subject in subjects for row in _rows(subject, spaces, experiment.images)]

    def line(variant: str, chooser: str) -> list[Any]:
        names = variant, _best(variant, chooser)
        return [row[_change(chooser)] for row in rows if row["variant"] in names and row["sampler steps"] == STEPS]

    panels = {
        title: {label: line(variant, chooser) for variant, label in LINES.items()}
        for chooser, title in CHOOSERS.items()
    }
    plot = plots.trends(panels, [subject.steps for subject in subjects], "steps of training", "change in %")
    unfinished = [subject.steps for subject in subjects if subject.held_out]
    table = [row for row in rows if row["sampler steps"] == STEPS]
    return FigureResult(plot, _claims(rows, unfinished), table, COLUMNS)


def _rows(subject: Subject, spaces: Spaces, folder: Path) -> list[dict[str, Any]]:
    """Return the table's rows for one model: first those with STEPS."""
    best = _choose(subject.part(choosing=True), spaces, folder)
    part = subject.part(choosing=False)

    def scores(trials: Mapping[str, Trial], steps: int) -> dict[str, Scores]:
        return {name: measure(part, generate(part, trial, steps, folder), spaces) for name, trial in trials.items()}

    fixed = {trial.label: trial for trial in (OFF_TRIAL, *authors(), LEAD, HIGH_GUIDANCE)}
    trials = {**fixed, **best}
    found = scores(trials, STEPS)
    off = generate(part, OFF_TRIAL, STEPS, folder)
    for name in (AUTHORS, *(_best("best FreeU", chooser) for chooser in CHOOSERS)):
        matched = match_contrast(off, generate(part, trials[name], STEPS, folder))
        found[f"off, contrast of {name}"] = measure(part, matched, spaces)
    few = {name: trials[name] for name in ("off", AUTHORS, _best("best FreeU", "model"))}
    table = measures(part, spaces)
    rows = []
    for steps, images in {STEPS: found, **{steps: scores(few, steps) for steps in OTHER_STEPS}}.items():
        for name, columns in _columns(images, table).items():
            label = trials[name].label if name in trials else name
            rows.append(
                {"training": subject.steps, "sampler steps": steps, "variant": name, "values": label, **columns}
            )
    against = _against(found, table)
    for row in rows[: len(found)]:
        row.update(against.get(row["variant"], {}))
    return rows


def _choose(part: Subject, spaces: Spaces, folder: Path) -> dict[str, Trial]:
    """Return the best trial of each kind by each measure."""
    everything, table = torch.arange(len(part.prompted.prompts)), measures(part, spaces)
    best = {}
    for kind, trials in candidates().items():
        scores = {trial: measure(part, generate(part, trial, STEPS, folder), spaces) for trial in trials}
        for chooser in CHOOSERS:
            value = table[chooser]
            best[_best(f"best {kind}", chooser)] = min(trials, key=lambda trial: value(scores[trial], everything))
    return best


def _columns(scores: Mapping[str, Scores], table: Mapping[str, Value]) -> dict[str, dict[str, Any]]:
    """Return, by variant, each measure and its change from the first variant in %."""
    rows: dict[str, dict[str, Any]] = {name: {} for name in scores}
    for name, value in table.items():
        for row, pair in zip(rows.values(), changes(list(scores.values()), value, RESAMPLES), strict=True):
            row[name] = pair[0]
            if name not in LEVELS:
                row[_change(name)] = pair[1]
    return rows


def _against(scores: Mapping[str, Scores], table: Mapping[str, Value]) -> dict[str, dict[str, Any]]:
    """Return, by variant, the change in % from a variant other than "off": values of FreeU from their controls."""
    rows: dict[str, dict[str, Any]] = {KEPT: {}}
    for chooser in CHOOSERS:
        found = _best("best FreeU", chooser)
        pairs = [(KEPT, AUTHORS), *((found, _best(f"best {kind}", chooser)) for kind in ("guidance", "contrast"))]
        for variant, other in pairs:
            change = changes([scores[other], scores[variant]], table[chooser], RESAMPLES)[1][1]
            rows.setdefault(variant, {})[f"{chooser}, change from {other}"] = change
    return rows


def _claims(rows: Sequence[Mapping[str, Any]], models: Collection[int]) -> list[Claim]:
    """Return the paper's claim for both measures, and what FreeU does that its controls do not."""

    def claim(statement: str, variant: str, column: str, steps: int = STEPS) -> Claim:
        found = {
            f"after_{row['training']}": row[column]
            for row in rows
            if row["variant"] == variant and row["sampler steps"] == steps and row["training"] in models
        }
        text = ", ".join(f"{{after_{model}}} after {model:,} steps of training" for model in models)
        return Claim(statement, f"It changes by {text} (in %)", found, all(one.below_zero for one in found.values()))

    claims = []
    for chooser, title in CHOOSERS.items():
        best, change = _best("best FreeU", chooser), _change(chooser)
        others = {kind: _best(f"best {kind}", chooser) for kind in ("guidance", "contrast")}
        claims += [
            claim(f"{title}: lower with the authors' values.", AUTHORS, change),
            claim(
                f"{title}: keeping the contrast lowers it, with these values.",
                KEPT,
                f"{chooser}, change from {AUTHORS}",
            ),
            claim(f"{title}: lower with the best values.", best, change),
            *(
                claim(
                    f"{title}: FreeU's best values lower it more than the best {kind} does.",
                    best,
                    f"{chooser}, change from {other}",
                )
                for kind, other in others.items()
            ),
        ]
    best = _best("best FreeU", "model")
    return claims + [
        claim(
            f"{CHOOSERS['model']}: lower with the best values, with {steps} sampler steps.",
            best,
            _change("model"),
            steps,
        )
        for steps in OTHER_STEPS
    ]


def _best(kind: str, chooser: str) -> str:
    return f"{kind}, by {chooser}"


def _change(name: str) -> str:
    return f"{name}, change"
