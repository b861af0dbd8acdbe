"""The user's own presets: one JSON file that all tabs and processes share.

`{"version": 1, "presets": {name: {parameter: value}}}`, with all parameters but `enabled`. A parameter that is
missing has the value that an image without it means.

Nothing in the file is lost: it is replaced as a whole or not at all, an entry that cannot be used stays in it, and a
file that cannot be read is kept under another name.
"""

from __future__ import annotations

import json
import logging
import os
import time
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain, count, islice
from pathlib import Path
from typing import Any, NamedTuple

from filelock import FileLock, Timeout

from freeu.atomic_file import replace_file
from freeu.settings.infotext import INFOTEXT_DEFAULTS
from freeu.settings.parameter import SettingsError, format_value
from freeu.settings.presets import BUILTIN
from freeu.settings.settings import Settings

log = logging.getLogger(__name__)

VERSION = 1
MAX_PRESETS = 1000
"""A file of so many presets is read in 0.1 s and has 0.6 MB."""
MAX_BYTES = 1_000_000
LOCK_TIMEOUT = 10.0
"""Seconds to wait for another process that changes the file."""

MAX_NAME_LENGTH = 60
FORBIDDEN_CHARACTERS = "\"',<>\\/"
"""Characters with a meaning in lists, in HTML or in paths."""
RESERVED_NAMES = (*BUILTIN, "Custom", "Automatic", "UI Settings")
"""Names with another meaning, in any letter case."""

_NAME_RULE = (
    f"must have 1 to {MAX_NAME_LENGTH} visible characters, no quotes and none of , < > \\ /, "
    f"and must not be one of {', '.join(RESERVED_NAMES)}"
)


class ConflictError(SettingsError):
    """A change that the file's content forbids: the name is taken, or a later release wrote the file."""


class BrokenFileError(OSError):
    """A file that does not hold presets."""


class ParsedPresets(NamedTuple):
    """The valid presets of a file by name, and the error message of each other one."""

    presets: dict[str, Settings]
    errors: dict[str, str]


class ImportResult(NamedTuple):
    """What happened to imported presets, by their names: the stored name, or the reason why one was left out."""

    stored: dict[str, str]
    left_out: dict[str, str]


class UserPresets:
    """The presets in the file at `path`, which need not exist.

    Every method that changes the file raises OSError if it cannot be written, ConflictError, a SettingsError, if a
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
        except (OSError, ConflictError) as error:
            return ParsedPresets({}, {self.path.name: describe_error(error)})
        return parse_entries(document["presets"].items(), _parse_own_entry)

    def save(self, name: str, settings: Settings, *, overwrite: bool = False) -> str:
        """Store `settings` and return the stored name.

        Raises SettingsError for a name that is not allowed, and ConflictError for an existing one without `overwrite`.
        """
        name = check_name(name)
        with self._change() as entries:
            if not overwrite:
                _check_free(name, entries)
            entries[name] = _to_entry(settings)
        return name

    def rename(self, old: str, new: str) -> str:
        """Rename a preset and return the stored name; its position stays. Raises SettingsError as `save` does."""
        new = check_name(new)
        with self._change() as entries:
            check_exists(old, entries)
            if new != old:
                _check_free(new, entries)
            renamed = {new if name == old else name: value for name, value in entries.items()}
            entries.clear()
            entries.update(renamed)
        return new

    def delete(self, name: str) -> None:
        """Delete a preset. Raises SettingsError if there is none of this name."""
        with self._change() as entries:
            check_exists(name, entries)
            del entries[name]

    def add(self, presets: Mapping[str, Settings]) -> ImportResult:
        """Store all presets without overwriting any: a name that is taken or not allowed is changed."""
        result = ImportResult({}, {})
        with self._change() as entries:
            for wanted, settings in presets.items():
                entry = _to_entry(settings)
                name = next(name for name in similar_names(wanted) if entries.get(name, entry) == entry)
                if name in entries:
                    result.left_out[wanted] = f"the same preset exists as {name}"
                else:
                    entries[name], result.stored[wanted] = entry, name
        return result

    def export(self) -> str:
        """Return the text of a preset file with all usable presets."""
        entries = {name: _to_entry(settings) for name, settings in self.read().presets.items()}
        return _to_bytes({"version": VERSION, "presets": entries}).decode()

    def _target(self) -> Path:
        """Return the file itself, which other folders can link to."""
        return Path(os.path.realpath(self.path))

    @contextmanager
    def _lock(self) -> Iterator[None]:
        path = Path(f"{self._target()}.lock")
        try:
            lock = FileLock(path).acquire(timeout=LOCK_TIMEOUT)
        except Timeout as error:
            raise OSError(f"{path.name} could not be acquired: another process holds it") from error
        with lock:
            yield

    @contextmanager
    def _change(self) -> Iterator[dict[str, Any]]:
        """Yield the file's entries to change; write them at the end unless there was an error."""
        with self._lock():
            document = self._document_to_change()
            entries = document["presets"]
            count_before = len(entries)
            yield entries
            content = _to_bytes(document)
            if len(entries) > max(MAX_PRESETS, count_before):
                raise SettingsError("number of presets", len(entries), f"must be at most {MAX_PRESETS}")
            if len(content) > MAX_BYTES:
                raise SettingsError("size of the preset file", len(content), f"must be at most {MAX_BYTES} bytes")
            with replace_file(self.path) as temporary:
                temporary.write_bytes(content)

    def _document(self) -> dict[str, Any]:
        """Return the file's content, empty without a file. Raises OSError, BrokenFileError, ConflictError."""
        try:
            return check_document(parse_json(read_text(self.path)))
        except FileNotFoundError:
            return {"version": VERSION, "presets": {}}

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
            return self._document()


def check_name(name: object) -> str:
    """Return the name without spaces around it. Raises SettingsError if it is not allowed."""
    tidy = _tidy(name) if isinstance(name, str) else ""
    if not tidy or tidy != _closest_name(tidy) or _is_reserved(tidy):
        raise SettingsError("preset name", name, _NAME_RULE)
    return tidy


def check_exists(name: str, names: Collection[str]) -> None:
    """Raise SettingsError if `name` is not one of the presets' names."""
    if name not in names:
        raise SettingsError("preset", name, f"must be one of your own presets: {', '.join(names) or 'none yet'}")


def similar_names(name: str) -> Iterator[str]:
    """Yield allowed names: first the one closest to `name`, then the same with 2, 3 and so on."""
    stem = _closest_name(name) or "imported"
    if not _is_reserved(stem):
        yield stem
    for number in count(2):
        yield f"{stem[: MAX_NAME_LENGTH - len(f' {number}')].rstrip()} {number}"


def read_text(path: Path) -> str:
    """Return the text of a preset file. Raises OSError, also for more than MAX_BYTES."""
    with path.open("rb") as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise OSError(f"{path.name} must be at most {MAX_BYTES} bytes")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BrokenFileError(f"a preset file must be UTF-8 text: {error}") from error


def parse_json(text: str) -> Any:
    """Return parsed JSON. Raises BrokenFileError, also for an object with two values of the same name."""
    try:
        return json.loads(text, object_pairs_hook=_object)
    except (ValueError, RecursionError) as error:
        raise BrokenFileError(f"a preset file must be JSON: {error}") from error


def check_document(value: object) -> dict[str, Any]:
    """Return `value` if it is the content of a preset file. Raises BrokenFileError, or ConflictError if it is newer."""
    version = value.get("version") if isinstance(value, dict) else None
    if type(version) is int and version > VERSION:
        raise ConflictError("version", version, f"must be {VERSION} in this release", "Update the extension")
    if not isinstance(value, dict) or version != VERSION or not isinstance(value.get("presets"), dict):
        raise BrokenFileError(f'a preset file must be {{"version": {VERSION}, "presets": {{name: values}}}}')
    return value


def parse_entries(entries: Collection[tuple[str, Any]], parse: Callable[[str, Any], Settings]) -> ParsedPresets:
    """Parse the values of each name on their own, so that bad ones affect no others. Equal names get a number.

    Only the first MAX_PRESETS are used.
    """
    parsed = ParsedPresets({}, {})
    for name, value in islice(entries, MAX_PRESETS):
        numbered = chain([name], (f"{name} {number}" for number in count(2)))
        shown = next(name for name in numbered if name not in parsed.presets and name not in parsed.errors)
        try:
            parsed.presets[shown] = parse(name, value)
        except SettingsError as error:
            parsed.errors[shown] = str(error)
    if len(entries) > MAX_PRESETS:
        parsed.errors[f"preset {MAX_PRESETS + 1} and later"] = f"a file can have at most {MAX_PRESETS} presets"
    return parsed


def parse_entry(name: str, value: object) -> Settings:
    """Return the preset of an entry. Raises SettingsError."""
    if not isinstance(value, dict):
        raise SettingsError(name, value, "must be an object of parameters and values")
    return INFOTEXT_DEFAULTS.replace(**{**value, "enabled": True})


def describe_error(error: Exception) -> str:
    """Return an error's message for the page: with the name of a file that cannot be used, but not its folder."""
    if not isinstance(error, OSError) or not error.strerror:
        return str(error)
    return f"{error.strerror} ({Path(error.filename).name})" if error.filename else error.strerror


def _parse_own_entry(name: str, value: object) -> Settings:
    """Return the preset of an entry whose name must be allowed. Raises SettingsError."""
    if check_name(name) != name:
        raise SettingsError("preset name", name, _NAME_RULE)
    return parse_entry(name, value)


def _to_entry(settings: Settings) -> dict[str, Any]:
    """Return a preset as it is stored."""
    return {name: value for name, value in settings.to_dict().items() if name != "enabled"}


def _to_bytes(document: Mapping[str, Any]) -> bytes:
    text = json.dumps(document, indent=2, ensure_ascii=False)
    # A lone surrogate, which a file can have as an escape in JSON, is written as the same escape.
    return f"{text}\n".encode("utf-8", "backslashreplace")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        [(name, _)] = Counter(name for name, _ in pairs).most_common(1)
        raise ValueError(f"the name {format_value(name)} must not occur twice in an object")
    return values


def _check_free(name: str, entries: Mapping[str, Any]) -> None:
    if name in entries:
        raise ConflictError("preset name", name, "must not be the name of an existing preset")


def _tidy(name: str) -> str:
    """Return one spelling for names that look the same: composed characters, plain spaces."""
    spaced = "".join(" " if unicodedata.category(c) == "Zs" else c for c in unicodedata.normalize("NFC", name))
    return spaced.strip(" ")


def _closest_name(name: str) -> str:
    """Return `name` without what no name has; nothing may be left."""
    allowed = "".join(c if c.isprintable() and c not in FORBIDDEN_CHARACTERS else " " for c in name)
    return _tidy(allowed)[:MAX_NAME_LENGTH].rstrip()


def _is_reserved(name: str) -> bool:
    return name.casefold() in {reserved.casefold() for reserved in RESERVED_NAMES}
