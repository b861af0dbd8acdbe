"""The user's own presets: one JSON file (see preset_file.py) that all tabs and processes share.

Nothing in the file is lost: it is replaced as a whole or not at all, an entry that cannot be used stays in it, and a
file that cannot be read is kept under another name.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from errno import ETIMEDOUT
from pathlib import Path
from typing import Any, NamedTuple

from filelock import FileLock, Timeout

from freeu import preset_file
from freeu.atomic_file import replace_file
from freeu.preset_file import (
    MAX_BYTES,
    MAX_PRESETS,
    BrokenFileError,
    NewerFileError,
    ParsedPresets,
    check_name,
    describe_error,
    similar_names,
    to_entry,
)
from freeu.settings.parameter import SettingsError
from freeu.settings.settings import Settings

log = logging.getLogger(__name__)

LOCK_TIMEOUT = 10.0
"""Seconds to wait for another process that changes the file."""


class ImportResult(NamedTuple):
    """What happened to imported presets: stored names, new names by old, and the reason for each one left out."""

    added: list[str]
    renamed: dict[str, str]
    left_out: dict[str, str]


class NameTakenError(SettingsError):
    """The name of an existing preset."""


class UserPresets:
    """The presets in the file at `path`, which need not exist.

    Every method that changes the file raises OSError if it cannot be written, NewerFileError, a SettingsError, if a
    later release wrote it, and SettingsError if it would have more than MAX_PRESETS or MAX_BYTES.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.moved: list[str] = []
        """Messages about broken files that were renamed since this object was made."""

    def read(self) -> ParsedPresets:
        """Return the presets in the order in which they were saved, and what is wrong with the others."""
        try:
            try:
                document = self._document()
            except BrokenFileError:
                with self._lock():
                    document = self._document_to_change()
        except (OSError, NewerFileError) as error:
            return ParsedPresets({}, {self.path.name: describe_error(error)})
        return preset_file.parse_entries(document["presets"], preset_file.parse_named_entry)

    def stamp(self) -> object:
        """Return a value that differs after each change of the file; None without a file."""
        try:
            stat = self.path.stat()
        except OSError:
            return None
        return stat.st_mtime_ns, stat.st_size, stat.st_ino

    def save(self, name: str, settings: Settings, *, overwrite: bool = False) -> str:
        """Store `settings` and return the stored name.

        Raises SettingsError for a name that is not allowed, and NameTakenError, a SettingsError, for an existing one
        without `overwrite`.
        """
        name = check_name(name)
        with self._change() as entries:
            if not overwrite:
                _check_free(name, entries)
            entries[name] = to_entry(settings)
        return name

    def rename(self, old: str, new: str) -> str:
        """Rename a preset and return the stored name; its position stays. Raises SettingsError as `save` does."""
        new = check_name(new)
        with self._change() as entries:
            _check_exists(old, entries)
            if new != old:
                _check_free(new, entries)
            renamed = {new if name == old else name: value for name, value in entries.items()}
            entries.clear()
            entries.update(renamed)
        return new

    def delete(self, name: str) -> None:
        """Delete a preset. Raises SettingsError if there is none of this name."""
        with self._change() as entries:
            _check_exists(name, entries)
            del entries[name]

    def add(self, presets: Mapping[str, Settings]) -> ImportResult:
        """Store all presets without overwriting any: a name that is taken or not allowed is changed."""
        result = ImportResult([], {}, {})
        numbers: dict[str, Iterator[int]] = {}
        # What needs no lock is done before.
        prepared = [(wanted, similar_names(wanted, numbers), to_entry(preset)) for wanted, preset in presets.items()]
        with self._change() as entries:
            for wanted, names, entry in prepared:
                name = next(name for name in names if entries.get(name, entry) == entry)
                if name in entries:
                    result.left_out[wanted] = f"the same preset exists as {name}"
                    continue
                entries[name] = entry
                result.added.append(name)
                if name != wanted:
                    result.renamed[wanted] = name
        return result

    def export(self) -> str:
        """Return the text of a preset file with all usable presets."""
        entries = {name: to_entry(settings) for name, settings in self.read().presets.items()}
        return preset_file.to_bytes(preset_file.new_document(entries)).decode()

    def _target(self) -> Path:
        """Return the file itself, which other folders can link to."""
        return Path(os.path.realpath(self.path))

    @contextmanager
    def _lock(self) -> Iterator[None]:
        lock = FileLock(f"{self._target()}.lock", timeout=LOCK_TIMEOUT)
        try:
            held = lock.acquire()
        except Timeout as error:
            raise OSError(ETIMEDOUT, "could not be acquired: another process holds it", lock.lock_file) from error
        with held:
            yield

    @contextmanager
    def _change(self) -> Iterator[dict[str, Any]]:
        """Yield the file's entries to change; write them at the end unless there was an error."""
        with self._lock():
            document = self._document_to_change()
            entries = document["presets"]
            before, count_before = preset_file.to_bytes(document), len(entries)
            yield entries
            after = preset_file.to_bytes(document)
            if len(entries) > max(MAX_PRESETS, count_before):
                raise SettingsError("number of presets", len(entries), f"must be at most {MAX_PRESETS}")
            if len(after) > MAX_BYTES:
                raise SettingsError("size of the preset file", len(after), f"must be at most {MAX_BYTES} bytes")
            if after != before:
                with replace_file(self.path) as temporary:
                    temporary.write_bytes(after)

    def _document(self) -> dict[str, Any]:
        """Return the file's content, empty without a file. Raises OSError, BrokenFileError, NewerFileError."""
        try:
            return preset_file.parse_document(preset_file.read_bytes(self.path))
        except FileNotFoundError:
            return preset_file.new_document({})

    def _document_to_change(self) -> dict[str, Any]:
        """Return the file's content. Rename a broken file and return empty content. Needs the lock."""
        try:
            return self._document()
        except BrokenFileError as error:
            path = self._target()
            kept = path.with_name(f"{path.stem}.broken-{time.time_ns()}{path.suffix}")
            os.replace(path, kept)
            self.moved.append(f"{self.path.name} could not be read ({error}); it was kept as {kept.name}")
            log.warning("%s", self.moved[-1])
            return preset_file.new_document({})


def _check_free(name: str, entries: Mapping[str, Any]) -> None:
    if name in entries:
        raise NameTakenError("preset name", name, "must not be the name of an existing preset")


def _check_exists(name: str, entries: Mapping[str, Any]) -> None:
    if name not in entries:
        raise SettingsError("preset", name, f"must be one of your own presets: {', '.join(entries) or 'none yet'}")
