"""Parse infotexts, and fill the page's controls from them."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image

from modules import paths
from modules._gradio_compat import js

log = logging.getLogger(__name__)

_PARAM = re.compile(r'\s*(\w[\w \-/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)')
_SIZE = re.compile(r"(\d+)x(\d+)")
_MIN_PARAMS = 3
_ALWAYS_SENT = ["Prompt", "Negative prompt", "Steps", "Seed"]

_Params = dict[str, Any]


class PasteField(tuple[Any, Any]):
    """A control and its source in an infotext: a key, or a function of all parameters.

    `api` is the name of the request's field that has the same source.
    """

    def __new__(cls, component: Any, target: Any, *, api: str | None = None) -> PasteField:
        """Create a pair, which scripts may give instead of a PasteField."""
        return super().__new__(cls, (component, target))

    def __init__(self, component: Any, target: Any, *, api: str | None = None) -> None:
        super().__init__()
        self.api = api
        self.component = component
        self.label = target if isinstance(target, str) else None
        self.function = target if callable(target) else None


class ParamBinding:
    """A button that sends a text, an image or the values of another tab to the tab `tabname`."""

    def __init__(
        self,
        paste_button: Any,
        tabname: str,
        source_text_component: Any = None,
        source_image_component: Any = None,
        source_tabname: str | None = None,
        *,
        paste_field_names: list[Any] | None = None,
    ) -> None:
        self.paste_button = paste_button
        self.tabname = tabname
        self.source_text_component = source_text_component
        self.source_image_component = source_image_component
        self.source_tabname = source_tabname
        self.paste_field_names = paste_field_names or []


paste_fields: dict[str, dict[str, Any]] = {}
registered_param_bindings: list[ParamBinding] = []


def reset() -> None:
    """Forget the fields and buttons of the previous page."""
    paste_fields.clear()
    registered_param_bindings.clear()


def quote(text: Any) -> Any:
    """Return a value for an infotext, as JSON if it contains separators."""
    if any(mark in str(text) for mark in ",\n:"):
        return json.dumps(text, ensure_ascii=False)
    return text


def unquote(text: str) -> Any:
    """Return the value that `quote` wrote."""
    if len(text) < 2 or text[0] != '"' or text[-1] != '"':
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text


def parse_generation_parameters(x: str) -> _Params:
    """Return the prompts and parameters of an infotext. Sizes become "Size-1" and "Size-2"."""
    *lines, last = x.strip().split("\n")
    found = _PARAM.findall(last)
    if len(found) < _MIN_PARAMS:
        lines, found = [*lines, last], []
    params: _Params = {}
    for key, raw in found:
        size = _SIZE.fullmatch(raw)
        if size:
            params[f"{key}-1"], params[f"{key}-2"] = size.groups()
        else:
            params[key] = unquote(raw)
    text = "\n".join(line.strip() for line in lines)
    prompt, _, negative = f"\n{text}".partition("\nNegative prompt:")
    params["Prompt"], params["Negative prompt"] = prompt.removeprefix("\n").strip(), negative.strip()
    return params


def add_paste_fields(tabname: str, init_img: Any, fields: Any) -> None:
    """Register the fields of a tab, and its control for an image."""
    fields = [field if isinstance(field, PasteField) else PasteField(*field) for field in fields]
    paste_fields[tabname] = {"init_img": init_img, "fields": fields}


def register_paste_params_button(binding: ParamBinding) -> None:
    """Register a button, to be connected when all tabs exist."""
    registered_param_bindings.append(binding)


def connect_paste_params_buttons() -> None:
    """Connect all registered buttons."""
    for binding in registered_param_bindings:
        button, target = binding.paste_button, paste_fields[binding.tabname]
        if binding.source_image_component is not None:
            sizes = [next(field for field, key in target["fields"] if key == f"Size-{n}") for n in (1, 2)]
            outputs = [target["init_img"], *sizes]
            button.click(send_image_and_dimensions, [binding.source_image_component], outputs, queue=False)
        if binding.source_text_component is not None:
            _connect_paste(button, target["fields"], binding.source_text_component)
        if binding.source_tabname is not None:
            names = [*_ALWAYS_SENT, *binding.paste_field_names]
            source = paste_fields[binding.source_tabname]["fields"]
            inputs = [field for field, key in source if key in names]
            outputs = [field for field, key in target["fields"] if key in names]
            button.click(lambda *values: list(values), inputs, outputs, queue=False)
        button.click(None, [], [], **js(f"() => switchTo('{binding.tabname}')"))


def send_image_and_dimensions(x: Image.Image | None) -> tuple[Any, Any, Any]:
    """Return an image, its width and its height."""
    return (x, x.width, x.height) if x is not None else (None, gr.update(), gr.update())


def _connect_paste(button: Any, fields: list[Any], source: Any) -> None:
    """Fill the controls from the text of `source` or, if it is empty, from the infotext of the last job."""

    def paste(infotext: str) -> list[Any]:
        if not infotext:
            last = Path(paths.data_path) / "params.txt"
            infotext = last.read_text(encoding="utf8") if last.exists() else ""
        params = parse_generation_parameters(infotext)
        return [_pasted_value(component, target, params) for component, target in fields]

    button.click(paste, [source], [field[0] for field in fields])


def _pasted_value(component: Any, target: str | Callable[[_Params], Any], params: _Params) -> Any:
    """Return a control's new value, or an empty update if there is none that its type accepts."""
    try:
        value = target(params) if callable(target) else params.get(target)
    except Exception:
        log.exception("pasting with %r failed", target)
        return gr.update()
    if value is None or isinstance(value, type(gr.update())):
        return gr.update() if value is None else value
    kind = type(component.value)
    try:
        if kind is bool and value == "False":
            return gr.update(value=False)
        return gr.update(value=float(value) if kind is int else kind(value))
    except (TypeError, ValueError):
        return gr.update()
