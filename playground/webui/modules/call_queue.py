"""One job at a time."""

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
    func: Callable[..., Sequence[Any]], extra_outputs: Sequence[Any] | None = None
) -> Callable[..., tuple[Any, ...]]:
    """A job for the page. What it raises becomes the last output, after `extra_outputs`."""

    @wraps(func)
    def wrapped(*args: Any, **kwargs: Any) -> tuple[Any, ...]:
        with queue_lock:
            started = time.perf_counter()
            shared.state.begin(job=func.__name__)
            try:
                *results, text = func(*args, **kwargs)
            except Exception as error:
                log.exception("the job failed")
                results = list(extra_outputs or [None, ""])
                text = f"<div class='error'>{html.escape(f'{type(error).__name__}: {error}')}</div>"
            finally:
                shared.state.end()
        took = time.perf_counter() - started
        return (*results, f"{text}<div class='performance'><p class='time'>Time taken: {took:.1f} sec.</p></div>")

    return wrapped
