"""Files of presets to import: ours, ljleb's and Forge's. They are read as text; no code in them is run."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

from freeu.infotext import ljleb_stage
from freeu.params import STAGES, Settings
from freeu.presetfile import BrokenFileError, Found, check_document, json_in, read_entry, sort_out, text_in
from freeu.values import SettingsError

MOST_BYTES = 1_000_000

_FORGE = ("b1", "b2", "s1", "s2", "start", "stop")
"""What follows the name in Forge's list."""


def read(content: bytes) -> Found:
    """The presets in a file of any of the three kinds.

    Raises BrokenFileError for anything else; NewerFileError for one of ours of a later version.
    """
    if len(content) > MOST_BYTES:
        raise BrokenFileError(f"it has {len(content)} bytes, and a file of presets has at most {MOST_BYTES}")
    text = text_in(content)
    if not text.lstrip().startswith("{"):
        return forge(text)
    value = json_in(text)
    if isinstance(value, dict) and "presets" in value:
        return sort_out(check_document(value)["presets"], read_entry)
    return ljleb(value)


def ljleb(value: object) -> Found:
    """The `presets.json` of ljleb/sd-webui-freeu: names with schedules and stages. Raises BrokenFileError.

    Its `version` is 1 whatever the user had chosen, and its page does not use it: it draws with the version that the
    page shows, which is 2 unless changed. So these presets are version 2.
    """
    if not isinstance(value, dict) or not all(isinstance(preset, dict) for preset in value.values()):
        raise BrokenFileError("it has neither our presets nor those of ljleb/sd-webui-freeu")
    return sort_out(value, _ljleb_preset)


def _ljleb_preset(name: str, preset: Mapping[str, Any]) -> Settings:
    stages = preset.get("stage_infos")
    if not isinstance(stages, list) or not all(isinstance(stage, dict) for stage in stages):
        raise SettingsError("stage_infos", stages, "it is a list of stages, each of names and values")
    values = {
        "version": "2",
        # Shares of the run, whole numbers too: they come from sliders.
        "start": preset.get("start_ratio", 0.0),
        "stop": preset.get("stop_ratio", 1.0),
        "smoothness": preset.get("transition_smoothness", 0.0),
    }
    for n, stage in zip(STAGES, [*stages, {}, {}, {}], strict=False):
        values.update(ljleb_stage(n, stage))
    return Settings.parse(values)


def forge(text: str) -> Found:
    """Forge's `freeu_presets.py`, where `presets_custom` is a list of (name, b1, b2, s1, s2, start, end).

    Raises BrokenFileError where it is no such list of plain values.
    """
    rule = f"it has neither JSON nor Forge's presets_custom, a list of (name, {', '.join(_FORGE)})"
    try:
        listed = ast.literal_eval(_assigned(text, "presets_custom"))
        by_name = {str(name): values for name, *values in listed}
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError) as error:
        raise BrokenFileError(f"{rule}: {error}") from error
    return sort_out(by_name, _forge_preset)


def _assigned(text: str, name: str) -> ast.expr:
    """The expression that a program last gives to `name`. Raises ValueError where it does not."""
    for node in reversed(ast.parse(text).body):
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == name for t in node.targets):
            return node.value
    raise ValueError(f"{name} is given no value")


def _forge_preset(name: str, values: list[Any]) -> Settings:
    if len(values) != len(_FORGE):
        raise SettingsError(name, values, f"a preset of Forge's has {', '.join(_FORGE)}")
    return Settings.parse({"version": "2", **dict(zip(_FORGE, values, strict=True))})
