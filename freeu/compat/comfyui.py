"""ComfyUI (https://github.com/comfyanonymous/ComfyUI, comfy_extras/nodes_freelunch.py): the graph in an image."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from freeu.compat import unreadable
from freeu.compat.factors import FACTORS, settings_from_factors
from freeu.compat.node_graph import Link, Node, acting_node, objects
from freeu.compat.switch import says_off
from freeu.settings.parameter import SettingsError
from freeu.settings.settings import Settings

CHUNK = "prompt"
"""The text with the graph: a PNG text chunk, or the beginning of an EXIF text."""

VERSIONS = {"FreeU": "1", "FreeU_V2": "2"}
"""Its nodes, and the version of each."""

SAMPLER_INPUTS = {"seed", "noise_seed", "guider"}
"""A node that runs the model has one of these, or is called as below. Nodes called Everywhere pass it to samplers."""

SAMPLER_NAME = re.compile("sampler|everywhere", re.IGNORECASE)

MODEL_INPUT = re.compile(
    r"((good|bad|base|refiner|main|weak|cond|uncond|positive|negative)_)?"
    r"model(_?(\d|[ab]|cond|uncond|positive|negative|opt))?|guider|.*pipe",
    re.IGNORECASE,
)
"""Names of inputs for the model that draws. A node that compares or merges models has two."""


def from_graph(value: Any) -> Settings | None:
    """Read `{"5": {"class_type": "FreeU_V2", "inputs": {"model": ["4", 0], "b1": 1.3, ...}}}`.

    The graph may be anywhere in `value`: in a request, in the answer of `/history` or `/queue`, in a request to a
    service that runs ComfyUI. Returns None without a FreeU node whose model is sampled. Raises SettingsError, also for
    FreeU nodes of other authors, and for several graphs with different FreeU.
    """
    found = [_from_nodes(nodes) for nodes in graphs(value)]
    if any(settings != found[0] for settings in found):
        raise SettingsError("graphs", f"{len(found)} graphs", "must all have the same FreeU", "Give one of them")
    return found[0] if found else None


def graphs(value: Any) -> Iterator[dict[str, Node]]:
    """Yield the nodes of each graph in JSON, at any depth, also in JSON that is a text."""
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str) and value.lstrip().startswith("{") and '"class_type"' in value:
            with suppress(ValueError, RecursionError):
                waiting.append(json.loads(value))
        elif nodes := {name: n for name, n in objects(value).items() if isinstance(n.get("class_type"), str)}:
            yield nodes
        elif isinstance(value, (Mapping, list)):
            waiting += value.values() if isinstance(value, Mapping) else value


def _from_nodes(nodes: Mapping[str, Node]) -> Settings | None:
    kinds = {name: node["class_type"] for name, node in nodes.items()}
    freeu = [name for name, kind in kinds.items() if unreadable.is_freeu(kind)]
    samplers = [n for n, node in nodes.items() if SAMPLER_NAME.search(kinds[n]) or SAMPLER_INPUTS & set(_inputs(node))]
    links = list(_links(nodes))
    name = acting_node(freeu, samplers, links) or _node_without_model(freeu, nodes, links)
    if name is None:
        return None
    if kinds[name] not in VERSIONS:
        raise unreadable.error("the graph of ComfyUI", kinds[name])
    inputs = _inputs(nodes[name])
    linked = {factor for factor in FACTORS if isinstance(inputs.get(factor), list)}
    return settings_from_factors(inputs, linked, version=VERSIONS[kinds[name]])


def _node_without_model(freeu: Sequence[str], nodes: Mapping[str, Node], links: Sequence[Link]) -> str | None:
    """Return a FreeU node of another author that changes no model itself, as in Searge-SDXL, unless it is off."""
    with_model = {link.target for link in links if link.is_model}
    for name in freeu:
        is_off = any(unreadable.is_freeu(field) and says_off(value) for field, value in _inputs(nodes[name]).items())
        if name not in with_model and nodes[name]["class_type"] not in VERSIONS and not is_off:
            return name
    return None


def _links(nodes: Mapping[str, Node]) -> Iterator[Link]:
    """Yield the links to inputs for a model, and those of first outputs, which are often a model.

    A schedule of noise levels (sigmas) is made from a model, but has none.
    """
    for target, node in nodes.items():
        for field, value in _inputs(node).items():
            is_model = MODEL_INPUT.fullmatch(field) is not None
            if isinstance(value, list) and len(value) == 2 and (is_model or value[1] == 0) and field != "sigmas":
                yield Link(str(value[0]), target, is_model)


def _inputs(node: Node) -> Node:
    return objects(node).get("inputs", {})
