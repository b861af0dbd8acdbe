"""Whole API requests, for the command line: of this extension, of ljleb's and of Forge's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from freeu import arguments
from freeu.compat import forge, ljleb, unreadable
from freeu.compat.steps import img2img_steps, parse_steps
from freeu.settings.parameter import SettingsError
from freeu.settings.presets import BUILTIN
from freeu.settings.settings import Settings

IMG2IMG_STRENGTH = 0.75
"""The denoising strength of an img2img request that names none."""


def parse_request(payload: Any, steps: int | None) -> Settings | None:
    """Read the settings in a whole request or in the arguments of its script; None without FreeU.

    `steps` is the job's number of steps, if the request does not say it. Raises SettingsError, also for a start in
    steps if their number is unknown, and for a request in which several scripts turn FreeU on.
    """
    if not isinstance(payload, Mapping) or "alwayson_scripts" not in payload:
        if isinstance(payload, Mapping) and not _is_arguments(payload):
            return None
        return _parse_own_or_ljleb(payload if isinstance(payload, list) else [payload], steps)
    scripts = payload["alwayson_scripts"]
    if not isinstance(scripts, Mapping):
        raise SettingsError("alwayson_scripts", scripts, "must be an object of scripts")
    steps = _sampled_steps(payload, steps)
    found = {name: _parse_script(name, script, steps) for name, script in scripts.items()}
    on = {name: settings for name, settings in found.items() if settings and settings.enabled}
    if len(on) > 1:
        raise SettingsError("alwayson_scripts", list(on), "must turn on one FreeU", "Remove the others")
    return next((settings for settings in (*on.values(), *found.values()) if settings), None)


def _is_arguments(payload: Mapping[str, Any]) -> bool:
    """Return True for an object of a script's arguments, even if a name in it is wrong: `{"b": 1.3}`."""
    names = {*arguments.ARGUMENTS, *ljleb.REQUEST_KEYS, "preset"}
    others = [value for name, value in payload.items() if name not in names]
    if len(others) < len(payload):
        return not any(isinstance(value, (Mapping, list)) for value in others)
    return bool(others) and all(isinstance(value, (int, float)) for value in others)


def _sampled_steps(payload: Mapping[str, Any], steps: int | None) -> int | None:
    """Return how many steps a request samples: in img2img, only a part of them."""
    total = parse_steps(payload.get("steps", steps))
    if total is None or "init_images" not in payload:
        return total
    return img2img_steps(total, payload.get("denoising_strength", IMG2IMG_STRENGTH))


def _parse_script(name: str, script: Any, steps: int | None) -> Settings | None:
    """Read the arguments of one script of a request; None for a script without FreeU. Raises SettingsError."""
    key = name.lower()
    if not unreadable.is_freeu(key):
        return None
    args = script.get("args") if isinstance(script, Mapping) else None
    if not isinstance(args, list):
        raise SettingsError(name, script, "must be an object whose args is a list")
    if key == arguments.SCRIPT:
        return _parse_own_or_ljleb(args, steps)
    if key.startswith(forge.SCRIPT):
        return forge.from_list(args, steps)
    if any(arg is True for arg in args):
        raise unreadable.error("a request", name)
    return None


def _parse_own_or_ljleb(args: list[Any], steps: int | None) -> Settings:
    if steps is None and args and isinstance(args[0], Mapping):
        for name in ("start_ratio", "stop_ratio"):
            if type(value := args[0].get(name)) is int and value:
                raise SettingsError(name, value, "must be a share of the run", "For a step, add --steps N")
    return arguments.parse(args, BUILTIN, steps or 1).settings
