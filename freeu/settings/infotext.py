"""The metadata that a WebUI writes into images (its "infotext"), and FreeU's own keys in it.

An infotext has a line `Steps: 20, Sampler: Euler, FreeU b1: 1.3, ...`. A value with a comma, a colon or a line break in
it is a JSON string. Extensions can write more lines below that one, such as `Template: ...`.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from typing import Any

from freeu.settings.parameter import format_number, readable
from freeu.settings.settings import TABLE, Settings

log = logging.getLogger(__name__)

Infotext = Mapping[str, Any]
"""The keys and values of an infotext's line of parameters."""

DIAGNOSTICS_KEY = "FreeU diagnostics"
"""Key of images made for comparison; no parameter."""

_STEPS = "\nSteps: "
"""The beginning of the line of parameters."""

_PAIR = re.compile(r'([^,:"\n]*:)?[ \t]*("(?:\\.|[^"\\])*"(?=[ \t\r]*(?:[,\n]|\Z))|[^,\n]*)[ \t\r]*', re.DOTALL)
"""What is between two commas: a key or none, and a value. It matches anything, so that parsing takes linear time."""


def infotext_key(name: str) -> str:
    """Return the infotext key of a parameter."""
    return f"FreeU {name.replace('_', ' ')}"


def to_infotext(settings: Settings) -> dict[str, str]:
    """Return the keys and values to write into an image; none if FreeU is off."""
    if not settings.enabled:
        return {}
    values = settings.to_dict()
    written = [
        n for n, parameter in TABLE.items() if parameter.always_written or values[n] != parameter.infotext_default
    ]
    return {infotext_key(name): _format(values[name]) for name in written}


def from_own_infotext(infotext: Infotext) -> Settings | None:
    """Read the settings that this extension wrote; None if there are none. Raises SettingsError."""
    names = {infotext_key(name): name for name in TABLE}
    values = {names[key]: value for key, value in infotext.items() if key in names}
    if not values:
        return None
    unknown = [key for key in infotext if key.startswith("FreeU ") and key not in names and key != DIAGNOSTICS_KEY]
    if unknown:
        log.warning("infotext: keys unknown to this version of FreeU are ignored: %s", readable(", ".join(unknown)))
    return INFOTEXT_DEFAULTS.replace(**values)


INFOTEXT_DEFAULTS = Settings.parse({name: parameter.infotext_default for name, parameter in TABLE.items()})
"""The settings meant by an image, or by an entry of a preset file, that leaves out every value."""


def parse_parameters(text: str) -> dict[str, str]:
    """Return the keys and values of an infotext: of the last line that begins with Steps, or else of the last line."""
    lines = f"\n{text.strip()}"
    position = lines.rfind(_STEPS if _STEPS in lines else "\n")
    values = {}
    while pair := _PAIR.match(lines, position + 1):
        key, value = pair.groups()
        if key:
            values[key.removesuffix(":").strip()] = _unquote(value.strip())
        position = pair.end()
        if not lines.startswith(",", position):
            break
    return values


def _format(value: bool | float | str) -> str:
    return format_number(value) if isinstance(value, float) else str(value)


def _unquote(value: str) -> str:
    if not value.startswith('"'):
        return value
    try:
        return str(json.loads(value, strict=False))  # may have line breaks
    except ValueError:
        return value
