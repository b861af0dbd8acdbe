"""All presets that the page, the API and the X/Y/Z plot offer: built-in, the user's own, those of other tools."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from threading import Lock

from freeu.compat.preset_import import read_preset_file
from freeu.settings.parameter import MAX_MESSAGE_LENGTH, SettingsError, readable
from freeu.settings.presets import PRESETS, Preset
from freeu.settings.settings import Settings
from freeu.user_presets import ParsedPresets, UserPresets, similar_names
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

    The files are read by `reload_if_changed` only, so moving a slider reads none.

    Attributes:
        own: the user's own presets, to be changed.
        presets: every preset by name.
        settings: the settings of every preset by name.
        own_names: the names of the user's presets, with those that cannot be used.
        problems: messages about presets and files that cannot be used.
    """

    def __init__(self, own: UserPresets) -> None:
        self.own = own
        self._lock = Lock()
        self._stamp: object = None
        self.reload_if_changed()

    def reload_if_changed(self) -> None:
        """Read the files if any of them has changed since they were read."""
        with self._lock:  # requests run in threads: what was read first must not be stored last
            files = list(host.other_preset_files())
            stamp = [(path, _stamp(path)) for path in (self.own.path, *(path for _, path in files))]
            if stamp == self._stamp:
                return
            parsed = self.own.read()
            own = [Preset(name, settings, "Your own.") for name, settings in parsed.presets.items()]
            others = [preset for preset in _other_tools_presets(files) if preset.name not in parsed.presets]
            self.presets: Mapping[str, Preset] = {preset.name: preset for preset in (*PRESETS, *own, *others)}
            self.settings: Mapping[str, Settings] = {name: preset.settings for name, preset in self.presets.items()}
            self.own_names = [*parsed.presets, *parsed.errors]
            errors = [f"{readable(name)} cannot be used: {error}" for name, error in parsed.errors.items()]
            self.problems = first_few([*self.own.moved, *errors])
            self._stamp = stamp

    def available(self) -> Mapping[str, Settings]:
        """Return the settings of every preset that can be used now, AUTOMATIC included if the model is known."""
        automatic = automatic_preset()
        return {AUTOMATIC: self.settings[automatic], **self.settings} if automatic else self.settings

    def possible(self) -> Mapping[str, Settings]:
        """Return the settings of every preset that a job may name before its model is loaded."""
        return {AUTOMATIC: Settings(), **self.settings}

    def choices(self) -> list[str]:
        """Return the choices of the page's dropdown."""
        return [CUSTOM, AUTOMATIC, *self.presets]

    def name_of(self, settings: Settings, preferred: str = CUSTOM) -> str:
        """Return a preset with these values, enabled or not: preferably the given one or that for the loaded model."""
        enabled = settings.replace(enabled=True)
        names = (preferred, automatic_preset(), *self.settings)
        return next((name for name in names if name and self.settings.get(name) == enabled), CUSTOM)


def automatic_preset() -> str | None:
    """Return the preset that AUTOMATIC stands for now; None without a model of a known family."""
    return BY_FAMILY.get(host.model_family())


def first_few(texts: list[str]) -> list[str]:
    """Return the texts, or some of them and how many more there are."""
    return texts if len(texts) <= MAX_LISTED else [*texts[:MAX_LISTED], f"{len(texts) - MAX_LISTED} more"]


def _other_tools_presets(files: list[tuple[str, Path]]) -> list[Preset]:
    """Return the presets of other FreeU extensions in this WebUI, named `name (tool)`. Their files are only read."""
    presets: dict[str, Preset] = {}
    for tool, path in files:
        for name, settings in _read(path).presets.items():
            shown = next(similar for similar in similar_names(f"{name} ({tool})") if similar not in presets)
            presets[shown] = Preset(shown, settings, f"From the presets of {tool}.")
    return list(presets.values())


def _read(path: Path) -> ParsedPresets:
    """Return the presets of another tool's file; log what cannot be used."""
    try:
        parsed = read_preset_file(path)
    except (OSError, SettingsError) as error:
        log.warning("the presets in %s are not offered: %s", path, readable(str(error), MAX_MESSAGE_LENGTH))
        return ParsedPresets({}, {})
    for problem in first_few([f"{readable(name)}: {message}" for name, message in parsed.errors.items()]):
        log.warning("a preset in %s is not offered: %s", path, problem)
    return parsed


def _stamp(path: Path) -> object:
    """Return a value that differs after each change of a file; None without one."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size, stat.st_ino
