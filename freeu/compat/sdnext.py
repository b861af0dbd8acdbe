"""SD.Next (https://github.com/vladmandic/sdnext): metadata."""

from __future__ import annotations

import re

from freeu.compat.factors import FACTORS
from freeu.settings.infotext import Infotext
from freeu.settings.parameter import SettingsError
from freeu.settings.settings import Settings


def from_infotext(infotext: Infotext) -> Settings | None:
    """Read `FreeU: b1=1.2 b2=1.4 s1=0.9 s2=0.2`: version 1 on the stages of diffusers, its default backend.

    Returns None if `FreeU` is not in this form. Raises SettingsError.
    """
    text = str(infotext.get("FreeU", ""))
    if "=" not in text:
        return None
    values = dict(re.findall(r"(\w+)=(\S+)", text))
    if set(values) != set(FACTORS):
        raise SettingsError("FreeU", text, "must be four numbers, such as b1=1.2 b2=1.4 s1=0.9 s2=0.2")
    return Settings.parse({"version": "1", "stage_map": "levels", **values})
