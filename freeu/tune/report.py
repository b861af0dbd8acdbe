"""One HTML page about a study: history, how the values matter, the best and the worst images, and grids."""

from __future__ import annotations

import argparse
import base64
import io
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from optuna.trial import FrozenTrial, TrialState

from freeu.atomic_file import replace_file
from freeu.settings.parameter import SettingsError
from freeu.tune.options import open_study
from freeu.tune.plan import GRID, Plan, format_searched
from freeu.tune.preferences import Ranking
from freeu.tune.result import best_trials, describe, name_values, rank
from freeu.tune.study import ERROR, IMAGES, Study

TEMPLATE = Path(__file__).with_name("report.html")
SHOWN = 3
"""How many of the best and of the worst images the page shows."""

Trials = Mapping[int, FrozenTrial]
Merits = Mapping[int, float]
"""Score or estimated utility of trials, by number."""


class Grid(NamedTuple):
    """The images of a grid for one value of each parameter but two. `rows` are their labels and images."""

    title: str
    columns: Sequence[str]
    rows: Sequence[tuple[str, Sequence[str]]]


def run_report(options: argparse.Namespace) -> None:
    """Write the page. Raises SettingsError if nothing is drawn yet."""
    text = render(open_study(options))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    with replace_file(options.out) as temporary:
        temporary.write_text(text, "utf-8")


def render(study: Study) -> str:
    """Return the page as HTML that needs no other file. Raises SettingsError if nothing is drawn yet."""
    trials = {trial.number: trial for trial in study.trials(TrialState.COMPLETE)}
    if not trials:
        raise SettingsError("--study", study.name, "must have a finished trial")
    ranking = rank(study)
    merits = _merits(study, trials, ranking)
    ordered = [trials[number] for number in _best_first(merits)]
    page = Environment(autoescape=True).from_string(TEMPLATE.read_text("utf-8"))
    return page.render(
        name=study.name,
        plan=study.plan,
        best=[describe(study, trial, ranking) for trial in best_trials(study, ranking)] if merits else [],
        plots={name: _svg(_plot(found, trials, study.plan)) for name, found in merits.items()},
        top=[_card(study, trial) for trial in ordered[:SHOWN]],
        bottom=[_card(study, trial) for trial in ordered[SHOWN:][-SHOWN:]],
        grids=_grids(study, trials) if study.plan.sampler == GRID else [],
        failed=[(trial.number, trial.user_attrs.get(ERROR, "the worker was lost")) for trial in study.failed()],
    )


def _merits(study: Study, trials: Trials, ranking: Ranking | None) -> dict[str, Merits]:
    """Return scores or utilities by name; none without scores and choices."""
    if ranking:
        return {"utility": {estimate.trial: estimate.utility for estimate in ranking.estimates}}
    names = enumerate(study.plan.scores)
    return {name: {number: trial.values[n] for number, trial in trials.items()} for n, name in names}


def _best_first(merits: Mapping[str, Merits]) -> list[int]:
    """Return the numbers of the trials by their first merit."""
    first = next(iter(merits.values()), {})
    return sorted(first, key=lambda number: -first[number])


def _card(study: Study, trial: FrozenTrial) -> dict[str, str]:
    return {"title": f"trial {trial.number}: {name_values(study, trial)}", "image": _image(study, trial)}


def _image(study: Study, trial: FrozenTrial) -> str:
    with study.images.open_reader(trial.user_attrs[IMAGES]) as file:
        return f"data:image/png;base64,{base64.b64encode(file.read()).decode()}"


def _plot(merits: Merits, trials: Trials, plan: Plan) -> Figure:
    """Draw merits against the number of the trial, and against each searched parameter."""
    figure = Figure(figsize=(3 * (1 + len(plan.ranges)), 2.6), layout="constrained")
    axes = figure.subplots(1, 1 + len(plan.ranges), sharey=True, squeeze=False)[0]
    numbers = [*merits]
    columns = {"trial": numbers} | {name: [trials[number].params[name] for number in numbers] for name in plan.ranges}
    for axis, (label, values) in zip(axes, columns.items(), strict=True):
        points = axis.scatter(values, [*merits.values()], s=16, c=numbers, cmap="viridis")
        axis.set_xlabel(label)
    axes[0].xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.colorbar(points, ax=axes[-1], label="trial")
    return figure


def _svg(figure: Figure) -> str:
    file = io.BytesIO()
    figure.savefig(file, format="svg")
    return f"data:image/svg+xml;base64,{base64.b64encode(file.getvalue()).decode()}"


def _grids(study: Study, trials: Trials) -> list[Grid]:
    """Lay out a grid like an X/Y/Z plot: the last parameter to the right, the one before it downwards."""
    axes = {name: [format_searched(value) for value in values] for name, values in study.plan.axes().items()}
    drawn = {tuple(format_searched(trial.params[name]) for name in axes): trial for trial in trials.values()}

    def cell(*point: str) -> str:
        return _image(study, drawn[point]) if point in drawn else ""

    *outer, across = axes
    down = [outer.pop()] if outer else []
    grids = []
    for fixed in itertools.product(*(axes[name] for name in outer)):
        rows = [
            (_name(down, row), [cell(*fixed, *row, value) for value in axes[across]])
            for row in itertools.product(*(axes[name] for name in down))
        ]
        grids.append(Grid(_name(outer, fixed), [_name([across], [value]) for value in axes[across]], rows))
    return grids


def _name(names: Sequence[str], values: Sequence[str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in zip(names, values, strict=True))
