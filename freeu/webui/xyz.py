"""The table as axes of the X/Y/Z plot. Their values travel on each cell's own copy of `p`."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from freeu.params import TABLE
from freeu.values import Param, SettingsError
from freeu.webui import host, presets

Check = Callable[[Any, Mapping[str, Any]], object]
"""Takes a job and the values of one cell; raises SettingsError where they do not go together."""


def add_axes(check: Check) -> None:
    """Give the host's X/Y/Z plot an axis for every parameter and for presets, unless it has them."""
    for plot in host.xyz_plots():
        known = {axis.label for axis in plot.axis_options}
        plot.axis_options += [axis for axis in _axes(plot.AxisOption, check) if axis.label not in known]


def _axes(make: Callable[..., Any], check: Check) -> list[Any]:
    by_preset = make("[FreeU] preset", str, partial(_apply, "preset"), choices=_preset_names)
    axes = {"preset": by_preset, **{name: _axis(make, name, param) for name, param in TABLE.items()}}
    for name, axis in axes.items():
        axis.confirm = partial(_confirm, name, check)
    return list(axes.values())


def _axis(make: Callable[..., Any], name: str, param: Param) -> Any:
    choices = ("True", "False") if param.kind == "switch" else param.choices
    more: dict[str, Any] = {"choices": lambda: list(choices)} if choices else {}
    if param.kind == "number":
        more = {"prepare": partial(_split, name, param)}
    return make(f"[FreeU] {name}", float if param.kind == "number" else str, partial(_apply, name), **more)


def _preset_names() -> list[str]:
    return [presets.AUTOMATIC, *presets.named()]


def _split(name: str, param: Param, text: str) -> list[str]:
    """The values of a numeric axis, ranges as they are. The host's own error for a word names no field."""
    values = [value.strip() for value in next(csv.reader([text], skipinitialspace=True), [])]
    for value in values:
        if not set(value) <= set("0123456789.+-()[] "):
            raise SettingsError(name, value, param.allowed)
    return values


def _apply(name: str, p: Any, value: Any, values: Sequence[Any]) -> None:
    """Put one axis' value on a cell's `p`. Copies of `p` share its attributes, hence a new dict."""
    p.freeu_overrides = {**getattr(p, "freeu_overrides", {}), name: _tidy(value)}


def _confirm(name: str, check: Check, p: Any, values: Sequence[Any]) -> None:
    """Check every cell that this axis and those confirmed before it make. Raises SettingsError."""
    p.freeu_axes = [*getattr(p, "freeu_axes", []), [(name, _tidy(value)) for value in values]]
    for cell in itertools.product(*p.freeu_axes):
        check(p, dict(cell))


def _tidy(value: Any) -> Any:
    """A number without what counting in steps of 0.1 adds to it."""
    return round(value, 8) if isinstance(value, float) else value
