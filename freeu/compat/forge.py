"""FreeU in Forge and reForge: metadata, API payloads, preset file.

Source: https://github.com/lllyasviel/stable-diffusion-webui-forge,
extensions-builtin/sd_forge_freeu/scripts/forge_freeu.py.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from freeu.compat.factors import FACTORS, settings_from_factors
from freeu.compat.steps import sampled_steps, step_share
from freeu.settings.infotext import Infotext
from freeu.settings.parameter import SettingsError
from freeu.settings.settings import Settings

SCRIPT = "freeu integrated"
"""The beginning of its script's name in the API."""

LIST_NAMES = ("enabled", *FACTORS, "start", "end")
"""Its positional list in the API."""

MARKS = {"freeu_start", "freeu_end", "Steps", "Sampler", "Seed", "Schedule type", "CFG scale", "Model hash"}
"""Keys of an infotext that no other tool has beside `freeu_enabled`."""

PRESET_NAMES = (*FACTORS, "start", "stop")
"""The values after the name of a preset, by our names."""

VARIABLE = "presets_custom"
"""The list in a preset file."""

_COMMENT = re.compile(r"""("[^"\n]*"|'[^'\n]*')|\#.*""", re.VERBOSE)
_ENTRY = re.compile(r"""[(\[]\s*(["'])(?P<name>(?:(?!\1)[^\\\n])*)\1\s*,(?P<values>[^()\[\]"']*)[)\]]""")


def from_infotext(infotext: Infotext) -> Settings | None:
    """Read `freeu_enabled` and six other keys. Raises SettingsError.

    reForge, and Forge until September 2024, write the first five of them: the whole run. Returns None without
    `freeu_enabled`.
    """
    if "freeu_enabled" not in infotext:
        return None
    if str(infotext["freeu_enabled"]) == "False":
        return Settings(enabled=False)
    return from_keys(infotext)


def from_keys(infotext: Infotext) -> Settings:
    """Read the keys of an infotext with FreeU on. Raises SettingsError."""
    settings = settings_from_factors(
        {name: infotext.get(f"freeu_{name}") for name in FACTORS},
        enabled=infotext["freeu_enabled"],
        version="2",
        start=infotext.get("freeu_start", 0.0),
        stop=infotext.get("freeu_end", 1.0),
    )
    return _convert_window(settings, sampled_steps(infotext))


def from_list(args: Sequence[Any], steps: int | None) -> Settings | None:
    """Read its positional list, for a job of `steps` steps. Raises SettingsError."""
    values = {f"freeu_{name}": value for name, value in zip(LIST_NAMES, args, strict=False)}
    return from_infotext({**values, "Steps": steps})


def preset_entries(text: str) -> list[tuple[str, list[str]]]:
    """Return names and values in its `freeu_presets.py`, a Python file, without parsing or running it.

    The entries (name, b1, b2, s1, s2, start, end) are those of `presets_custom`, however the list grows. Names may be
    equal: Forge offers each of them. Raises SettingsError if the list has anything else.

    `ast` is not used: in Python 3.10, a long `1+1+1+...` or `a.b.b...` overflows its stack and ends the process.
    """
    code = _COMMENT.sub(r"\1", text)
    rest = re.search(r"[\"'\d].*", _ENTRY.sub("", code))
    if rest or VARIABLE not in code:
        rule = f"must be JSON, or Forge's {VARIABLE}, a list of (name, {', '.join(PRESET_NAMES)})"
        raise SettingsError("preset file", rest[0] if rest else code, rule)
    return [(entry["name"], _values(entry["values"])) for entry in _ENTRY.finditer(code)]


def parse_preset(name: str, values: Sequence[Any]) -> Settings:
    """Read one of its presets. Raises SettingsError."""
    if len(values) != len(PRESET_NAMES):
        raise SettingsError(name, list(values), f"must have {', '.join(PRESET_NAMES)}")
    return Settings.parse({"version": "2", **dict(zip(PRESET_NAMES, values, strict=True))})


def _values(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _convert_window(settings: Settings, steps: int | None) -> Settings:
    """Return start and stop that act at the same steps as in Forge: those with start <= step / (steps - 1) <= end."""
    if steps is None or steps == 1:
        return settings
    active = [step for step in range(steps) if settings.start <= step / (steps - 1) <= settings.stop]
    first, end = (active[0], active[-1] + 1) if active else (0, 0)
    if (int(settings.start * steps), int(settings.stop * steps)) == (first, end):
        return settings
    return settings.replace(start=step_share(first, steps), stop=step_share(end, steps))
