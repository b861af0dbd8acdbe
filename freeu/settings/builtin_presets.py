"""Values of the built-in presets, each with its source. Parameters not listed keep their default."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class BuiltinPreset(NamedTuple):
    """Values by parameter name, and their source."""

    values: Mapping[str, float]
    help: str


_AUTHORS = "The authors' values for {} (README of ChenyangSi/FreeU)."

BUILTIN_PRESETS: Mapping[str, BuiltinPreset] = {
    "SD1.4": BuiltinPreset({"b1": 1.3, "b2": 1.4, "s1": 0.9, "s2": 0.2}, _AUTHORS.format("SD 1.4")),
    "SD1.5": BuiltinPreset({"b1": 1.5, "b2": 1.6, "s1": 0.9, "s2": 0.2}, _AUTHORS.format("SD 1.5")),
    "SD2.1": BuiltinPreset({"b1": 1.4, "b2": 1.6, "s1": 0.9, "s2": 0.2}, _AUTHORS.format("SD 2.1")),
    "SDXL": BuiltinPreset({"b1": 1.3, "b2": 1.4, "s1": 0.9, "s2": 0.2}, _AUTHORS.format("SDXL")),
    "SDXL gentle": BuiltinPreset(
        {"b1": 1.1, "b2": 1.2, "s1": 0.6, "s2": 0.4},
        "For SDXL fine-tunes that the authors' values oversaturate (from the sweep in ChenyangSi/FreeU issue 8; "
        "also the SDXL preset of ljleb/sd-webui-freeu).",
    ),
    "Forge default": BuiltinPreset(
        {"b1": 1.01, "b2": 1.02, "s1": 0.99, "s2": 0.95},
        "A very weak effect: the initial values of Forge's FreeU "
        "(sd_forge_freeu in lllyasviel/stable-diffusion-webui-forge).",
    ),
}
