"""Waiting with a limit. A test fails where it would otherwise wait for ever."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

SECONDS = 300
"""More than anything takes that a test waits for, on a busy machine."""

T = TypeVar("T")


def wait_until(condition: Callable[[], T], seconds: float = SECONDS) -> T:
    """Return what `condition` returns as soon as it is true. Fail after `seconds`."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, f"not true after {seconds} s: {condition}"
        time.sleep(0.05)
    return found


@contextmanager
def running(seconds: float = SECONDS, **options: Any) -> Iterator[subprocess.Popen[str]]:
    """Start a process with the options of `subprocess.Popen`, and kill it after `seconds` or at the block's end.

    So reading its output ends too.
    """
    with subprocess.Popen(**options, text=True) as process:
        limit = threading.Timer(seconds, process.kill)
        limit.start()
        try:
            yield process
        finally:
            limit.cancel()
            process.kill()
