"""The file format of presets: names that they may have, and Settings to JSON and back.

`{"version": 1, "presets": {name: {parameter: value}}}`, with all parameters but `enabled`. One that is left out means
what it means in a picture.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from itertools import count
from typing import Any, NamedTuple

from freeu.params import TABLE, Settings
from freeu.presets import BUILTIN
from freeu.values import SettingsError

VERSION = 1
LONGEST_NAME = 60
FORBIDDEN = "\"',<>\\/"
"""Characters that mean something in lists, in HTML or in paths."""
RESERVED = (*BUILTIN, "Custom", "Automatic", "UI Settings")
"""Names that mean something already, in any letter case."""

_RULE = (
    f"a name has 1 to {LONGEST_NAME} characters that can be seen, none of them a quote or one of , < > \\ /, "
    f"and it is none of {', '.join(RESERVED)}"
)
_ABSENT = Settings.parse({name: param.when_absent for name, param in TABLE.items()})


class Found(NamedTuple):
    """The presets of a file: those that can be used, and why the others cannot."""

    presets: dict[str, Settings]
    refused: dict[str, str]


class NewerFileError(SettingsError):
    """A file of a later release, which this one must not touch."""


class BrokenFileError(ValueError):
    """A file that does not hold presets."""


def checked_name(name: object) -> str:
    """The name as it is kept: without spaces around it. Raises SettingsError for one that is not allowed."""
    tidy = _tidy(name) if isinstance(name, str) else ""
    if not tidy or len(tidy) > LONGEST_NAME or tidy != _cleaned(tidy) or _reserved(tidy):
        raise SettingsError("preset", name, _RULE)
    return tidy


def names_like(name: str) -> Iterator[str]:
    """Allowed names, the first as close to `name` as can be: without what is forbidden, then with a number."""
    stem = _tidy(_cleaned(name)) or "imported"
    if len(stem) <= LONGEST_NAME and not _reserved(stem):
        yield stem
    for number in count(2):
        ending = f" ({number})"
        yield f"{stem[: LONGEST_NAME - len(ending)].rstrip()}{ending}"


def entry(settings: Settings) -> dict[str, Any]:
    """What the file holds of a preset."""
    return {name: value for name, value in settings.to_dict().items() if name != "enabled"}


def text_of(document: Mapping[str, Any]) -> str:
    """A file's text."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def new_document(entries: Mapping[str, Any]) -> dict[str, Any]:
    """A file with these entries."""
    return {"version": VERSION, "presets": dict(entries)}


def parse(content: bytes) -> dict[str, Any]:
    """A file's document. Raises BrokenFileError, or NewerFileError for one of a later version."""
    return check_document(json_in(text_in(content)))


def text_in(content: bytes) -> str:
    """Raises BrokenFileError."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BrokenFileError(f"it is no text in UTF-8: {error}") from error


def json_in(text: str) -> Any:
    """Raises BrokenFileError."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BrokenFileError(f"it is no JSON: {error}") from error


def check_document(value: object) -> dict[str, Any]:
    """`value`, if it is what a file of presets holds. Raises BrokenFileError or NewerFileError."""
    version = value.get("version") if isinstance(value, dict) else None
    if type(version) is int and version > VERSION:
        rule = f"this release of FreeU reads presets of version {VERSION} only: update the extension"
        raise NewerFileError("version", version, rule)
    if not isinstance(value, dict) or version != VERSION or not isinstance(value.get("presets"), dict):
        raise BrokenFileError(f'it is not {{"version": {VERSION}, "presets": {{name: values}}}}')
    return value


def sort_out(entries: Mapping[str, Any], read: Callable[[str, Any], Settings]) -> Found:
    """Each entry read by itself, so that a bad one harms no other."""
    found = Found({}, {})
    for name, value in entries.items():
        try:
            found.presets[name] = read(name, value)
        except SettingsError as error:  # noqa: PERF203
            found.refused[name] = str(error)
    return found


def read_entry(name: str, value: object) -> Settings:
    """A preset from its entry in a file. Raises SettingsError."""
    if not isinstance(value, dict):
        raise SettingsError(name, value, "a preset is parameters with values")
    return Settings.parse({**_ABSENT.to_dict(), **value, "enabled": True}, presets={})


def read_named_entry(name: str, value: object) -> Settings:
    """The same, where the name must be one that is kept."""
    if checked_name(name) != name:
        raise SettingsError("preset", name, _RULE)
    return read_entry(name, value)


def _tidy(name: str) -> str:
    """One way to write what looks the same, so that what is saved is found."""
    spaced = "".join(" " if unicodedata.category(c) == "Zs" else c for c in unicodedata.normalize("NFC", name))
    return spaced.strip(" ")


def _cleaned(name: str) -> str:
    return "".join(c if c.isprintable() and c not in FORBIDDEN else " " for c in name)


def _reserved(name: str) -> bool:
    return name.casefold() in {reserved.casefold() for reserved in RESERVED}
