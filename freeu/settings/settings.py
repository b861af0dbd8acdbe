"""The table of parameters, and `Settings`: a set of values for them that is always valid.

Each parameter is declared once, as a field of `Settings`. Validation, JSON schema, infotext keys, command line
options, sliders and X/Y/Z axes are all derived from `TABLE`.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import wraps
from typing import Any

from freeu.settings.parameter import (
    Parameter,
    Points,
    SettingsError,
    Value,
    format_number,
    format_value,
    parse_curve,
    parse_value,
)
from freeu.settings.stage import STAGES, Stage

_B = "Scales the backbone in the {} blocks. Above 1, shapes get clearer; too high a value clips colors."
_S = "Scales the skip's low frequencies in the {} blocks. Below 1, it keeps details that b smooths."
_HIGH = "Scales the skip's other frequencies in the {} blocks. 1 changes nothing."
_OFFSET = "The first of the backbone channels that b{} scales. The window wraps around."
_WIDTH = "The share of backbone channels that b{} scales. 0.5 is half of them, as in the paper."
_CUTOFF = "The highest of the low frequencies that s{} scales. 0 is as in the paper: only the lowest ones."
_CHANNELS, _SPECTRUM = "share of channels", "share of the spectrum"


def _field(default: Value, label: str, help: str, **details: Any) -> Any:  # noqa: A002
    """Declare a parameter. The arguments are those of `Parameter`."""
    return field(default=default, metadata={"parameter": Parameter(default, label, help, **details)})


@dataclass(frozen=True)
class Settings:
    """All values that decide what FreeU does. Frozen and always valid.

    The order of the fields is that of the positional list that `parse` reads; new fields go to the end.

    `curve_points` are the points of `curve`, parsed once. Raises SettingsError for the first bad value.
    """

    enabled: bool = _field(True, "Enabled", "Turns FreeU on.")
    version: str = _field(
        "2",
        "Version",
        "1: b is the same everywhere; 2: b follows the shapes in the image. Version 2 saturates colors less.",
        choices=("1", "2"),
        always_written=True,
    )
    b1: float = _field(1.3, "b1", _B.format("deepest"), low=-1.0, high=3.0, unit="factor", always_written=True)
    s1: float = _field(0.9, "s1", _S.format("deepest"), low=-1.0, high=3.0, unit="factor", always_written=True)
    b2: float = _field(1.4, "b2", _B.format("middle"), low=-1.0, high=3.0, unit="factor", always_written=True)
    s2: float = _field(0.2, "s2", _S.format("middle"), low=-1.0, high=3.0, unit="factor", always_written=True)
    start: float = _field(0.0, "Start", "The step at which FreeU starts.", unit="share of steps", always_written=True)
    stop: float = _field(1.0, "Stop", "The step at which FreeU stops.", unit="share of steps", always_written=True)
    smoothness: float = _field(
        0.0,
        "Smoothness",
        "Fades FreeU in and out. 0 switches at once; 1 rises until start and falls until stop.",
    )
    curve: str = _field(
        "",
        "Curve",
        "Strength over the steps; replaces start, stop and smoothness. Points progress:strength, such as "
        "0:0, 0.2:1, 0.8:1, 1:0; both numbers are between 0 and 1, and the strength is linear between points.",
    )
    clock: str = _field(
        "step",
        "Clock",
        "The measure of progress. step: the sampler's steps. noise: the noise that is left.",
        choices=("step", "noise"),
    )
    passes: str = _field(
        "both",
        "Passes",
        "Selects the passes that use FreeU. first: the first pass of hires. fix only; hires: its second pass only.",
        choices=("both", "first", "hires"),
    )
    b3: float = _field(1.0, "b3", _B.format("shallowest"), low=-1.0, high=3.0, unit="factor")
    s3: float = _field(1.0, "s3", _S.format("shallowest"), low=-1.0, high=3.0, unit="factor")
    high1: float = _field(1.0, "High frequencies, stage 1", _HIGH.format("deepest"), low=-1.0, high=3.0, unit="factor")
    high2: float = _field(1.0, "High frequencies, stage 2", _HIGH.format("middle"), low=-1.0, high=3.0, unit="factor")
    high3: float = _field(
        1.0, "High frequencies, stage 3", _HIGH.format("shallowest"), low=-1.0, high=3.0, unit="factor"
    )
    offset1: float = _field(0.0, "Channel offset, stage 1", _OFFSET.format(1), low=0.0, high=1.0, unit=_CHANNELS)
    offset2: float = _field(0.0, "Channel offset, stage 2", _OFFSET.format(2), low=0.0, high=1.0, unit=_CHANNELS)
    offset3: float = _field(0.0, "Channel offset, stage 3", _OFFSET.format(3), low=0.0, high=1.0, unit=_CHANNELS)
    width1: float = _field(0.5, "Channel width, stage 1", _WIDTH.format(1), low=0.0, high=1.0, unit=_CHANNELS)
    width2: float = _field(0.5, "Channel width, stage 2", _WIDTH.format(2), low=0.0, high=1.0, unit=_CHANNELS)
    width3: float = _field(0.5, "Channel width, stage 3", _WIDTH.format(3), low=0.0, high=1.0, unit=_CHANNELS)
    cutoff1: float = _field(0.0, "Cutoff, stage 1", _CUTOFF.format(1), low=0.0, high=1.0, unit=_SPECTRUM)
    cutoff2: float = _field(0.0, "Cutoff, stage 2", _CUTOFF.format(2), low=0.0, high=1.0, unit=_SPECTRUM)
    cutoff3: float = _field(0.0, "Cutoff, stage 3", _CUTOFF.format(3), low=0.0, high=1.0, unit=_SPECTRUM)
    mask: str = _field(
        "box",
        "Mask",
        "The shape of the low-frequency region. box: as in the authors' code. disc: as in the paper (equation 8).",
        choices=("box", "disc"),
    )
    stage_map: str = _field(
        "channels",
        "Stage map",
        "The rule that groups decoder blocks into stages. channels: blocks of equal width, the authors' rule. "
        "levels: blocks of equal resolution, as in diffusers.",
        choices=("channels", "levels"),
    )
    keep_contrast: float = _field(
        0.0,
        "Keep contrast",
        "Takes back the contrast that b adds. 0: as in the paper. 1: the backbone keeps its root mean square, so "
        "fewer colors are clipped.",
    )
    curve_points: Points = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name, parameter in TABLE.items():
            object.__setattr__(self, name, parse_value(name, parameter, getattr(self, name)))
        if self.start > self.stop:
            raise SettingsError("start", self.start, f"must be at most stop, which is {format_number(self.stop)}")
        object.__setattr__(self, "curve_points", parse_curve(self.curve))

    @classmethod
    def parse(
        cls, payload: Mapping[str, Any] | Sequence[Any], presets: Mapping[str, Settings] | None = None
    ) -> Settings:
        """Read settings from values by name, or from a list of values in the order of the fields.

        A missing value keeps its default, or its value in the preset named by `preset`, one of `presets` (None: the
        built-in ones). Raises SettingsError, which suggests the closest known name.
        """
        values = dict(payload) if isinstance(payload, Mapping) else _name_values(payload)
        base = cls._preset(values.pop("preset"), presets) if "preset" in values else cls()
        return base._changed(values)

    def replace(self, /, **changes: Any) -> Settings:
        """Return a copy with some values changed. Raises SettingsError as `parse` does."""
        return self._changed(changes)

    def to_dict(self) -> dict[str, Value]:
        """Return all names and values; `parse` turns them into equal Settings."""
        return {name: getattr(self, name) for name in TABLE}

    def compact(self) -> dict[str, Value]:
        """Return the values that every image stores, and those that differ from their default."""
        return {
            name: value
            for name, value in self.to_dict().items()
            if TABLE[name].always_written or value != TABLE[name].default
        }

    def stage(self, n: int) -> Stage:
        """Return the parameters of stage 1, 2 or 3."""
        return Stage(*(getattr(self, f"{name}{n}") for name in Stage._fields))

    @property
    def neutral(self) -> bool:
        """True if these settings change no image."""
        return not self.enabled or all(self.stage(n).neutral for n in STAGES)

    def _changed(self, values: Mapping[Any, Any]) -> Settings:
        _check_names(values)
        return dataclasses.replace(self, **values)

    @staticmethod
    def _preset(name: object, presets: Mapping[str, Settings] | None) -> Settings:
        presets = _built_in_presets() if presets is None else presets
        if not isinstance(name, str) or name not in presets:
            raise SettingsError("preset", name, f"must be one of {', '.join(presets)}", suggest(name, presets))
        return presets[name]


TABLE: Mapping[str, Parameter] = {
    f.name: f.metadata["parameter"] for f in dataclasses.fields(Settings) if "parameter" in f.metadata
}
"""Every parameter by name, in the order of the positional list."""


def _check_names(values: Mapping[Any, Any]) -> None:
    """Raise SettingsError for the first name that is not a parameter."""
    for name, value in values.items():
        if name not in TABLE:
            shown = name if isinstance(name, str) else format_value(name)
            raise SettingsError(shown, value, "is not a parameter of FreeU", suggest(name, TABLE))


def _check_names_before(init: Callable[..., None]) -> Callable[..., None]:
    """Let the `__init__` of a dataclass raise SettingsError for an unknown name, instead of TypeError."""

    @wraps(init)
    def checked(self: Settings, *args: Any, **values: Any) -> None:
        _check_names(values)
        init(self, *args, **values)

    return checked


Settings.__init__ = _check_names_before(Settings.__init__)  # type: ignore[method-assign]


def extremes(axes: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    """Return one value of each parameter: if these are valid together, so are all others.

    axes: the values of each parameter, each of which is valid by itself. `start` must be at most `stop`.
    """
    choose = {"start": max, "stop": min}
    return {name: choose[name](values) if name in choose else values[0] for name, values in axes.items()}


def json_schema(presets: Iterable[str] | None = None) -> dict[str, Any]:
    """Return a JSON schema (draft 2020-12) of what `Settings.parse` reads; `presets` as there."""
    properties = {name: parameter_schema(parameter) for name, parameter in TABLE.items()}
    names = list(_built_in_presets() if presets is None else presets)
    preset = {"enum": names, "description": "The preset whose values the other fields replace."}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "FreeU",
        "type": "object",
        "properties": {**properties, "preset": preset},
        "additionalProperties": False,
    }


def parameter_schema(parameter: Parameter) -> dict[str, Any]:
    """Return the JSON schema of one parameter."""
    rules: dict[str, dict[str, Any]] = {
        "switch": {"type": "boolean"},
        "choice": {"enum": [*parameter.choices, *(int(c) for c in parameter.choices if c.isdigit())]},
        "number": {"type": "number", "minimum": parameter.low, "maximum": parameter.high},
        "curve": {"type": "string"},
    }
    unit = f" Unit: {parameter.unit}." if parameter.unit else ""
    return {
        "title": parameter.label,
        "description": parameter.help + unit,
        "default": parameter.default,
        **rules[parameter.kind],
    }


def suggest(name: object, known: Iterable[str]) -> str:
    """Return the advice to use the known name closest to `name`; empty if there is none."""
    by_lower_case = {other.lower(): other for other in known}
    closest = difflib.get_close_matches(format_value(name).lower(), by_lower_case, n=1, cutoff=0)
    return f"The closest name is {by_lower_case[closest[0]]}" if closest else ""


def _built_in_presets() -> Mapping[str, Settings]:
    from freeu.settings.presets import BUILTIN  # presets.py needs this module first

    return BUILTIN


def _name_values(values: object) -> dict[str, Any]:
    if isinstance(values, (str, bytes)) or not isinstance(values, Sequence):
        raise SettingsError("settings", values, "must be an object of names and values, or a list of values")
    if len(values) > len(TABLE):
        raise SettingsError("settings", values, f"must be a list of at most {len(TABLE)} values")
    return dict(zip(TABLE, values, strict=False))
