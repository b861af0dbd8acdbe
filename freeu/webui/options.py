"""FreeU's section in the WebUI's settings: the preset that the page starts with, and whether FreeU is on then.

These options are for the page. Through the API, a job uses FreeU only if it says so.
"""

from __future__ import annotations

from typing import Any

import gradio as gr

from freeu.settings.parameter import Value
from freeu.webui import host
from freeu.webui.callbacks import Callbacks, error_line, missing_preset
from freeu.webui.gradio_compat import UNCHANGED
from freeu.webui.preset_catalog import AUTOMATIC, PresetCatalog

SAVE_DIAGNOSTICS = "freeu_save_diagnostics"
"""Name of the option to save plots and comparisons."""

_PRESET = "freeu_default_preset"
_ENABLED = "freeu_start_enabled"
_INITIAL_PRESET = "SDXL"
"""The preset whose values are the controls' defaults. It keeps the defaults that a user changed in ui-config.json."""


def add_options(catalog: PresetCatalog) -> None:
    """Add the section to the settings page."""
    host.add_option(
        _PRESET,
        _INITIAL_PRESET,
        "FreeU: preset at start",
        component=gr.Dropdown,
        component_args=lambda: {"choices": _choices(catalog)},
        refresh=catalog.reload_if_changed,
    )
    host.add_option(_ENABLED, False, "FreeU: on at start")
    host.add_option(SAVE_DIAGNOSTICS, False, "FreeU: save plots and images for comparison with the other images")


def initialize_page(callbacks: Callbacks, preset: str, steps: float, enabled: bool, *values: Value) -> tuple[Any, ...]:
    """Return what the page starts with: preset, status line, a message about the options, and the controls' values.

    The arguments are the controls' initial values. They stay unless the options say otherwise.
    """
    catalog = callbacks.catalog
    catalog.reload_if_changed()
    turned_on = not enabled and bool(host.option(_ENABLED, False))
    enabled = enabled or turned_on
    chosen = _chosen_preset()
    if chosen == _INITIAL_PRESET:
        shown, line = callbacks.refresh_presets(preset, steps, enabled, *values)
        others = [UNCHANGED] * len(values)
    else:
        shown, line, *others = callbacks.fill(chosen, steps, enabled, *values)
    is_known = chosen == _INITIAL_PRESET or chosen in catalog.possible()
    message = "" if is_known else error_line(missing_preset(chosen))
    return (shown, line, message, True if turned_on else UNCHANGED, *others)


def _chosen_preset() -> str:
    return str(host.option(_PRESET, _INITIAL_PRESET))


def _choices(catalog: PresetCatalog) -> list[str]:
    names = [AUTOMATIC, *catalog.presets]
    # Some versions of gradio do not save the page's other settings with a choice that does not exist.
    return names if _chosen_preset() in names else [*names, _chosen_preset()]
