"""What the trials of a study have in common: the job, the fixed settings and the searched ranges."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from optuna.distributions import BaseDistribution, FloatDistribution

from freeu.arguments import to_script
from freeu.settings.parameter import SettingsError, format_number
from freeu.settings.settings import Settings
from freeu.settings.stage import FACTORS

DIGITS = 3
"""Decimals of a searched value. Smaller differences cannot be seen."""

PERSON, GRID = "person", "grid"
"""The samplers that are not Optuna's: a person's choices, and a queue of all points of a grid."""

PAPER_RANGES = {"b": (1.0, 1.6), "s": (0.0, 1.0)}
"""The ranges of the paper: stronger backbones, weaker skips. All other parameters have the table's range."""


@dataclass(frozen=True)
class Plan:
    """What a study draws.

    payload: fields of the txt2img job without prompt and FreeU.
    prompts: one job is run for each.
    settings: complete settings of FreeU; the searched ones are replaced.
    preset: the name of the preset for the WebUI's model, or None.
    ranges: lowest and highest value of each searched parameter.
    scores: "module:function" of each score; none if a person chooses.
    sampler: how values are chosen: a name in `study.SAMPLERS`.
    points: how many values each parameter has on a grid.
    """

    payload: dict[str, Any]
    prompts: list[str]
    settings: dict[str, Any]
    preset: str | None
    ranges: dict[str, list[float]]
    scores: list[str]
    sampler: str
    points: int

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as JSON values."""
        return dataclasses.asdict(self)

    def check_same(self, other: Plan) -> None:
        """Raise SettingsError with the first field in which a stored plan differs from `other`."""
        for field in dataclasses.fields(self):
            if getattr(self, field.name) != (wanted := getattr(other, field.name)):
                rule = f"must be as when the study was made ({getattr(self, field.name)})"
                raise SettingsError(field.name, wanted, rule, "Choose another --study for other values")

    @property
    def distributions(self) -> dict[str, BaseDistribution]:
        """The ranges for Optuna."""
        return {name: FloatDistribution(low, high) for name, (low, high) in self.ranges.items()}

    def off(self) -> dict[str, float]:
        """Return the point of the ranges that is closest to FreeU off."""
        return self._clip(
            {name: 1.0 if _without_stage(name) in FACTORS else self.settings[name] for name in self.ranges}
        )

    def can_be_off(self) -> bool:
        """Return True if the values of `off` turn FreeU off, whatever the other settings are."""
        return Settings.parse({**self.settings, **self.off()}).neutral

    def preset_values(self) -> dict[str, float]:
        """Return the point of the ranges that is closest to the plan's settings."""
        return self._clip({name: self.settings[name] for name in self.ranges})

    def axes(self) -> dict[str, list[float]]:
        """Return the values of each parameter on the grid."""
        shares = [index / (self.points - 1) for index in range(self.points)]
        return {name: [low + share * (high - low) for share in shares] for name, (low, high) in self.ranges.items()}

    def grid(self) -> list[dict[str, float]]:
        """Return all points of the grid. The last parameter changes fastest."""
        axes = self.axes()
        return [dict(zip(axes, point, strict=True)) for point in itertools.product(*axes.values())]

    def settings_with(self, values: Mapping[str, float]) -> dict[str, Any]:
        """Return complete settings for a trial's values."""
        return {**self.settings, **{name: round(value, DIGITS) for name, value in values.items()}}

    def job(self, prompt: str, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Return the payload of one txt2img job."""
        scripts = {**self.payload.get("alwayson_scripts", {}), **to_script(settings)["alwayson_scripts"]}
        return {**self.payload, "prompt": prompt, "alwayson_scripts": scripts}

    def _clip(self, values: Mapping[str, float]) -> dict[str, float]:
        return {name: min(max(values[name], low), high) for name, (low, high) in self.ranges.items()}


def format_searched(value: float) -> str:
    """Format a searched value as it is used."""
    return format_number(round(value, DIGITS))


def _without_stage(name: str) -> str:
    """Return "b" for "b1"."""
    return name.rstrip("123")


def parse_ranges(texts: Sequence[str], properties: Mapping[str, Mapping[str, Any]]) -> dict[str, list[float]]:
    """Read ranges such as "b1" and "b1=1:1.6". Raises SettingsError.

    properties: those of the WebUI's schema by name. They know which parameters are numbers, and what a value may be.
    """
    numbers = {name: found for name, found in properties.items() if found.get("type") == "number"}
    ranges = {}
    for text in texts:
        name, equals, limits = text.partition("=")
        if name not in numbers:
            raise SettingsError("--over", text, f"must be one of {', '.join(numbers)}, as NAME or NAME=LOW:HIGH")
        if name in ranges:
            raise SettingsError("--over", text, "must have each parameter once")
        lowest, highest = float(numbers[name]["minimum"]), float(numbers[name]["maximum"])
        low, high = _parse_limits(text, limits) if equals else PAPER_RANGES.get(_without_stage(name), (lowest, highest))
        if not lowest <= low < high <= highest:
            limits = f"{format_number(lowest)} <= LOW < HIGH <= {format_number(highest)}"
            raise SettingsError("--over", text, f"must be {name}=LOW:HIGH with {limits}")
        ranges[name] = [low, high]
    return ranges


def _parse_limits(text: str, limits: str) -> tuple[float, float]:
    low, _, high = limits.partition(":")
    try:
        return float(low), float(high)
    except ValueError as error:
        raise SettingsError("--over", text, "must be NAME=LOW:HIGH with numbers such as b1=1:1.6") from error
