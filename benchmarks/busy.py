"""Other processes that keep every core busy, as on a user's machine."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.synchronize import Barrier, Event

import torch

MATRIX_SIZE = 512
START_SECONDS, STOP_SECONDS, MAX_SECONDS = 120, 10, 3600


@contextmanager
def busy_cores() -> Iterator[None]:
    """Run as many processes as the machine has cores, each multiplying matrices in one thread, until the block ends.

    The processes also end with this one, and after an hour.

    Raises:
        RuntimeError: at the end, if a process ended too early.
    """
    context = multiprocessing.get_context("spawn")
    count = os.cpu_count() or 1
    started, stop = context.Barrier(count + 1), context.Event()
    processes = [context.Process(target=_multiply, args=(started, stop), daemon=True) for _ in range(count)]
    try:
        for process in processes:
            process.start()
        started.wait(START_SECONDS)
        yield
        if not all(process.is_alive() for process in processes):
            raise RuntimeError("a process that keeps a core busy ended before the measurement did")
    finally:
        stop.set()
        for process in processes:
            process.join(STOP_SECONDS)
            process.terminate()


def _multiply(started: Barrier, stop: Event) -> None:
    torch.set_num_threads(1)
    matrix, end = torch.randn(MATRIX_SIZE, MATRIX_SIZE), time.monotonic() + MAX_SECONDS
    parent = multiprocessing.parent_process()
    started.wait(START_SECONDS)
    while not stop.is_set() and time.monotonic() < end and parent and parent.is_alive():
        torch.mm(matrix, matrix)
