"""A script's arguments to Settings: the page's values, API payloads, and payloads for ljleb/sd-webui-freeu.

Through the API, a shape that is not the page's own still arrives followed by the page's initial values,
since the host fills a short list up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from freeu.infotext import LJLEB_STAGE, ljleb_stage, step_share
from freeu.params import STAGES, TABLE, Settings
from freeu.values import SettingsError
from freeu.webui import wishes

Presets = Mapping[str, Settings]

LJLEB_KEYS = {"enable", "start_ratio", "stop_ratio", "transition_smoothness", "version", "stage_infos"}
LJLEB_LENGTH = 5 + len(STAGES) * len(LJLEB_STAGE)
_INITIAL: list[Any] = [
    False,
    *(param.default for name, param in TABLE.items() if name != "enabled"),
    *(wish.default for wish in wishes.NAMES.values()),
]


def filled_up(args: Sequence[Any]) -> list[Any]:
    """As the host hands a script's arguments on: a short list with the page's initial values, a long one cut."""
    return [*args, *_INITIAL[len(args) :]][: len(_INITIAL)]


def read(args: Sequence[Any], presets: Presets, steps: int, overrides: Mapping[str, Any] | None = None) -> Settings:
    """The settings that a job asks for, of `steps` sampler steps.

    `args` has a value a control: a value a parameter, in the order of the table; flat names and values as
    the first; or either shape of ljleb/sd-webui-freeu. What the job wishes to see is left aside (wishes.py).
    `overrides` are an X/Y/Z plot's, and turn FreeU on unless they say otherwise; its `preset` is a base under
    them. Raises SettingsError.
    """
    settings = _read(args, presets, steps)
    overrides = wishes.without(overrides or {})
    if not overrides:
        return settings
    values: dict[str, Any] = {"enabled": True, **overrides}
    if "preset" in values:
        return Settings.parse(values, presets)
    return settings.replace(**values)


def _read(args: Sequence[Any], presets: Presets, steps: int) -> Settings:
    first = args[0]
    if isinstance(first, Mapping):
        # What follows is the page's. If it cannot be, somebody meant something by it.
        Settings.parse([False, *args[1 : len(TABLE)]])
        first = wishes.without(first)
        return _from_ljleb(first, steps) if _is_ljlebs(first) else Settings.parse(first, presets)
    if len(args) > 4 and isinstance(args[4], str) and args[4].startswith("Version "):
        return _from_ljleb_list(args[:LJLEB_LENGTH])
    return Settings.parse(args[: len(TABLE)])


def _is_ljlebs(payload: Mapping[str, Any]) -> bool:
    """Whether every name is of ljleb's extension, and not each of them ours too."""
    return LJLEB_KEYS.issuperset(payload) and not TABLE.keys() >= payload.keys()


def _from_ljleb(payload: Mapping[str, Any], steps: int) -> Settings:
    """`enable` is true, `version` 1 and every factor 1 where they are left out; whole numbers are steps."""
    values: dict[str, Any] = {
        "enabled": payload.get("enable", True),
        "version": payload.get("version", "1"),
        "start": _time(payload.get("start_ratio", 0.0), steps),
        "stop": _time(payload.get("stop_ratio", 1.0), steps),
        "smoothness": payload.get("transition_smoothness", 0.0),
    }
    for n, stage in zip(STAGES, _stages(payload.get("stage_infos", [])), strict=False):
        values.update(ljleb_stage(n, stage))
    return Settings.parse(values)


def _stages(infos: Any) -> list[Mapping[str, Any]]:
    """Three stages from dicts; what is left out is neutral."""
    if not isinstance(infos, list) or len(infos) > len(STAGES) or not all(isinstance(i, Mapping) for i in infos):
        raise SettingsError("stage_infos", infos, "it is a list of at most 3 stages, each of names and values")
    return [*infos, {}, {}, {}]


def _time(value: Any, steps: int) -> Any:
    """A share as it is; a whole number is a step."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return step_share(value, steps)
    return value


def _from_ljleb_list(args: Sequence[Any]) -> Settings:
    """Enable, start, stop, smoothness, version, and six values a stage; start and stop are shares here."""
    enable, start, stop, smoothness, version, *stages = args
    # A shorter list was filled up with this page's values, which mean something else.
    if stages[-1:] == _INITIAL[LJLEB_LENGTH - 1 : LJLEB_LENGTH] or any(isinstance(v, (str, bool)) for v in stages):
        raise SettingsError(
            "settings",
            list(args),
            f"a list for ljleb/sd-webui-freeu has {LJLEB_LENGTH} values; one that ends in {stages[-1]} cannot be told "
            "from a shorter one, so send an object with stage_infos",
        )
    names = [f"{name}{n}" for n in STAGES for name, _ in LJLEB_STAGE.values()]
    values = {"enabled": enable, "start": start, "stop": stop, "smoothness": smoothness}
    return Settings.parse(
        {**values, "version": version.removeprefix("Version "), **dict(zip(names, stages, strict=True))}
    )
