"""API requests to Settings: for ljleb's extension, for Forge's FreeU, and for this one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from freeu.infotext import from_infotext
from freeu.params import Settings
from freeu.presets import BUILTIN
from freeu.values import SettingsError
from freeu.webui import arguments

SCRIPT = "freeu"
"""The name of ljleb's script in the API, and of ours."""

FORGE_SCRIPT = "freeu integrated"
"""How the name of Forge's script begins."""

FORGE_ARGS = ("enabled", "b1", "b2", "s1", "s2", "start", "end")


def read(payload: Any, steps: int | None) -> Settings | None:
    """The settings that a request asks for: a whole one, or the arguments of its script alone. None without FreeU.

    `steps` is how many the job samples, where the request does not say it: whole numbers mean steps to
    ljleb's extension. Raises SettingsError.
    """
    if not isinstance(payload, Mapping) or "alwayson_scripts" not in payload:
        return _read(payload if isinstance(payload, list) else [payload], steps)
    steps = payload.get("steps", steps)
    if not isinstance(payload["alwayson_scripts"], Mapping):
        raise SettingsError("alwayson_scripts", payload["alwayson_scripts"], "it is an object of scripts")
    for name, script in payload["alwayson_scripts"].items():
        args = script.get("args") if isinstance(script, Mapping) else None
        if not name.lower().startswith(SCRIPT):
            continue
        if not isinstance(args, list):
            raise SettingsError(name, script, "it is an object whose args is a list")
        return _forge(args, steps) if name.lower().startswith(FORGE_SCRIPT) else _read(args, steps)
    return None


def request(settings: Settings) -> dict[str, Any]:
    """The part of a request that asks for these settings: what pictures always say, and what is not as usual."""
    return {"alwayson_scripts": {SCRIPT: {"args": [settings.essential()]}}}


def _read(args: list[Any], steps: int | None) -> Settings:
    if steps is None:
        _without_steps(args[0] if args else None)
    return arguments.read(arguments.filled_up(args), BUILTIN, steps or 1)


def _without_steps(payload: Any) -> None:
    """Refuse whole numbers that mean steps, where it is not known of how many."""
    for name in ("start_ratio", "stop_ratio"):
        value = payload.get(name) if isinstance(payload, Mapping) else None
        if type(value) is int and value:
            raise SettingsError(name, value, "a whole number is a step there, so say of how many: --steps 20")


def _forge(args: list[Any], steps: int | None) -> Settings | None:
    values = {f"freeu_{name}": value for name, value in zip(FORGE_ARGS, args, strict=False)}
    return from_infotext({**values, "Steps": steps})
