"""SwarmUI (https://github.com/mcmonkeyprojects/SwarmUI): metadata. It runs ComfyUI's nodes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from freeu.settings.parameter import SettingsError
from freeu.settings.settings import Settings

SWITCH = "freeuapplyto"
KEYS = {"b1": "freeublockone", "b2": "freeublocktwo", "s1": "freeuskipone", "s2": "freeuskiptwo"}
DEFAULTS = {"b1": 1.1, "b2": 1.2, "s1": 0.9, "s2": 0.2}
REFINER = {"refinermodel", "refinermethod"}
"""Keys of a job with a second stage."""


def from_parameters(parameters: Any) -> Settings | None:
    """Read the JSON of the PNG text chunk "parameters". Returns None without FreeU. Raises SettingsError.

    FreeU is on if SWITCH is there, unless SwarmUI lists FreeU's values as unused: its ComfyUI had no FreeU.
    """
    params = parameters.get("sui_image_params") if isinstance(parameters, Mapping) else None
    if not isinstance(params, Mapping) or SWITCH not in params:
        return None
    extra = parameters.get("sui_extra_data")
    unused = extra.get("unused_parameters") if isinstance(extra, Mapping) else None
    has_refiner = not REFINER.isdisjoint(params)
    target = params[SWITCH]
    if (isinstance(unused, list) and KEYS["b1"] in unused) or (target == "Refiner" and not has_refiner):
        return None
    if target != "Both" and (target != "Base" or has_refiner):
        raise SettingsError(SWITCH, target, "must be Both; here, FreeU acts on the base model and the refiner")
    factors = {name: params.get(key, DEFAULTS[name]) for name, key in KEYS.items()}
    return Settings.parse({**factors, "version": params.get("freeuversion", "1")})
