"""What FreeU would do now, in one line: on which blocks of the loaded model, at which steps."""

from __future__ import annotations

import logging
from collections import Counter
from itertools import groupby
from typing import Any

from torch import nn

from freeu.arguments import MAX_STEPS
from freeu.core.schedule import TIMESTEPS, strengths
from freeu.core.unet import UnsupportedUNetError, decoder_blocks
from freeu.settings.settings import Settings
from freeu.settings.stage import STAGES

log = logging.getLogger(__name__)

_PASSES = {"first": "not in the hires. fix pass", "hires": "only in the hires. fix pass"}
_TIMESTEP_STRIDE = 9  # a divisor of 999, the first timestep


def run_strengths(settings: Settings, steps: int | None) -> list[float]:
    """Return the strength at each step, at each percent of the run if the steps are None, or at each timestep."""
    return strengths(settings, TIMESTEPS if settings.clock == "noise" else steps or 100)


def describe(settings: Settings, unet: nn.Module, family: str, steps: int | None, shares: list[float]) -> str:
    """Return a line such as "SDXL: b1, s1 on 4 blocks, b2, s2 on 3 blocks; steps 4 to 16 of 20".

    The family of models may be empty, and the steps None, if they are unknown, or too many for the graph. `shares`
    are the `run_strengths`. Raises UnsupportedUNetError.
    """
    blocks = _count_blocks(unet, settings.stage_map)
    changed = {n: [f"{name}{n}" for name in names] for n in STAGES if (names := settings.stage(n).changed())}
    counts = {n: f"{blocks[n]} block{'' if blocks[n] == 1 else 's'}" for n in changed}
    where = ", ".join(f"{', '.join(names)} on {counts[n]}" for n, names in changed.items())
    if not settings.enabled:
        effect = "FreeU is off"
    elif not where:
        effect = "these values change no image"
    else:
        effect = f"{where}; {describe_steps(settings, steps, shares)}"
    return f"{family or type(unet).__name__}: {effect}"


def _count_blocks(unet: nn.Module, stage_map: str) -> Counter[int | None]:
    """Return the number of decoder blocks of each stage. A job may replace the model's blocks at the same time."""
    try:
        return Counter(block.stage for block in decoder_blocks(unet, stage_map))
    except UnsupportedUNetError:
        raise
    except Exception as error:
        log.exception("the blocks of %s could not be read", type(unet).__name__)
        raise UnsupportedUNetError(f"the blocks of {type(unet).__name__} could not be read now: {error}") from error


def describe_steps(settings: Settings, steps: int | None, shares: list[float]) -> str:
    """Return at which steps FreeU is active, counted from 1, or in which part of the run; and in which pass."""
    active = [step for step, share in enumerate(shares) if share]
    if not active:
        return "no step"
    if settings.clock == "noise":
        text = f"while the timestep is {TIMESTEPS - 1 - active[0]} to {TIMESTEPS - 1 - active[-1]}"
    elif steps is None:
        text = f"from {active[0]} % to {active[-1] + 1} % of the run"
    else:
        text = f"{_format_steps(active)} of {steps}"
    return text if settings.passes == "both" else f"{text}, {_PASSES[settings.passes]}"


def graph(settings: Settings, steps: int | None, shares: list[float]) -> dict[str, Any]:
    """Return what the page's graph shows: the quantity on its axis, the axis' ends, and evenly spaced strengths.

    There is a strength for each step, or each percent of the run if the steps are unknown. With the clock "noise",
    there is one for every ninth timestep.
    """
    axis: dict[str, Any] = {"axis": "percent", "ends": [0, 100]}
    if settings.clock == "noise":
        axis = {"axis": "timestep", "ends": [TIMESTEPS - 1, 0]}
    elif steps is not None:
        axis = {"axis": "step", "ends": [1, steps]}
    shown = shares[:: _TIMESTEP_STRIDE if settings.clock == "noise" else 1]
    return {**axis, "strengths": [round(share, 4) for share in shown]}


def known_steps(steps: float | None) -> int | None:
    """Return the value of a step slider, into which any number can be typed; None if the graph cannot show it.

    The graph shows at most MAX_STEPS steps one by one: about one per pixel. It shows a run of more in percent.
    """
    return int(steps) if steps is not None and 1 <= steps <= MAX_STEPS else None


def _total(settings: Settings, steps: int | None) -> int:
    """Return into how many parts the run is divided."""
    return TIMESTEPS if settings.clock == "noise" else steps or 100


def _format_steps(steps: list[int]) -> str:
    """Return steps in ranges: "steps 1 to 5, 8"."""
    runs = [[step for _, step in run] for _, run in groupby(enumerate(steps), lambda pair: pair[1] - pair[0])]
    ranges = [f"{run[0] + 1} to {run[-1] + 1}" if len(run) > 1 else f"{run[0] + 1}" for run in runs]
    return f"{'step' if len(steps) == 1 else 'steps'} {', '.join(ranges)}"
