"""`freeu_enabled`, `freeu_b1` and so on: several tools write these names, with different meanings.

Which tool it was is decided by the other names beside them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple

from freeu.compat import fooocus, forge, sdnext
from freeu.compat.switch import says_off
from freeu.settings.parameter import SettingsError
from freeu.settings.settings import Settings

SWITCH = "freeu_enabled"

NESTED = ("override_settings", "advanced_params")
"""Objects of a request, of SD.Next and of Fooocus-API, that can have the names in place of the request itself."""


class Tool(NamedTuple):
    """A tool's name, the names that only its requests and files have, and the reader of its fields with FreeU on."""

    name: str
    marks: Collection[str]
    read: Callable[[Mapping[str, Any]], Settings]


TOOLS: Mapping[str, Tool] = {
    "forge": Tool("Forge or reForge", forge.MARKS, forge.from_keys),
    "fooocus": Tool("Fooocus", fooocus.MARKS, fooocus.from_fields),
    "sdnext": Tool("SD.Next", sdnext.MARKS, sdnext.from_options),
}
"""By the value of the option `--tool`. In the order in which they are tried: the least specific marks last."""


def from_fields(value: Any) -> tuple[str, Settings] | None:
    """Return the tool's name and the settings; None without `freeu_enabled`.

    Raises SettingsError, also if FreeU is on and the tool cannot be told.
    """
    fields = _join(value)
    if SWITCH not in fields:
        return None
    name = next((name for name, tool in TOOLS.items() if fields.keys() & tool.marks), "")
    if name:
        return read_as(name, value)
    if says_off(fields[SWITCH]):
        return "one of several tools", Settings(enabled=False)
    tools = ", ".join(tool.name for tool in TOOLS.values())
    rule = f"must stand beside other settings of its tool, since several tools write it ({tools})"
    raise SettingsError(SWITCH, fields[SWITCH], rule, f"Name the tool: --tool {', '.join(TOOLS)}")


def read_as(name: str, value: Any) -> tuple[str, Settings]:
    """Return a tool's name and the settings in its request or file. Raises SettingsError."""
    fields = _join(value)
    if SWITCH not in fields:
        raise SettingsError(SWITCH, None, "must be in a JSON object of this tool")
    tool = TOOLS[name]
    return tool.name, Settings(enabled=False) if says_off(fields[SWITCH]) else tool.read(fields)


def _join(value: Any) -> dict[str, Any]:
    """Return the fields of a request, those in its NESTED objects too; its own ones win."""
    if not isinstance(value, Mapping):
        return {}
    nested = [value[name] for name in NESTED if isinstance(value.get(name), Mapping)]
    return {name: field for fields in (*nested, value) for name, field in fields.items()}
