"""The table as gradio controls: their rows, and what they listen to.

Controls follow from the table; where they stand is written by hand.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import gradio as gr
from gradio.context import Context
from modules.infotext_utils import PasteField
from modules.ui_components import InputAccordion

from freeu.params import STAGES, TABLE, Settings
from freeu.values import Param
from freeu.webui import answers, options, presets, wishes
from freeu.webui.preset_bar import PresetBar

ElemId = Callable[[str], str]

_WITHOUT_INFO = ("high", "offset", "width", "cutoff")
"""Three in a row: too narrow for more than a label."""

_QUIETLY: dict[str, Any] = {"queue": False, "show_progress": "hidden"}


class Controls:
    """The accordion of one tab. `values` are its controls in the order of the table, `wishes` what comes after them."""

    def __init__(self, title: str, elem_id: ElemId, is_img2img: bool) -> None:
        self.elem_id = elem_id
        self.answers = answers.Answers(is_img2img)
        with InputAccordion(False, label=title, elem_id=elem_id("enabled")) as enabled:
            others = {name: _control(name, param, elem_id(name)) for name, param in TABLE.items() if name != "enabled"}
            self.by_name = {"enabled": enabled, **others}
            self.wishes = [_checkbox(wish, elem_id(name)) for name, wish in wishes.NAMES.items()]
            self.preset = _preset_control(elem_id("preset"))
            # gradio gives an HTML's id twice, so it has a class.
            self.status = gr.HTML("", elem_classes=["freeu-status"], render=False)
            self.steps = gr.Number(answers.DEFAULT_STEPS, visible=False, elem_id=elem_id("steps"))
            self._lay_out()
        for shown in (self.preset, self.status, self.steps):
            shown.do_not_save_to_config = True  # the host saves the others' initial values for users to change
        self._listen()

    @property
    def values(self) -> list[Any]:
        """The controls in the order of the table."""
        return [self.by_name[name] for name in TABLE]

    def follow_steps(self, steps: Any) -> None:
        """Tell the status line the steps of the host's slider."""
        self.steps.value = steps.value
        inputs, outputs = [self.preset, steps, *self.values], [self.steps, self.preset, self.status]
        _ask(steps.change, self.answers.refresh_steps, inputs, outputs)

    def share_presets(self, *tabs: Controls) -> None:
        """Whatever changes the presets here, show it on all of `tabs`."""
        for event in self.own_presets.listen(self.values):
            last = event
            for tab in tabs:
                last = last.then(tab.answers.relist, *tab._presets_shown(), **_QUIETLY)

    def paste_fields(self) -> list[PasteField]:
        """What the host restores from a picture's infotext; all but the last two are also sent from tab to tab."""
        fields = [PasteField(self.by_name[name], answers.PASTE[name]) for name in TABLE]
        shown = {
            self.steps: answers.paste_steps,
            self.preset: answers.paste_preset,  # not sent: the other tab finds it by the values
            self.status: self.answers.paste_report,
        }
        return [*fields, *(PasteField(component, function) for component, function in shown.items())]

    def _lay_out(self) -> None:
        self._row("version")
        self._row("b1", "s1")
        self._row("b2", "s2")
        self.status.render()
        with gr.Accordion("Schedule", open=False, elem_id=self.elem_id("schedule")):
            self._row("start", "stop", "smoothness")
            # javascript/freeu.js puts the graph here. The value never changes, so gradio leaves it alone.
            gr.HTML(f'<div class="freeu-editor" data-box="{self.elem_id("curve")}"></div>')
            self._row("curve")
            self._row("clock", "passes")
        with gr.Accordion("Advanced", open=False, elem_id=self.elem_id("advanced")):
            self._row("b3", "s3")
            for kind in ("high", "offset", "width", "cutoff"):
                self._row(*(f"{kind}{n}" for n in STAGES))
            self._row("mask", "stage_map")
        self.own_presets = PresetBar(self.elem_id, self.preset)
        with gr.Accordion("Look", open=False, elem_id=self.elem_id("looks")), gr.Row():
            for wish in self.wishes:
                wish.render()

    def _row(self, *names: str) -> None:
        with gr.Row():
            if "version" in names:
                self.preset.render()
            for name in names:
                self.by_name[name].render()

    def _listen(self) -> None:
        """Keep the preset's name and the status line true to the values."""
        inputs, outputs = self._presets_shown()
        for control in self.values:
            _ask(control.change, self.answers.refresh, inputs, outputs)
        # A page elsewhere may have changed the presets. An open list cannot be told, so this is for the next time.
        self.preset.blur(answers.offered, [self.preset], [self.preset], **_QUIETLY)
        filled = [self.by_name[name] for name in TABLE if name != "enabled"]
        self.preset.input(self.answers.fill, inputs, [*outputs, *filled], **_QUIETLY)
        started = [*outputs, self.own_presets.message, *self.values]
        Context.root_block.load(partial(options.start, self.answers), inputs, started, **_QUIETLY)

    def _presets_shown(self) -> tuple[list[Any], list[Any]]:
        """Inputs and outputs of what shows the presets, and the one that has the page's values."""
        return [self.preset, self.steps, *self.values], [self.preset, self.status]


def _ask(event: Callable[..., Any], function: Callable[..., Any], inputs: list[Any], outputs: list[Any]) -> None:
    """Show what `function` says at an event, such that the last event has the last word.

    gradio 3 drops events while it waits for the answer to the last one, hence once more; and it answers in
    the order in which it was asked only if it need not start threads, hence a coroutine.
    """

    async def answer(*values: Any) -> Any:
        return function(*values)

    event(answer, inputs, outputs, **_QUIETLY).then(answer, inputs, outputs, **_QUIETLY)


def _control(name: str, param: Param, elem_id: str) -> Any:
    """A gradio control for one parameter, not yet on the page. Its help shows when the mouse is over it."""
    info = None if name.startswith(_WITHOUT_INFO) else param.summary
    common = {"value": param.default, "label": param.label, "info": info, "elem_id": elem_id, "render": False}
    if param.kind == "choice":
        control = gr.Radio(list(param.choices), **common)
    elif param.kind == "number":
        control = gr.Slider(param.low, param.high, step=0.01, **common)
    else:
        control = gr.Textbox(max_lines=1, placeholder="progress:strength, ...", **common)
    control.webui_tooltip = param.help  # the hosts make it the element's title
    return control


def _checkbox(wish: Param, elem_id: str) -> Any:
    checkbox = gr.Checkbox(wish.default, label=wish.label, info=wish.summary, elem_id=elem_id, render=False)
    checkbox.webui_tooltip = wish.help
    return checkbox


def _preset_control(elem_id: str) -> Any:
    control = gr.Dropdown(
        presets.choices(),
        value=presets.name_of(Settings()),
        label="Preset",
        info="Fills in known-good values.",
        elem_id=elem_id,
        render=False,
    )
    control.webui_tooltip = "Fills in known-good values. Automatic: those for the model that is loaded."
    return control
