"""The built-in presets, each with its source. Parameters not listed keep their default."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from freeu.settings.settings import Settings


class Preset(NamedTuple):
    """Settings with a name and the reason to use them."""

    name: str
    settings: Settings
    help: str


_AUTHORS = "The authors' values for {} (README of ChenyangSi/FreeU)."

PRESETS = (
    Preset("SD1.4", Settings(b1=1.3, b2=1.4, s1=0.9, s2=0.2), _AUTHORS.format("SD 1.4")),
    Preset("SD1.5", Settings(b1=1.5, b2=1.6, s1=0.9, s2=0.2), _AUTHORS.format("SD 1.5")),
    Preset("SD2.1", Settings(b1=1.4, b2=1.6, s1=0.9, s2=0.2), _AUTHORS.format("SD 2.1")),
    Preset("SDXL", Settings(b1=1.3, b2=1.4, s1=0.9, s2=0.2), _AUTHORS.format("SDXL")),
    Preset(
        "SDXL gentle",
        Settings(b1=1.1, b2=1.2, s1=0.6, s2=0.4),
        "For SDXL fine-tunes that the authors' values oversaturate (from the sweep in ChenyangSi/FreeU issue 8; "
        "also the SDXL preset of ljleb/sd-webui-freeu).",
    ),
    Preset(
        "Forge default",
        Settings(b1=1.01, b2=1.02, s1=0.99, s2=0.95),
        "A very weak effect: the initial values of Forge's FreeU "
        "(sd_forge_freeu in lllyasviel/stable-diffusion-webui-forge).",
    ),
)

BUILTIN: Mapping[str, Settings] = {preset.name: preset.settings for preset in PRESETS}
"""The built-in presets' settings by name."""
