"""How strong FreeU is at a point of the run: 0 (not at all) to 1 (as set)."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from freeu.params import Settings
from freeu.values import parse_curve

TIMESTEPS = 1000
"""Of the noise clock: the timestep that the UNet is given runs from 999 (noise) to 0 (picture)."""


def strength(settings: Settings, step: int, steps: int) -> float:
    """The strength at `step` of `steps`, 0..1.

    `step` counts from 0. Where a sampler overruns its steps (DPM adaptive) the last one goes on.
    With clock "noise" it is `TIMESTEPS - 1 - t` of `TIMESTEPS`, for a timestep t.
    Raises ValueError for a negative step or no steps at all.
    """
    if step < 0 or steps < 1:
        raise ValueError(f"step {step} of {steps}: a step counts from 0, and there is at least one")
    step = min(step, steps - 1)
    if settings.curve:
        return _on_curve(settings.curve, step, steps)
    first, end = int(settings.start * steps), int(settings.stop * steps)
    hard = 1.0 if first <= step < end else 0.0
    return settings.smoothness * _triangle(step, first, end) + (1 - settings.smoothness) * hard


def strength_at_timestep(settings: Settings, timestep: float) -> float:
    """The strength by the noise clock, for the timestep that the UNet is given."""
    passed = TIMESTEPS - 1 - round(timestep)
    return strength(settings, min(max(passed, 0), TIMESTEPS - 1), TIMESTEPS)


def _triangle(step: int, peak: int, end: int) -> float:
    """Rising to 1 at `peak` and falling to 0 at `end`, as smoothness 1 has it (ljleb/sd-webui-freeu)."""
    if peak == end:
        return 0.0
    rising = step < peak
    height = step / peak if rising else 1 - (step - peak) / (end - peak)
    return max(0.0, height)


def _on_curve(curve: str, step: int, steps: int) -> float:
    """Linear between the curve's points, level before the first and after the last."""
    return float(np.interp(step / max(1, steps - 1), *_points(curve)))


@lru_cache(maxsize=16)
def _points(curve: str) -> tuple[list[float], list[float]]:
    """Progress and strength of the curve's points, read once a run rather than once a step."""
    points = parse_curve(curve)
    return [progress for progress, _ in points], [height for _, height in points]
