"""Functions that scripts register to be told of events. What a callback raises is logged, and the host goes on."""

from __future__ import annotations

import logging
import sys
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI
from gradio import Blocks

log = logging.getLogger(__name__)


@dataclass
class ScriptCallback:
    """A registered function, and the file that registered it."""

    script: str
    callback: Callable[..., object]
    name: str = "unnamed"


class CFGDenoiserParams:
    """What goes into the next call of the model. A callback may replace x, image_cond, sigma and the texts."""

    def __init__(
        self,
        x: Any,
        image_cond: Any,
        sigma: Any,
        sampling_step: int,
        total_sampling_steps: int,
        text_cond: Any,
        text_uncond: Any,
        denoiser: Any = None,
    ) -> None:
        self.x = x
        self.image_cond = image_cond
        self.sigma = sigma
        self.sampling_step = sampling_step
        self.total_sampling_steps = total_sampling_steps
        self.text_cond = text_cond
        self.text_uncond = text_uncond
        self.denoiser = denoiser


_callbacks: defaultdict[str, list[ScriptCallback]] = defaultdict(list)


def clear_callbacks() -> None:
    """Forget all, as before scripts are loaded anew."""
    _callbacks.clear()


def on_app_started(callback: Callable[..., object], *, name: str | None = None) -> None:
    """Call back with (demo, app) when routes can be added; demo is None where there is no page."""
    _add("app_started", callback, name)


def on_cfg_denoiser(callback: Callable[..., object], *, name: str | None = None) -> None:
    """Call back with CFGDenoiserParams before each call of the model."""
    _add("cfg_denoiser", callback, name)


def on_infotext_pasted(callback: Callable[..., object], *, name: str | None = None) -> None:
    """Call back with (infotext, params) when a picture's text was read; params may be changed."""
    _add("infotext_pasted", callback, name)


def on_script_unloaded(callback: Callable[..., object], *, name: str | None = None) -> None:
    """Call back with nothing before the scripts are dropped."""
    _add("script_unloaded", callback, name)


def on_before_ui(callback: Callable[..., object], *, name: str | None = None) -> None:
    """Call back with nothing before the page is made."""
    _add("before_ui", callback, name)


def on_ui_settings(callback: Callable[..., object], *, name: str | None = None) -> None:
    """Call back with nothing when options can be added."""
    _add("ui_settings", callback, name)


def app_started_callback(demo: Blocks | None, app: FastAPI) -> None:
    """The server is up."""
    _call("app_started", demo, app)


def cfg_denoiser_callback(params: CFGDenoiserParams) -> None:
    """The model is about to be called."""
    _call("cfg_denoiser", params)


def infotext_pasted_callback(infotext: str, params: dict[str, Any]) -> None:
    """A picture's text was read."""
    _call("infotext_pasted", infotext, params)


def script_unloaded_callback() -> None:
    """The scripts are about to go; the last registered hears it first."""
    _call("script_unloaded", last_first=True)


def before_ui_callback() -> None:
    """The page is about to be made; the last registered hears it first."""
    _call("before_ui", last_first=True)


def ui_settings_callback() -> None:
    """The page is being made; with the API alone, this is never called."""
    _call("ui_settings")


def _add(category: str, callback: Callable[..., object], name: str | None) -> None:
    script = sys._getframe(2).f_code.co_filename
    _callbacks[category].append(ScriptCallback(script, callback, name or category))


def _call(category: str, *args: Any, last_first: bool = False, **kwargs: Any) -> None:
    registered = list(_callbacks[category])
    for entry in reversed(registered) if last_first else registered:
        _call_one(entry, category, args, kwargs)


def _call_one(entry: ScriptCallback, category: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    try:
        entry.callback(*args, **kwargs)
    except Exception:
        log.exception("the %s callback of %s failed", category, entry.script)
