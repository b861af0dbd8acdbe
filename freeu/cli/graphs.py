"""What ComfyUI, InvokeAI and SwarmUI write into pictures, as parsed JSON, to Settings.

Each reader gives None for JSON of another kind, and for a graph without FreeU.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from freeu.infotext import FACTORS
from freeu.params import Settings
from freeu.values import SettingsError

COMFYUI_NODES = {"FreeU": "1", "FreeU_V2": "2"}
"""ComfyUI's own nodes, and the version that each is."""

SWARMUI_KEYS = {"b1": "freeublockone", "b2": "freeublocktwo", "s1": "freeuskipone", "s2": "freeuskiptwo"}
SWARMUI_INITIAL = {"b1": 1.1, "b2": 1.2, "s1": 0.9, "s2": 0.2}


def comfyui(graph: Any) -> Settings | None:
    """The PNG chunk "prompt": `{"5": {"class_type": "FreeU_V2", "inputs": {"model": ["4", 0], "b1": 1.3, ...}}}`."""
    nodes = _objects(graph)
    used = {str(value[0]) for node in nodes.values() for value in _inputs(node).values() if _is_link(value)}
    node = _only({n: node for n, node in nodes.items() if node.get("class_type") in COMFYUI_NODES and n in used})
    if node is None:
        return None
    inputs = _inputs(node)
    linked = {name for name in FACTORS if _is_link(inputs.get(name))}
    return _settings(inputs, linked, version=COMFYUI_NODES[node["class_type"]])


def invokeai(graph: Any) -> Settings | None:
    """The PNG chunk "invokeai_graph": nodes with a type, and edges between their fields. What diffusers does."""
    if not isinstance(graph, Mapping) or not isinstance(graph.get("edges"), list):
        return None
    ends = [(_end(edge, "source"), _end(edge, "destination")) for edge in graph["edges"]]
    used = {node for (node, _), _ in ends}
    freeu = {n: node for n, node in _objects(graph.get("nodes")).items() if node.get("type") == "freeu" and n in used}
    node = _only(freeu)
    if node is None:
        return None
    linked = {field for _, (target, field) in ends if target in freeu and field in FACTORS}
    return diffusers(node, linked)


def diffusers(values: Mapping[str, Any], linked: Collection[str] = ()) -> Settings:
    """The four arguments of diffusers' `enable_freeu`. There, one that is 0 turns all of FreeU off."""
    settings = _settings(values, linked, version="1", stage_map="levels")
    on = all(getattr(settings, name) for name in FACTORS)
    return settings if on else settings.replace(enabled=False)


def swarmui(parameters: Any) -> Settings | None:
    """The JSON in the PNG chunk "parameters"; FreeU is on where one of its values is there. ComfyUI's nodes."""
    params = parameters.get("sui_image_params") if isinstance(parameters, Mapping) else None
    if not isinstance(params, Mapping) or not any(key in params for key in SWARMUI_KEYS.values()):
        return None
    target = params.get("freeuapplyto", "Both")
    if target != "Both" and "refinermodel" in params:
        raise SettingsError("freeuapplyto", target, "it is Both; here FreeU acts on the base model and on the refiner")
    values = {name: params.get(key, SWARMUI_INITIAL[name]) for name, key in SWARMUI_KEYS.items()}
    return Settings.parse({**values, "version": params.get("freeuversion", "1")})


def _settings(values: Mapping[str, Any], linked: Collection[str], **more: str) -> Settings:
    """Settings from the four factors of a node, of which `linked` come from other nodes."""
    for name in FACTORS:
        if name in linked:
            raise SettingsError(name, values.get(name), "it is a number in the node itself; here another node gives it")
    return Settings.parse({**{name: values.get(name) for name in FACTORS}, **more})


def _only(nodes: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The one FreeU node of a graph. Raises SettingsError for several."""
    if len(nodes) > 1:
        raise SettingsError("FreeU nodes", ", ".join(nodes), "one can be read; the picture may depend on several")
    return next(iter(nodes.values()), None)


def _objects(value: Any) -> dict[str, Mapping[str, Any]]:
    """The members of a JSON object that are objects."""
    items = value.items() if isinstance(value, Mapping) else ()
    return {name: member for name, member in items if isinstance(member, Mapping)}


def _inputs(node: Mapping[str, Any]) -> Mapping[str, Any]:
    inputs = node.get("inputs")
    return inputs if isinstance(inputs, Mapping) else {}


def _is_link(value: Any) -> bool:
    """Whether a node's input is another node's output: its number, and which output."""
    return isinstance(value, list) and len(value) == 2


def _end(edge: Any, end: str) -> tuple[str, str]:
    """The node and the field at one end of an edge."""
    at = _objects(edge).get(end, {})
    return str(at.get("node_id")), str(at.get("field"))
