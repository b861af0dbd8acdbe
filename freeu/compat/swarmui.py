"""SwarmUI (https://github.com/mcmonkeyprojects/SwarmUI): metadata. It runs ComfyUI's nodes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from freeu.settings.parameter import SettingsError
from freeu.settings.settings import Settings

KEYS = {"b1": "freeublockone", "b2": "freeublocktwo", "s1": "freeuskipone", "s2": "freeuskiptwo"}
DEFAULTS = {"b1": 1.1, "b2": 1.2, "s1": 0.9, "s2": 0.2}


def from_parameters(parameters: Any) -> Settings | None:
    """Read the JSON of the PNG text chunk "parameters". Returns None without FreeU's keys. Raises SettingsError."""
    params = parameters.get("sui_image_params") if isinstance(parameters, Mapping) else None
    if not isinstance(params, Mapping) or not any(key in params for key in KEYS.values()):
        return None
    target = params.get("freeuapplyto", "Both")
    if target != "Both" and "refinermodel" in params:
        raise SettingsError("freeuapplyto", target, "must be Both; here, FreeU acts on the base model and the refiner")
    factors = {name: params.get(key, DEFAULTS[name]) for name, key in KEYS.items()}
    return Settings.parse({**factors, "version": params.get("freeuversion", "1")})
