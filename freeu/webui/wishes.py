"""What a job asks to see. These are no parameters of FreeU: no picture depends on them, and none tells of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from freeu.params import TABLE
from freeu.values import Param, read

NAMES: Mapping[str, Param] = {
    "look": Param(
        False,
        "Plot what FreeU does",
        "Adds charts to the gallery. They show each stage's frequencies before and after FreeU, its strength at each "
        "step, and how burnt the pictures are.",
    ),
    "compare": Param(
        False,
        "Compare with FreeU off",
        "Draws all pictures once more. Those without FreeU come with a slider to compare them, and take as long again.",
    ),
}
"""What can be asked for. On the page these are the controls after those of the table."""


class Wishes(NamedTuple):
    """Whether a job asks for a plot, and for the pictures without FreeU."""

    look: bool = False
    compare: bool = False


NOTHING = Wishes()


def of(args: Sequence[Any], overrides: Mapping[str, Any] | None = None) -> Wishes:
    """What a script's arguments ask for: in an object, or after the table's values. Raises SettingsError."""
    first = args[0] if isinstance(args[0], Mapping) else {}
    given = {**dict(zip(NAMES, args[len(TABLE) :], strict=False)), **_named(first), **_named(overrides or {})}
    return Wishes(**{name: bool(read(name, NAMES[name], value)) for name, value in given.items()})


def without(values: Mapping[str, Any]) -> dict[str, Any]:
    """Names and values with no wishes among them."""
    return {name: value for name, value in values.items() if name not in NAMES}


def _named(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name in NAMES}
