"""Controls that gradio does not have."""

from __future__ import annotations

from functools import wraps
from typing import Any

import gradio as gr
from gradio.context import Context

from modules._page import js

_Meta: Any = type(gr.Checkbox)


class _WithoutStub(_Meta):  # type: ignore[misc]
    """Gradio 4 writes a stub file beside the source of each new component; not of ours."""

    def __new__(cls, name: str, bases: tuple[type, ...], attributes: dict[str, Any]) -> Any:
        plain = next(base for base in _Meta.__mro__ if base.__module__ == "abc")
        return plain.__new__(cls, name, bases, attributes)


class InputAccordion(gr.Checkbox, metaclass=_WithoutStub):  # type: ignore[misc]
    """An accordion that is an input: whether it is on.

    It is a hidden checkbox. JavaScript puts a visible one into the accordion's label, and keeps both alike. What is
    made in its `with` block is inside the accordion.
    """

    global_index = 0

    @wraps(gr.Checkbox.__init__)  # type: ignore[misc]  # gradio 4 reads there what to tell the browser
    def __init__(self, value: Any = None, **kwargs: Any) -> None:
        if Context.root_block is None:
            # Gradio 4 makes a component anew to read an update of it.
            super().__init__(value, **kwargs)
            return
        self.accordion_id = kwargs.pop("elem_id", None) or f"input-accordion-{InputAccordion.global_index}"
        InputAccordion.global_index += 1
        # Gradio 4 leaves what is not visible out of the page, so this one is hidden by style.
        super().__init__(value, elem_id=f"{self.accordion_id}-checkbox", elem_classes=["hidden-checkbox"], **kwargs)
        self.change(None, [self], [], **js(f"(on) => inputAccordionChecked('{self.accordion_id}', on)"))
        self.accordion = gr.Accordion(
            kwargs.get("label", "Accordion"),
            open=value,
            elem_id=self.accordion_id,
            elem_classes=["input-accordion"],
        )

    def __enter__(self) -> InputAccordion:
        self.accordion.__enter__()
        return self

    def __exit__(self, exc_type: object, exc_val: object, exc_tb: object) -> None:
        self.accordion.__exit__(exc_type, exc_val, exc_tb)

    def get_block_name(self) -> str:
        """What the browser takes it for."""
        return "checkbox"
