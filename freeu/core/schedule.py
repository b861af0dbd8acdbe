"""FreeU's strength at a step: 0 (off) to 1 (the factors as set)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from freeu.settings.settings import Settings

TIMESTEPS = 1000
"""Timesteps of the clock "noise": the UNet is called with 999 (noise) down to 0 (image)."""


def strength(settings: Settings, step: int, steps: int) -> float:
    """Return the strength, 0..1, at sampler step `step` of `steps`.

    Steps count from 0. With the clock "noise", timestep t is step `TIMESTEPS - 1 - t` of `TIMESTEPS`. A sampler that
    runs more than `steps` steps (DPM adaptive) keeps the strength of the last one. Raises ValueError for a negative
    step, or no steps.
    """
    if step < 0 or steps < 1:
        raise ValueError(f"step must be at least 0 and steps at least 1, got {step} and {steps}")
    step = min(step, steps - 1)
    if settings.curve_points:
        progress, strengths = zip(*settings.curve_points, strict=True)
        return float(np.interp(step / max(1, steps - 1), progress, strengths))
    start_step, stop_step = int(settings.start * steps), int(settings.stop * steps)
    hard = 1.0 if start_step <= step < stop_step else 0.0
    return settings.smoothness * _triangle(step, start_step, stop_step) + (1 - settings.smoothness) * hard


def strengths(settings: Settings, steps: int) -> list[float]:
    """Return the strength, 0..1, at each of `steps` steps."""
    return [strength(settings, step, steps) for step in range(steps)]


def strength_at_timestep(settings: Settings, timestep: float) -> float:
    """Return the strength, 0..1, by the clock "noise" at the timestep that the UNet is called with."""
    step = TIMESTEPS - 1 - round(timestep)
    return strength(settings, min(max(step, 0), TIMESTEPS - 1), TIMESTEPS)


def _triangle(step: int, peak: int, end: int) -> float:
    """Return the height at `step` of a triangle that rises to 1 at `peak` and falls to 0 at `end`.

    The same as smoothness 1 in ljleb/sd-webui-freeu (lib_free_u/global_state.py).
    """
    if peak == end:
        return 0.0
    height = step / peak if step < peak else 1 - (step - peak) / (end - peak)
    return max(0.0, height)
