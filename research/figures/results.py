"""The results of a figure: an image, and the paper's claims with the measurements that test them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from freeu.atomic_file import replace_file

FILE = "results.json"


@dataclass(frozen=True)
class Claim:
    """A claim of the paper, and the measurement that tests it.

    statement: the claim, worded so that a measurement can contradict it.
    template: the measurement as text, with the names of numbers in braces: "falls by {fall:.2f}".
    numbers: the numbers that were measured.
    holds: whether the numbers support the claim.
    """

    statement: str
    template: str
    numbers: Mapping[str, Any]
    holds: bool

    @property
    def measurement(self) -> str:
        """The template with its numbers filled in."""
        return self.template.format(**self.numbers)


@dataclass(frozen=True)
class FigureResult:
    """A drawn figure and its claims, and a table if it has one.

    table: the rows, by name of the column.
    columns: the headings of the columns that the page shows, by name.
    """

    image: Image.Image
    claims: Sequence[Claim]
    table: Sequence[Mapping[str, Any]] = ()
    columns: Mapping[str, str] = field(default_factory=dict)


def verdict(holds: Sequence[bool]) -> str:
    """Summarize the claims of a figure."""
    return "agrees" if all(holds) else "partly" if any(holds) else "does not"


def to_json(result: FigureResult) -> dict[str, Any]:
    """Return the result without its image as JSON data."""
    claims = [{**asdict(claim), "measurement": claim.measurement} for claim in result.claims]
    content = {"verdict": verdict([claim.holds for claim in result.claims]), "claims": claims}
    return {**content, "columns": dict(result.columns), "table": list(result.table)} if result.table else content


def load(folder: Path) -> dict[str, Any]:
    """Read the results in `folder` by figure name; empty if there are none."""
    path = folder / FILE
    results: dict[str, Any] = json.loads(path.read_text("utf-8"))["figures"] if path.is_file() else {}
    return results


def save(results: Mapping[str, Any], configuration: Mapping[str, Any], folder: Path) -> None:
    """Write the results and the configuration of the experiment."""
    text = json.dumps({"configuration": configuration, "figures": results}, indent=1, ensure_ascii=False)
    with replace_file(folder / FILE) as temporary:
        temporary.write_text(f"{text}\n", "utf-8")
