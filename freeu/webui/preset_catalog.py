"""All presets that the page, the API and the X/Y/Z plot offer: built-in, the user's own, those of other tools."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from threading import Lock

from freeu.compat.preset_import import read_preset_file
from freeu.preset_file import BrokenFileError, NewerFileError, ParsedPresets, read_bytes, similar_names
from freeu.settings.parameter import MAX_MESSAGE_LENGTH, readable
from freeu.settings.presets import PRESETS, Preset
from freeu.settings.settings import Settings
from freeu.user_presets import UserPresets
from freeu.webui import host

log = logging.getLogger(__name__)

CUSTOM = "Custom"
"""Stands for values that no preset has."""

AUTOMATIC = "Automatic"
"""Stands for the preset for the loaded model."""

MAX_LISTED = 10
"""Names or messages in a list, so that it stays readable."""

BY_FAMILY = {"SD 1": "SD1.5", "SD 2": "SD2.1", "SDXL": "SDXL"}
"""The preset for each family of models."""


class PresetCatalog:
    """The presets, as the files were when they were last read.

    The files are read by `reload` only, so moving a slider reads none.

    Attributes:
        own: the user's own presets, to be changed.
        presets: every preset by name.
        own_names: the names of the user's presets, with those that cannot be used.
        problems: messages about presets and files that cannot be used.
    """

    def __init__(self, own: UserPresets) -> None:
        self.own = own
        self._reload_lock = Lock()
        self.reload()

    def reload(self) -> None:
        """Read the files."""
        with self._reload_lock:  # requests run in threads: what was read first must not be stored last
            stamp = self._current_stamp()
            parsed = self.own.read()
            own = [Preset(name, settings, "Your own.") for name, settings in parsed.presets.items()]
            others = [preset for preset in _other_tools_presets() if preset.name not in parsed.presets]
            self.presets: Mapping[str, Preset] = {preset.name: preset for preset in (*PRESETS, *own, *others)}
            self.own_names = [*parsed.presets, *parsed.errors]
            errors = [f"{readable(name)} cannot be used: {error}" for name, error in parsed.errors.items()]
            self.problems = first_few([*self.own.moved, *errors])
            self._stamp = stamp

    def reload_if_changed(self) -> bool:
        """Read the files if any of them has changed since; return True if so."""
        changed = self._stamp != self._current_stamp()
        if changed:
            self.reload()
        return changed

    @property
    def settings(self) -> Mapping[str, Settings]:
        """The settings of every preset by name."""
        return {name: preset.settings for name, preset in self.presets.items()}

    def available(self) -> Mapping[str, Settings]:
        """Return the settings of every preset that can be used now, AUTOMATIC included if the model is known."""
        automatic = BY_FAMILY.get(host.model_family())
        settings = self.settings
        return {AUTOMATIC: settings[automatic], **settings} if automatic else settings

    def possible(self) -> Mapping[str, Settings]:
        """Return the settings of every preset that a job may name before its model is loaded."""
        return {AUTOMATIC: Settings(), **self.settings}

    def choices(self) -> list[str]:
        """Return the choices of the page's dropdown."""
        return [CUSTOM, AUTOMATIC, *self.presets]

    def name_of(self, settings: Settings, preferred: str = CUSTOM) -> str:
        """Return the preset with these values: preferably the given one or that for the loaded model."""
        return matching_name(settings, self.settings, [preferred, BY_FAMILY.get(host.model_family(), CUSTOM)])

    def _current_stamp(self) -> object:
        return self.own.stamp(), [(path, _modified(path)) for _, path in host.other_preset_files()]


def matching_name(settings: Settings, presets: Mapping[str, Settings], preferred: Iterable[str]) -> str:
    """Return the name of a preset with the values of `settings`, enabled or not, `preferred` names first; or CUSTOM."""
    enabled = settings.replace(enabled=True)
    return next((name for name in (*preferred, *presets) if presets.get(name) == enabled), CUSTOM)


def first_few(texts: list[str]) -> list[str]:
    """Return the texts, or some of them and how many more there are."""
    return texts if len(texts) <= MAX_LISTED else [*texts[:MAX_LISTED], f"{len(texts) - MAX_LISTED} more"]


def resolve_automatic(name: str) -> str:
    """Return the preset that AUTOMATIC stands for now; any other name stands for itself."""
    return BY_FAMILY.get(host.model_family(), name) if name == AUTOMATIC else name


def _other_tools_presets() -> list[Preset]:
    """Return the presets of other FreeU extensions in this WebUI, named `name (tool)`. Their files are only read."""
    presets: dict[str, Preset] = {}
    numbers: dict[str, Iterator[int]] = {}
    for tool, path in host.other_preset_files():
        for name, settings in _read(path).presets.items():
            names = similar_names(f"{name} ({tool})", numbers)
            shown = next(similar for similar in names if similar not in presets)
            presets[shown] = Preset(shown, settings, f"From the presets of {tool}.")
    return list(presets.values())


def _read(path: Path) -> ParsedPresets:
    """Return the presets of another tool's file; log what cannot be used."""
    try:
        parsed = read_preset_file(read_bytes(path))
    except (OSError, BrokenFileError, NewerFileError) as error:
        log.warning("the presets in %s are not offered: %s", path, readable(str(error), MAX_MESSAGE_LENGTH))
        return ParsedPresets({}, {})
    for problem in first_few([f"{readable(name)}: {message}" for name, message in parsed.errors.items()]):
        log.warning("a preset in %s is not offered: %s", path, problem)
    return parsed


def _modified(path: Path) -> float | None:
    try:
        return path.stat().st_mtime
    except OSError:
        return None
