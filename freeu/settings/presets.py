"""The built-in presets as Settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from freeu.settings.builtin_presets import BUILTIN_PRESETS
from freeu.settings.settings import Settings


class Preset(NamedTuple):
    """Settings with a name and the reason to use them."""

    name: str
    settings: Settings
    help: str


PRESETS = tuple(Preset(name, Settings.parse(preset.values), preset.help) for name, preset in BUILTIN_PRESETS.items())

BUILTIN: Mapping[str, Settings] = {preset.name: preset.settings for preset in PRESETS}
"""The built-in presets' settings by name."""
