"""What the page asks: the status line, a preset's values, what a pasted picture says. Answers for gradio."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping
from functools import lru_cache, partial
from typing import Any

import gradio as gr

from freeu.decoder import UnsupportedUNetError
from freeu.infotext import from_infotext
from freeu.params import TABLE, Settings
from freeu.values import SettingsError, Value
from freeu.webui import host, presets, status

DEFAULT_STEPS = 20.0
"""What is assumed where the host's step slider is not to be seen."""

Infotext = Mapping[str, Any]


class Answers:
    """The answers for one tab. img2img samples fewer steps than its slider says, so its run is told in per cent."""

    def __init__(self, is_img2img: bool) -> None:
        self.is_img2img = is_img2img
        self.first_offered = presets.choices()  # what every page offers before it asks

    def refresh(self, preset: str, steps: float, *values: Value) -> tuple[Any, str]:
        """The preset with the page's values, and the status line for them."""
        listed, line = self.relist(preset, steps, *values)
        # Gradio 4 narrows an open list down when it is told one, so it is told only what is new.
        return gr.update() if listed.get("value", preset) == preset else listed, line

    def relist(self, preset: str, steps: float, *values: Value) -> tuple[Any, str]:
        """The same, where there may be other presets now."""
        try:
            settings = Settings.parse(values)
        except SettingsError as error:
            return offered(preset), alert(error)
        return shown(presets.name_of(settings, preset)), self.status(settings, steps)

    def refresh_steps(self, preset: str, steps: float, *values: Value) -> tuple[Any, ...]:
        """The same for other steps, and those steps."""
        return (steps, *self.refresh(preset, steps, *values))

    def fill(self, preset: str, steps: float, *values: Value) -> tuple[Any, ...]:
        """What `refresh` answers, and the values of a preset; Custom fills in nothing."""
        unchanged = [gr.update()] * (len(TABLE) - 1)
        if preset == presets.CUSTOM:
            return (*self.refresh(preset, steps, *values), *unchanged)
        settings = presets.available().get(preset)
        if settings is None:
            return (shown(presets.CUSTOM), alert(missing(preset)), *unchanged)
        settings = settings.replace(enabled=values[0])
        filled = [value for name, value in settings.to_dict().items() if name != "enabled"]
        return (shown(presets.resolved(preset)), self.status(settings, steps), *filled)

    def paste_report(self, infotext: Infotext) -> str | None:
        """The status line for a pasted picture. One whose FreeU settings cannot be read is told in a box of its own."""
        try:
            settings = _read(infotext) or Settings(enabled=False)
        except SettingsError as error:
            said = html.escape(str(error), quote=False)  # gradio 4 shows it as HTML, and it is a stranger's text
            gr.Warning(f"FreeU is left as it was, since the picture's settings could not be read: {said}")
            return None
        return self.status(settings, paste_steps(infotext))

    def status(self, settings: Settings, steps: float) -> str:
        """The status line, or why FreeU can do nothing; and what is wrong with the file of presets, if anything is."""
        return "".join([self._line(settings, steps), *map(alert, presets.OWN.problems)])

    def _line(self, settings: Settings, steps: float) -> str:
        """The line, with the strengths of the run for the graph."""
        known = None if self.is_img2img else int(steps or DEFAULT_STEPS)
        try:
            line = status.describe(settings, host.loaded_unet(), host.model_family(), known)
        except UnsupportedUNetError as error:
            return alert(f"FreeU can do nothing: {error}")
        graph = html.escape(json.dumps(status.graph(settings, known)))
        return f'<p data-freeu="{graph}">{html.escape(line)}</p>'


def offered(preset: str) -> Any:
    """The presets that there are, and the one shown, which may be gone: it stays until another is chosen."""
    names = presets.choices()
    return gr.update(choices=names if preset in names else [*names, preset])


def shown(preset: str) -> Any:
    """The dropdown with that preset. The others go along: there may be new ones, or fewer."""
    return gr.update(choices=presets.choices(), value=preset)


def missing(preset: str) -> str:
    """Why a preset's values cannot be had."""
    if preset == presets.AUTOMATIC:
        return "Automatic knows SD 1, SD 2 and SDXL; none of them is loaded."
    return f"There is no preset {preset} any more."


def _read(infotext: Infotext) -> Settings | None:
    """A picture's settings. The host asks once a control, so the last picture's are remembered."""
    return _remembered(tuple((key, value) for key, value in infotext.items() if isinstance(value, str)))


@lru_cache(maxsize=1)
def _remembered(infotext: tuple[tuple[str, str], ...]) -> Settings | None:
    return from_infotext(dict(infotext))


def alert(message: object) -> str:
    """A line that says that something is wrong."""
    return f'<p style="color: var(--error-text-color, #b91c1c)">{html.escape(str(message))}</p>'


def _pasted(name: str, infotext: Infotext) -> Value | None:
    """What a picture says of one parameter; None leaves the control alone. No FreeU in it means off.

    A damaged picture raises SettingsError for the switch alone, so that the API refuses it once.
    """
    try:
        settings = _read(infotext)
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


def paste_preset(infotext: Infotext) -> Any:
    """The preset with a picture's values."""
    try:
        settings = _read(infotext)
    except SettingsError:
        return None
    return shown(presets.name_of(settings)) if settings else None


def paste_steps(infotext: Infotext) -> float:
    """A picture's steps, for the status line."""
    steps = str(infotext.get("Steps", ""))
    return float(steps) if re.fullmatch(r"[1-9]\d{0,3}", steps) else DEFAULT_STEPS
