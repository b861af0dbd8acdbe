"""A file's bytes to the FreeU settings in it, and the tool that they are of."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from freeu import infotext
from freeu.cli import graphs, infotexts, payloads, pictures
from freeu.params import Settings
from freeu.values import SettingsError


class Found(NamedTuple):
    """Settings, and the tool that made the picture, or that a request is for."""

    tool: str
    settings: Settings


GRAPHS: Mapping[str, Callable[[Any], Settings | None]] = {
    "ComfyUI": graphs.comfyui,
    "InvokeAI": graphs.invokeai,
    "SwarmUI": graphs.swarmui,
}
PICTURE_TEXTS = (pictures.TOOLS_TEXT, "prompt", "invokeai_graph")
"""The texts of a picture that may have settings, in the order in which they are asked."""


def in_picture(data: bytes) -> Found | None:
    """What a picture says; None where it says nothing of FreeU. Raises UnreadableError and SettingsError."""
    texts = pictures.texts(data)
    found = (_in_text(texts[name]) for name in PICTURE_TEXTS if name in texts)
    return next(filter(None, found), None)


def in_file(data: bytes, steps: int | None = None, diffusers: bool = False) -> Found | None:
    """What a picture, an infotext or an API request says; None where that is nothing of FreeU.

    `steps`: see `payloads.read`. `diffusers`: the file has the arguments of diffusers' `enable_freeu`, which
    have the names of ours. Raises UnreadableError and SettingsError.
    """
    text = _as_text(data)
    if text is None:
        return in_picture(data)
    value = _as_json(text)
    if diffusers:
        if not isinstance(value, dict) or set(value) != set(infotext.FACTORS):
            raise SettingsError("enable_freeu", text, 'it is {"s1": 0.9, "s2": 0.2, "b1": 1.3, "b2": 1.4}, or others')
        return Found("diffusers", graphs.diffusers(value))
    if value is None and not infotexts.parse(text):
        raise pictures.UnreadableError("it is neither a picture, nor an infotext, nor JSON")
    found = _in_text(text)
    if found or value is None:
        return found
    settings = payloads.read(value, steps)
    return Found("an API request", settings) if settings else None


def _in_text(text: str) -> Found | None:
    """What one text of a picture says: JSON of some tool, or an infotext."""
    value = _as_json(text)
    for tool, reader in GRAPHS.items():
        if (settings := reader(value)) is not None:
            return Found(tool, settings)
    # Fooocus can write its keys as JSON.
    keys = infotexts.parse(text) if value is None else value
    made = infotext.made_by(keys) if isinstance(keys, dict) else None
    return Found(*made) if made else None


def _as_text(data: bytes) -> str | None:
    """UTF-8 text, or None: then it is a picture."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text


def _as_json(text: str) -> Any:
    """A JSON object or list; None for everything else."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, (dict, list)) else None
