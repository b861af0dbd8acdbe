"""The main job on a fresh machine: pictures with FreeU off and on, side by side."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from freeu import Settings
from playground import pictures
from playground.model import TextToImage
from playground.sampling import Job, Result, sample

PROMPTS = ("red apple", "tiger face", "strawberry", "penguin", "birthday cake", "tropical fish")


class Column(NamedTuple):
    """One way to draw the prompts."""

    name: str
    result: Result
    seconds_a_step: float


def columns_for(chosen: Mapping[str, str]) -> dict[str, Settings]:
    """What to compare: FreeU off, and on in the chosen version, or in both. Raises SettingsError."""
    versions = [chosen["version"]] if "version" in chosen else ["1", "2"]
    on = {f"version {v}": Settings.parse({**chosen, "version": v}) for v in versions}
    return {"FreeU off": Settings(enabled=False), **{f"FreeU {name}": settings for name, settings in on.items()}}


def draw(model: TextToImage, job: Job, columns: Mapping[str, Settings]) -> list[Column]:
    """Draw the job once a column, with a progress bar."""
    drawn = []
    with tqdm(total=job.steps * len(columns), unit="step") as bar:
        for name, settings in columns.items():
            bar.set_description(name)
            begin = time.perf_counter()
            result = sample(model, job, settings, bar.update)
            drawn.append(Column(name, result, (time.perf_counter() - begin) / job.steps))
    return drawn


def save_comparison(prompts: Sequence[str], columns: Sequence[Column], path: Path) -> None:
    """One row a prompt, one column each way to draw it."""
    rows = [[pictures.to_image(column.result.pictures[i]) for column in columns] for i in range(len(prompts))]
    pictures.save(pictures.grid(rows, [column.name for column in columns], prompts), path)


def report(columns: Sequence[Column]) -> str:
    """Time a step and blocks edited, a line each column."""
    lines = [
        f"{c.name:16} {c.seconds_a_step * 1000:6.1f} ms a step, {c.result.edited:4} decoder blocks edited"
        for c in columns
    ]
    return "\n".join(lines)
