"""Graphs of nodes, as ComfyUI and InvokeAI store them in images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from freeu.settings.parameter import SettingsError

Node = Mapping[str, Any]


def objects(value: Any) -> dict[str, Node]:
    """Return the members of a JSON object that are objects."""
    items = value.items() if isinstance(value, Mapping) else ()
    return {name: member for name, member in items if isinstance(member, Mapping)}


def only_node(nodes: Mapping[str, Node]) -> Node | None:
    """Return the one FreeU node of a graph, or None. Raises SettingsError for several."""
    if len(nodes) > 1:
        raise SettingsError("FreeU nodes", ", ".join(nodes), "must be one; the image may depend on all of them")
    return next(iter(nodes.values()), None)
