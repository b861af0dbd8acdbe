"""Stopping a job whose settings are bad.

The WebUI catches what a script raises and goes on generating, without FreeU or with an earlier job's settings. So the
error has to be raised where it is not caught: in `p.sample`, where sampling starts. `refuse` replaces that method on
the job, and `withdraw` restores it. Then the API answers with the error, and the page shows it.

The error is one of HTTP, which the API answers with status 422, without a traceback in its log. The page's wrapper of a
job, and Forge's thread of jobs, print the traceback of any exception, and nothing here changes that.

An X/Y/Z plot catches the errors of its cells, and leaves the cells blank. What it does not catch is an error while it
makes a cell's job: a copy of its own job, with a copy of the list of styles.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from fastapi import HTTPException

from freeu.settings.parameter import MAX_MESSAGE_LENGTH, SettingsError, readable

log = logging.getLogger(__name__)


class FreeUSettingsError(SettingsError, HTTPException):
    """A SettingsError that the API answers with status 422. The page shows its name before the message."""

    def __init__(self, field: str, value: object, rule: str, advice: str = "") -> None:
        super().__init__(field, value, rule, advice)
        # Hosts look for these among the attributes of the object itself.
        self.status_code, self.detail, self.headers = 422, str(self), None


@contextmanager
def as_refusal() -> Iterator[None]:
    """Raise a FreeUSettingsError in place of a SettingsError, from what the host calls without catching errors."""
    try:
        yield
    except SettingsError as error:
        raise FreeUSettingsError(*error.args) from None


class _RaiseError:
    """Replacement for `p.sample` that raises the error when sampling starts."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def __call__(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise self.error.with_traceback(None)


class _RaiseWhenCopied(list[str]):
    """Replacement for `p.styles` that raises the error when it is copied."""

    def __init__(self, styles: Iterable[str], error: Exception) -> None:
        super().__init__(styles)
        self.error = error

    def __getitem__(self, index: Any) -> NoReturn:
        raise self.error.with_traceback(None)


def refuse(p: Any, error: Exception) -> None:
    """Make the job `p` end with `error` when sampling starts."""
    message = readable(str(error), MAX_MESSAGE_LENGTH)
    log.error("FreeU refuses this job: %s", message)
    p.comment(f"FreeU: {message}")  # an X/Y/Z plot does not show the errors of its cells
    p.sample = _RaiseError(_as_http(error))


def refuse_grid(p: Any, error: Exception) -> None:
    """Make an X/Y/Z plot of the job `p` end with `error` before its first cell. Other scripts are not affected."""
    log.error("FreeU refuses this grid: %s", readable(str(error), MAX_MESSAGE_LENGTH))
    p.styles = _RaiseWhenCopied(p.styles, _as_http(error))


def withdraw(p: Any) -> None:
    """Undo `refuse`: a host may process the same `p` again with other settings."""
    if isinstance(vars(p).get("sample"), _RaiseError):
        del p.sample


def _as_http(error: Exception) -> Exception:
    return FreeUSettingsError(*error.args) if isinstance(error, SettingsError) else error
