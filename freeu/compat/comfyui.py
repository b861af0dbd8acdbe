"""ComfyUI (https://github.com/comfyanonymous/ComfyUI, comfy_extras/nodes_freelunch.py): the graph in an image."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from freeu.compat import unreadable
from freeu.compat.factors import FACTORS, settings_from_factors
from freeu.compat.node_graph import Link, Node, acting_node, objects
from freeu.settings.settings import Settings

CHUNK = "prompt"
"""The text with the graph: a PNG text chunk, or the beginning of an EXIF text."""

VERSIONS = {"FreeU": "1", "FreeU_V2": "2"}
"""Its nodes, and the version of each."""

SAMPLER_INPUTS = {"seed", "noise_seed", "guider"}
"""A node that runs the model has one of these, or is called as below. Nodes called Everywhere pass it to samplers."""

SAMPLER_NAME = re.compile("sampler|everywhere", re.IGNORECASE)


def from_graph(graph: Any) -> Settings | None:
    """Read `{"5": {"class_type": "FreeU_V2", "inputs": {"model": ["4", 0], "b1": 1.3, ...}}}`.

    A request, `{"client_id": ..., "prompt": graph}`, is read too. Returns None without a FreeU node whose model is
    sampled. Raises SettingsError, also for FreeU nodes of other authors.
    """
    nodes = graph_nodes(graph)
    kinds = {name: node["class_type"] for name, node in nodes.items()}
    freeu = [name for name, kind in kinds.items() if unreadable.is_freeu(kind)]
    samplers = [n for n, node in nodes.items() if SAMPLER_NAME.search(kinds[n]) or SAMPLER_INPUTS & set(_inputs(node))]
    name = acting_node(freeu, samplers, _links(nodes))
    if name is None:
        return None
    if kinds[name] not in VERSIONS:
        raise unreadable.error("the graph of ComfyUI", kinds[name])
    inputs = _inputs(nodes[name])
    linked = {factor for factor in FACTORS if isinstance(inputs.get(factor), list)}
    return settings_from_factors(inputs, linked, version=VERSIONS[kinds[name]])


def graph_nodes(graph: Any) -> dict[str, Node]:
    """Return the nodes of a graph or of a request with one; none for any other JSON."""
    if isinstance(graph, Mapping) and isinstance(graph.get("prompt"), Mapping):
        graph = graph["prompt"]
    return {name: node for name, node in objects(graph).items() if isinstance(node.get("class_type"), str)}


def _links(nodes: Mapping[str, Node]) -> Iterator[Link]:
    """Yield the links to inputs for a model, and those of first outputs, which are often a model.

    A schedule of noise levels (sigmas) is made from a model, but has none.
    """
    for target, node in nodes.items():
        for field, value in _inputs(node).items():
            is_model = field.lower() in ("model", "guider") or field.endswith("pipe")
            if isinstance(value, list) and len(value) == 2 and (is_model or value[1] == 0) and field != "sigmas":
                yield Link(str(value[0]), target, is_model)


def _inputs(node: Node) -> Node:
    return objects(node).get("inputs", {})
