"""What differs between the versions of gradio that hosts use: 3.41 and 4.40."""

from __future__ import annotations

import inspect

import gradio as gr

_GRADIO_4 = "head" in inspect.signature(gr.Blocks.__init__).parameters


def js(code: str) -> dict[str, str]:
    """The argument of an event by which the browser runs `code`."""
    return {"js" if _GRADIO_4 else "_js": code}


def gallery_format() -> dict[str, str]:
    """The argument of a gallery that keeps pictures as PNG, with their texts."""
    return {"format": "png"} if _GRADIO_4 else {}
