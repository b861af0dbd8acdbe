"""A small file that several threads and processes change: one at a time, and whole or not at all."""

from __future__ import annotations

import itertools
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TypeVar

PATIENCE = 10.0
"""Seconds to wait for a lock, or for a program that holds the file open."""
PAUSE = 0.02

T = TypeVar("T")

# The system gives a lock back when its process ends, however it ends, so no lock is ever stale.
if sys.platform == "win32":
    import msvcrt

    _BUSY = PermissionError

    def _lock(file: IO[str]) -> None:
        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)

    def _unlock(file: IO[str]) -> None:
        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK, 1)
else:
    import fcntl

    _BUSY = BlockingIOError

    def _lock(file: IO[str]) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _unlock(file: IO[str]) -> None:
        fcntl.flock(file, fcntl.LOCK_UN)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Nobody else who asks has `path` meanwhile. The lock is a file beside it, which stays.

    Raises OSError: TimeoutError after PATIENCE, or where the folder cannot be written to.
    """
    with beside(path, ".lock").open("a", encoding="utf-8") as file:
        try:
            _patiently(lambda: _lock(file), _BUSY)
        except _BUSY as error:
            raise TimeoutError(f"{path.name} has been in use for {PATIENCE:g} seconds") from error
        try:
            yield
        finally:
            _unlock(file)


def replace_text(path: Path, text: str) -> None:
    """Make `text` the whole of the file, or leave the file as it was, even if the machine stops. Hold its lock."""
    temporary = beside(path, ".tmp")
    with temporary.open("w", encoding="utf-8", newline="\n") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    # On Windows this fails while somebody reads the file.
    _patiently(lambda: os.replace(temporary, path), PermissionError)
    _sync_folder(path.parent)


def move_aside(path: Path) -> Path:
    """Rename the file to NAME.broken-TIME, which is new; returns that. Hold its lock."""
    moment = time.strftime("%Y%m%d-%H%M%S")
    numbers = itertools.chain([""], (f"-{n}" for n in itertools.count(2)))
    names = (path.with_name(f"{path.stem}.broken-{moment}{number}{path.suffix}") for number in numbers)
    target = next(name for name in names if not name.exists())
    _patiently(lambda: path.rename(target), PermissionError)
    return target


def beside(path: Path, ending: str) -> Path:
    """The file of that name and more."""
    return path.with_name(f"{path.name}{ending}")


def _patiently(act: Callable[[], T], busy: type[OSError]) -> T:
    """Try again while it raises `busy`, for PATIENCE."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return act()
        except busy:  # noqa: PERF203
            if time.monotonic() >= end:
                raise
            time.sleep(PAUSE)


def _sync_folder(folder: Path) -> None:
    """Make a rename last. Windows has no such thing, and needs none."""
    if sys.platform == "win32":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
