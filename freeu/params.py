"""The table of parameters, and `Settings`: a set of their values that is always valid.

A parameter is declared once, in `Settings`. Everything else that knows of parameters (validation, the
JSON schema, infotext keys, command line options, sliders) is derived from `TABLE`.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from freeu.values import Param, SettingsError, Value, quoted, read, short

STAGES = (1, 2, 3)

_FACTOR = {"unit": "factor", "low": -1.0, "high": 3.0}
_OF_STAGE: Mapping[str, Mapping[str, Any]] = {
    "b": {
        "label": "b{n}",
        "help": "Strengthens the backbone in {where}. 1 leaves it alone; "
        "higher gives clearer shapes, too high gives burnt colours.",
        **_FACTOR,
    },
    "s": {
        "label": "s{n}",
        "help": "Scales the skip's low frequencies in {where}. 1 leaves them alone; "
        "lower undoes the smoothing that b brings.",
        **_FACTOR,
    },
    "high": {
        "label": "High frequencies {n}",
        "help": "Scales the skip's other frequencies in {where}. 1 leaves them alone.",
        **_FACTOR,
    },
    "offset": {
        "label": "Channel offset {n}",
        "help": "Where the window of backbone channels that b{n} scales begins. The window wraps around.",
        "unit": "share of channels",
    },
    "width": {
        "label": "Channel width {n}",
        "help": "How many of the backbone channels b{n} scales: 0.5 is half of them, as in the paper.",
        "unit": "share of channels",
    },
    "cutoff": {
        "label": "Cutoff {n}",
        "help": "How far the low frequencies that s{n} scales reach. 0 is the paper's: the lowest alone.",
        "unit": "share of the spectrum",
    },
}
_WHERE = {1: "the deepest blocks", 2: "the middle blocks", 3: "the shallowest blocks"}


def _param(param: Param) -> Any:
    return field(default=param.default, metadata={"param": param})


def _of_stage(kind: str, n: int, default: float, *, always: bool = False) -> Any:
    """The parameter `kind` of stage `n`."""
    where = f"stage {n} ({_WHERE[n]})"
    told: dict[str, Any] = {
        key: text.format(n=n, where=where) if isinstance(text, str) else text for key, text in _OF_STAGE[kind].items()
    }
    return _param(Param(default, **told, always=always))


class Stage(NamedTuple):
    """The parameters of one stage."""

    b: float
    s: float
    high: float
    offset: float
    width: float
    cutoff: float

    @property
    def neutral(self) -> bool:
        """Whether these values leave every feature as it is."""
        return (self.b == 1 or self.width == 0) and self.s == self.high == 1

    def at(self, strength: float) -> Stage:
        """The same stage at a strength of 0 (neutral) to 1 (as set): `1 + strength * (factor - 1)`."""

        # Written so that strengths 0 and 1 give exactly 1 and the factor.
        def scaled(factor: float) -> float:
            return strength * factor + (1 - strength)

        return self._replace(b=scaled(self.b), s=scaled(self.s), high=scaled(self.high))


@dataclass(frozen=True)
class Settings:
    """Everything that decides what FreeU does. Frozen and always valid.

    Raises SettingsError on construction for the first value that is not allowed. The order of the
    fields is that of the positional list that `parse` reads; new ones go to the end.
    """

    enabled: bool = _param(Param(True, "Enable", "Whether FreeU does anything."))
    version: str = _param(
        Param(
            "2",
            "Version",
            "1: one factor everywhere; 2: it follows the shapes. 2 burns less.",
            choices=("1", "2"),
            always=True,
        )
    )
    b1: float = _of_stage("b", 1, 1.3, always=True)
    s1: float = _of_stage("s", 1, 0.9, always=True)
    b2: float = _of_stage("b", 2, 1.4, always=True)
    s2: float = _of_stage("s", 2, 0.2, always=True)
    start: float = _param(Param(0.0, "Start", "From where in the run FreeU acts.", unit="share of steps", always=True))
    stop: float = _param(Param(1.0, "Stop", "Up to where in the run FreeU acts.", unit="share of steps", always=True))
    smoothness: float = _param(
        Param(
            0.0,
            "Smoothness",
            "Fades FreeU in and out. 0 is at once; 1 is in up to start, and out down to stop.",
        )
    )
    curve: str = _param(
        Param(
            "",
            "Curve",
            "Strength over the run, in place of start, stop and smoothness. Points progress:strength, such as "
            "0:0, 0.2:1, 0.8:1, 1:0; both go from 0 to 1, and between points it is linear.",
        )
    )
    clock: str = _param(
        Param(
            "step",
            "Clock",
            "What the run is measured in. step: the sampler's steps. noise: how much noise is left.",
            choices=("step", "noise"),
        )
    )
    passes: str = _param(
        Param(
            "both",
            "Passes",
            "In which passes FreeU acts. first: before hires. fix; hires: in its second pass.",
            choices=("both", "first", "hires"),
        )
    )
    b3: float = _of_stage("b", 3, 1.0)
    s3: float = _of_stage("s", 3, 1.0)
    high1: float = _of_stage("high", 1, 1.0)
    high2: float = _of_stage("high", 2, 1.0)
    high3: float = _of_stage("high", 3, 1.0)
    offset1: float = _of_stage("offset", 1, 0.0)
    offset2: float = _of_stage("offset", 2, 0.0)
    offset3: float = _of_stage("offset", 3, 0.0)
    width1: float = _of_stage("width", 1, 0.5)
    width2: float = _of_stage("width", 2, 0.5)
    width3: float = _of_stage("width", 3, 0.5)
    cutoff1: float = _of_stage("cutoff", 1, 0.0)
    cutoff2: float = _of_stage("cutoff", 2, 0.0)
    cutoff3: float = _of_stage("cutoff", 3, 0.0)
    mask: str = _param(
        Param(
            "box",
            "Mask",
            "The shape of the low frequencies. box: as in the authors' code. disc: as in the paper (equation 8).",
            choices=("box", "disc"),
        )
    )
    stage_map: str = _param(
        Param(
            "channels",
            "Stage map",
            "Which blocks make a stage. channels: those of one width, the authors' rule. "
            "levels: those of one resolution, as in diffusers.",
            choices=("channels", "levels"),
        )
    )

    def __post_init__(self) -> None:
        for name, param in TABLE.items():
            object.__setattr__(self, name, read(name, param, getattr(self, name)))
        if self.start > self.stop:
            raise SettingsError("start", self.start, f"it is at most stop, which is {short(self.stop)}")

    @classmethod
    def parse(
        cls, payload: Mapping[str, Any] | Sequence[Any], presets: Mapping[str, Settings] | None = None
    ) -> Settings:
        """Settings from flat names and values, or from the values alone in the order of the fields.

        What is left out keeps its default, or the value of the preset that the name `preset` gives.
        `presets` are those to choose from, the built-in ones if None.
        Raises SettingsError, for an unknown name with the closest known one.
        """
        values = dict(payload) if isinstance(payload, Mapping) else _by_position(payload)
        base = _preset(values.pop("preset"), presets) if "preset" in values else cls()
        return base._changed(values)

    def replace(self, **changes: Any) -> Settings:
        """A copy with some values changed, and checked. Raises SettingsError as `parse` does."""
        return self._changed(changes)

    def to_dict(self) -> dict[str, Value]:
        """All flat names and values; `parse` gives the same Settings back."""
        return {name: getattr(self, name) for name in TABLE}

    def essential(self) -> dict[str, Value]:
        """What a reader needs: the values that every picture says, and those that are not the default."""
        return {
            name: value for name, value in self.to_dict().items() if TABLE[name].always or value != TABLE[name].default
        }

    def stage(self, n: int) -> Stage:
        """The parameters of stage 1, 2 or 3."""
        return Stage(*(getattr(self, f"{name}{n}") for name in Stage._fields))

    @property
    def neutral(self) -> bool:
        """Whether these settings leave every picture as it is."""
        return not self.enabled or all(self.stage(n).neutral for n in STAGES)

    def _changed(self, values: Mapping[Any, Any]) -> Settings:
        for name, value in values.items():
            if name not in TABLE:
                raise SettingsError(
                    name if isinstance(name, str) else quoted(name),
                    value,
                    f"there is no such parameter{_closest(name, TABLE)}",
                )
        return dataclasses.replace(self, **values)


TABLE: Mapping[str, Param] = {f.name: f.metadata["param"] for f in dataclasses.fields(Settings)}


def json_schema(presets: Iterable[str] | None = None) -> dict[str, Any]:
    """A JSON schema (draft 2020-12) of what `Settings.parse` reads, for API clients.

    `presets` are the names to choose from, those of the built-in ones if None.
    """
    from freeu.presets import BUILTIN  # presets are made of Settings

    properties = {name: parameter_schema(param) for name, param in TABLE.items()}
    known = list(BUILTIN if presets is None else presets)
    names: dict[str, Any] = {"enum": known, "description": "The base that the other fields change."}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "FreeU",
        "type": "object",
        "properties": {**properties, "preset": names},
        "additionalProperties": False,
    }


def parameter_schema(param: Param) -> dict[str, Any]:
    """The JSON schema of one parameter."""
    rules: dict[str, dict[str, Any]] = {
        "switch": {"type": "boolean"},
        "choice": {"enum": [*param.choices, *(int(c) for c in param.choices if c.isdigit())]},
        "number": {"type": "number", "minimum": param.low, "maximum": param.high},
        "curve": {"type": "string"},
    }
    unit = f" Unit: {param.unit}." if param.unit else ""
    return {"title": param.label, "description": param.help + unit, "default": param.default, **rules[param.kind]}


def _by_position(values: object) -> dict[str, Any]:
    if isinstance(values, (str, bytes)) or not isinstance(values, Sequence):
        raise SettingsError("settings", values, "they are names with values, or a list of values")
    if len(values) > len(TABLE):
        raise SettingsError("settings", values, f"a list of values has at most {len(TABLE)}")
    return dict(zip(TABLE, values, strict=False))


def _preset(name: object, presets: Mapping[str, Settings] | None) -> Settings:
    from freeu.presets import BUILTIN  # presets are made of Settings

    known = BUILTIN if presets is None else presets
    if not isinstance(name, str) or name not in known:
        raise SettingsError("preset", name, f"it is one of {', '.join(known)}{_closest(name, known)}")
    return known[name]


def _closest(name: object, known: Iterable[str]) -> str:
    """A hint: which of the known names is closest to this one."""
    folded = {other.lower(): other for other in known}
    close = difflib.get_close_matches(quoted(name).lower(), folded, n=1, cutoff=0)
    return f"; the closest is {folded[close[0]]}" if close else ""
