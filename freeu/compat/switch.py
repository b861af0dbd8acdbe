"""The words with which tools say that FreeU is off."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_OFF = re.compile(r"|0+(\.0*)?|false|no|none|null|off|disabled?", re.IGNORECASE)

_SWITCH = re.compile(
    r"(hires )?freeu|.*freeu (is )?(enabled?|active|on|strength)|(enable|use) freeu|fum enabled", re.IGNORECASE
)
"""Keys that turn FreeU on and off, with spaces in place of `_`. The 0 of any other key is a number."""


def says_off(value: Any) -> bool:
    """Return True for false, 0, and words such as `None` and `off`."""
    return _OFF.fullmatch(str(value).strip()) is not None


def unify_switches(infotext: Mapping[str, Any]) -> dict[str, Any]:
    """Return the same keys and values, with `False` in place of each switch that says off in other words."""
    return {key: "False" if _is_switch(key) and says_off(value) else value for key, value in infotext.items()}


def _is_switch(key: str) -> bool:
    return _SWITCH.fullmatch(key.replace("_", " ")) is not None
