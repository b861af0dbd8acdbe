"""FreeU's options on the WebUI's settings page: what the page starts with.

They are for the page. The API knows nothing of them: a job there has FreeU where it asks for it.
"""

from __future__ import annotations

from typing import Any

import gradio as gr

from freeu.values import Value
from freeu.webui import host, presets
from freeu.webui.answers import Answers, alert, missing

_PRESET = "freeu_default_preset"
_ENABLED = "freeu_start_enabled"
_INITIAL = "SDXL"
"""The preset whose values the controls have anyway, unless the user changed them in ui-config.json."""


def add() -> None:
    """The host's on_ui_settings."""
    host.add_option(
        _PRESET,
        _INITIAL,
        "FreeU: the preset that the page starts with",
        component=gr.Dropdown,
        component_args=lambda: {"choices": _choices()},
        refresh=presets.named,
    )
    host.add_option(_ENABLED, False, "FreeU: on when the page starts")


def start(page: Answers, preset: str, steps: float, enabled: bool, *values: Value) -> tuple[Any, ...]:
    """What a page starts with: preset, status line, what is wrong with the options, and the controls' values.

    Given are the controls' initial values, which stay where the options say nothing else.
    """
    turned_on = not enabled and bool(host.option(_ENABLED, False))
    enabled = enabled or turned_on
    chosen = _chosen()
    if chosen == _INITIAL:
        answer = page.refresh if presets.choices() == page.first_offered else page.relist
        shown, line, *others = *answer(preset, steps, enabled, *values), *[gr.update()] * len(values)
    else:
        shown, line, *others = page.fill(chosen, steps, enabled, *values)
    trouble = "" if chosen in (_INITIAL, *presets.possible()) else alert(missing(chosen))
    return (shown, line, trouble, True if turned_on else gr.update(), *others)


def _chosen() -> str:
    return str(host.option(_PRESET, _INITIAL))


def _choices() -> list[str]:
    known = [presets.AUTOMATIC, *presets.named()]
    # Gradio 4 would not save the page's other settings with a preset that is gone.
    return known if _chosen() in known else [*known, _chosen()]
