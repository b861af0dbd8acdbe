"""What a parameter's value may be: reading it, and refusing it.

Text is read as what it says, since sliders, API payloads, infotexts and command lines all end here.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

Value = bool | float | str

CURVE_RULE = (
    "it is empty, or points progress:strength such as 0:0, 0.2:1, 0.8:1, 1:0, "
    "each number from 0 to 1 and no progress twice"
)


class SettingsError(ValueError):
    """A value that FreeU does not accept.

    `field` is the parameter's name, `value` what was given, `allowed` what is possible instead.
    """

    def __init__(self, field: str, value: object, allowed: str) -> None:
        super().__init__(field, value, allowed)
        self.field, self.value, self.allowed = field, value, allowed

    def __str__(self) -> str:
        return f"{self.field}: {quoted(self.value)} is not allowed; {self.allowed}"


@dataclass(frozen=True)
class Param:
    """What is known about a parameter besides its name."""

    default: Value
    label: str
    help: str
    unit: str = ""
    low: float = 0.0
    high: float = 1.0
    choices: tuple[str, ...] = ()
    absent: Value | None = None
    """What a picture without this parameter means. Released values never change; None: the default."""
    always: bool = False
    """Whether it is written to every picture, rather than only where it differs from `absent`."""

    @property
    def kind(self) -> Literal["switch", "choice", "number", "curve"]:
        """How its values look: true or false, one of `choices`, `low`..`high`, or a curve."""
        if isinstance(self.default, bool):
            return "switch"
        if self.choices:
            return "choice"
        return "number" if isinstance(self.default, float) else "curve"

    @property
    def summary(self) -> str:
        """The first sentence of the help."""
        return self.help.partition(". ")[0].removesuffix(".") + "."

    @property
    def allowed(self) -> str:
        """The possible values, in words."""
        return {
            "switch": "it is true or false",
            "choice": f"it is one of {', '.join(self.choices)}",
            "number": f"it is a number from {short(self.low)} to {short(self.high)}",
            "curve": CURVE_RULE,
        }[self.kind]

    @property
    def when_absent(self) -> Value:
        """What a picture without this parameter means."""
        return self.default if self.absent is None else self.absent


def short(number: float) -> str:
    """A number as people write it: 1 rather than 1.0, all digits kept."""
    return repr(number).removesuffix(".0")


def read(name: str, param: Param, value: object) -> Value:
    """`value` as parameter `name` keeps it; text is read as what it says. Raises SettingsError."""
    try:
        return READERS[param.kind](param, value)
    except ValueError as error:
        raise SettingsError(name, value, param.allowed) from error


def parse_curve(text: str) -> list[tuple[float, float]]:
    """The points (progress, strength) of a curve, by progress. Raises ValueError for anything else."""
    points = []
    for point in filter(None, (part.strip() for part in text.split(","))):
        progress, strength = point.split(":")
        points.append((_number(progress, 0, 1), _number(strength, 0, 1)))
    if len({progress for progress, _ in points}) < len(points):
        raise ValueError("a progress is given twice")
    return sorted(points)


def _switch(param: Param, value: object) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().lower() in ("true", "false"):
        return value.strip().lower() == "true"
    raise ValueError("neither true nor false")


def _choice(param: Param, value: object) -> str:
    if isinstance(value, numbers.Real) and not isinstance(value, bool):
        value = next((choice for choice in param.choices if choice.isdigit() and int(choice) == value), None)
    if isinstance(value, str) and value.strip() in param.choices:
        return value.strip()
    raise ValueError("not a choice")


def _curve(param: Param, value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("not text")
    return ", ".join(f"{short(progress)}:{short(strength)}" for progress, strength in parse_curve(value))


def _number(value: object, low: float, high: float) -> float:
    """A finite number between `low` and `high`, also as text. Raises ValueError for anything else."""
    if isinstance(value, bool) or not isinstance(value, (numbers.Real, str)):
        raise ValueError("not a number")
    # Python reads 1_3 as 13; nobody who types it means that.
    if isinstance(value, str) and "_" in value:
        raise ValueError("not a number")
    if not (math.isfinite(number := _float(value)) and low <= number <= high):
        raise ValueError("out of range")
    return number


def _float(value: numbers.Real | str) -> float:
    try:
        return float(value)
    except OverflowError as error:
        raise ValueError("out of range") from error


READERS: Mapping[str, Callable[[Param, object], Value]] = {
    "switch": _switch,
    "choice": _choice,
    "number": lambda param, value: _number(value, param.low, param.high),
    "curve": _curve,
}


def quoted(value: object) -> str:
    """The value for a message; a long one is cut."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # a number of thousands of digits, a list of a thousand lists
        text = f"this {type(value).__name__}"
    return text if len(text) <= 80 else f"{text[:77]}..."
