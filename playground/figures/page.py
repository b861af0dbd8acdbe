"""The tables of docs/analysis.md. What was measured goes between a figure's two marks; the rest is written by hand."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from playground.figures.statistics import Interval

COLUMNS = {
    "way": "FreeU",
    "pixels": "Fréchet, pixels",
    "model": "Fréchet, model",
    "recall": "recall",
    "clipped": "pixels at a limit",
}
"""What the page shows of the table; the JSON has more."""

Results = Mapping[str, Mapping[str, Any]]


def fill(page: str, results: Results, titles: Mapping[str, str]) -> str:
    """The page with each of its tables made anew. Raises KeyError for a mark of which there is no result."""

    def block(mark: re.Match[str]) -> str:
        name = mark["name"]
        table = verdicts(results, titles) if name == "verdicts" else measured(results[name])
        return f"<!-- {name} -->\n{table}\n<!-- end -->"

    return re.sub(r"<!-- (?P<name>[\w-]+) -->\n.*?<!-- end -->", block, page, flags=re.DOTALL)


def verdicts(results: Results, titles: Mapping[str, str]) -> str:
    """One row a figure."""
    rows = [f"| [{titles[name]}](#{anchor(titles[name])}) | {results[name]['verdict']} |" for name in titles]
    return "\n".join(["| the paper's | this model |", "| --- | --- |", *rows])


def measured(result: Mapping[str, Any]) -> str:
    """What a figure's checks say, and its table if it has one."""
    rows = [
        f"| {check['says']} | {check['measured']}. | {'yes' if check['holds'] else 'no'} |"
        for check in result["checks"]
    ]
    table = "\n".join(["| the paper | here | so? |", "| --- | --- | --- |", *rows])
    return f"{table}\n\n{_table(result['table'])}" if "table" in result else table


def anchor(title: str) -> str:
    """What GitHub makes of a heading."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def _table(rows: list[Mapping[str, Any]]) -> str:
    lines = ["| " + " | ".join(_cell(row[name]) for name in COLUMNS) + " |" for row in rows]
    return "\n".join(["| " + " | ".join(COLUMNS.values()) + " |", "| --- " * len(COLUMNS) + "|", *lines])


def _cell(value: Any) -> str:
    return value if isinstance(value, str) else str(Interval(*value))
