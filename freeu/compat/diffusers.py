"""diffusers (https://github.com/huggingface/diffusers): the arguments of `enable_freeu`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from freeu.compat.factors import FACTORS, settings_from_factors
from freeu.settings.settings import Settings


def from_arguments(values: Mapping[str, Any], linked: Collection[str] = ()) -> Settings:
    """Read s1, s2, b1, b2: version 1 on stages by resolution; a 0 turns FreeU off. Raises SettingsError."""
    settings = settings_from_factors(values, linked, version="1", stage_map="levels")
    return settings if all(getattr(settings, name) for name in FACTORS) else settings.replace(enabled=False)
