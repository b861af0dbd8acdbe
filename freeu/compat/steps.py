"""Steps and shares of a run, for tools that count in steps."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

FULL_STRENGTH = 0.999
"""The denoising strength from which WebUIs sample all steps."""


def step_share(step: int, steps: int) -> float:
    """Return the start or stop that means step `step` of `steps`: `int(share * steps) == step`."""
    share = min(step, steps) / steps
    # The division can round to just below the step.
    return share if int(share * steps) == min(step, steps) else math.nextafter(share, 1)


def parse_steps(value: Any) -> int | None:
    """Return the number of steps in an infotext's `Steps`; None if it is not one."""
    text = str(value).strip()
    return int(text) if re.fullmatch(r"[1-9]\d{0,4}", text) else None


def sampled_steps(infotext: Mapping[str, Any]) -> int | None:
    """Return how many steps the job of an infotext sampled; None if it does not say.

    With hires. fix, the denoising strength is that of the second pass, which samples all of its steps.
    """
    steps = parse_steps(infotext.get("Steps"))
    if steps is None or any(key.startswith("Hires ") for key in infotext):
        return steps
    return img2img_steps(steps, infotext.get("Denoising strength"))


def img2img_steps(steps: int, strength: Any) -> int:
    """Return how many of `steps` a WebUI samples in img2img with its initial settings.

    Without a denoising strength, or with 0, which older WebUIs wrote for txt2img, it samples all.
    """
    try:
        share = min(float(strength), FULL_STRENGTH)
    except (TypeError, ValueError, OverflowError):
        return steps
    return int(share * steps) + 1 if share > 0 else steps
