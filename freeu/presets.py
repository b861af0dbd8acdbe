"""Known-good values, each with where it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from freeu.params import Settings


class Preset(NamedTuple):
    """Settings with a name and the reason to use them."""

    name: str
    settings: Settings
    help: str


PRESETS = (
    Preset(
        "SD1.4",
        Settings(b1=1.3, b2=1.4, s1=0.9, s2=0.2),
        "The authors' values for SD 1.4 (README of ChenyangSi/FreeU).",
    ),
    Preset(
        "SD1.5",
        Settings(b1=1.5, b2=1.6, s1=0.9, s2=0.2),
        "The authors' values for SD 1.5 (README of ChenyangSi/FreeU).",
    ),
    Preset(
        "SD2.1",
        Settings(b1=1.4, b2=1.6, s1=0.9, s2=0.2),
        "The authors' values for SD 2.1 (README of ChenyangSi/FreeU).",
    ),
    Preset(
        "SDXL", Settings(b1=1.3, b2=1.4, s1=0.9, s2=0.2), "The authors' values for SDXL (README of ChenyangSi/FreeU)."
    ),
    Preset(
        "SDXL gentle",
        Settings(b1=1.1, b2=1.2, s1=0.6, s2=0.4),
        "For SDXL fine-tunes that the authors' values burn (from the sweep in ChenyangSi/FreeU issue 8; "
        "also the SDXL preset of ljleb/sd-webui-freeu).",
    ),
    Preset(
        "Forge default",
        Settings(b1=1.01, b2=1.02, s1=0.99, s2=0.95),
        "Barely there: what Forge's FreeU starts with (sd_forge_freeu in lllyasviel/stable-diffusion-webui-forge).",
    ),
)

BUILTIN: Mapping[str, Settings] = {preset.name: preset.settings for preset in PRESETS}
