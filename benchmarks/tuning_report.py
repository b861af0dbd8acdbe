"""The results of `python -m benchmarks.tuning_choices` as JSON, Markdown and a chart."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from benchmarks.measure import spread
from benchmarks.report import FOLDER, fill_readme, markdown_table
from freeu.atomic_file import replace_file

RESULTS = FOLDER / "results" / "tuning" / "choices.json"
CHART = FOLDER.parent / "docs" / "tune-choices.webp"
BEGIN, END = "<!-- tuning: begin -->", "<!-- tuning: end -->"
"""The lines of the README between which `save` writes the tables."""

SEARCH, RANDOM, DASHBOARD = "search", "random values", "optuna-dashboard's sampler"
COLOURS = {SEARCH: "#2a9d5c", RANDOM: "#8a8f98", DASHBOARD: "#d08c2f"}
SHIPPED_ESTIMATE = "freeu.tune"


class Guessed(NamedTuple):
    """What an estimate takes for the best trial: its utility, the probability given to it, and whether it is."""

    utility: float
    probability: float | None
    is_best: bool


class PersonResult(NamedTuple):
    """The results with one person. Sequences have an item for each number of choices."""

    taste: str
    fixed: Mapping[str, float]
    found: Mapping[str, Sequence[float]]
    wrong: Mapping[str, float]
    guesses: Mapping[str, Sequence[Guessed]]


class Results(NamedTuple):
    """All results. `asking` has the seconds for one suggestion."""

    environment: Mapping[str, str]
    choices: Sequence[int]
    people: Sequence[PersonResult]
    asking: Mapping[str, Sequence[float]]

    def best_preset(self) -> str:
        """Return the preset with the highest mean utility, which nobody can know before."""
        names = [name for name in self.people[0].fixed if name != "FreeU off"]
        return max(names, key=lambda name: sum(person.fixed[name] for person in self.people))


def save(results: Results) -> None:
    """Write the results to results/tuning/choices.json, the tables to the README, and the chart."""
    with replace_file(RESULTS) as temporary:
        temporary.write_text(_to_json(results), "utf-8")
    fill_readme(BEGIN, END, to_markdown(results))
    _save_chart(results)


def to_markdown(results: Results) -> str:
    """Return the tables as Markdown."""
    people, choices = results.people, results.choices
    preset = results.best_preset()
    best_fixed = [max(person.fixed.values()) for person in people]
    constant = {
        "FreeU off": [person.fixed["FreeU off"] for person in people],
        f"{preset}, the best preset": [person.fixed[preset] for person in people],
        "the best of all presets and off for each person": best_fixed,
    }
    found = []
    for name in people[0].found:
        who = [person for person in people if name in person.found]
        columns = zip(*(person.found[name] for person in who), strict=True)
        wrong = np.mean([person.wrong[name] for person in who])
        label = name if len(who) == len(people) else f"{name}, {len(who)} of them"
        found.append([label, *map(_cell, columns), f"{100 * wrong:.0f} %"])
    found += [[name, *[_cell(values)] * len(choices), ""] for name, values in constant.items()]
    counts = [f"{count} choices" for count in choices]
    environment = results.environment
    return "\n\n".join(
        [
            f"Measured on {environment['date']} on {environment['machine']} with {environment['versions']}.",
            markdown_table([f"utility, {len(people)} people", *counts, "wrong choices"], found),
            markdown_table(
                ["estimate of the best trial", *counts, "said to be the best", "is the best"], _estimate_rows(results)
            ),
            markdown_table(
                ["one suggestion", "seconds"], [[name, f"{spread(v).median:.2g}"] for name, v in results.asking.items()]
            ),
        ]
    )


def _estimate_rows(results: Results) -> list[list[str]]:
    rows = []
    for name in results.people[0].guesses:
        columns = [*zip(*(person.guesses[name] for person in results.people), strict=True)]
        utilities = [f"{np.mean([guess.utility for guess in column]):.2f}" for column in columns]
        said = [guess.probability for guess in columns[-1] if guess.probability is not None]
        said_text = f"{100 * np.mean(said):.0f} %" if said else ""
        true = f"{100 * np.mean([guess.is_best for guess in columns[-1]]):.0f} %"
        rows.append([name, *utilities, said_text, true])
    return rows


def _cell(values: Sequence[float]) -> str:
    """Return the mean and, in brackets, the lower quartile, the median and the upper quartile."""
    low, median, high = (f"{value:.2f}" for value in spread(values))
    return f"{np.mean(values):.2f} ({low}, {median}, {high})"


def _to_json(results: Results) -> str:
    """Return the results as JSON, a person on each line."""
    rounded = json.loads(json.dumps(results._asdict()), parse_float=lambda text: float(f"{float(text):.4g}"))
    people = ",\n".join(f"  {json.dumps(_named(person))}" for person in rounded.pop("people"))
    rest = json.dumps(rounded, indent=1)
    return f'{rest[:-2]},\n "people": [\n{people}\n ]\n}}\n'


def _named(person: Sequence[object]) -> dict[str, object]:
    return dict(zip(PersonResult._fields, person, strict=True))


def _save_chart(results: Results) -> None:
    """Draw the median and the quartiles of the utility over the number of choices."""
    people, preset = results.people, results.best_preset()
    with mpl.rc_context({"font.size": 11, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(7, 4), layout="constrained", dpi=120)
        axes = figure.subplots()
        positions = np.arange(len(results.choices))
        for place, (name, colour) in enumerate(COLOURS.items()):
            who = [person.found[name] for person in people if name in person.found]
            rows = [spread(values) for values in zip(*who, strict=True)]
            low, median, high = np.array(rows).T
            errors = [median - low, high - median]
            axes.errorbar(
                positions + 0.06 * (place - 1), median, errors, color=colour, marker="o", capsize=4, label=name
            )
        for name, style in (("FreeU off", ":"), (preset, "--")):
            middle = spread([person.fixed[name] for person in people]).median
            axes.axhline(middle, color="#55585e", linestyle=style, label=f"preset {name}" if name == preset else name)
        axes.axhline(1, color="#bbbbbb", linewidth=0.8)
        axes.set_xticks(positions, [f"{count} choices" for count in results.choices])
        axes.set_ylabel("utility: 1 is the optimum,\n0 the mean of random values")
        figure.legend(loc="outside upper center", ncols=3, frameon=False)
        with replace_file(CHART) as temporary:
            figure.savefig(temporary, format="webp")
