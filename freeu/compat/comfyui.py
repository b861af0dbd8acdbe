"""ComfyUI (https://github.com/comfyanonymous/ComfyUI, comfy_extras/nodes_freelunch.py): the graph in an image."""

from __future__ import annotations

from typing import Any

from freeu.compat.factors import FACTORS, settings_from_factors
from freeu.compat.node_graph import Node, objects, only_node
from freeu.settings.settings import Settings

CHUNK = "prompt"
"""The PNG text chunk with the graph."""

VERSIONS = {"FreeU": "1", "FreeU_V2": "2"}
"""Its nodes, and the version of each."""


def from_graph(graph: Any) -> Settings | None:
    """Read `{"5": {"class_type": "FreeU_V2", "inputs": {"model": ["4", 0], "b1": 1.3, ...}}}`.

    Returns None without a FreeU node that another node uses. Raises SettingsError.
    """
    nodes = objects(graph)
    used = {str(value[0]) for node in nodes.values() for value in _inputs(node).values() if _is_link(value)}
    node = only_node({n: node for n, node in nodes.items() if str(node.get("class_type")) in VERSIONS and n in used})
    if node is None:
        return None
    inputs = _inputs(node)
    linked = {name for name in FACTORS if _is_link(inputs.get(name))}
    return settings_from_factors(inputs, linked, version=VERSIONS[node["class_type"]])


def _inputs(node: Node) -> Node:
    return objects(node).get("inputs", {})


def _is_link(value: Any) -> bool:
    """Return True if an input is another node's output: [node, output]."""
    return isinstance(value, list) and len(value) == 2
