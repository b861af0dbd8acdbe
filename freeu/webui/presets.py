"""The presets as the page and the API see them, with one that depends on the loaded model."""

from __future__ import annotations

from collections.abc import Mapping

from freeu.params import Settings
from freeu.presets import BUILTIN
from freeu.webui import host

CUSTOM = "Custom"
"""The name that stands for values of one's own."""

AUTOMATIC = "Automatic"
"""The name that stands for the right preset for the loaded model."""

FOR_FAMILY = {"SD 1": "SD1.5", "SD 2": "SD2.1", "SDXL": "SDXL"}


def named() -> Mapping[str, Settings]:
    """Every preset that has values of its own."""
    return BUILTIN


def available() -> Mapping[str, Settings]:
    """Every preset that can be asked for now: AUTOMATIC where it is known what is right for the loaded model."""
    automatic = FOR_FAMILY.get(host.model_family())
    return {AUTOMATIC: named()[automatic], **named()} if automatic else named()


def possible() -> Mapping[str, Settings]:
    """Every preset that a job may ask for: its model may not be loaded yet."""
    return {AUTOMATIC: Settings(), **named()}


def name_of(settings: Settings, shown: str = CUSTOM) -> str:
    """The preset with these values, on or off: the one shown, the loaded model's, or any; else CUSTOM."""
    values = settings.replace(enabled=True)
    candidates = [shown, FOR_FAMILY.get(host.model_family(), CUSTOM), *named()]
    return next((name for name in candidates if named().get(name) == values), CUSTOM)
