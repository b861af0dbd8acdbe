"""What FreeU would do now, in a line for people: on which blocks of the loaded model, at which steps."""

from __future__ import annotations

from collections import Counter
from itertools import groupby
from typing import Any

from torch import nn

from freeu.decoder import decoder_blocks
from freeu.params import STAGES, Settings, Stage
from freeu.schedule import TIMESTEPS, strength


def describe(settings: Settings, unet: nn.Module, family: str, steps: int | None) -> str:
    """One line, such as "SDXL: b1, s1 on 4 blocks, b2, s2 on 3 blocks; steps 4 to 16 of 20".

    `family` names the loaded model; `steps` are the job's, None where they are not known beforehand.
    Raises UnsupportedUNetError.
    """
    blocks = Counter(block.stage for block in decoder_blocks(unet, settings.stage_map))
    changed = {n: names for n in STAGES if (names := _changed(settings.stage(n), n))}
    where = ", ".join(f"{', '.join(names)} on {_blocks(blocks[n])}" for n, names in changed.items())
    if not settings.enabled:
        what = "FreeU is off"
    else:
        what = f"{where}; {when(settings, steps)}" if where else "these values leave every picture as it is"
    return f"{family or type(unet).__name__}: {what}"


def when(settings: Settings, steps: int | None) -> str:
    """At which of the job's steps FreeU acts, counted from 1, or in which part of the run; and in which pass."""
    total = _total(settings, steps)
    acting = [step for step in range(total) if strength(settings, step, total)]
    if not acting:
        return "no step"
    if settings.clock == "noise":
        text = f"while the timestep is {TIMESTEPS - 1 - acting[0]} to {TIMESTEPS - 1 - acting[-1]}"
    elif steps is None:
        text = f"from {acting[0]} % to {acting[-1] + 1} % of the run"
    else:
        text = f"{_steps(acting)} of {steps}"
    return text if settings.passes == "both" else f"{text}, {_PASSES[settings.passes]}"


def graph(settings: Settings, steps: int | None) -> dict[str, Any]:
    """What the page draws: what its axis counts and from where to where, and strengths evenly spaced on it.

    There is a strength for every step where `steps` are known, else for every per cent of the run, or for
    every ninth timestep (999 is a multiple of nine).
    """
    total = _total(settings, steps)
    axis: dict[str, Any] = {"axis": "percent", "ends": [0, 100]}
    if settings.clock == "noise":
        axis = {"axis": "timestep", "ends": [TIMESTEPS - 1, 0]}
    elif steps is not None:
        axis = {"axis": "step", "ends": [1, steps]}
    shown = range(0, total, 9 if settings.clock == "noise" else 1)
    return {**axis, "strengths": [round(strength(settings, step, total), 4) for step in shown]}


def _total(settings: Settings, steps: int | None) -> int:
    """Into how many parts the run is cut: the clock's, the steps where they are known, or a hundred."""
    return TIMESTEPS if settings.clock == "noise" else steps or 100


_PASSES = {"first": "not in the hires. fix pass", "hires": "only in the hires. fix pass"}


def _changed(stage: Stage, n: int) -> list[str]:
    """The names of a stage's factors that change anything."""
    b = stage.b != 1 and stage.width > 0
    acts = {"b": b, "s": stage.s != 1, "high": stage.high != 1}
    return [f"{name}{n}" for name, does in acts.items() if does]


def _blocks(count: int) -> str:
    return "1 block" if count == 1 else f"{count} blocks"


def _steps(acting: list[int]) -> str:
    """Steps in ranges: "steps 1 to 5, 8"."""
    runs = [[step for _, step in run] for _, run in groupby(enumerate(acting), lambda pair: pair[1] - pair[0])]
    ranges = [f"{run[0] + 1} to {run[-1] + 1}" if len(run) > 1 else f"{run[0] + 1}" for run in runs]
    return f"{'step' if len(acting) == 1 else 'steps'} {', '.join(ranges)}"
