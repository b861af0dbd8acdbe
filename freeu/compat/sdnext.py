"""SD.Next (https://github.com/vladmandic/sdnext): metadata, and options in API requests and in its config.json."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from freeu.compat import diffusers
from freeu.compat.factors import FACTORS, settings_from_factors
from freeu.settings.infotext import Infotext
from freeu.settings.parameter import SettingsError
from freeu.settings.settings import Settings

OPTIONS = {"b1": 1.2, "b2": 1.4, "s1": 0.9, "s2": 0.2}
"""The initial values of its options `freeu_b1` and so on; config.json has only those that were changed."""

MARKS = {
    *("override_settings", "steps", "sampler_name", "sampler_index", "cfg_scale", "n_iter", "batch_size", "styles"),
    *("width", "height", "init_images", "denoising_strength", "enable_hr", "hr_scale", "alwayson_scripts"),
    *("sd_backend", "sd_model_checkpoint", "sd_vae", "diffusers_pipeline", "samples_format", "outdir_txt2img_samples"),
}
"""Names in its requests and in its config.json that no other tool has beside `freeu_enabled`."""

ORIGINAL_BACKEND = ("Original", "original", "Legacy")
"""Its names of the backend whose FreeU is that of ljleb's extension. The other backend calls diffusers."""

ORIGINAL_WIDTHS = {"width1": 641 / 1280, "width2": 321 / 640}
"""That FreeU scales one channel more than half of them."""


def from_infotext(infotext: Infotext) -> Settings | None:
    """Read `FreeU: b1=1.2 b2=1.4 s1=0.9 s2=0.2`, and `Backend`. Returns None if `FreeU` is not in this form.

    Raises SettingsError.
    """
    text = str(infotext.get("FreeU", ""))
    if "=" not in text:
        return None
    values = dict(pair.partition("=")[::2] for pair in text.split())
    if set(values) != set(FACTORS):
        raise SettingsError("FreeU", text, "must be four numbers, such as b1=1.2 b2=1.4 s1=0.9 s2=0.2")
    return _settings(values, infotext.get("Backend"))


def from_options(options: Mapping[str, Any]) -> Settings:
    """Read the options `freeu_b1` and so on of a request or of config.json, with FreeU on. Raises SettingsError."""
    values = {name: options.get(f"freeu_{name}", initial) for name, initial in OPTIONS.items()}
    return _settings(values, options.get("sd_backend"))


def _settings(values: Mapping[str, Any], backend: object) -> Settings:
    if backend in ORIGINAL_BACKEND:
        return settings_from_factors(values, (), version="1", **ORIGINAL_WIDTHS)
    return diffusers.from_arguments(values)
