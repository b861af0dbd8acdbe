"""Axes of the X/Y/Z plot, from the table. Their values travel on each cell's own copy of `p`."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from freeu.arguments import ARGUMENTS
from freeu.settings.parameter import Parameter, SettingsError, parse_value
from freeu.settings.settings import TABLE, Settings, extremes
from freeu.webui import host
from freeu.webui.preset_catalog import AUTOMATIC, PresetCatalog
from freeu.webui.refusal import as_refusal

PREFIX = "[FreeU] "

_NUMBER = r"\d+(?:\.\d*)?"
_NUMBERS = re.compile(
    rf"""[+-]? (?: \.\d+ | {_NUMBER}                 # a number
    (?: (?:[ ]*-[ ]* | [ ]+-[ ]*-) {_NUMBER} [ ]*   # or a range of numbers,
    (?: \( [+-] (?=.*[1-9]) {_NUMBER} [ ]*\)         # with a step that is not 0
    | \[ \d+ [ ]*\] )? )? )""",  # or a count
    re.VERBOSE | re.ASCII,
)
"""A value of a numeric axis. The host takes more for a range, such as 1e-05 and 0--1, which it cannot convert then."""

CheckCell = Callable[[Any, Mapping[str, Any]], object]
"""Takes a plot's `p` and the values of one cell; raises SettingsError if they do not go together."""


def add_axes(catalog: PresetCatalog, check_cell: CheckCell) -> None:
    """Add an axis for every parameter, for presets and for plots to the host's X/Y/Z plot, unless it has them."""
    for grid in host.xyz_grids():
        known = {axis.label for axis in grid.axis_options}
        axes = _make_axes(grid.AxisOption, catalog, check_cell)
        grid.axis_options += [axis for axis in axes if axis.label not in known]


def _make_axes(axis_option: Callable[..., Any], catalog: PresetCatalog, check_cell: CheckCell) -> list[Any]:
    def make(name: str, value_type: type, **options: Any) -> Any:
        axis = axis_option(f"{PREFIX}{name}", value_type, partial(_apply, name), **options)
        axis.confirm = partial(_confirm, name, catalog, check_cell)
        return axis

    presets = make("preset", str, choices=lambda: [AUTOMATIC, *catalog.presets])
    names = [*TABLE, "plot"]
    return [presets, *(_make_axis(make, name, ARGUMENTS[name]) for name in names)]


def _make_axis(make: Callable[..., Any], name: str, parameter: Parameter) -> Any:
    if parameter.kind == "number":
        return make(name, float, prepare=partial(_split_numbers, name, parameter))
    if parameter.kind == "curve":
        return make(name, str, prepare=_split_curves)
    choices = parameter.choices or ("True", "False")
    return make(name, str, choices=lambda: list(choices))


def _apply(name: str, p: Any, value: Any, values: Sequence[Any]) -> None:
    """Store an axis' value on a cell's `p`. Copies of `p` share its attributes, so the dict is a new one."""
    p.freeu_overrides = {**getattr(p, "freeu_overrides", {}), name: _tidy(value)}


@as_refusal()
def _confirm(name: str, catalog: PresetCatalog, check_cell: CheckCell, p: Any, values: Sequence[Any]) -> None:
    """Check the values of one axis, before the plot's first image. Raises SettingsError, which names the axis.

    The host confirms one axis after the other. Once all of ours are confirmed, their combinations are checked too.
    """
    tidy = list(dict.fromkeys(map(_tidy, values)))
    try:
        _check_values(name, tidy, catalog)
    except SettingsError as error:
        raise SettingsError(f"{PREFIX}{name}", error.value, error.rule, error.advice) from error
    p.freeu_axes = {**getattr(p, "freeu_axes", {}), name: tidy}
    shown = [label.removeprefix(PREFIX) for label in host.grid_axes(p) if label.startswith(PREFIX)]
    if p.freeu_axes.keys() >= set(shown):
        for cell in _critical_cells({axis: p.freeu_axes[axis] for axis in shown}):
            check_cell(p, cell)


def _check_values(name: str, values: Sequence[Any], catalog: PresetCatalog) -> None:
    """Raise SettingsError for a value that is wrong in every combination, or if there is none."""
    if not values:
        # The host takes the values of these axes from their list only.
        advice = "Through the API, send them as the axis' third argument" if _has_choices(name) else ""
        raise SettingsError(name, values, "must have at least one value", advice)
    presets = catalog.possible()
    for value in values:
        if name == "preset":
            Settings.parse({"preset": value}, presets)
        else:
            parse_value(name, ARGUMENTS[name], value)


def _has_choices(name: str) -> bool:
    return name == "preset" or ARGUMENTS[name].kind in ("choice", "switch")


def _critical_cells(axes: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Return cells of which one is invalid if any is. The values of each axis are valid by themselves.

    A preset sets the values that have no axis, so each preset is in a cell.
    """
    cell = extremes(axes)
    return [{**cell, "preset": preset} for preset in axes.get("preset", ())] or [cell]


@as_refusal()
def _split_numbers(name: str, parameter: Parameter, text: str) -> list[str]:
    """Return the values of a numeric axis, with ranges as they are. The host's own error would not name the axis."""
    values = _split(name, text)
    for value in values:
        if value and not _NUMBERS.fullmatch(value):
            raise SettingsError(f"{PREFIX}{name}", value, parameter.rule, "Ranges are written as 1-2 (+0.2) or 1-2 [6]")
    return values


@as_refusal()
def _split_curves(text: str) -> list[str]:
    """Return the values of the axis of curves. Without quotes, each point would be read as a curve."""
    values = _split("curve", text)
    if any(value.count(":") == 1 for value in values):
        rule = 'must have quotes around each curve, such as "0:0, 1:1", "0:1, 1:0"'
        raise SettingsError(f"{PREFIX}curve", text, rule)
    return values


def _split(name: str, text: str) -> list[str]:
    """Return the values of a text as the host's own axes do: between commas or on lines. Raises SettingsError."""
    try:
        return [value.strip() for line in csv.reader(io.StringIO(text), skipinitialspace=True) for value in line]
    except (csv.Error, TypeError) as error:  # an API client can send a number
        raise SettingsError(f"{PREFIX}{name}", text, "must be values between commas or on lines") from error


def _tidy(value: Any) -> Any:
    """Round a number of a range, in which steps of 0.1 add up to 0.30000000000000004."""
    return round(value, 8) if isinstance(value, float) else value
