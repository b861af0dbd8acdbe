"""The step of the sampler that is calling the model. The host knows the number of calls only."""

from __future__ import annotations

import inspect
from typing import Any


def current_step(params: Any) -> int:
    """Return the sampler's step, from 0, at the call that a host's `CFGDenoiserParams` belongs to.

    `denoiser.step` counts calls, and `denoiser.total_steps` tells how many there are per step only for samplers that
    the host marks as second order. Others call the model up to three times in a step: Kohaku LoNyu Yog and
    DPM++ 2s a RF of Forge Neo, HeunPP2 of Forge. `params.sampling_step` and the noise level do not tell either: at
    the second call of HeunPP2, which is in step 0, both are as at the second call of Euler, which is in step 1. So the
    loop counter of the sampler itself is read. It is this step if it is the one that the host saw last, or the next.
    """
    denoiser = params.denoiser
    counter = _loop_counter(getattr(denoiser.sampler, "func", None))
    if counter is not None and counter - params.sampling_step in (0, 1):
        return counter
    calls_per_step = max(1, round(denoiser.total_steps / denoiser.steps))
    return int(denoiser.step // calls_per_step)


def _loop_counter(sampler: Any) -> int | None:
    """Return `i`, in which all samplers of k-diffusion count their steps; None if this one has no such counter.

    Restart has an `i` of a loop that has ended, and DPM adaptive has none.
    """
    code = getattr(inspect.unwrap(sampler), "__code__", None)  # torch.no_grad wraps samplers
    frame = inspect.currentframe()
    while frame is not None and frame.f_code is not code:
        frame = frame.f_back
    counter = frame.f_locals.get("i") if frame else None
    return counter if type(counter) is int else None
