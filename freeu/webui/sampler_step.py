"""The step of the sampler that is calling the model. The host knows the number of calls only."""

from __future__ import annotations

import inspect
from typing import Any


def current_step(params: Any) -> int:
    """Return the sampler's step, from 0, at the call that a host's `CFGDenoiserParams` belongs to.

    `denoiser.step` counts calls, and `denoiser.total_steps` tells how many there are per step for samplers that the
    host marks as second order. Others call the model up to three times in a step as well: Kohaku LoNyu Yog and
    DPM++ 2s a RF of Forge Neo, HeunPP2 of Forge, and PLMS in its first step. `params.sampling_step` and the noise level
    do not tell either: at the second call of HeunPP2, which is in step 0, both are as at the second call of Euler,
    which is in step 1. So the loop counter of the sampler itself is read. It is the step if it is the one that the
    host saw last, or the next one.
    """
    denoiser = params.denoiser
    calls_per_step = round(denoiser.total_steps / denoiser.steps)
    counter = _loop_counter(getattr(denoiser.sampler, "func", None)) if calls_per_step <= 1 else None
    if counter is not None and counter - params.sampling_step in (0, 1):
        return counter
    return int(denoiser.step // max(1, calls_per_step))


def _loop_counter(sampler: Any) -> int | None:
    """Return `i`, in which samplers of k-diffusion count their steps; None if this one has no such counter."""
    code = getattr(inspect.unwrap(sampler), "__code__", None)  # torch.no_grad wraps samplers
    frame = inspect.currentframe()
    while frame is not None and frame.f_code is not code:
        frame = frame.f_back
    counter = frame.f_locals.get("i") if frame else None
    return counter if type(counter) is int else None
