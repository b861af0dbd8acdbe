"""Fooocus (https://github.com/lllyasviel/Fooocus): metadata, and jobs of its API.

The API: https://github.com/mrhan1993/Fooocus-API.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from freeu.compat.factors import FACTORS, settings_from_factors
from freeu.settings.infotext import Infotext
from freeu.settings.parameter import SettingsError
from freeu.settings.settings import Settings

FIELDS = {"b1": 1.01, "b2": 1.02, "s1": 0.99, "s2": 0.95}
"""The initial values of the fields `freeu_b1` and so on of a job."""

MARKS = {
    *("performance_selection", "aspect_ratios_selection", "style_selections", "image_number", "image_seed"),
    *("base_model_name", "refiner_model_name", "refiner_swap_method", "adaptive_cfg", "adm_scaler_end", "sharpness"),
    *("overwrite_step", "overwrite_switch", "uov_method", "inpaint_engine", "advanced_params", "async_process"),
}
"""Names of a job that no other tool has beside `freeu_enabled`."""


def from_infotext(infotext: Infotext) -> Settings | None:
    """Read `FreeU: "(1.01, 1.02, 0.99, 0.95)"`, or the key `freeu` of its JSON: b1, b2, s1, s2 of version 2.

    Returns None without either key. Raises SettingsError.
    """
    value = infotext.get("FreeU", infotext.get("freeu"))
    if value is None or str(value) == "False":
        return None
    values = str(value).strip(' "()[]').split(",")
    if len(values) != len(FACTORS):
        raise SettingsError("FreeU", value, "must be four numbers: b1, b2, s1, s2")
    return Settings.parse(dict(zip(FACTORS, values, strict=True)))


def from_fields(fields: Mapping[str, Any]) -> Settings:
    """Read the fields `freeu_b1` and so on of a job with FreeU on. Raises SettingsError."""
    return settings_from_factors({name: fields.get(f"freeu_{name}", initial) for name, initial in FIELDS.items()})
