"""FreeU in a form that cannot be read: it is named, since "no FreeU settings" would be wrong.

Among the forms are sd-forge-fum (`FUM_enabled`), FBCache + FreeU (`Integrated FreeU Enabled`), ljleb's extension before
24 September 2023 (`FreeU Backbone Scales`), nodes of other authors in ComfyUI, and the workflows that the pages of
ComfyUI and InvokeAI save.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from freeu.compat.switch import says_off
from freeu.settings.infotext import DIAGNOSTICS_KEY, Infotext
from freeu.settings.parameter import SettingsError

WORKFLOW_CHUNKS = {"workflow": "prompt", "invokeai_workflow": "invokeai_graph"}
"""The texts of an image with a page's workflow, and the text that says better what ran."""

NOT_RUN = (2, 4)
"""Modes of ComfyUI's page for a node that is muted or bypassed."""


def is_freeu(name: str) -> bool:
    """Return True for the name of a node, script or key that is about FreeU."""
    return "freeu" in name.lower()


def error(where: str, name: str, advice: str = "Copy its four factors by hand") -> SettingsError:
    """Return the error for FreeU called `name` that was seen in `where`: "a request"."""
    return SettingsError(f"FreeU in {where}", name, "must be in a form that can be read", advice)


def from_infotext(infotext: Infotext) -> None:
    """Raise SettingsError for a key about FreeU, unless its value says that it is off."""
    for key, value in infotext.items():
        named = is_freeu(key) or key == "FUM_enabled"
        if named and key != DIAGNOSTICS_KEY and not says_off(value):
            raise error("the settings", key)


def from_workflow(workflow: Any) -> None:
    """Raise SettingsError for a FreeU node in a workflow as the page of ComfyUI or InvokeAI saves it."""
    nodes = workflow.get("nodes") if isinstance(workflow, Mapping) else None
    for node in nodes if isinstance(nodes, list) else ():
        if not isinstance(node, Mapping) or node.get("mode") in NOT_RUN:
            continue
        data = node.get("data")
        kind = str((data if isinstance(data, Mapping) else node).get("type"))
        if is_freeu(kind):
            raise error("a workflow", kind, "In ComfyUI, export it in the API format; else copy its four factors")
