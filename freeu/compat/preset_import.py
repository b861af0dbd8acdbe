"""Preset files to import: of this extension, of ljleb's and of Forge's. No code in them is run."""

from __future__ import annotations

from freeu.compat import forge, ljleb
from freeu.preset_file import (
    MAX_BYTES,
    BrokenFileError,
    ParsedPresets,
    check_document,
    decode,
    parse_entries,
    parse_entry,
    parse_json,
)


def read_preset_file(content: bytes) -> ParsedPresets:
    """Return the presets in a file of any of the three kinds.

    Raises:
        BrokenFileError: for any other file.
        NewerFileError: for a file of a later release of this extension.
    """
    if len(content) > MAX_BYTES:
        raise BrokenFileError(f"a preset file must be at most {MAX_BYTES} bytes, got {len(content)}")
    text = decode(content)
    if not text.lstrip().startswith("{"):
        return forge.from_preset_file(text)
    value = parse_json(text)
    if isinstance(value, dict) and "presets" in value:
        return parse_entries(check_document(value)["presets"], parse_entry)
    return ljleb.from_preset_file(value)
