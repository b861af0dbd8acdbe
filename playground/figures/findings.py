"""What comes out of a figure: a picture, and what the paper says beside what was measured here."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from playground.files import replacing

RESULTS = "results.json"


@dataclass(frozen=True)
class Check:
    """One thing that the paper says, and whether it is so here.

    says: the claim, as something that a measurement can contradict.
    here: what was measured, with the numbers in braces: "falls by {fall:.2f}".
    numbers: the numbers.
    holds: whether they bear the claim out.
    """

    says: str
    here: str
    numbers: Mapping[str, Any]
    holds: bool

    @property
    def measured(self) -> str:
        """`here`, with its numbers."""
        return self.here.format(**self.numbers)


@dataclass(frozen=True)
class Finding:
    """A figure as drawn, and its checks. `table` holds the rows of a table, where there is one."""

    picture: Image.Image
    checks: Sequence[Check]
    table: Sequence[Mapping[str, Any]] = ()


def verdict(holds: Sequence[bool]) -> str:
    """What the checks of a figure say together."""
    return "agrees" if all(holds) else "partly" if any(holds) else "does not"


def to_json(finding: Finding) -> dict[str, Any]:
    """All of a finding but its picture."""
    checks = [{**asdict(check), "measured": check.measured} for check in finding.checks]
    told = {"verdict": verdict([check.holds for check in finding.checks]), "checks": checks}
    return {**told, "table": list(finding.table)} if finding.table else told


def load(folder: Path) -> dict[str, Any]:
    """The results by figure that lie in a folder; none where there is no file."""
    path = folder / RESULTS
    results: dict[str, Any] = json.loads(path.read_text("utf-8"))["figures"] if path.is_file() else {}
    return results


def save(results: Mapping[str, Any], about: Mapping[str, Any], folder: Path) -> None:
    """Write them, and what they were made with, atomically."""
    text = json.dumps({"about": about, "figures": results}, indent=1, ensure_ascii=False)
    with replacing(folder / RESULTS) as unfinished:
        unfinished.write_text(f"{text}\n", "utf-8")
