"""The table as axes of the X/Y/Z plot. Their values travel on each cell's own copy of `p`."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from freeu.params import TABLE, Settings
from freeu.values import Param, SettingsError, read
from freeu.webui import host, presets, wishes

PREFIX = "[FreeU] "
_LOOK = "look"

Check = Callable[[Any, Mapping[str, Any]], object]
"""Takes a job and the values of one cell; raises SettingsError where they do not go together."""


def add_axes(check: Check) -> None:
    """Give the host's X/Y/Z plot an axis for every parameter, for presets and for plots, unless it has them."""
    for plot in host.xyz_plots():
        known = {axis.label for axis in plot.axis_options}
        plot.axis_options += [axis for axis in _axes(plot.AxisOption, check) if axis.label not in known]


def _axes(make: Callable[..., Any], check: Check) -> list[Any]:
    by_preset = make(f"{PREFIX}preset", str, partial(_apply, "preset"), choices=_preset_names)
    known = {**TABLE, _LOOK: wishes.NAMES[_LOOK]}
    axes = {"preset": by_preset, **{name: _axis(make, name, param) for name, param in known.items()}}
    for name, axis in axes.items():
        axis.confirm = partial(_confirm, name, check)
    return list(axes.values())


def _axis(make: Callable[..., Any], name: str, param: Param) -> Any:
    choices = ("True", "False") if param.kind == "switch" else param.choices
    more: dict[str, Any] = {"choices": lambda: list(choices)} if choices else {}
    if not choices:
        more = {"prepare": _split_curves if param.kind == "curve" else partial(_split_numbers, name, param)}
    return make(f"{PREFIX}{name}", float if param.kind == "number" else str, partial(_apply, name), **more)


def _preset_names() -> list[str]:
    return [presets.AUTOMATIC, *presets.named()]


def _split(text: str) -> list[str]:
    return [value.strip() for value in next(csv.reader([text], skipinitialspace=True), [])]


def _split_curves(text: str) -> list[str]:
    """The values of the axis of curves, each in quotes. Without them, each point would become a curve."""
    values = _split(text)
    if any(value.count(":") == 1 for value in values):
        raise SettingsError("curve", text, 'in a plot each curve stands in quotes, such as "0:0, 1:1", "0:1, 1:0"')
    return values


def _split_numbers(name: str, param: Param, text: str) -> list[str]:
    """The values of a numeric axis, ranges as they are. The host's own error for a word names no field."""
    values = _split(text)
    for value in values:
        if not set(value) <= set("0123456789.+-()[] "):
            raise SettingsError(name, value, param.allowed)
    return values


def _apply(name: str, p: Any, value: Any, values: Sequence[Any]) -> None:
    """Put one axis' value on a cell's `p`. Copies of `p` share its attributes, hence a new dict."""
    p.freeu_overrides = {**getattr(p, "freeu_overrides", {}), name: _tidy(value)}


def _confirm(name: str, check: Check, p: Any, values: Sequence[Any]) -> None:
    """Check every value and, with the last of our axes, every cell that they make. Raises SettingsError."""
    axis = [(name, _tidy(value)) for value in values]
    for _, value in axis:
        _check_alone(name, value)
    p.freeu_axes = [*getattr(p, "freeu_axes", []), axis]
    if len(p.freeu_axes) >= sum(label.startswith(PREFIX) for label in host.plotted_axes(p)):
        cells, p.freeu_axes = itertools.product(*p.freeu_axes), []
        for cell in cells:
            check(p, dict(cell))


def _check_alone(name: str, value: Any) -> None:
    """Raises SettingsError for a value that is wrong whatever the others are."""
    if name == "preset":
        Settings.parse({"preset": value}, presets.possible())
    elif name == _LOOK:
        wishes.of([False], {name: value})
    else:
        read(name, TABLE[name], value)


def _tidy(value: Any) -> Any:
    """A number without what counting in steps of 0.1 adds to it."""
    return round(value, 8) if isinstance(value, float) else value
