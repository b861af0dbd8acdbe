"""Graphs of nodes, as ComfyUI and InvokeAI store them in images."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

from freeu.settings.parameter import SettingsError

Node = Mapping[str, Any]


class Link(NamedTuple):
    """An output of node `source` goes to an input of node `target`. `is_model`: that input is for a model."""

    source: str
    target: str
    is_model: bool


def objects(value: Any) -> dict[str, Node]:
    """Return the members of a JSON object that are objects."""
    items = value.items() if isinstance(value, Mapping) else ()
    return {name: member for name, member in items if isinstance(member, Mapping)}


def acting_node(freeu: Collection[str], samplers: Collection[str], links: Iterable[Link]) -> str | None:
    """Return which of the nodes `freeu` acts in all `samplers` that have a model; None if none acts in any.

    Raises SettingsError if several act, if one acts in some samplers only, and if that depends on another node.
    """
    targets, sources = defaultdict(list), defaultdict(list)
    doubtful: dict[str, str] = {}
    for link in links:
        if link.is_model:
            targets[link.source].append(link.target)
            sources[link.target].append(link.source)
        elif link.source not in samplers:
            doubtful[link.source] = link.target
    before_samplers = _connected(samplers, sources)
    acting = [name for name in freeu if name in before_samplers]
    if len(acting) > 1:
        raise SettingsError("FreeU nodes", ", ".join(acting), "must be one; the image may depend on all of them")
    reached = _connected(acting or freeu, targets)
    _check_models(sorted(before_samplers & reached.difference(freeu)), sources, reached)
    if without := [name for name in samplers if name in sources and name not in reached]:
        if acting:
            raise SettingsError(f"FreeU node {acting[0]}", without, "must act in all samplers, these are without it")
        if behind := [doubtful[name] for name in reached if name in doubtful]:
            raise SettingsError("node after FreeU", behind[0], "must have an input for a model; this one may ignore it")
    return acting[0] if acting else None


def _check_models(names: Iterable[str], sources: Mapping[str, list[str]], reached: Collection[str]) -> None:
    """Raise SettingsError if a node has several models, and FreeU is in some of them only."""
    for name in names:
        if without := [source for source in sources[name] if source not in reached]:
            raise SettingsError(f"node {name}", without, "must have FreeU in all of its models, these are without it")


def _connected(starts: Iterable[str], neighbors: Mapping[str, list[str]]) -> set[str]:
    """Return the nodes `starts` and those that lead on from them."""
    seen, waiting = set(starts), list(starts)
    while waiting:
        new = [name for name in neighbors.get(waiting.pop(), ()) if name not in seen]
        seen.update(new)
        waiting.extend(new)
    return seen
