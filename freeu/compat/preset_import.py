"""Preset files of this extension, of ljleb's and of Forge's. No code in them is run."""

from __future__ import annotations

from pathlib import Path

from freeu.compat import forge, ljleb
from freeu.user_presets import ParsedPresets, check_document, parse_entries, parse_entry, parse_json, read_text


def read_preset_file(path: Path) -> ParsedPresets:
    """Return the presets in a file of any of the three kinds. Raises OSError, or SettingsError for any other file."""
    text = read_text(path)
    if not text.lstrip().startswith("{"):
        return parse_entries(forge.preset_entries(text), forge.parse_preset)
    value = parse_json(text)
    if "presets" in value:
        return parse_entries(check_document(value)["presets"].items(), parse_entry)
    return parse_entries(ljleb.preset_entries(value).items(), ljleb.parse_preset)
