"""Controls that gradio does not have."""

from __future__ import annotations

from functools import wraps
from typing import Any

import gradio as gr
from gradio.context import Context

from modules._gradio_compat import MetaWithoutStub, js


class InputAccordion(gr.Checkbox, metaclass=MetaWithoutStub):  # type: ignore[misc]
    """An accordion with a checkbox in its label. Its value is that of the checkbox; a `with` block adds its content.

    It is a hidden gr.Checkbox and a gr.Accordion. host.js adds the visible checkbox, and keeps both checkboxes equal.
    """

    global_index = 0

    @wraps(gr.Checkbox.__init__)  # type: ignore[misc]  # gradio 4 reads the parameters from the signature
    def __init__(self, value: Any = None, **kwargs: Any) -> None:
        if Context.root_block is None:
            # gradio 4 constructs a component to read an update of it
            super().__init__(value, **kwargs)
            return
        self.accordion_id = kwargs.pop("elem_id", None) or f"input-accordion-{InputAccordion.global_index}"
        InputAccordion.global_index += 1
        # gradio 4 does not render an invisible component, so style.css hides this one
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
        """Return the name of the browser's component."""
        return "checkbox"
