"""The format of a preset file, and the names that presets may have.

`{"version": 1, "presets": {name: {parameter: value}}}`, with all parameters but `enabled`. A parameter that is
missing has the value that an image without it means.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from itertools import count
from typing import Any, NamedTuple

from freeu.settings.builtin_presets import BUILTIN_PRESETS
from freeu.settings.infotext import INFOTEXT_DEFAULTS
from freeu.settings.parameter import SettingsError
from freeu.settings.settings import Settings

VERSION = 1
MAX_NAME_LENGTH = 60
FORBIDDEN_CHARACTERS = "\"',<>\\/"
"""Characters with a meaning in lists, in HTML or in paths."""
RESERVED_NAMES = (*BUILTIN_PRESETS, "Custom", "Automatic", "UI Settings")
"""Names with another meaning, in any letter case."""

_NAME_RULE = (
    f"must have 1 to {MAX_NAME_LENGTH} visible characters, no quotes and none of , < > \\ /, "
    f"and must not be one of {', '.join(RESERVED_NAMES)}"
)


class ParsedPresets(NamedTuple):
    """The valid presets of a file by name, and the error message of each other one."""

    presets: dict[str, Settings]
    errors: dict[str, str]


class NewerFileError(SettingsError):
    """A file of a later release. It must not be changed."""


class BrokenFileError(ValueError):
    """A file that does not hold presets."""


def check_name(name: object) -> str:
    """Return the name without spaces around it. Raises SettingsError if it is not allowed."""
    tidy = _tidy(name) if isinstance(name, str) else ""
    if not tidy or len(tidy) > MAX_NAME_LENGTH or tidy != _replace_forbidden(tidy) or _is_reserved(tidy):
        raise SettingsError("preset name", name, _NAME_RULE)
    return tidy


def similar_names(name: str) -> Iterator[str]:
    """Yield allowed names: first the one closest to `name`, then the same with a number."""
    stem = _tidy(_replace_forbidden(name)) or "imported"
    if len(stem) <= MAX_NAME_LENGTH and not _is_reserved(stem):
        yield stem
    for number in count(2):
        suffix = f" ({number})"
        yield f"{stem[: MAX_NAME_LENGTH - len(suffix)].rstrip()}{suffix}"


def to_entry(settings: Settings) -> dict[str, Any]:
    """Return a preset as it is stored."""
    return {name: value for name, value in settings.to_dict().items() if name != "enabled"}


def new_document(entries: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content of a file with these entries."""
    return {"version": VERSION, "presets": dict(entries)}


def to_text(document: Mapping[str, Any]) -> str:
    """Return the text of a file."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def parse_document(content: bytes) -> dict[str, Any]:
    """Return the content of a file. Raises BrokenFileError, or NewerFileError for a later version."""
    return check_document(parse_json(decode(content)))


def decode(content: bytes) -> str:
    """Return the text of a file. Raises BrokenFileError if it is not UTF-8."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BrokenFileError(f"a preset file must be UTF-8 text: {error}") from error


def parse_json(text: str) -> Any:
    """Return parsed JSON. Raises BrokenFileError."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BrokenFileError(f"a preset file must be JSON: {error}") from error


def check_document(value: object) -> dict[str, Any]:
    """Return `value` if it is the content of a preset file. Raises BrokenFileError or NewerFileError."""
    version = value.get("version") if isinstance(value, dict) else None
    if type(version) is int and version > VERSION:
        raise NewerFileError("version", version, f"must be {VERSION} in this release", "Update the extension")
    if not isinstance(value, dict) or version != VERSION or not isinstance(value.get("presets"), dict):
        raise BrokenFileError(f'a preset file must be {{"version": {VERSION}, "presets": {{name: values}}}}')
    return value


def parse_entries(entries: Mapping[str, Any], parse: Callable[[str, Any], Settings]) -> ParsedPresets:
    """Parse each entry on its own, so that a bad one affects no other."""
    parsed = ParsedPresets({}, {})
    for name, value in entries.items():
        try:
            parsed.presets[name] = parse(name, value)
        except SettingsError as error:  # noqa: PERF203
            parsed.errors[name] = str(error)
    return parsed


def parse_entry(name: str, value: object) -> Settings:
    """Return the preset of an entry. Raises SettingsError."""
    if not isinstance(value, dict):
        raise SettingsError(name, value, "must be an object of parameters and values")
    return INFOTEXT_DEFAULTS.replace(**{**value, "enabled": True})


def parse_named_entry(name: str, value: object) -> Settings:
    """Return the preset of an entry whose name must be allowed. Raises SettingsError."""
    if check_name(name) != name:
        raise SettingsError("preset name", name, _NAME_RULE)
    return parse_entry(name, value)


def _tidy(name: str) -> str:
    """Return one spelling for names that look the same: composed characters, plain spaces."""
    spaced = "".join(" " if unicodedata.category(c) == "Zs" else c for c in unicodedata.normalize("NFC", name))
    return spaced.strip(" ")


def _replace_forbidden(name: str) -> str:
    return "".join(c if c.isprintable() and c not in FORBIDDEN_CHARACTERS else " " for c in name)


def _is_reserved(name: str) -> bool:
    return name.casefold() in {reserved.casefold() for reserved in RESERVED_NAMES}
