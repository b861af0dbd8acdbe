"""The format of a preset file, and the names that presets may have.

`{"version": 1, "presets": {name: {parameter: value}}}`, with all parameters but `enabled`. A parameter that is
missing has the value that an image without it means.
"""

from __future__ import annotations

import json
import stat
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from errno import EFBIG, EINVAL
from itertools import chain, count, islice
from pathlib import Path
from typing import Any, NamedTuple

from freeu.settings.builtin_presets import BUILTIN_PRESETS
from freeu.settings.infotext import INFOTEXT_DEFAULTS
from freeu.settings.parameter import SettingsError, format_value
from freeu.settings.settings import Settings

VERSION = 1
MAX_PRESETS = 1000
"""A file of so many presets is read in 0.1 s and has 0.6 MB."""
MAX_BYTES = 1_000_000
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


def similar_names(name: str, numbers: dict[str, Iterator[int]]) -> Iterator[str]:
    """Return allowed names: first the one closest to `name`, then the same with a number.

    `numbers` are those not yet used, by name; calls that share them never try a number twice, so that many equal
    names take linear time.
    """
    stem = (_tidy(_replace_forbidden(name)) or "imported")[:MAX_NAME_LENGTH].rstrip()
    short = stem[: MAX_NAME_LENGTH - len(" (999999)")].rstrip()
    numbered = (f"{short} ({number})" for number in numbers.setdefault(short, count(2)))
    return numbered if _is_reserved(stem) else chain([stem], numbered)


def to_entry(settings: Settings) -> dict[str, Any]:
    """Return a preset as it is stored."""
    return {name: value for name, value in settings.to_dict().items() if name != "enabled"}


def new_document(entries: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content of a file with these entries."""
    return {"version": VERSION, "presets": dict(entries)}


def to_bytes(document: Mapping[str, Any]) -> bytes:
    """Return the bytes of a file. Raises BrokenFileError if the content is nested too deeply."""
    try:
        text = json.dumps(document, indent=2, ensure_ascii=False)
    except RecursionError as error:
        raise BrokenFileError("a preset file must not be nested so deeply") from error
    # A lone surrogate, which a file can have as an escape in JSON, is written as the same escape.
    return f"{text}\n".encode("utf-8", "backslashreplace")


def read_bytes(path: Path) -> bytes:
    """Return the bytes of a file. Raises OSError, also for a pipe, a device, and more than MAX_BYTES."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(EINVAL, "must be a regular file", str(path))
    with path.open("rb") as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise OSError(EFBIG, f"must be at most {MAX_BYTES} bytes", str(path))
    return content


def describe_error(error: Exception) -> str:
    """Return an error's message for the page: with the name of a file that cannot be used, but not its folder."""
    if not isinstance(error, OSError) or not error.strerror:
        return str(error)
    return f"{error.strerror} ({Path(error.filename).name})" if error.filename else error.strerror


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
    """Return parsed JSON. Raises BrokenFileError, also for an object with two values of the same name."""
    try:
        return json.loads(text, object_pairs_hook=_object)
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
    """Parse each entry on its own, so that a bad one affects no other. Only the first MAX_PRESETS are used."""
    parsed = ParsedPresets({}, {})
    if len(entries) > MAX_PRESETS:
        parsed.errors[f"preset {MAX_PRESETS + 1} and later"] = f"a file can have at most {MAX_PRESETS} presets"
    for name, value in islice(entries.items(), MAX_PRESETS):
        try:
            parsed.presets[name] = parse(name, value)
        except SettingsError as error:
            parsed.errors[name] = str(error)
    return parsed


def parse_entry(name: str, value: object) -> Settings:
    """Return the preset of an entry. Raises SettingsError."""
    if not isinstance(value, dict):
        raise SettingsError(name, value, "must be an object of parameters and values")
    if "preset" in value:
        raise SettingsError("preset", value["preset"], "is not a parameter of a stored preset")
    return Settings.parse({**INFOTEXT_DEFAULTS.to_dict(), **value, "enabled": True})


def parse_named_entry(name: str, value: object) -> Settings:
    """Return the preset of an entry whose name must be allowed. Raises SettingsError."""
    if check_name(name) != name:
        raise SettingsError("preset name", name, _NAME_RULE)
    return parse_entry(name, value)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        [(name, _)] = Counter(name for name, _ in pairs).most_common(1)
        raise ValueError(f"the name {format_value(name)} must not occur twice in an object")
    return values


def _tidy(name: str) -> str:
    """Return one spelling for names that look the same: composed characters, plain spaces."""
    spaced = "".join(" " if unicodedata.category(c) == "Zs" else c for c in unicodedata.normalize("NFC", name))
    return spaced.strip(" ")


def _replace_forbidden(name: str) -> str:
    return "".join(c if c.isprintable() and c not in FORBIDDEN_CHARACTERS else " " for c in name)


def _is_reserved(name: str) -> bool:
    return name.casefold() in {reserved.casefold() for reserved in RESERVED_NAMES}
