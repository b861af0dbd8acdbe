"""Steps and shares of a run, for tools that count in steps."""

from __future__ import annotations

import math
import re
from typing import Any


def step_share(step: int, steps: int) -> float:
    """Return the start or stop that means step `step` of `steps`: `int(share * steps) == step`."""
    share = min(step, steps) / steps
    # The division can round to just below the step.
    return share if int(share * steps) == min(step, steps) else math.nextafter(share, 1)


def parse_steps(value: Any) -> int | None:
    """Return the number of steps in an infotext's `Steps`; None if it is not one."""
    text = str(value).strip()
    return int(text) if re.fullmatch(r"[1-9]\d{0,4}", text) else None
