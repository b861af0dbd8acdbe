"""Tools whose FreeU has the four factors b1, b2, s1, s2 only."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from freeu.settings.parameter import SettingsError
from freeu.settings.settings import Settings

FACTORS = ("b1", "b2", "s1", "s2")
"""The factors, in the order of Forge and Fooocus."""


def settings_from_factors(values: Mapping[str, Any], linked: Collection[str] = (), **others: Any) -> Settings:
    """Return Settings with the four factors in `values` and with `others`.

    Raises SettingsError if a factor is missing, or `linked`: provided by another node of a graph.
    """
    for name in FACTORS:
        if name in linked:
            raise SettingsError(name, values.get(name), "must be a number in the node itself, not from another node")
    return Settings.parse({**{name: values.get(name) for name in FACTORS}, **others})
