"""A script's arguments, from the page or the API, and the values of an X/Y/Z plot's cell, as Settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from freeu.compat.request import parse_arguments
from freeu.settings.extra_outputs import without_extra_outputs
from freeu.settings.settings import Settings


def parse_script_args(
    args: Sequence[Any], presets: Mapping[str, Settings], steps: int, overrides: Mapping[str, Any]
) -> Settings:
    """Return the settings of a job; see `parse_arguments`. Raises SettingsError.

    `overrides` are the values of an X/Y/Z plot's cell. They turn FreeU on unless they say otherwise; their `preset`
    replaces all other values.
    """
    settings = parse_arguments(args, presets, steps)
    overrides = without_extra_outputs(overrides)
    if not overrides:
        return settings
    values: dict[str, Any] = {"enabled": True, **overrides}
    return Settings.parse(values, presets) if "preset" in values else settings.replace(**values)
