"""Tools whose FreeU has the four factors b1, b2, s1, s2 only."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from freeu.settings.parameter import SettingsError
from freeu.settings.settings import Settings

FACTORS = ("b1", "b2", "s1", "s2")
"""The factors, in the order of Forge and Fooocus."""


def settings_from_factors(values: Mapping[str, Any], linked: Collection[str] = (), **others: Any) -> Settings:
    """Return Settings with four given factors and `others`. Raises SettingsError if one is missing.

    Args:
        values: the factors, among other values, which are ignored.
        linked: factors of a graph's node that another node provides. They cannot be read.
        others: further parameters.
    """
    for name in FACTORS:
        if name in linked:
            raise SettingsError(name, values.get(name), "must be a number in the node itself, not from another node")
    return Settings.parse({**{name: values.get(name) for name in FACTORS}, **others})
