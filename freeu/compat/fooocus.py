"""Fooocus (https://github.com/lllyasviel/Fooocus): metadata."""

from __future__ import annotations

from freeu.compat.factors import FACTORS
from freeu.settings.infotext import Infotext
from freeu.settings.parameter import SettingsError
from freeu.settings.settings import Settings


def from_infotext(infotext: Infotext) -> Settings | None:
    """Read `FreeU: "(1.01, 1.02, 0.99, 0.95)"`, or the key `freeu` of its JSON: b1, b2, s1, s2 of version 2.

    Returns None without either key. Raises SettingsError.
    """
    value = infotext.get("FreeU", infotext.get("freeu"))
    if value is None:
        return None
    values = str(value).strip(' "()[]').split(",")
    if len(values) != len(FACTORS):
        raise SettingsError("FreeU", value, "must be four numbers: b1, b2, s1, s2")
    return Settings.parse(dict(zip(FACTORS, values, strict=True)))
