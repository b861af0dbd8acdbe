"""The table as gradio controls: their rows, the preset that fills them, what is pasted into them.

Controls follow from the table; where they stand is written by hand.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import gradio as gr
from modules.infotext_utils import PasteField
from modules.ui_components import InputAccordion

from freeu.decoder import UnsupportedUNetError
from freeu.infotext import from_infotext
from freeu.params import STAGES, TABLE, Settings
from freeu.values import Param, SettingsError, Value
from freeu.webui import host, presets, status

CUSTOM = "Custom"
"""The preset that stands for values of one's own."""

DEFAULT_STEPS = 20
"""What is assumed where the host's step slider is not to be seen."""

ElemId = Callable[[str], str]
Infotext = Mapping[str, Any]


class Controls:
    """The accordion of one tab. `values` are its controls in the order of the table."""

    def __init__(self, title: str, elem_id: ElemId) -> None:
        self.elem_id = elem_id
        with InputAccordion(False, label=title, elem_id=elem_id("enabled")) as enabled:
            others = {name: _control(param, elem_id(name)) for name, param in TABLE.items() if name != "enabled"}
            self.by_name = {"enabled": enabled, **others}
            self.preset = _preset_control(elem_id("preset"))
            self._lay_out()
            self.status = gr.HTML("", elem_id=elem_id("status"))
            self.steps = gr.Number(DEFAULT_STEPS, visible=False, elem_id=elem_id("steps"))
        self._listen()

    @property
    def values(self) -> list[Any]:
        """The controls in the order of the table."""
        return [self.by_name[name] for name in TABLE]

    def follow_steps(self, steps: Any) -> None:
        """Tell the status line the steps of the host's slider."""
        self.steps.value = steps.value
        outputs = [self.steps, self.preset, self.status]
        steps.change(_refresh_steps, [steps, *self.values], outputs, queue=False, show_progress="hidden")

    def paste_fields(self) -> list[PasteField]:
        """What the host restores from a picture's infotext."""
        fields = [PasteField(self.by_name[name], PASTE[name]) for name in TABLE]
        return [*fields, PasteField(self.status, _paste_report)]

    def _lay_out(self) -> None:
        self._row("version")
        self._row("b1", "s1")
        self._row("b2", "s2")
        with gr.Accordion("Schedule", open=False, elem_id=self.elem_id("schedule")):
            self._row("start", "stop", "smoothness")
            self._row("curve")
            self._row("clock", "passes")
        with gr.Accordion("Advanced", open=False, elem_id=self.elem_id("advanced")):
            self._row("b3", "s3")
            for kind in ("high", "offset", "width", "cutoff"):
                self._row(*(f"{kind}{n}" for n in STAGES))
            self._row("mask", "stage_map")

    def _row(self, *names: str) -> None:
        with gr.Row():
            if "version" in names:
                self.preset.render()
            for name in names:
                self.by_name[name].render()

    def _listen(self) -> None:
        """Keep the preset's name and the status line true to the values."""
        quiet = {"queue": False, "show_progress": "hidden"}
        told = {"fn": _refresh, "inputs": [self.steps, *self.values], "outputs": [self.preset, self.status], **quiet}
        for name, param in TABLE.items():
            # A slider tells each pixel of a drag, unless asked for its end.
            event = {"switch": "change", "number": "release"}.get(param.kind, "input")
            getattr(self.by_name[name], event)(**told)
        filled = [self.by_name[name] for name in TABLE if name != "enabled"]
        inputs, outputs = [self.preset, self.steps, *self.values], [*filled, self.preset, self.status]
        self.preset.input(_fill, inputs, outputs, **quiet)


def _control(param: Param, elem_id: str) -> Any:
    """A gradio control for one parameter, not yet on the page."""
    common = {"value": param.default, "label": param.label, "info": param.help, "elem_id": elem_id, "render": False}
    if param.kind == "choice":
        return gr.Radio(list(param.choices), **common)
    if param.kind == "number":
        return gr.Slider(param.low, param.high, step=0.01, **common)
    return gr.Textbox(max_lines=1, placeholder="progress:strength, ...", **common)


def _preset_control(elem_id: str) -> Any:
    return gr.Dropdown(
        [CUSTOM, presets.AUTOMATIC, *presets.named()],
        value=presets.name_of(Settings()) or CUSTOM,
        label="Preset",
        info="Fills in known-good values. Automatic: those for the model that is loaded.",
        elem_id=elem_id,
        render=False,
    )


def _refresh(steps: float, *values: Value) -> tuple[Any, str]:
    """The preset's name and the status line for the values of the page."""
    try:
        settings = Settings.parse(values)
    except SettingsError as error:
        return gr.update(), _alert(error)
    return gr.update(value=presets.name_of(settings) or CUSTOM), _status(settings, steps)


def _refresh_steps(steps: float, *values: Value) -> tuple[Any, ...]:
    return (steps, *_refresh(steps, *values))


def _fill(preset: str, steps: float, *values: Value) -> tuple[Any, ...]:
    """The values of a preset, its name and the status line. Custom fills in nothing."""
    if preset == CUSTOM:
        return (*[gr.update()] * (len(TABLE) - 1), *_refresh(steps, *values))
    if preset not in presets.available():
        unchanged = [gr.update()] * len(TABLE)
        return (*unchanged, _alert("Automatic knows SD 1, SD 2 and SDXL; none of them is loaded."))
    settings = presets.available()[preset].replace(enabled=values[0])
    filled = [value for name, value in settings.to_dict().items() if name != "enabled"]
    name = presets.FOR_FAMILY[host.model_family()] if preset == presets.AUTOMATIC else preset
    return (*filled, name, _status(settings, steps))


def _status(settings: Settings, steps: float) -> str:
    try:
        line = status.describe(settings, host.loaded_unet(), host.model_family(), int(steps))
    except UnsupportedUNetError as error:
        return _alert(f"FreeU can do nothing: {error}")
    return f"<p>{html.escape(line)}</p>"


def _alert(message: object) -> str:
    return f'<p style="color: var(--error-text-color, #b91c1c)">{html.escape(str(message))}</p>'


def _pasted(name: str, infotext: Infotext) -> Value | None:
    """What a picture says of one parameter; None leaves the control alone. No FreeU in it means off.

    A damaged picture raises SettingsError for the switch alone, so that the API refuses it once.
    """
    try:
        settings = from_infotext(infotext)
    except SettingsError:
        if name == "enabled":
            raise
        return None
    if settings is None:
        return False if name == "enabled" else None
    value: Value = getattr(settings, name)
    return value


PASTE = {name: partial(_pasted, name) for name in TABLE}
"""One function a parameter. Both tabs share them: by these the host finds what "send to" copies where."""


def _paste_report(infotext: Infotext) -> str | None:
    """The status line for a pasted picture, or why its FreeU settings could not be read."""
    try:
        settings = from_infotext(infotext) or Settings(enabled=False)
    except SettingsError as error:
        message = f"FreeU is left as it was, since the picture's settings could not be read: {error}"
        gr.Warning(message)
        return _alert(message)
    return _status(settings, float(infotext.get("Steps", DEFAULT_STEPS)))
