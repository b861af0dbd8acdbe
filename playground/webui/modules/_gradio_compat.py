"""Differences between gradio 3.41 (AUTOMATIC1111, reForge) and gradio 4.40 (Forge)."""

from __future__ import annotations

import inspect
from typing import Any

import gradio as gr

_GRADIO_4 = "head" in inspect.signature(gr.Blocks.__init__).parameters
_ComponentMeta: Any = type(gr.Checkbox)


def js(code: str) -> dict[str, str]:
    """Return the event argument that runs JavaScript `code` in the browser."""
    return {"js" if _GRADIO_4 else "_js": code}


def gallery_format() -> dict[str, str]:
    """Return the gallery argument that keeps images as PNG with their metadata."""
    return {"format": "png"} if _GRADIO_4 else {}


class MetaWithoutStub(_ComponentMeta):  # type: ignore[misc]
    """Metaclass of components that does not write a .pyi file next to the source, as gradio 4's own does."""

    def __new__(cls, name: str, bases: tuple[type, ...], attributes: dict[str, Any]) -> Any:
        plain = next(base for base in _ComponentMeta.__mro__ if base.__module__ == "abc")
        return plain.__new__(cls, name, bases, attributes)
