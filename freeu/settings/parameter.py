"""One parameter: what is known about it, and how a value is read.

Sliders, API payloads, infotexts and command lines all pass their values through `parse_value`.
"""

from __future__ import annotations

import math
import numbers
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

Value = bool | float | str
Points = tuple[tuple[float, float], ...]
"""A curve's points (progress, strength), both 0..1, sorted by progress."""

MAX_VALUE_LENGTH = 80
"""Characters of a name or a rejected value that an error message shows."""

MAX_MESSAGE_LENGTH = 1000
"""Characters of a whole message."""

MAX_CURVE_POINTS = 200
"""More than the steps of the WebUI's slider (150), so that each step can have its own strength."""


class SettingsError(ValueError):
    """A value that FreeU does not accept: "FIELD RULE, got VALUE. ADVICE".

    For example "b1 must be between -1 and 3, got 9". The advice, what to do next, may be empty. All texts are
    `readable`; the value is the original one.
    """

    def __init__(self, field: str, value: object, rule: str, advice: str = "") -> None:
        part = MAX_MESSAGE_LENGTH // 3  # a rule can list all presets
        self.field, self.rule, self.advice = readable(field), readable(rule, part), readable(advice, part)
        self.value = value
        super().__init__(self.field, value, self.rule, self.advice)

    def __str__(self) -> str:
        message = f"{self.field} {self.rule}, got {format_value(self.value)}"
        return f"{message}. {self.advice}" if self.advice else message


NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
"""A number as text, as in javascript/freeu_curve.js. Python also reads 1_3 as 13, and digits of other scripts."""


@dataclass(frozen=True)
class Parameter:
    """What is known about a parameter besides its name.

    `infotext_default` is the value meant by an image without this key; None means `default`. It never changes once
    released, so that old images keep their meaning. With `always_written`, every image stores the value.
    """

    default: Value
    label: str
    help: str
    unit: str = ""
    low: float = 0.0
    high: float = 1.0
    choices: tuple[str, ...] = ()
    infotext_default: Value | None = None
    always_written: bool = False

    def __post_init__(self) -> None:
        if self.infotext_default is None:
            object.__setattr__(self, "infotext_default", self.default)

    @property
    def kind(self) -> Literal["switch", "choice", "number", "curve"]:
        """The kind of value: true or false, one of `choices`, a number in `low`..`high`, or a curve."""
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
    def rule(self) -> str:
        """What a value must be, as in an error message."""
        return {
            "switch": "must be true or false",
            "choice": f"must be one of {', '.join(self.choices)}",
            "number": f"must be between {format_number(self.low)} and {format_number(self.high)}",
            "curve": "must be empty or points progress:strength such as 0:0, 0.2:1, 0.8:1, 1:0, "
            f"with numbers between 0 and 1, at most {MAX_CURVE_POINTS} points and each progress once",
        }[self.kind]


def parse_value(name: str, parameter: Parameter, value: object) -> Value:
    """Return `value` in the parameter's type; texts such as "1.3" and "true" are read.

    Raises SettingsError if the value is not allowed.
    """
    try:
        return _PARSERS[parameter.kind](parameter, value)
    except ValueError as error:
        raise SettingsError(name, value, parameter.rule) from error


def parse_curve(text: str) -> Points:
    """Return the points of a curve such as "0:0, 0.2:1, 0.8:1, 1:0". Raises ValueError if it is not one."""
    parts = [part for part in text.split(",") if part.strip()]
    if len(parts) > MAX_CURVE_POINTS:
        raise ValueError("too many points")
    points = sorted(map(_parse_point, parts))
    if len({progress for progress, _ in points}) < len(points):
        raise ValueError("two points have the same progress")
    return tuple(points)


def format_number(number: float) -> str:
    """Format a number with all its digits, and 1 instead of 1.0."""
    return repr(number).removesuffix(".0")


def readable(text: str, length: int = MAX_VALUE_LENGTH) -> str:
    """Return a text from outside for a log, an answer or the page: on one line, at most `length` characters.

    Characters that cannot be printed are escaped: control characters, lone surrogates, changes of direction.
    """
    start = text[: length + 1]
    escaped = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in start)
    return escaped if len(escaped) <= length else f"{escaped[: length - 3]}..."


def format_value(value: object) -> str:
    """Format any value for a message, shortened to MAX_VALUE_LENGTH characters."""
    try:
        text = format_number(value) if type(value) is float else repr(value)
    except (ValueError, RecursionError):  # an int of thousands of digits, a list nested a thousand times
        text = f"a value of type {type(value).__name__}"
    return readable(text)


def _parse_switch(parameter: Parameter, value: object) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().lower() in ("true", "false"):
        return value.strip().lower() == "true"
    raise ValueError("neither true nor false")


def _parse_choice(parameter: Parameter, value: object) -> str:
    if isinstance(value, numbers.Real) and not isinstance(value, bool):
        value = next((choice for choice in parameter.choices if choice.isdigit() and int(choice) == value), None)
    if isinstance(value, str) and value.strip() in parameter.choices:
        return value.strip()
    raise ValueError("not a choice")


def _parse_curve_text(parameter: Parameter, value: object) -> str:
    """Return the curve's canonical text: sorted, each number in its shortest form."""
    if not isinstance(value, str):
        raise ValueError("not text")
    return ", ".join(
        f"{format_number(progress)}:{format_number(strength)}" for progress, strength in parse_curve(value)
    )


def _parse_point(text: str) -> tuple[float, float]:
    progress, strength = text.split(":")
    return _parse_number(progress, 0, 1), _parse_number(strength, 0, 1)


def _parse_number(value: object, low: float, high: float) -> float:
    if isinstance(value, bool) or not isinstance(value, (numbers.Real, str)):
        raise ValueError("not a number")
    if isinstance(value, str) and not NUMBER.fullmatch(value.strip()):
        raise ValueError("not a number")
    try:
        number = float(value)
    except OverflowError as error:  # an int too large for a float
        raise ValueError("out of range") from error
    if not (math.isfinite(number) and low <= number <= high):
        raise ValueError("out of range")
    return number


_PARSERS: Mapping[str, Callable[[Parameter, object], Value]] = {
    "switch": _parse_switch,
    "choice": _parse_choice,
    "number": lambda parameter, value: _parse_number(value, parameter.low, parameter.high),
    "curve": _parse_curve_text,
}
