"""ljleb/sd-webui-freeu (https://github.com/ljleb/sd-webui-freeu): metadata, API payloads, preset file."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from freeu.compat.steps import sampled_steps, step_share
from freeu.settings.infotext import Infotext
from freeu.settings.parameter import SettingsError
from freeu.settings.settings import TABLE, Settings
from freeu.settings.stage import STAGES

STAGE_FIELDS = {
    "backbone_factor": ("b", 1.0),
    "skip_factor": ("s", 1.0),
    "backbone_offset": ("offset", 0.0),
    "backbone_width": ("width", 0.5),
    "skip_cutoff": ("cutoff", 0.0),
    "skip_high_end_factor": ("high", 1.0),
}
"""Its fields of a stage, each with our name and its default."""

REQUEST_KEYS = {"enable", "start_ratio", "stop_ratio", "transition_smoothness", "version", "stage_infos"}
"""Its names in an API object."""

LIST_LENGTH = 5 + len(STAGES) * len(STAGE_FIELDS)
"""Values in its positional list."""


def from_infotext(infotext: Infotext) -> Settings | None:
    """Read `FreeU Stages` (a JSON list), `FreeU Schedule` ("start, stop, smoothness") and `FreeU Version`.

    Images without `FreeU Version` are of version 1. Returns None without `FreeU Stages`. Raises SettingsError.
    """
    if "FreeU Stages" not in infotext:
        return None
    values = {"version": infotext.get("FreeU Version", "1"), **_stages(_parse_json(infotext["FreeU Stages"]))}
    if "FreeU Schedule" in infotext:
        values.update(_parse_schedule(infotext["FreeU Schedule"], sampled_steps(infotext)))
    return Settings.parse(values)


def is_request(payload: Mapping[str, Any]) -> bool:
    """Return True if all names are of this tool, and not all of them are ours too."""
    return REQUEST_KEYS.issuperset(payload) and not TABLE.keys() >= payload.keys()


def from_request(payload: Mapping[str, Any], steps: int) -> Settings:
    """Read an API object for a job that samples `steps` steps. Raises SettingsError.

    Missing values mean `enable` true, version 1 and factors of 1. A start or stop that is a whole number is a step.
    """
    return Settings.parse(
        {
            "enabled": payload.get("enable", True),
            "version": _version(payload.get("version", "1")),
            "start": _request_share(payload.get("start_ratio", 0.0), steps),
            "stop": _request_share(payload.get("stop_ratio", 1.0), steps),
            "smoothness": payload.get("transition_smoothness", 0.0),
            **_stages(_group_stages(payload.get("stage_infos", []))),
        }
    )


def is_list(args: Sequence[Any]) -> bool:
    """Return True for its positional list: the version, a text, is the fifth value. In our list, it is the second."""
    if len(args) < 5 or not isinstance(args[4], str):
        return False
    return args[4].startswith("Version ") or not isinstance(args[1], str)


def from_list(args: Sequence[Any]) -> Settings:
    """Read its positional list: enable, start, stop, smoothness, version, and six values per stage.

    Start and stop are shares of the run here. Raises SettingsError.
    """
    if len(args) != LIST_LENGTH:
        raise SettingsError(
            "settings", list(args), f"must be {LIST_LENGTH} values in a list for ljleb/sd-webui-freeu", "Send an object"
        )
    enable, start, stop, smoothness, version, *stages = args
    names = [f"{name}{n}" for n in STAGES for name, _ in STAGE_FIELDS.values()]
    schedule = {"enabled": enable, "start": start, "stop": stop, "smoothness": smoothness}
    return Settings.parse({**schedule, "version": _version(version), **dict(zip(names, stages, strict=True))})


def preset_entries(value: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    """Return the presets by name in its `presets.json`. Raises SettingsError if it is another file."""
    if not all(isinstance(preset, Mapping) for preset in value.values()):
        raise SettingsError("preset file", value, "must have presets of this extension or of ljleb/sd-webui-freeu")
    return value


def parse_preset(name: str, preset: Mapping[str, Any]) -> Settings:
    """Read one of its presets. Raises SettingsError.

    The file always says version 1, but its page ignores that and uses the version of its dropdown, which is 2 unless
    changed. So these presets are version 2.
    """
    stages: Any = preset.get("stage_infos")
    if not _is_list_of_objects(stages):
        raise SettingsError("stage_infos", stages, "must be a list of stages with names and values")
    return Settings.parse(
        {
            "version": "2",
            # Shares of the run even if they are whole numbers: they come from sliders.
            "start": preset.get("start_ratio", 0.0),
            "stop": preset.get("stop_ratio", 1.0),
            "smoothness": preset.get("transition_smoothness", 0.0),
            **_stages(stages),
        }
    )


def _version(version: Any) -> Any:
    """Return our version; its page's name for it is "Version 2"."""
    return version.removeprefix("Version ") if isinstance(version, str) else version


def _group_stages(values: Any) -> list[Mapping[str, Any]]:
    """Return a request's stages, each of which is an object, or up to six values in a row. Raises SettingsError."""
    stages: list[Mapping[str, Any]] = []
    rest = values if isinstance(values, list) and len(values) <= len(STAGES) * len(STAGE_FIELDS) else None
    while rest:
        is_object = isinstance(rest[0], Mapping)
        stages.append(rest[0] if is_object else dict(zip(STAGE_FIELDS, rest, strict=False)))
        rest = rest[1 if is_object else len(STAGE_FIELDS) :]
    if rest is None or len(stages) > len(STAGES):
        raise SettingsError("stage_infos", values, f"must be a list of at most {len(STAGES)} stages")
    return stages


def _stages(stages: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return our names and values for its stages; a missing stage is neutral. Raises SettingsError."""
    values: dict[str, Any] = {}
    for n, stage in zip(STAGES, [*stages, {}, {}, {}], strict=False):
        # Images of September 2023 have the cutoff's first name.
        fields = {"skip_cutoff" if name == "skip_threshold" else name: value for name, value in stage.items()}
        for name, value in fields.items():
            if name not in STAGE_FIELDS:
                raise SettingsError(f"{name} of stage {n}", value, f"is none of {', '.join(STAGE_FIELDS)}")
        values |= {f"{ours}{n}": fields.get(theirs, default) for theirs, (ours, default) in STAGE_FIELDS.items()}
    return values


def _parse_json(text: Any) -> list[Mapping[str, Any]]:
    """Return the list of objects in `FreeU Stages`, which may be quoted once more, as in an image file."""
    value = text
    try:
        while isinstance(value, str):
            value = json.loads(value, parse_int=float)  # an int of many digits takes quadratic time
    except (ValueError, RecursionError):
        value = None
    if not _is_list_of_objects(value):
        raise SettingsError("FreeU Stages", text, "must be a JSON list of stages")
    return list(value)


def _parse_schedule(schedule: Any, steps: int | None) -> dict[str, Any]:
    values = [value.strip() for value in str(schedule).strip(' "').split(",")]
    if len(values) != 3:
        raise SettingsError("FreeU Schedule", schedule, "must be three numbers: start, stop, smoothness")
    start, stop, smoothness = values
    return {
        "start": _infotext_share("start", start, steps),
        "stop": _infotext_share("stop", stop, steps),
        "smoothness": smoothness,
    }


def _infotext_share(name: str, value: str, steps: int | None) -> Any:
    """Return a start or stop as a share; a whole number is one of the `steps` that were sampled."""
    if not re.fullmatch(r"\d{1,5}", value):
        return value
    if int(value) == 0:
        return 0.0
    if steps is None:
        raise SettingsError(name, value, "must come with Steps in the infotext if it is a step")
    return step_share(int(value), steps)


def _request_share(value: Any, steps: int) -> Any:
    """Return a start or stop as a share; a whole number is a step."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return step_share(value, steps)
    return value


def _is_list_of_objects(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, Mapping) for item in value)
