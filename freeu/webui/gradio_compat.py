"""Differences between gradio 3.41 (AUTOMATIC1111, reForge) and gradio 4.40 (Forge), and how to write for both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import gradio as gr
from gradio.context import Context

QUIET: dict[str, Any] = {"queue": False, "show_progress": "hidden"}
"""Options of an event that neither waits for other events nor shows a progress bar."""

UNCHANGED = gr.update()
"""Leaves a component as it is. `gr.update` exists in both; `gr.Slider.update` is gone in gradio 4."""


def update_on_change(
    event: Callable[..., Any], function: Callable[..., Any], inputs: list[Any], outputs: list[Any]
) -> None:
    """Update `outputs` with `function` on each event, so that they end up true to the last values.

    gradio 3 drops an event while the answer to the last one of its kind is pending. So the function runs again after
    each answer; once more, since that run can be dropped too. gradio 3 keeps answers in order only if they need no
    thread, so the function runs as a coroutine.
    """

    async def answer(*values: Any) -> Any:
        return function(*values)

    call = (answer, inputs, outputs)
    event(*call, **QUIET).then(*call, **QUIET).then(*call, **QUIET)


def on_page_load(function: Callable[..., Any], inputs: list[Any], outputs: list[Any]) -> None:
    """Call `function` each time the page is loaded, from inside the host's `gr.Blocks`."""
    Context.root_block.load(function, inputs, outputs, **QUIET)


def select(choices: Sequence[str], value: str) -> Any:
    """Return an update of a dropdown to `value`.

    Use it only if something changed: gradio 4 filters an open list when it gets a new one.
    """
    return gr.update(choices=list(choices), value=value)


def set_choices(choices: Sequence[str]) -> Any:
    """Return an update of a dropdown's choices. Its value stays, so an answer that comes late undoes no choice.

    Use it only when the list is closed: gradio 4 filters an open list when it gets new choices.
    """
    return gr.update(choices=list(choices))


def warn(message: str) -> None:
    """Show a message in a box of its own.

    gradio 4 renders it as HTML, and the text may come from a stranger; gradio 3 shows it as it is. "<" and a space
    begin no tag.
    """
    gr.Warning(message.replace("<", "< "))


def status_html(elem_class: str) -> Any:
    """Return an HTML component with a class. gradio puts an HTML's id on two elements, so it has no id."""
    return gr.HTML("", elem_classes=[elem_class], render=False)
