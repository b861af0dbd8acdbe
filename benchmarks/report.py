"""The results as JSON, Markdown and a chart."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

import matplotlib as mpl
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.measure import Spread, machine
from benchmarks.tables import DEFAULT_SPEEDUP, TABLES, Column, Row
from freeu.atomic_file import replace_file

FOLDER = Path(__file__).parent
README = FOLDER / "README.md"
CHART = FOLDER.parent / "docs" / "performance.webp"
BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"
"""The lines of the README between which `save` writes the tables."""

COLOURS = {"quiet": "#2a9d5c", "busy": "#8a8f98"}


@dataclass(frozen=True)
class Results:
    """The rows of each table by name, and the environment in which they were measured."""

    environment: Mapping[str, str]
    tables: Mapping[str, Mapping[str, Row]]


def current_environment(device: torch.device) -> dict[str, str]:
    """Return the machine, today's date, and the versions of the packages that matter."""
    versions = ", ".join(f"{package} {version(package)}" for package in ("torch", "diffusers", "numpy"))
    return {"machine": machine(device), "date": date.today().isoformat(), "versions": versions}


def save(results: Results, device: torch.device) -> None:
    """Write the results to results/DEVICE.json, the tables to the README and, for a CPU, the chart.

    Tables that the file has of the same day and machine, and that were not measured now, are kept.
    """
    path = FOLDER / "results" / f"{device.type}.json"
    if path.exists() and (saved := _load(path)).environment == results.environment:
        tables = {**saved.tables, **results.tables}
        results = Results(results.environment, {name: tables[name] for name in TABLES if name in tables})
    with replace_file(path) as temporary:
        temporary.write_text(to_json(results), "utf-8")
    fill_readme(BEGIN, END, "\n\n".join(to_markdown(_load(file)) for file in sorted(path.parent.glob("*.json"))))
    if device.type == "cpu" and "quiet" in results.tables:
        _save_chart(results, CHART)


def fill_readme(begin: str, end: str, text: str) -> None:
    """Replace what is between two lines of the README."""
    before, _, rest = README.read_text("utf-8").partition(begin)
    with replace_file(README) as temporary:
        temporary.write_text(f"{before}{begin}\n\n{text}\n\n{end}{rest.partition(end)[2]}", "utf-8")


def to_markdown(results: Results) -> str:
    """Return every table as Markdown, and which targets are met. A cross marks a cell that misses its target."""
    machine_name, day, versions = (results.environment[key] for key in ("machine", "date", "versions"))
    blocks = [f"### {machine_name}\n\nMeasured on {day} with {versions}."]
    for name, rows in results.tables.items():
        table = TABLES[name]
        head = [f"{column.name}{f' ({column.target})' if column.target else ''}" for column in table.columns]
        body = [[workload, *(_cell(column, row) for column in table.columns)] for workload, row in rows.items()]
        blocks.append(f"#### {table.title}\n\n{markdown_table(['', *head], body)}")
    targets = markdown_table(["", "target", "medians", "result"], list(_target_rows(results)))
    blocks.append(f"#### Targets\n\n{targets}")
    return "\n\n".join(blocks)


def _target_rows(results: Results) -> Iterator[list[str]]:
    for name, rows in results.tables.items():
        for column in TABLES[name].columns:
            if column.target:
                values = [row[column.name] for row in rows.values()]
                medians = [value.median for value in values]
                missed = sum(map(column.misses_target, values))
                result = f"missed by {missed} of {len(values)}" if missed else "met"
                span = f"{format_number(min(medians))} to {format_number(max(medians))}{column.unit}"
                yield [f"{TABLES[name].title}: {column.name}", column.target, span, result]


def markdown_table(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """Return a table whose columns are numbers but for the first."""
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, rule, *body])


def _cell(column: Column, row: Row) -> str:
    if column.name not in row:  # a result of before the column
        return ""
    value = row[column.name]
    quartiles = f" ({format_number(value.low)}–{format_number(value.high)})" if value.low != value.high else ""
    return f"{format_number(value.median)}{column.unit}{quartiles}{' ✗' if column.misses_target(value) else ''}"


def format_number(value: float) -> str:
    """Return about two significant digits, or all digits before the point."""
    return f"{value:.0f}" if value >= 20 else f"{value:.2g}" if value < 1 else f"{value:.1f}"


def to_json(results: Results) -> str:
    """Return the results as JSON, a row of a table on each line."""
    tables = []
    for name, rows in results.tables.items():
        rounded = {
            workload: {column: [float(f"{number:.4g}") for number in value] for column, value in row.items()}
            for workload, row in rows.items()
        }
        lines = [f"   {_dump(workload)}: {_dump(row)}" for workload, row in rounded.items()]
        tables.append(f"  {_dump(name)}: {{\n" + ",\n".join(lines) + "\n  }")
    environment = ",\n".join(f"  {_dump(key)}: {_dump(value)}" for key, value in results.environment.items())
    return f'{{\n "environment": {{\n{environment}\n }},\n "tables": {{\n' + ",\n".join(tables) + "\n }\n}\n"


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _load(path: Path) -> Results:
    saved = json.loads(path.read_text("utf-8"))
    tables = {
        name: {workload: {column: Spread(*value) for column, value in row.items()} for workload, row in rows.items()}
        for name, rows in saved["tables"].items()
    }
    return Results(saved["environment"], tables)


def _save_chart(results: Results, path: Path) -> None:
    """Draw the speedup of version 2 over the official algorithm: a panel for each dtype, a group for each size."""
    tables = {name: results.tables[name] for name in COLOURS if name in results.tables}
    dtypes = list(dict.fromkeys(workload.split(", ")[1] for workload in tables["quiet"]))
    with mpl.rc_context({"font.size": 11, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(9, 4), layout="constrained", dpi=120)
        panels = figure.subplots(1, len(dtypes), sharex=True, sharey=True, squeeze=False)[0]
        for axes, dtype in zip(panels, dtypes, strict=True):
            _draw_panel(axes, tables, dtype)
        panels[0].invert_yaxis()
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=4, frameon=False)
        figure.supxlabel(
            f"speedup over the official algorithm, version 2 ({results.environment['machine']})", fontsize=11
        )
        with replace_file(path) as temporary:
            figure.savefig(temporary, format="webp")


def _draw_panel(axes: Axes, tables: Mapping[str, Mapping[str, Row]], dtype: str) -> None:
    height = 0.8 / len(tables)
    for place, (name, rows) in enumerate(tables.items()):
        chosen = {w.split(", ")[0]: row[DEFAULT_SPEEDUP] for w, row in rows.items() if w.endswith(dtype)}
        medians = [value.median for value in chosen.values()]
        errors = [[v.median - v.low for v in chosen.values()], [v.high - v.median for v in chosen.values()]]
        positions = [row + (place + 0.5) * height - 0.4 for row in range(len(chosen))]
        axes.barh(positions, medians, 0.9 * height, xerr=errors, color=COLOURS[name], label=f"{name} machine")
        for position, value in zip(positions, chosen.values(), strict=True):
            axes.annotate(
                format_number(value.median), (value.high, position), (4, 0), textcoords="offset points", va="center"
            )
        target = next(column.at_least for column in TABLES[name].columns if column.name == DEFAULT_SPEEDUP)
        axes.axvline(target or 0, color=COLOURS[name], linestyle="--", label=f"target, {name}: {target:g}")
        axes.set_yticks(range(len(chosen)), list(chosen))
    axes.margins(x=0.12)
    axes.set_title(dtype, fontsize=11)
