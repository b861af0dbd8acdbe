"""API requests: the arguments of this extension's script, of ljleb's and of Forge's.

A host fills a short list of arguments up with the page's initial values before it calls the script.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from freeu.compat import forge, ljleb
from freeu.settings.extra_outputs import EXTRA_OUTPUTS, without_extra_outputs
from freeu.settings.parameter import SettingsError
from freeu.settings.presets import BUILTIN
from freeu.settings.settings import TABLE, Settings

SCRIPT = "freeu"
"""The name of this extension's script in the API, and of ljleb's."""

INITIAL_ARGUMENTS: list[Any] = [
    False,
    *(parameter.default for name, parameter in TABLE.items() if name != "enabled"),
    *(output.default for output in EXTRA_OUTPUTS.values()),
]
"""The initial values of the page's controls, in the order of the script's arguments."""


def fill_up(args: Sequence[Any]) -> list[Any]:
    """Return the arguments as the host passes them on: short lists are filled up, long ones are cut."""
    return [*args, *INITIAL_ARGUMENTS[len(args) :]][: len(INITIAL_ARGUMENTS)]


def parse_arguments(args: Sequence[Any], presets: Mapping[str, Settings], steps: int) -> Settings:
    """Read the settings in a script's arguments; extra outputs are ignored. Raises SettingsError.

    The arguments are our values in the order of the table, or an object in the first place, with our names or those
    of ljleb's extension, or the list of ljleb's extension. `steps` is how many steps the job samples.
    """
    first = args[0]
    if isinstance(first, Mapping):
        # The values after the object are the page's initial ones. Invalid ones were meant for something.
        Settings.parse([False, *args[1 : len(TABLE)]])
        values = without_extra_outputs(first)
        return ljleb.from_request(values, steps) if ljleb.is_request(values) else Settings.parse(values, presets)
    if ljleb.is_list(args):
        return ljleb.from_list(_check_complete(args[: ljleb.LIST_LENGTH]))
    return Settings.parse(args[: len(TABLE)])


def parse_request(payload: Any, steps: int | None) -> Settings | None:
    """Read the settings in a whole request or in the arguments of its script; None without FreeU.

    `steps` is how many steps the job samples, if the request does not say it. Raises SettingsError, also for a start
    in steps if their number is unknown.
    """
    if not isinstance(payload, Mapping) or "alwayson_scripts" not in payload:
        return _parse_own_or_ljleb(payload if isinstance(payload, list) else [payload], steps)
    steps = payload.get("steps", steps)
    scripts = payload["alwayson_scripts"]
    if not isinstance(scripts, Mapping):
        raise SettingsError("alwayson_scripts", scripts, "must be an object of scripts")
    for name, script in scripts.items():
        if not name.lower().startswith(SCRIPT):
            continue
        args = script.get("args") if isinstance(script, Mapping) else None
        if not isinstance(args, list):
            raise SettingsError(name, script, "must be an object whose args is a list")
        is_forge = name.lower().startswith(forge.SCRIPT)
        return forge.from_list(args, steps) if is_forge else _parse_own_or_ljleb(args, steps)
    return None


def to_request(settings: Settings) -> dict[str, Any]:
    """Return the part of a request that asks for these settings."""
    return {"alwayson_scripts": {SCRIPT: {"args": [settings.compact()]}}}


def _parse_own_or_ljleb(args: list[Any], steps: int | None) -> Settings:
    if steps is None and args and isinstance(args[0], Mapping):
        for name in ("start_ratio", "stop_ratio"):
            if type(value := args[0].get(name)) is int and value:
                raise SettingsError(name, value, "must be a share of the run", "For a step, add --steps N")
    return parse_arguments(fill_up(args), BUILTIN, steps or 1)


def _check_complete(args: Sequence[Any]) -> Sequence[Any]:
    """Refuse a list for ljleb's extension that the host filled up with our values, which mean something else."""
    stages, last = args[5:], ljleb.LIST_LENGTH - 1
    if args[last] == INITIAL_ARGUMENTS[last] or any(isinstance(value, (str, bool)) for value in stages):
        raise SettingsError(
            "settings",
            list(args),
            f"must be {ljleb.LIST_LENGTH} values in a list for ljleb/sd-webui-freeu",
            f"A list that ends in {stages[-1]} looks like a shorter one; send an object with stage_infos",
        )
    return args
