"""Infotexts: reading them, and putting what they say into the page's controls."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr

from modules import paths, script_callbacks, shared

log = logging.getLogger(__name__)

_PARAM = re.compile(r'\s*(\w[\w \-/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)')
_SIZE = re.compile(r"(\d+)x(\d+)")
_FEWEST_PARAMS = 3
_ALWAYS_SENT = ["Prompt", "Negative prompt", "Steps", "Seed"]

Params = dict[str, Any]
Target = str | Callable[[Params], Any]


class PasteField(tuple[Any, Any]):
    """A control and what it takes from an infotext: the value of a key, or of a function of all of them.

    `api` is the name of the request's field that it also fills in.
    """

    def __new__(cls, component: Any, target: Any, *, api: str | None = None) -> PasteField:
        """A pair, as older scripts give one."""
        return super().__new__(cls, (component, target))

    def __init__(self, component: Any, target: Any, *, api: str | None = None) -> None:
        super().__init__()
        self.api = api
        self.component = component
        self.label = target if isinstance(target, str) else None
        self.function = target if callable(target) else None


class ParamBinding:
    """A button that sends what a text, a picture or a tab holds to the tab `tabname`."""

    def __init__(
        self,
        paste_button: Any,
        tabname: str,
        source_text_component: Any = None,
        source_image_component: Any = None,
        source_tabname: str | None = None,
        override_settings_component: Any = None,
        paste_field_names: list[Any] | None = None,
    ) -> None:
        self.paste_button = paste_button
        self.tabname = tabname
        self.source_text_component = source_text_component
        self.source_image_component = source_image_component
        self.source_tabname = source_tabname
        self.override_settings_component = override_settings_component
        self.paste_field_names = paste_field_names or []


paste_fields: dict[str, dict[str, Any]] = {}
registered_param_bindings: list[ParamBinding] = []


def reset() -> None:
    """The page is made anew."""
    paste_fields.clear()
    registered_param_bindings.clear()


def quote(text: Any) -> Any:
    """A value as it stands in an infotext: as JSON where it would otherwise end early."""
    if any(mark in str(text) for mark in ",\n:"):
        return json.dumps(text, ensure_ascii=False)
    return text


def unquote(text: str) -> Any:
    """The value that `quote` wrote."""
    if len(text) < 2 or text[0] != '"' or text[-1] != '"':
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text


def parse_generation_parameters(x: str, skip_fields: list[str] | None = None) -> Params:
    """The prompts and parameters of an infotext; sizes become "Size-1" and "Size-2"."""
    *lines, last = x.strip().split("\n")
    found = _PARAM.findall(last)
    if len(found) < _FEWEST_PARAMS:
        lines, found = [*lines, last], []
    res: Params = {}
    for key, raw in found:
        size = _SIZE.fullmatch(raw)
        if size:
            res[f"{key}-1"], res[f"{key}-2"] = size.groups()
        else:
            res[key] = unquote(raw)
    text = "\n".join(line.strip() for line in lines)
    prompt, _, negative = f"\n{text}".partition("\nNegative prompt:")
    res["Prompt"], res["Negative prompt"] = prompt.removeprefix("\n").strip(), negative.strip()
    for key in shared.opts.infotext_skip_pasting if skip_fields is None else skip_fields:
        res.pop(key, None)
    return res


def add_paste_fields(tabname: str, init_img: Any, fields: Any, override_settings_component: Any = None) -> None:
    """Say what a tab takes from infotexts, and where it takes pictures."""
    fields = [field if isinstance(field, PasteField) else PasteField(*field) for field in fields or []]
    paste_fields[tabname] = {
        "init_img": init_img,
        "fields": fields,
        "override_settings_component": override_settings_component,
    }


def register_paste_params_button(binding: ParamBinding) -> None:
    """Connect a button once all tabs are made."""
    registered_param_bindings.append(binding)


def connect_paste_params_buttons() -> None:
    """Connect all registered buttons."""
    from modules._page import js

    for binding in registered_param_bindings:
        button, target = binding.paste_button, paste_fields[binding.tabname]
        if binding.source_image_component is not None and target["init_img"] is not None:
            sizes = [next(field for field, key in target["fields"] if key == f"Size-{n}") for n in (1, 2)]
            outputs = [target["init_img"], *sizes]
            button.click(send_image_and_dimensions, [binding.source_image_component], outputs, queue=False)
        if binding.source_text_component is not None:
            connect_paste(button, target["fields"], binding.source_text_component, None, binding.tabname)
        if binding.source_tabname is not None:
            names = [*_ALWAYS_SENT, *binding.paste_field_names]
            source = paste_fields[binding.source_tabname]["fields"]
            inputs = [field for field, key in source if key in names]
            outputs = [field for field, key in target["fields"] if key in names]
            button.click(lambda *values: list(values), inputs, outputs, queue=False)
        button.click(None, [], [], **js(f"() => switchTo('{binding.tabname}')"))


def image_from_url_text(filedata: Any) -> Any:
    """A picture as a page sends it: itself, the first of a gallery, or a file's name."""
    from PIL import Image

    while isinstance(filedata, (list, tuple, dict)):
        if not filedata:
            return None
        filedata = next(iter(filedata.values())) if isinstance(filedata, dict) else filedata[0]
    return Image.open(filedata) if isinstance(filedata, str) else filedata


def send_image_and_dimensions(x: Any) -> tuple[Any, Any, Any]:
    """A picture, its width and its height."""
    image = image_from_url_text(x)
    if image is None or not shared.opts.send_size:
        return image, gr.update(), gr.update()
    return image, image.width, image.height


def connect_paste(
    button: Any, paste_fields: list[Any], input_comp: Any, override_settings_component: Any, tabname: str
) -> None:
    """Let a button fill the controls from the text of `input_comp` or, where it is empty, of the last job."""

    def paste_func(prompt: str) -> list[Any]:
        if not prompt:
            last = Path(paths.data_path) / "params.txt"
            prompt = last.read_text(encoding="utf8") if last.exists() else ""
        params = parse_generation_parameters(prompt)
        script_callbacks.infotext_pasted_callback(prompt, params)
        return [_pasted(component, target, params) for component, target in paste_fields]

    button.click(paste_func, [input_comp], [field[0] for field in paste_fields])


def _pasted(component: Any, target: Target, params: Params) -> Any:
    """What a control becomes: nothing new for None and for what its type cannot be made of."""
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
