"""InvokeAI (https://github.com/invoke-ai/InvokeAI): the graph in an image. Its node calls diffusers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from freeu.compat import diffusers
from freeu.compat.factors import FACTORS
from freeu.compat.node_graph import objects, only_node
from freeu.settings.settings import Settings

CHUNK = "invokeai_graph"
"""The PNG text chunk with the graph."""


def from_graph(graph: Any) -> Settings | None:
    """Read `{"nodes": {"5": {"type": "freeu", "b1": 1.2, ...}}, "edges": [...]}`.

    Returns None without a FreeU node that another node uses. Raises SettingsError.
    """
    if not isinstance(graph, Mapping) or not isinstance(graph.get("edges"), list):
        return None
    edges = [(_end(edge, "source"), _end(edge, "destination")) for edge in graph["edges"]]
    used = {node for (node, _), _ in edges}
    nodes = {n: node for n, node in objects(graph.get("nodes")).items() if node.get("type") == "freeu" and n in used}
    node = only_node(nodes)
    if node is None:
        return None
    linked = {field for _, (target, field) in edges if target in nodes and field in FACTORS}
    return diffusers.from_arguments(node, linked)


def _end(edge: Any, name: str) -> tuple[str, str]:
    """Return the node and the field at one end of an edge."""
    end = objects(edge).get(name, {})
    return str(end.get("node_id")), str(end.get("field"))
