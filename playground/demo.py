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


class Drawing(NamedTuple):
    """The prompts, drawn in one way."""

    name: str
    result: Result
    seconds_a_step: float


def ways(chosen: Mapping[str, str]) -> dict[str, Settings]:
    """What to compare: FreeU off, and on in the chosen version, or in both. Raises SettingsError."""
    versions = [chosen["version"]] if "version" in chosen else ["1", "2"]
    on = {f"FreeU version {v}": Settings.parse({**chosen, "version": v}) for v in versions}
    return {"FreeU off": Settings(enabled=False), **on}


def draw(model: TextToImage, job: Job, ways: Mapping[str, Settings]) -> list[Drawing]:
    """Draw the job each way, with a progress bar."""
    # The first steps of a process are slower, which is nobody's to be blamed for.
    sample(model, job._replace(steps=1), Settings())
    drawings = []
    with tqdm(total=job.steps * len(ways), unit="step") as bar:
        for name, settings in ways.items():
            bar.set_description(name)
            begin = time.perf_counter()
            result = sample(model, job, settings, bar.update)
            drawings.append(Drawing(name, result, (time.perf_counter() - begin) / job.steps))
    return drawings


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
