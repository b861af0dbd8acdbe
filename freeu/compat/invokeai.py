"""InvokeAI (https://github.com/invoke-ai/InvokeAI): the graph in an image. Its node calls diffusers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from freeu.compat import diffusers
from freeu.compat.factors import FACTORS
from freeu.compat.node_graph import Link, acting_node, objects
from freeu.settings.settings import Settings

CHUNK = "invokeai_graph"
"""The PNG text chunk with the graph. Images of before May 2024 have only the page's workflow, which is not read."""


def from_graph(graph: Any) -> Settings | None:
    """Read `{"nodes": {"5": {"type": "freeu", "b1": 1.2, ...}}, "edges": [...]}`.

    Returns None without a FreeU node whose model is sampled. Raises SettingsError.
    """
    if not isinstance(graph, Mapping) or not isinstance(graph.get("edges"), list):
        return None
    nodes = objects(graph.get("nodes"))
    edges = [(_end(edge, "source"), _end(edge, "destination")) for edge in graph["edges"]]
    freeu = [name for name, node in nodes.items() if node.get("type") == "freeu"]
    samplers = [name for name, node in nodes.items() if "denoise" in str(node.get("type"))]
    links = [Link(source, target, field == "unet") for (source, output), (target, field) in edges if output == "unet"]
    name = acting_node(freeu, samplers, links)
    if name is None:
        return None
    linked = {field for _, (target, field) in edges if target == name and field in FACTORS}
    return diffusers.from_arguments(nodes[name], linked)


def _end(edge: Any, name: str) -> tuple[str, str]:
    """Return the node and the field at one end of an edge."""
    end = objects(edge).get(name, {})
    return str(end.get("node_id")), str(end.get("field"))
