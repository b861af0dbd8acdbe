"""Presets of one's own: one JSON file that all tabs and processes share (presetfile.py says what is in it).

Nothing in it is lost. A change is written whole or not at all, a preset that cannot be used stays where it is, and a
file that cannot be read is moved beside.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from freeu import presetfile
from freeu.params import Settings
from freeu.presetfile import BrokenFileError, Found, NewerFileError, checked_name, entry, names_like
from freeu.safefile import locked, move_aside, replace_text
from freeu.values import SettingsError

log = logging.getLogger(__name__)


class Import(NamedTuple):
    """What became of imported presets: names as they are kept now, new names by old, and why not."""

    added: list[str]
    renamed: dict[str, str]
    left_out: dict[str, str]


class TakenError(SettingsError):
    """A name that a preset has already."""


class UserPresets:
    """The presets in the file at `path`, which need not exist. It is read anew whenever it has changed.

    Whatever changes the file raises OSError where it cannot be written, and NewerFileError, a SettingsError, where a
    later release wrote it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._moved: list[str] = []
        self._read: tuple[object, Found] = (None, Found({}, {}))

    @property
    def presets(self) -> Mapping[str, Settings]:
        """All that can be used, in the order in which they were saved."""
        return self._found().presets

    @property
    def names(self) -> list[str]:
        """Those of all presets, also of those that cannot be used."""
        return [*self._found().presets, *self._found().refused]

    @property
    def problems(self) -> list[str]:
        """What is to be told: presets that cannot be used, and files that were moved beside since the start."""
        refused = self._found().refused
        return [*self._moved, *(f"{name} cannot be used: {why}" for name, why in refused.items())]

    def save(self, name: str, settings: Settings, *, overwrite: bool = False) -> str:
        """Keep `settings` under `name`; returns the name as it is kept.

        Raises SettingsError for a name that is not allowed; TakenError, which is one, for one that is not to be
        overwritten.
        """
        name = checked_name(name)
        with self._changing() as entries:
            if not overwrite:
                _check_free(name, entries)
            entries[name] = entry(settings)
        return name

    def rename(self, old: str, new: str) -> str:
        """Another name, in the same place; returns it as it is kept. Raises SettingsError where `save` would."""
        new = checked_name(new)
        with self._changing() as entries:
            _check_known(old, entries)
            if new != old:
                _check_free(new, entries)
            renamed = {new if name == old else name: value for name, value in entries.items()}
            entries.clear()
            entries.update(renamed)
        return new

    def delete(self, name: str) -> None:
        """Raises SettingsError where there is no such preset."""
        with self._changing() as entries:
            _check_known(name, entries)
            del entries[name]

    def add(self, presets: Mapping[str, Settings]) -> Import:
        """Keep them all. Nothing is overwritten: a name that is taken or not allowed is changed."""
        done = Import([], {}, {})
        with self._changing() as entries:
            for wanted, settings in presets.items():
                value = entry(settings)
                name = next(n for n in names_like(wanted) if n not in entries or entries[n] == value)
                if name in entries:
                    done.left_out[wanted] = f"it is there already, as {name}"
                    continue
                entries[name] = value
                done.added.append(name)
                if name != wanted:
                    done.renamed[wanted] = name
        return done

    def export(self) -> str:
        """The text of a file with all that can be used."""
        entries = {name: entry(settings) for name, settings in self.presets.items()}
        return presetfile.text_of(presetfile.new_document(entries))

    def _found(self) -> Found:
        stamp = self._stamp()
        if stamp != self._read[0]:
            self._read = (stamp, self._look())
        return self._read[1]

    def _stamp(self) -> object:
        """What changes when the file does; None without a file."""
        try:
            stat = self.path.stat()
        except OSError:
            return None
        return stat.st_mtime_ns, stat.st_size, stat.st_ino

    def _look(self) -> Found:
        """The file's presets now; what is wrong is told."""
        try:
            entries = self._document_to_read()["presets"]
        except (OSError, NewerFileError) as error:
            return Found({}, {self.path.name: str(error)})
        return presetfile.sort_out(entries, presetfile.read_named_entry)

    @contextmanager
    def _changing(self) -> Iterator[dict[str, Any]]:
        """The file's entries, usable or not, to be changed. Written at the end, unless there was an error."""
        with locked(self.path):
            document = self._document_to_change()
            before = presetfile.text_of(document)
            yield document["presets"]
            after = presetfile.text_of(document)
            if after != before:
                replace_text(self.path, after)

    def _document_to_read(self) -> dict[str, Any]:
        try:
            return self._document()
        except BrokenFileError:
            with locked(self.path):
                return self._document_to_change()

    def _document_to_change(self) -> dict[str, Any]:
        """The file, or an empty one after a broken one was moved beside. Hold the lock."""
        try:
            return self._document()
        except BrokenFileError as error:
            told = f"{self.path.name} could not be read ({error}); it is kept as {move_aside(self.path).name}"
            log.warning("%s", told)
            self._moved.append(told)
            return presetfile.new_document({})

    def _document(self) -> dict[str, Any]:
        """The file, or an empty one where there is none. Raises OSError, BrokenFileError, NewerFileError."""
        try:
            return presetfile.parse(self.path.read_bytes())
        except FileNotFoundError:
            return presetfile.new_document({})


def _check_free(name: str, entries: Mapping[str, Any]) -> None:
    if name in entries:
        raise TakenError("preset", name, "there is a preset of this name already")


def _check_known(name: str, entries: Mapping[str, Any]) -> None:
    if name not in entries:
        raise SettingsError("preset", name, f"presets of one's own are: {', '.join(entries) or 'none'}")
