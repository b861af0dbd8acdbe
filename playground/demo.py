"""The main job on a fresh machine: pictures with FreeU off and on, side by side."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import NamedTuple, NoReturn

from tqdm import tqdm

from freeu import Settings
from playground import pictures
from playground.model import TextToImage
from playground.sampling import Job, Result, Step, sample

PROMPTS = (
    "red apple",
    "tiger face",
    "strawberry",
    "penguin",
    "birthday cake",
    "tropical fish",
    "hamburger",
    "sunflower",
)


OFF = Settings(enabled=False)


class Drawing(NamedTuple):
    """The prompts, drawn in one way."""

    name: str
    result: Result
    seconds_a_step: float


def ways(chosen: Mapping[str, str], named: Mapping[str, Mapping[str, str]] | None = None) -> dict[str, Settings]:
    """What to compare: FreeU off, and on in each of the ways that have names, or in the chosen version, or in both.

    What is `chosen` holds in every way that does not say otherwise. Raises SettingsError.
    """
    if named:
        return {"FreeU off": OFF, **{name: Settings.parse({**chosen, **values}) for name, values in named.items()}}
    versions = [chosen["version"]] if "version" in chosen else ["1", "2"]
    on = {f"FreeU version {v}": Settings.parse({**chosen, "version": v}) for v in versions}
    return {"FreeU off": OFF, **on}


def draw(model: TextToImage, job: Job, ways: Mapping[str, Settings]) -> list[Drawing]:
    """Draw the job each way, with a progress bar. Raises PromptError before it begins."""
    model.text.tokens(job.prompts)
    with tqdm(total=job.steps * len(ways), unit="step") as bar:
        return [_drawing(model, job, name, settings, bar) for name, settings in ways.items()]


def _drawing(model: TextToImage, job: Job, name: str, settings: Settings, bar: tqdm[NoReturn]) -> Drawing:
    bar.set_description(name)
    marks = [time.perf_counter()]

    def step_done(step: Step) -> None:
        bar.update()
        marks.append(time.perf_counter())

    result = sample(model, job, settings, step_done)
    # The median, since the first steps of a process are slow whatever they compute.
    return Drawing(name, result, median(after - before for before, after in pairwise(marks)))


def save_comparison(prompts: Sequence[str], drawings: Sequence[Drawing], path: Path) -> None:
    """One column a prompt; below each other, the ways to draw it."""
    rows = [[pictures.to_image(picture) for picture in drawing.result.pictures] for drawing in drawings]
    pictures.save(pictures.grid(rows, prompts, [drawing.name for drawing in drawings]), path)


def report(drawings: Sequence[Drawing]) -> str:
    """Time a step and blocks edited, a line each way."""
    return "\n".join(
        f"{drawing.name:16} {drawing.seconds_a_step * 1000:6.1f} ms a step, "
        f"{drawing.result.edited:4} decoder blocks edited"
        for drawing in drawings
    )
