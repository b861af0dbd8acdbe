"""Which tool wrote an image, an infotext or a request, and its FreeU settings."""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

from freeu.compat import (
    comfyui,
    diffusers,
    flat_names,
    fooocus,
    forge,
    invokeai,
    ljleb,
    sdnext,
    swarmui,
    unreadable,
)
from freeu.compat.factors import FACTORS
from freeu.compat.metadata import COMMENT, INFOTEXT_CHUNK, UnreadableFileError, decode_text, image_texts, is_image
from freeu.compat.request import parse_request
from freeu.compat.switch import unify_switches
from freeu.settings.infotext import Infotext, from_own_infotext, parse_parameters
from freeu.settings.parameter import SettingsError
from freeu.settings.settings import Settings


class Detected(NamedTuple):
    """Settings, and the tool that wrote them."""

    tool: str
    settings: Settings


INFOTEXT_READERS: Mapping[str, Callable[[Infotext], Settings | None]] = {
    "this extension": from_own_infotext,
    "ljleb's sd-webui-freeu": ljleb.from_infotext,
    "Forge or reForge": forge.from_infotext,
    "SD.Next": sdnext.from_infotext,
    "Fooocus": fooocus.from_infotext,
    "another tool": unreadable.from_infotext,
}
"""In the order in which they are tried: the least specific keys last."""

JSON_READERS: Mapping[str, Callable[[Any], Settings | None]] = {
    "ComfyUI": comfyui.from_graph,
    "InvokeAI": invokeai.from_graph,
    "SwarmUI": swarmui.from_parameters,
    "another tool": unreadable.from_workflow,
}

WRAPPERS = ("input", "payload", "info", "infotexts", "parameters", "meta")
"""Names under which requests to services, and answers of WebUIs, have what can be read."""

_REQUEST = "an API request"

CHUNKS = (INFOTEXT_CHUNK, COMMENT, comfyui.CHUNK, invokeai.CHUNK, *unreadable.WORKFLOW_CHUNKS)
"""The texts of an image that can have settings, in the order in which they are tried."""

_CONTROL_CHARACTER = re.compile(r"[\0-\x08\x0e-\x1f]")


def detect_tool(infotext: Infotext) -> Detected | None:
    """Return the tool that wrote an infotext's FreeU settings, and the settings. See `from_infotext`."""
    unified = unify_switches(infotext)
    for tool, read in INFOTEXT_READERS.items():
        if (settings := read(unified)) is not None:
            return Detected(tool, settings)
    return None


def from_infotext(infotext: Infotext) -> Settings | None:
    """Return the FreeU settings in an infotext's keys and values, whichever tool wrote them; None if there are none.

    Raises SettingsError for a value that is not allowed here, even if the other tool allows it (Forge's s goes up to
    4, and its start may be after its end).
    """
    detected = detect_tool(infotext)
    return detected.settings if detected else None


def read_image(data: bytes) -> Detected | None:
    """Return the settings in an image file; None if there are none. Raises UnreadableFileError and SettingsError."""
    texts = image_texts(data)
    names = (name for name in CHUNKS if unreadable.WORKFLOW_CHUNKS.get(name) not in texts)
    detected = (_read_text(text) for name in names for text in texts.get(name, []))
    return next(filter(None, detected), None)


def read_file(data: bytes, steps: int | None = None, tool: str = "") -> Detected | None:
    """Return the settings in an image, an infotext, a request, an answer or a settings file; None if there are none.

    `tool`, one of TOOLS, says which one wrote a JSON file that several tools could have written. `steps` is that of
    `parse_request`. Raises UnreadableFileError and SettingsError.
    """
    text = _decode(data)
    if text is None:
        return read_image(data)
    value = _parse_json(text)
    if tool:
        return Detected(*TOOLS[tool](value))
    if value is None and not parse_parameters(text):
        raise UnreadableFileError("the file is neither an image, nor an infotext, nor JSON")
    detected = _read_text(text, steps)
    if detected or value is None or any(comfyui.graphs(value)):
        return detected
    settings = parse_request(value, steps)
    return Detected(_REQUEST, settings) if settings else None


def describe_json(data: bytes) -> str:
    """Return what kind of JSON a file without FreeU settings has, such as "a ComfyUI workflow"; empty if none."""
    text = _decode(data) or ""
    value = _parse_json(text)
    if value is None:
        return ""
    names = value.keys() if isinstance(value, dict) else set()
    kind = ""
    if any(comfyui.graphs(value)) or {"nodes", "links"} <= names:
        kind = "a ComfyUI workflow"
    elif {"nodes", "edges"} <= names:
        kind = "an InvokeAI workflow"
    elif {"prompt", "alwayson_scripts"} & names:
        kind = "an API request"
    return f"{kind or 'JSON'} with FreeU turned off, or in an unknown form" if unreadable.is_freeu(text) else kind


def _read_text(text: str, steps: int | None = None) -> Detected | None:
    """Return the settings in JSON of some tool, or in an infotext."""
    value = _parse_json(text)
    if value is None:
        return detect_tool(parse_parameters(text))
    return next(filter(None, (_read_json(inner, steps) for inner in _unwrap(value))), None)


def _unwrap(value: Any) -> Iterator[Any]:
    """Yield JSON, and what is in it: the request in that of a service, the infotext in the answer of a WebUI."""
    waiting = deque([value])
    while waiting:
        value = waiting.popleft()
        if isinstance(value, str):
            value = parsed if (parsed := _parse_json(value)) is not None else parse_parameters(value)
        yield value
        if isinstance(value, list):
            waiting += value[:1]
        if isinstance(value, Mapping):
            waiting += [value[name] for name in WRAPPERS if name in value]


def _read_json(value: Any, steps: int | None) -> Detected | None:
    for tool, read in JSON_READERS.items():
        if (settings := read(value)) is not None:
            return Detected(tool, settings)
    if not isinstance(value, Mapping):
        return None
    if flat := flat_names.from_fields(value):
        return Detected(*flat)
    if "alwayson_scripts" in value and (settings := parse_request(value, steps)):
        return Detected(_REQUEST, settings)
    return detect_tool(value)  # Fooocus can write its keys as JSON


def _from_diffusers(value: Any) -> tuple[str, Settings]:
    if not isinstance(value, dict) or set(value) != set(FACTORS):
        raise SettingsError("enable_freeu", value, 'must be JSON such as {"s1": 0.9, "s2": 0.2, "b1": 1.3, "b2": 1.4}')
    return "diffusers", diffusers.from_arguments(value)


TOOLS: Mapping[str, Callable[[Any], tuple[str, Settings]]] = {
    "diffusers": _from_diffusers,
    **{name: partial(flat_names.read_as, name) for name in flat_names.TOOLS},
}
"""Readers of JSON whose names several tools use, by the value of the option `--tool`."""


def _decode(data: bytes) -> str | None:
    """Return the text of a file; None for an image, or any other file with control characters."""
    if is_image(data) or _CONTROL_CHARACTER.search(text := decode_text(data)):
        return None
    return text


def _parse_json(text: str) -> Any:
    """Return a JSON object or list; None for anything else."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, (dict, list)) else None
