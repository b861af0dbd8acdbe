"""What the page's events do: the status line, a preset's values, a pasted image's values."""

from __future__ import annotations

import html
import json
from functools import lru_cache, partial
from typing import Any

from freeu.compat.detect import from_infotext
from freeu.compat.steps import parse_steps
from freeu.core.unet import UnsupportedUNetError
from freeu.settings.infotext import Infotext
from freeu.settings.parameter import MAX_MESSAGE_LENGTH, SettingsError, Value, readable
from freeu.settings.settings import TABLE, Settings
from freeu.webui import host, status
from freeu.webui.gradio_compat import UNCHANGED, select, set_choices, warn
from freeu.webui.preset_catalog import AUTOMATIC, CUSTOM, PresetCatalog
from freeu.webui.refusal import FreeUSettingsError

DEFAULT_STEPS = 20.0
"""Sampling steps if the host's slider is not known."""

MAX_PASTED_STEPS = 9999

PENDING = "The model is loaded with the next image."
"""The status line of a WebUI that loads the chosen checkpoint late."""


class Callbacks:
    """The callbacks of one tab.

    Each takes the shown preset, the job's steps and the values of the controls in the order of the table. img2img
    samples fewer steps than its slider says, so its status line is in percent of the run.
    """

    def __init__(self, catalog: PresetCatalog, is_img2img: bool) -> None:
        self.catalog = catalog
        self.is_img2img = is_img2img

    def refresh(self, preset: str, steps: float, *values: Value) -> tuple[Any, str]:
        """Return the preset with these values, and the status line, after a value has changed."""
        try:
            settings = Settings.parse(values)
        except SettingsError as error:
            return UNCHANGED, error_line(error)
        name = self.catalog.name_of(settings, preset)
        return UNCHANGED if name == preset else self.select_preset(name), self.status(settings, steps)

    def refresh_steps(self, preset: str, steps: float, *values: Value) -> tuple[Any, ...]:
        """Return the steps, and what `refresh` returns, after the host's step slider has changed."""
        return (steps, *self.refresh(preset, steps, *values))

    def refresh_presets(self, preset: str, steps: float, *values: Value) -> tuple[Any, str]:
        """Return the dropdown with all current presets, and the status line, after the presets have changed."""
        shown, line = self.refresh(preset, steps, *values)
        return self.select_preset(preset) if shown is UNCHANGED else shown, line

    def open_presets(self) -> None:
        """Read changed preset files when the list is opened, so that the chosen preset has its current values."""
        self.catalog.reload_if_changed()

    def close_presets(self, preset: str) -> Any:
        """Return the dropdown with all current presets, after its list was closed."""
        return set_choices(self._choices_with(preset))

    def fill(self, preset: str, steps: float, *values: Value) -> tuple[Any, ...]:
        """Return what `refresh` returns, and the values of the chosen preset.

        CUSTOM has no values of its own, and AUTOMATIC has none before the model is loaded.
        """
        unchanged = [UNCHANGED] * (len(TABLE) - 1)
        if preset == CUSTOM or (preset == AUTOMATIC and host.is_model_pending()):
            return (*self.refresh(preset, steps, *values), *unchanged)
        settings = self.catalog.available().get(preset)
        if settings is None:
            return (self.select_preset(CUSTOM), error_line(missing_preset(preset)), *unchanged)
        settings = settings.replace(enabled=values[0])
        filled = [value for name, value in settings.to_dict().items() if name != "enabled"]
        name = self.catalog.name_of(settings, preset)
        return (self.select_preset(name), self.status(settings, steps), *filled)

    def select_preset(self, name: str) -> Any:
        """Return an update of the dropdown to `name`, with all current presets and `name`, which may be gone."""
        return select(self._choices_with(name), name)

    def paste_preset(self, infotext: Infotext) -> Any:
        """Return the preset with a pasted image's values."""
        try:
            settings = _parse_pasted(infotext)
        except SettingsError:
            return None
        return self.select_preset(self.catalog.name_of(settings)) if settings else None

    def paste_status(self, infotext: Infotext) -> str | None:
        """Return the status line for a pasted image; show a box if its settings cannot be read."""
        try:
            settings = _parse_pasted(infotext) or Settings(enabled=False)
        except SettingsError as error:
            warn(f"FreeU is unchanged because the image's settings could not be read: {error}")
            return None
        return self.status(settings, paste_steps(infotext))

    def status(self, settings: Settings, steps: float) -> str:
        """Return the status line, or why FreeU has no effect, and the problems of preset files."""
        return "".join([self._line(settings, steps), *map(error_line, self.catalog.problems)])

    def _choices_with(self, name: str) -> list[str]:
        choices = self.catalog.choices()
        return choices if name in choices else [*choices, name]

    def _line(self, settings: Settings, steps: float) -> str:
        """Return the line as HTML, with the data of the page's graph."""
        known = None if self.is_img2img else status.known_steps(steps or DEFAULT_STEPS)
        shares = status.run_strengths(settings, known)
        try:
            if host.is_model_pending():
                line = PENDING
            else:
                line = status.describe(settings, host.loaded_unet(), host.model_family(), known, shares)
        except UnsupportedUNetError as error:
            return error_line(f"FreeU has no effect: {error}")
        graph = html.escape(json.dumps(status.graph(settings, known, shares)))
        return f'<p data-freeu="{graph}">{html.escape(line)}</p>'


def error_line(message: object) -> str:
    """Return a line of HTML in the color of errors."""
    text = html.escape(readable(str(message), MAX_MESSAGE_LENGTH))
    return f'<p style="color: var(--error-text-color, #b91c1c)">{text}</p>'


def missing_preset(preset: str) -> str:
    """Return why a preset has no values."""
    if preset == AUTOMATIC:
        return "Automatic needs a loaded model of SD 1, SD 2 or SDXL."
    return f"There is no preset {readable(preset)}."


def paste_steps(infotext: Infotext) -> float:
    """Return a pasted image's steps, for the status line."""
    return float(min(parse_steps(infotext.get("Steps", "")) or DEFAULT_STEPS, MAX_PASTED_STEPS))


def _paste_value(name: str, infotext: Infotext) -> Value | None:
    """Return the value of a parameter in a pasted image; None leaves its control unchanged.

    An image without FreeU turns it off. Settings that cannot be read raise SettingsError for `enabled` only, so that
    the API refuses them once.
    """
    try:
        settings = _parse_pasted(infotext)
    except SettingsError as error:
        if name == "enabled":
            raise FreeUSettingsError(error) from None
        return None
    if settings is None:
        return False if name == "enabled" else None
    value: Value = getattr(settings, name)
    return value


PASTE = {name: partial(_paste_value, name) for name in TABLE}
"""One function per parameter. Both tabs share them: the host matches the controls of "Send to" by these functions."""


def _parse_pasted(infotext: Infotext) -> Settings | None:
    """Return a pasted image's settings. The host asks once per control, so the last outcome is cached."""
    outcome = _parse_cached(tuple((key, value) for key, value in infotext.items() if isinstance(value, str)))
    if isinstance(outcome, SettingsError):
        raise outcome.with_traceback(None)  # else the traceback gets longer each time
    return outcome


@lru_cache(maxsize=1)
def _parse_cached(infotext: tuple[tuple[str, str], ...]) -> Settings | SettingsError | None:
    try:
        return from_infotext(dict(infotext))
    except SettingsError as error:
        return error
