"""Generate images with FreeU off and on, and show them side by side."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import NamedTuple, NoReturn

from tqdm import tqdm

from freeu import Settings
from playground import images
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


class Outcome(NamedTuple):
    """The images of one variant, and how long a step took."""

    label: str
    result: Result
    seconds_per_step: float


def variants(common: Mapping[str, str], labelled: Mapping[str, Mapping[str, str]] | None = None) -> dict[str, Settings]:
    """Return the settings to compare by label: FreeU off, and FreeU on with each of the `labelled` values.

    Without `labelled` values, FreeU is on in both versions, or in the version that `common` names, and once more with
    the contrast kept. `common` values apply to every variant that does not set them itself. Raises SettingsError.
    """
    if not labelled:
        versions = [common["version"]] if "version" in common else ["1", "2"]
        labelled = {f"FreeU version {version}": {"version": version} for version in versions}
        if "keep_contrast" not in common:
            labelled[f"version {versions[-1]}, contrast kept"] = {"version": versions[-1], "keep_contrast": "1"}
    return {"FreeU off": OFF, **{name: Settings.parse({**common, **values}) for name, values in labelled.items()}}


def generate(model: TextToImage, job: Job, variants: Mapping[str, Settings]) -> list[Outcome]:
    """Run the job once for each variant, with a progress bar. Raises PromptError before the first step."""
    model.text.tokens(job.prompts)
    with tqdm(total=job.steps * len(variants), unit="step") as bar:
        return [_run_variant(model, job, label, settings, bar) for label, settings in variants.items()]


def _run_variant(model: TextToImage, job: Job, label: str, settings: Settings, bar: tqdm[NoReturn]) -> Outcome:
    bar.set_description(label)
    times = [time.perf_counter()]

    def record_step(step: Step) -> None:
        bar.update()
        times.append(time.perf_counter())

    result = sample(model, job, settings, record_step)
    # The median, because the first steps of a process are slow whatever they compute.
    return Outcome(label, result, median(after - before for before, after in pairwise(times)))


def save_comparison(prompts: Sequence[str], outcomes: Sequence[Outcome], path: Path) -> None:
    """Save a sheet with one column per prompt and one row per variant."""
    rows = [[images.to_image(rgb) for rgb in outcome.result.images] for outcome in outcomes]
    images.save(images.grid(rows, prompts, [outcome.label for outcome in outcomes]), path)


def report(outcomes: Sequence[Outcome]) -> str:
    """Return one line per variant: time per step, and the number of decoder blocks edited."""
    width = max(len(outcome.label) for outcome in outcomes)
    return "\n".join(
        f"{outcome.label:{width}} {outcome.seconds_per_step * 1000:6.1f} ms per step, "
        f"{outcome.result.edited_blocks:4} decoder blocks edited"
        for outcome in outcomes
    )
