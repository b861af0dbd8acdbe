"""The accordion of one tab: a control for each parameter of the table, laid out in rows, and its events."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import gradio as gr
from modules.infotext_utils import PasteField
from modules.ui_components import InputAccordion

from freeu.arguments import ARGUMENTS, EXTRA_OUTPUTS
from freeu.settings.parameter import Parameter
from freeu.settings.settings import TABLE, Settings
from freeu.settings.stage import STAGES
from freeu.webui.callbacks import DEFAULT_STEPS, PASTE, Callbacks, paste_steps
from freeu.webui.gradio_compat import QUIET, on_page_load, status_html, update_on_change
from freeu.webui.options import initialize_page
from freeu.webui.preset_catalog import PresetCatalog
from freeu.webui.preset_panel import PresetPanel

ElemId = Callable[[str], str]

_NARROW = ("high", "offset", "width", "cutoff")
"""Parameters in rows of three, which have no space for a line of help."""


class Controls:
    """The accordion of one tab.

    Attributes:
        arguments: the controls in the order of the script's arguments.
        values: those of the parameters, in the order of the table.
    """

    def __init__(self, catalog: PresetCatalog, title: str, elem_id: ElemId, is_img2img: bool) -> None:
        self.elem_id = elem_id
        self.callbacks = Callbacks(catalog, is_img2img)
        with InputAccordion(False, label=title, elem_id=elem_id("enabled")) as enabled:
            others = {n: _make_control(n, argument, elem_id(n)) for n, argument in ARGUMENTS.items() if n != "enabled"}
            self._by_name = {"enabled": enabled, **others}
            self.arguments = [self._by_name[name] for name in ARGUMENTS]
            self.values = [self._by_name[name] for name in TABLE]
            self.preset = _make_preset_dropdown(catalog, elem_id("preset"))
            self.status = status_html("freeu-status")
            self.steps = gr.Number(DEFAULT_STEPS, visible=False, elem_id=elem_id("steps"))
            self._lay_out(catalog)
        for component in (self.preset, self.status, self.steps):
            component.do_not_save_to_config = True  # the host writes the other initial values to ui-config.json
        self._connect()

    def follow_steps(self, slider: Any) -> None:
        """Update the status line when the host's step slider changes."""
        self.steps.value = slider.value
        inputs, outputs = [self.preset, slider, *self.values], [self.steps, self.preset, self.status]
        update_on_change(slider.change, self.callbacks.refresh_steps, inputs, outputs)

    def share_presets(self, *tabs: Controls) -> None:
        """Show changes of presets that are made on this tab on all of `tabs`."""
        for last in self._panel.connect(self.values):
            for tab in tabs:
                last = last.then(tab.callbacks.refresh_presets, *tab._preset_event(), **QUIET)  # noqa: PLW2901

    def paste_fields(self) -> list[PasteField]:
        """Return what the host restores from an image's infotext. "Send to" uses all but the last two."""
        fields = [PasteField(self._by_name[name], PASTE[name]) for name in TABLE]
        return [
            *fields,
            PasteField(self.steps, paste_steps),
            PasteField(self.preset, self.callbacks.paste_preset),
            PasteField(self.status, self.callbacks.paste_status),
        ]

    def _lay_out(self, catalog: PresetCatalog) -> None:
        with gr.Row():
            self.preset.render()
            self._by_name["version"].render()
        self._row("b1", "s1")
        self._row("b2", "s2")
        self._row("keep_contrast")
        self.status.render()
        with gr.Accordion("Schedule", open=False, elem_id=self.elem_id("schedule")):
            self._row("start", "stop", "smoothness")
            # javascript/freeu_curve_editor.js fills this. Its value never changes, so gradio leaves it alone.
            gr.HTML(f'<div class="freeu-editor" data-box="{self.elem_id("curve")}"></div>')
            self._row("curve")
            self._row("clock", "passes")
        with gr.Accordion("Advanced", open=False, elem_id=self.elem_id("advanced")):
            self._row("b3", "s3")
            for kind in _NARROW:
                self._row(*(f"{kind}{n}" for n in STAGES))
            self._row("mask", "stage_map")
        self._panel = PresetPanel(catalog, self.elem_id, self.preset)
        with gr.Accordion("Diagnostics", open=False, elem_id=self.elem_id("diagnostics")):
            self._row(*EXTRA_OUTPUTS)

    def _row(self, *names: str) -> None:
        with gr.Row():
            for name in names:
                self._by_name[name].render()

    def _connect(self) -> None:
        """Connect the events that keep the preset's name and the status line true to the values."""
        inputs, outputs = self._preset_event()
        for control in self.values:
            update_on_change(control.change, self.callbacks.refresh, inputs, outputs)
        # New choices wait until the list is closed (see `set_choices`).
        self.preset.focus(self.callbacks.open_presets, [], [], **QUIET)
        self.preset.blur(self.callbacks.close_presets, [self.preset], [self.preset], **QUIET)
        filled = [self._by_name[name] for name in TABLE if name != "enabled"]
        self.preset.input(self.callbacks.fill, inputs, [*outputs, *filled], **QUIET)
        on_page_load(partial(initialize_page, self.callbacks), inputs, [*outputs, self._panel.message, *self.values])

    def _preset_event(self) -> tuple[list[Any], list[Any]]:
        """Return inputs and outputs of an event that updates the preset's name and the status line."""
        return [self.preset, self.steps, *self.values], [self.preset, self.status]


def _make_control(name: str, parameter: Parameter, elem_id: str) -> Any:
    """Return a control for one parameter, not yet rendered. The host shows its help as a tooltip."""
    info = None if name.startswith(_NARROW) else parameter.summary
    common = {"value": parameter.default, "label": parameter.label, "info": info, "elem_id": elem_id, "render": False}
    if parameter.kind == "choice":
        control = gr.Radio(list(parameter.choices), **common)
    elif parameter.kind == "number":
        control = gr.Slider(parameter.low, parameter.high, step=0.01, **common)
    elif parameter.kind == "switch":
        control = gr.Checkbox(**common)
    else:
        control = gr.Textbox(max_lines=1, placeholder="progress:strength, ...", **common)
    control.webui_tooltip = parameter.help
    return control


def _make_preset_dropdown(catalog: PresetCatalog, elem_id: str) -> Any:
    dropdown = gr.Dropdown(
        catalog.choices(),
        value=catalog.name_of(Settings()),
        label="Preset",
        info="Sets all values at once.",
        elem_id=elem_id,
        render=False,
    )
    dropdown.webui_tooltip = "Sets all values at once. Automatic is the preset for the loaded model."
    return dropdown
