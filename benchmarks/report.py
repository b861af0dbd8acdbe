"""Tables to read, JSON to keep, and a chart."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

import matplotlib as mpl
import torch
from matplotlib.figure import Figure as Chart

from benchmarks.measure import machine
from benchmarks.tables import Figure
from playground.files import replacing

GREEN, GREY, RED = "#2a9d5c", "#8a8f98", "#c8553d"


def heading(device: torch.device) -> dict[str, Any]:
    """Where, when and with what it was measured."""
    packages = ("torch", "diffusers", "numpy")
    return {
        "machine": machine(device),
        "date": date.today().isoformat(),
        "versions": {name: version(name) for name in packages},
    }


def table(figures: Sequence[Figure]) -> str:
    """All figures as Markdown: a table a part, a row a work. A mark that is missed has a cross."""
    return "\n\n".join(
        f"### {part}\n\n{_table([figure for figure in figures if figure.part == part])}"
        for part in dict.fromkeys(figure.part for figure in figures)
    )


def _table(figures: Sequence[Figure]) -> str:
    heads = {figure.what: f"{figure.what}{f': {figure.mark}' if figure.mark else ''}" for figure in figures}
    cells = {(figure.work, figure.what): _cell(figure) for figure in figures}
    rows = [["", *heads.values()], ["---", *("---:" for _ in heads)]]
    works = dict.fromkeys(figure.work for figure in figures)
    rows += [[where, *(cells.get((where, what), "") for what in heads)] for where in works]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def save_json(figures: Sequence[Figure], about: dict[str, Any], path: Path) -> None:
    """Everything, for programs."""
    rows = [{**dataclasses.asdict(figure), "value": figure.value._asdict()} for figure in figures]
    with replacing(path) as unfinished:
        unfinished.write_text(json.dumps({**about, "figures": rows}, indent=1, ensure_ascii=False), "utf-8")


def save_chart(figures: Sequence[Figure], about: dict[str, Any], path: Path) -> None:
    """What each costs as a multiple of the floor: version 2 on the first type measured, for each size."""
    dtype = figures[0].work.split(", ")[1]
    chosen = [figure for figure in figures if figure.part == "decoder blocks" and f"{dtype}, version 2" in figure.work]
    works: dict[str, dict[str, float]] = {}
    for figure in chosen:
        works.setdefault(figure.work.partition(",")[0], {})[figure.what] = figure.value.median
    with mpl.rc_context({"font.size": 11, "axes.spines.top": False, "axes.spines.right": False}):
        chart = Chart(figsize=(8, 0.9 * len(works) + 1.6), layout="constrained", dpi=120)
        axes = chart.subplots()
        for row, values in enumerate(works.values()):
            ours = values["ours / floor"]
            costs = {
                "official": (values["official / ours"] * ours, RED),
                "diffusers (version 1)": (values["diffusers / ours"] * ours, GREY),
                "this extension": (ours, GREEN),
            }
            for place, (name, (cost, colour)) in enumerate(costs.items()):
                y = row + (place - 1) * 0.26
                axes.barh(y, cost, height=0.24, color=colour, label=name if row == 0 else None)
                axes.text(cost * 1.05, y, f"{cost:.1f}" if cost < 10 else f"{cost:.0f}", va="center", fontsize=9)
        axes.axvline(1, color="black", linewidth=1)
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:.0f}")
        axes.set_xlim(0.8, axes.get_xlim()[1] * 1.6)
        axes.set_yticks(range(len(works)), list(works))
        axes.invert_yaxis()
        axes.set_xlabel(f"time, as a multiple of touching the features once ({dtype}, {about['machine']})")
        axes.legend(loc="upper center", bbox_to_anchor=(0.4, 1.1), ncols=3, frameon=False)
        with replacing(path) as unfinished:
            chart.savefig(unfinished, format="png")


def _cell(figure: Figure) -> str:
    low, high = (_number(end) for end in figure.value[1:])
    spread = f" ({low}–{high})" if low != high else ""
    missed = " ✗" if figure.met is False else ""
    return f"{_number(figure.value.median)}{'' if figure.unit == '×' else f' {figure.unit}'}{spread}{missed}".strip()


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 20 else f"{value:.2g}" if value < 1 else f"{value:.1f}".removesuffix(".0")
