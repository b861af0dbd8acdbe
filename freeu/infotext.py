"""Picture metadata: ours written and read, and that of other tools read.

Every reader takes the keys and values of a picture's parameters and gives Settings, or None where its
tool wrote nothing there. A damaged value raises SettingsError.
"""

from __future__ import annotations

import json
import logging
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from freeu.params import STAGES, TABLE, Settings
from freeu.values import SettingsError, short

log = logging.getLogger(__name__)

Infotext = Mapping[str, Any]
FACTORS = ("b1", "b2", "s1", "s2")
"""What Forge, SD.Next and Fooocus have, in Fooocus' order."""


def to_infotext(settings: Settings) -> dict[str, str]:
    """Keys and values to write; nothing at all where FreeU is off."""
    if not settings.enabled:
        return {}
    values = settings.to_dict()
    written = (name for name, param in TABLE.items() if param.always or values[name] != param.when_absent)
    return {key(name): _written(values[name]) for name in written}


def from_infotext(infotext: Infotext) -> Settings | None:
    """The settings that made a picture, whichever tool wrote them; None for a picture without FreeU.

    Values may be text. Reads our keys, and those of ljleb/sd-webui-freeu, Forge, reForge, SD.Next and Fooocus.
    Raises SettingsError, naming the field, for a value that is not allowed here, also where the other
    tool allows it (Forge's s goes up to 4, and its start may be after its end).
    """
    found = made_by(infotext)
    return found[1] if found else None


def made_by(infotext: Infotext) -> tuple[str, Settings] | None:
    """The tool that wrote a picture's FreeU settings, and the settings, as `from_infotext` finds them."""
    for tool, reader in READERS.items():
        if (settings := reader(infotext)) is not None:
            return tool, settings
    return None


def key(name: str) -> str:
    """The infotext key of a parameter."""
    return f"FreeU {name.replace('_', ' ')}"


def step_share(step: int, steps: int) -> float:
    """The start or stop that means step `step` of `steps`: `int(share * steps) == step`."""
    share = min(step, steps) / steps
    # Dividing can round to just under the step.
    return share if int(share * steps) == min(step, steps) else math.nextafter(share, 1)


def _ours(infotext: Infotext) -> Settings | None:
    names = {key(name): name for name in TABLE}
    values = {names[k]: value for k, value in infotext.items() if k in names}
    if not values:
        return None
    for unknown in (k for k in infotext if k.startswith("FreeU ") and k not in names):
        log.warning("infotext: %s is unknown to this version of FreeU and was left out", unknown)
    return Settings(**{**{name: param.when_absent for name, param in TABLE.items()}, **values})


def _ljleb(infotext: Infotext) -> Settings | None:
    """`FreeU Stages` is a JSON list, `FreeU Schedule` is "start, stop, smoothness"; no `FreeU Version` means 1."""
    if "FreeU Stages" not in infotext:
        return None
    values: dict[str, Any] = {"version": infotext.get("FreeU Version", "1")}
    stages = _json("FreeU Stages", infotext["FreeU Stages"])
    for n, stage in zip(STAGES, [*stages, {}, {}, {}], strict=False):
        values.update(ljleb_stage(n, stage))
    if "FreeU Schedule" in infotext:
        values.update(_ljleb_schedule(infotext["FreeU Schedule"], infotext.get("Steps")))
    return Settings.parse(values)


LJLEB_STAGE = {
    "backbone_factor": ("b", 1.0),
    "skip_factor": ("s", 1.0),
    "backbone_offset": ("offset", 0.0),
    "backbone_width": ("width", 0.5),
    "skip_cutoff": ("cutoff", 0.0),
    "skip_high_end_factor": ("high", 1.0),
}
"""The fields of a stage in ljleb/sd-webui-freeu: our name, and the value that is left out there."""


def ljleb_stage(n: int, stage: Mapping[str, Any]) -> dict[str, Any]:
    """Our flat names and values for stage `n` of ljleb/sd-webui-freeu. Raises SettingsError for an unknown field."""
    # Pictures of September 2023 have the cutoff's first name.
    stage = {"skip_cutoff" if k == "skip_threshold" else k: value for k, value in stage.items()}
    for name in stage:
        if name not in LJLEB_STAGE:
            raise SettingsError("FreeU Stages", name, f"a stage has {', '.join(LJLEB_STAGE)}")
    return {f"{ours}{n}": stage.get(theirs, default) for theirs, (ours, default) in LJLEB_STAGE.items()}


def _ljleb_schedule(schedule: str, steps: Any) -> dict[str, Any]:
    values = [value.strip() for value in str(schedule).strip(' "').split(",")]
    if len(values) != 3:
        raise SettingsError("FreeU Schedule", schedule, "it is three numbers: start, stop, smoothness")
    start, stop, smoothness = values
    return {
        "start": _ljleb_time("start", start, steps),
        "stop": _ljleb_time("stop", stop, steps),
        "smoothness": smoothness,
    }


def _ljleb_time(name: str, value: str, steps: Any) -> Any:
    """A share as it is; a whole number is a step there."""
    if not re.fullmatch(r"\d{1,5}", value):
        return value
    if int(value) == 0:
        return 0.0
    if (total := _steps(steps)) is None:
        raise SettingsError(name, value, "a step can only be read where the infotext has Steps too")
    return step_share(int(value), total)


def _forge(infotext: Infotext) -> Settings | None:
    """Forge writes seven keys; reForge, and Forge until September 2024, the first five."""
    if "freeu_enabled" not in infotext:
        return None
    if str(infotext["freeu_enabled"]) == "False":
        return Settings(enabled=False)
    factors = {name: infotext.get(f"freeu_{name}") for name in FACTORS}
    times = {"start": infotext.get("freeu_start", 0.0), "stop": infotext.get("freeu_end", 1.0)}
    settings = Settings.parse({"enabled": infotext["freeu_enabled"], "version": "2", **factors, **times})
    return _forge_window(settings, _steps(infotext.get("Steps")))


def _forge_window(settings: Settings, steps: int | None) -> Settings:
    """The window that acts at Forge's steps: those with start <= step / (steps - 1) <= end."""
    if steps is None or steps == 1:
        return settings
    acting = [step for step in range(steps) if settings.start <= step / (steps - 1) <= settings.stop]
    first, end = (acting[0], acting[-1] + 1) if acting else (0, 0)
    if (int(settings.start * steps), int(settings.stop * steps)) == (first, end):
        return settings
    return settings.replace(start=step_share(first, steps), stop=step_share(end, steps))


def _steps(value: Any) -> int | None:
    """The infotext's Steps, where it is a number of steps."""
    text = str(value).strip()
    return int(text) if re.fullmatch(r"[1-9]\d{0,4}", text) else None


def _sd_next(infotext: Infotext) -> Settings | None:
    """`FreeU: b1=1.2 b2=1.4 s1=0.9 s2=0.2`; version 1 on the stages of diffusers, its default backend."""
    text = str(infotext.get("FreeU", ""))
    if "=" not in text:
        return None
    values = dict(re.findall(r"(\w+)=(\S+)", text))
    if set(values) != set(FACTORS):
        raise SettingsError("FreeU", text, "it is four numbers, such as b1=1.2 b2=1.4 s1=0.9 s2=0.2")
    return Settings.parse({"version": "1", "stage_map": "levels", **values})


def _fooocus(infotext: Infotext) -> Settings | None:
    """`FreeU: "(1.01, 1.02, 0.99, 0.95)"`, or the key `freeu` in JSON: b1, b2, s1, s2."""
    value = infotext.get("FreeU", infotext.get("freeu"))
    if value is None:
        return None
    values = str(value).strip(' "()[]').split(",")
    if len(values) != 4:
        raise SettingsError("FreeU", value, "it is four numbers: b1, b2, s1, s2")
    return Settings.parse(dict(zip(FACTORS, values, strict=True)))


READERS: Mapping[str, Callable[[Infotext], Settings | None]] = {
    "this extension": _ours,
    "ljleb's sd-webui-freeu": _ljleb,
    "Forge or reForge": _forge,
    "SD.Next": _sd_next,
    "Fooocus": _fooocus,
}
"""In the order in which they are asked: ours first, Fooocus last, since its key is the least telling."""


def _written(value: bool | float | str) -> str:
    return short(value) if isinstance(value, float) else str(value)


def _json(name: str, text: Any) -> list[Mapping[str, Any]]:
    """A JSON list of objects, also when it is quoted once more, as in the file."""
    value = text
    try:
        while isinstance(value, str):
            value = json.loads(value)
    except (ValueError, RecursionError) as error:
        raise SettingsError(name, text, "it is a JSON list of stages") from error
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise SettingsError(name, text, "it is a JSON list of stages")
    return value
