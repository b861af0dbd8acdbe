"""Callbacks that scripts register for events. An exception in a callback is logged and otherwise ignored."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from fastapi import FastAPI
from gradio import Blocks

log = logging.getLogger(__name__)

_Callback = Callable[..., object]


class CFGDenoiserParams:
    """Arguments of the next model call. A callback may replace x, image_cond, sigma and the text conditions."""

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


_callbacks: defaultdict[str, list[_Callback]] = defaultdict(list)


def clear_callbacks() -> None:
    """Remove all callbacks before scripts are loaded again."""
    _callbacks.clear()


def on_app_started(callback: _Callback) -> None:
    """Register a callback (demo, app) that may add routes. `demo` is None if only the API runs."""
    _callbacks["app_started"].append(callback)


def on_cfg_denoiser(callback: _Callback) -> None:
    """Register a callback (CFGDenoiserParams) for the time before each model call."""
    _callbacks["cfg_denoiser"].append(callback)


def on_script_unloaded(callback: _Callback) -> None:
    """Register a callback () for the time before scripts are loaded again."""
    _callbacks["script_unloaded"].append(callback)


def on_before_ui(callback: _Callback) -> None:
    """Register a callback () for the time before the page is built."""
    _callbacks["before_ui"].append(callback)


def on_ui_settings(callback: _Callback) -> None:
    """Register a callback () that may add options. It is not called if only the API runs."""
    _callbacks["ui_settings"].append(callback)


def app_started_callback(demo: Blocks | None, app: FastAPI) -> None:
    """Call the callbacks of on_app_started."""
    _call("app_started", demo, app)


def cfg_denoiser_callback(params: CFGDenoiserParams) -> None:
    """Call the callbacks of on_cfg_denoiser."""
    _call("cfg_denoiser", params)


def script_unloaded_callback() -> None:
    """Call the callbacks of on_script_unloaded."""
    _call("script_unloaded")


def before_ui_callback() -> None:
    """Call the callbacks of on_before_ui."""
    _call("before_ui")


def ui_settings_callback() -> None:
    """Call the callbacks of on_ui_settings."""
    _call("ui_settings")


def _call(event: str, *args: Any) -> None:
    for callback in list(_callbacks[event]):
        _call_one(event, callback, args)


def _call_one(event: str, callback: _Callback, args: tuple[Any, ...]) -> None:
    try:
        callback(*args)
    except Exception:
        log.exception("a callback of %s failed", event)
