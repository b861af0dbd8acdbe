"""The tables of docs/analysis.md, between the marks `<!-- NAME -->` and `<!-- end -->` of each figure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from research.figures.statistics import Interval

Results = Mapping[str, Mapping[str, Any]]


def fill(page: str, results: Results, titles: Mapping[str, str]) -> str:
    """Return the page with all tables replaced. Raises KeyError for a mark without a result."""

    def replacement(mark: re.Match[str]) -> str:
        name = mark["name"]
        table = verdict_table(results, titles) if name == "verdicts" else claims_table(results[name])
        return f"<!-- {name} -->\n{table}\n<!-- end -->"

    return re.sub(r"<!-- (?P<name>[\w-]+) -->\n.*?<!-- end -->", replacement, page, flags=re.DOTALL)


def verdict_table(results: Results, titles: Mapping[str, str]) -> str:
    """Return a table with one row per figure."""
    rows = [f"| [{title}](#{anchor(title)}) | {results[name]['verdict']} |" for name, title in titles.items()]
    return "\n".join(["| figure of the paper | this model |", "| --- | --- |", *rows])


def claims_table(result: Mapping[str, Any]) -> str:
    """Return a table of a figure's claims, followed by its own table if it has one."""
    rows = [
        f"| {claim['statement']} | {claim['measurement']}. | {'yes' if claim['holds'] else 'no'} |"
        for claim in result["claims"]
    ]
    table = "\n".join(["| claim | measured here | holds |", "| --- | --- | --- |", *rows])
    return f"{table}\n\n{_data_table(result['columns'], result['table'])}" if "table" in result else table


def anchor(title: str) -> str:
    """Return the anchor that GitHub gives to a heading."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def _data_table(columns: Mapping[str, str], rows: Sequence[Mapping[str, Any]]) -> str:
    lines = ["| " + " | ".join(_cell(row.get(name, "")) for name in columns) + " |" for row in rows]
    return "\n".join(["| " + " | ".join(columns.values()) + " |", "| --- " * len(columns) + "|", *lines])


def _cell(value: Any) -> str:
    return str(Interval(*value)) if isinstance(value, Sequence) and not isinstance(value, str) else str(value)
