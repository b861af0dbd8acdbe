"""Run one job at a time."""

from __future__ import annotations

import html
import logging
import time
from collections.abc import Callable, Sequence
from functools import wraps
from threading import Lock
from typing import Any

from modules import shared

log = logging.getLogger(__name__)

queue_lock = Lock()


def wrap_gradio_gpu_call(
    func: Callable[..., Sequence[Any]], extra_outputs: Sequence[Any]
) -> Callable[..., tuple[Any, ...]]:
    """Wrap a job of the page. If it raises, return `extra_outputs` and the error as HTML."""

    @wraps(func)
    def wrapped(*args: Any) -> tuple[Any, ...]:
        with queue_lock:
            started = time.perf_counter()
            shared.state.begin(job=func.__name__)
            try:
                *results, text = func(*args)
            except Exception as error:
                log.exception("the job failed")
                results = list(extra_outputs)
                text = f"<div class='error'>{html.escape(f'{type(error).__name__}: {error}')}</div>"
            finally:
                shared.state.end()
        duration = time.perf_counter() - started
        return (*results, f"{text}<div class='performance'><p class='time'>Time taken: {duration:.1f} sec.</p></div>")

    return wrapped
