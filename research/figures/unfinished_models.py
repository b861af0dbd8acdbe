"""FreeU on models whose training is not finished: what it gains, and how much of that is contrast or guidance."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from torch import Tensor

from freeu.diagnostics.spectrum import color_stats
from playground import images
from research.figures import gains, plots
from research.figures.experiment import Experiment
from research.figures.gains import AUTHORS, CHOOSERS, KEPT, LEVELS, best, change
from research.figures.results import Claim, FigureResult
from research.figures.scores import feature_spaces
from research.figures.statistics import Interval, mean
from research.figures.subjects import Subject
from research.figures.trials import OFF_TRIAL, authors, generate

TITLES = {"distance": "Distance to the prompted picture", "model": "Fréchet distance (features: model)"}
LINES = {
    AUTHORS: "authors' values",
    KEPT: "authors' values, contrast kept",
    "FreeU": "best values of FreeU",
    "guidance": "FreeU off, best guidance",
    "contrast": "FreeU off, best contrast",
}
"""The variants in the plot. The best of a kind is the one that the measure of the panel chooses."""

COLUMNS = {
    "training": "steps of training",
    "variant": "variant",
    "values": "values",
    change("distance"): "distance: change in %",
    change("model"): "Fréchet distance: change in %",
    "recall": "recall",
    "clipped": "clipped pixels",
    "saturation": "saturation",
    "detail": "detail",
}
TABLE = {
    "off": "FreeU off",
    "version 1": "version 1",
    "version 2": "version 2",
    KEPT: "version 2, contrast kept",
    best("FreeU", "distance"): "FreeU, smallest distance",
    best("FreeU", "model"): "FreeU, smallest Fréchet distance",
    best("guidance", "model"): "off, best guidance",
    best("contrast", "model"): "off, best contrast",
}
"""The variants in the table."""

SAMPLES, CELL_SIZE = 6, 96
Rows = Sequence[Mapping[str, Any]]


def gain(experiment: Experiment) -> FigureResult:
    """Table and plot of the change from FreeU off, against the steps of training."""
    subjects = experiment.subjects
    spaces = feature_spaces(experiment.model, subjects[0].candidates)
    rows = [row for subject in subjects for row in gains.measure_subject(subject, spaces, experiment.images)]
    table = [row for row in rows if row["sampler steps"] == gains.STEPS]

    def line(variant: str, chooser: str) -> list[Interval]:
        return [row[change(chooser)] for row in table if row["variant"] in (variant, best(variant, chooser))]

    panels = {TITLES[name]: {label: line(variant, name) for variant, label in LINES.items()} for name in CHOOSERS}
    plot = plots.trends(panels, [subject.steps for subject in subjects], "steps of training", "change in %")
    unfinished = [subject.steps for subject in subjects if subject.held_out]
    return FigureResult(plot, _claims(rows, unfinished), _shown(table, subjects), COLUMNS)


def samples(experiment: Experiment) -> FigureResult:
    """Images of the unfinished model that was trained longest, and the share of clipped pixels in both versions."""
    subject = [subject for subject in experiment.subjects if subject.held_out][-1]
    part = subject.part(choosing=False)
    spaces = feature_spaces(experiment.model, subject.candidates)
    chosen = gains.choose(subject, spaces, experiment.images)
    on = {trial.label: trial for trial in authors()}
    trials = {
        "FreeU off": OFF_TRIAL,
        **on,
        "best values": chosen[best("FreeU", "model")],
        "off, best guidance": chosen[best("guidance", "model")],
    }
    found = {name: generate(part, trial, gains.STEPS, experiment.images) for name, trial in trials.items()}
    found = {"picture": part.prompted.images / 2 + 0.5, **found}
    columns = [len(part.prompted.prompts) * n // SAMPLES for n in range(SAMPLES)]
    rows = [[images.to_image(generated[n], CELL_SIZE) for n in columns] for generated in found.values()]
    sheet = plots.sheet(rows, row_labels=[name.replace(", ", ",\n") for name in found])
    return FigureResult(sheet, [_clipping_claim(version, found) for version in "12"])


def _shown(table: Rows, subjects: Sequence[Subject]) -> list[dict[str, Any]]:
    """Return the rows that the page shows: every second model and the last. Levels have no interval there."""
    steps = {subject.steps for subject in (*subjects[1::2], subjects[-1])}
    rows = [row for row in table if row["training"] in steps and row["variant"] in TABLE]
    return [
        {name: f"{row[name].mean:.3f}" if name in LEVELS else row[name] for name in COLUMNS}
        | {"variant": TABLE[row["variant"]]}
        for row in rows
    ]


def _clipping_claim(version: str, found: Mapping[str, Tensor]) -> Claim:
    names = {"off": "FreeU off", "on": f"version {version}", "kept": f"version {version}, contrast kept"}
    clipped = {key: color_stats(found[name]).clipped for key, name in names.items()}
    added = mean(clipped["kept"] - clipped["off"])
    return Claim(
        f"With the contrast kept, version {version} clips no more pixels than FreeU off does.",
        "The share is {off} with FreeU off, {on} with the authors' values and {kept} with the contrast kept: "
        "{added} more than with FreeU off",
        {**{key: mean(values) for key, values in clipped.items()}, "added": added},
        not added.above_zero,
    )


def _claims(rows: Rows, models: Collection[int]) -> list[Claim]:
    """Return the paper's claim for both measures, and what FreeU does that its controls do not."""

    def claim(statement: str, variant: str, column: str, steps: int = gains.STEPS) -> Claim:
        found = {
            f"after_{row['training']}": row[column]
            for row in rows
            if row["variant"] == variant and row["sampler steps"] == steps and row["training"] in models
        }
        text = ", ".join(f"{{after_{model}}} after {model:,} steps of training" for model in models)
        return Claim(statement, f"It changes by {text} (in %)", found, all(one.below_zero for one in found.values()))

    claims = []
    for chooser, title in TITLES.items():
        freeu, both = best("FreeU", chooser), best("FreeU and guidance", chooser)
        guidance, contrast = best("guidance", chooser), best("contrast", chooser)
        claims += [
            claim(f"{title}: the authors' values lower it.", AUTHORS, change(chooser)),
            claim(f"{title}: keeping the contrast lowers it, with these values.", KEPT, change(chooser, AUTHORS)),
            claim(f"{title}: the best values lower it.", freeu, change(chooser)),
            claim(f"{title}: they lower it more than the best guidance does.", freeu, change(chooser, guidance)),
            claim(f"{title}: they lower it more than the best contrast does.", freeu, change(chooser, contrast)),
            claim(f"{title}: they lower it with the best guidance too.", both, change(chooser, guidance)),
        ]
    few = best("FreeU", "model")
    return claims + [
        claim(f"{TITLES['model']}: the best values lower it with {steps} sampler steps.", few, change("model"), steps)
        for steps in gains.OTHER_STEPS
    ]
