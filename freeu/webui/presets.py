"""The presets as the page and the API see them: built in, one's own, other tools', and that of the loaded model."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path

from freeu import otherpresets
from freeu.params import Settings
from freeu.presetfile import BrokenFileError, NewerFileError, names_like
from freeu.presets import PRESETS, Preset
from freeu.userpresets import UserPresets
from freeu.webui import host

log = logging.getLogger(__name__)

OWN = UserPresets(host.EXTENSION / "presets.json")
"""The user's own: what the page saves."""

CUSTOM = "Custom"
"""The name that stands for values of one's own."""

AUTOMATIC = "Automatic"
"""The name that stands for the right preset for the loaded model."""

FOR_FAMILY = {"SD 1": "SD1.5", "SD 2": "SD2.1", "SDXL": "SDXL"}


def every() -> list[Preset]:
    """Every preset that has values of its own."""
    own = [Preset(name, settings, "Your own.") for name, settings in OWN.presets.items()]
    others = [preset for preset in _other_tools() if preset.name not in OWN.presets]
    return [*PRESETS, *own, *others]


def named() -> Mapping[str, Settings]:
    """The same, by name."""
    return {preset.name: preset.settings for preset in every()}


def available() -> Mapping[str, Settings]:
    """Every preset that can be asked for now: AUTOMATIC where it is known what is right for the loaded model."""
    known = named()
    automatic = FOR_FAMILY.get(host.model_family())
    return {AUTOMATIC: known[automatic], **known} if automatic else known


def possible() -> Mapping[str, Settings]:
    """Every preset that a job may ask for: its model may not be loaded yet."""
    return {AUTOMATIC: Settings(), **named()}


def choices() -> list[str]:
    """What the page's dropdown offers."""
    return [CUSTOM, AUTOMATIC, *named()]


def resolved(name: str) -> str:
    """The preset that AUTOMATIC stands for now; any other is itself."""
    return FOR_FAMILY.get(host.model_family(), name) if name == AUTOMATIC else name


def name_of(settings: Settings, shown: str = CUSTOM) -> str:
    """The preset with these values, on or off: the one shown, the loaded model's, or any; else CUSTOM."""
    values = settings.replace(enabled=True)
    known = named()
    candidates = [shown, FOR_FAMILY.get(host.model_family(), CUSTOM), *known]
    return next((name for name in candidates if known.get(name) == values), CUSTOM)


def _other_tools() -> Iterator[Preset]:
    """Those of another FreeU in this WebUI, with its name in theirs. They are looked at, and never changed."""
    for tool, path in host.other_presets():
        for name, settings in _read(path, path.stat().st_mtime_ns).items():
            yield Preset(next(names_like(f"{name} ({tool})")), settings, f"From {tool}'s presets.")


@lru_cache(maxsize=8)
def _read(path: Path, changed: int) -> Mapping[str, Settings]:
    """What can be used of a file as it was when it was `changed`."""
    try:
        found = otherpresets.read(path.read_bytes())
    except (OSError, BrokenFileError, NewerFileError) as error:
        log.warning("the presets in %s are not offered: %s", path, error)
        return {}
    for name, why in found.refused.items():
        log.warning("the preset %s in %s is not offered: %s", name, path, why)
    return found.presets
