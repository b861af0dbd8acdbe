"""What a job asks for: the arguments of this extension's script, as settings and extra outputs.

The arguments come from the page (one value for each control), from the API (the same list, or an object in the first
place), or from a client of ljleb's extension. The host fills up a short list with the controls' initial values. These
are None in the API, so that the list's length is known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from freeu.compat import ljleb
from freeu.settings.parameter import NUMBER, Parameter, SettingsError, parse_value
from freeu.settings.settings import TABLE, Settings

SCRIPT = "freeu"
"""The name of this extension's script in the API, and of ljleb's."""

MAX_STEPS = 1000
"""The most steps that are described one by one."""

EXTRA_OUTPUTS: Mapping[str, Parameter] = {
    "plot": Parameter(
        False,
        "Plot of what FreeU does",
        "Adds charts to the gallery. They show each stage's frequencies before and after FreeU, its strength at each "
        "step, and how many pixels are clipped.",
    ),
    "compare": Parameter(
        False,
        "Comparison with FreeU off",
        "Generates all images a second time without FreeU. A slider under the gallery compares them. The job takes "
        "twice as long.",
    ),
}
"""What a job can output besides its images. These are no parameters of FreeU: no image depends on them."""

ARGUMENTS: Mapping[str, Parameter] = {**TABLE, **EXTRA_OUTPUTS}
"""The script's arguments in the order of its controls. After a release, new ones are added at the end only."""


class ExtraOutputs(NamedTuple):
    """Whether a job makes a plot, and the images without FreeU."""

    plot: bool = False
    compare: bool = False


class Request(NamedTuple):
    """What a job asks for."""

    settings: Settings
    outputs: ExtraOutputs


def parse(
    args: Sequence[Any],
    presets: Mapping[str, Settings],
    steps: int,
    overrides: Mapping[str, Any] = {},
) -> Request:
    """Read the arguments of a job that samples `steps` steps. Raises SettingsError.

    No arguments mean FreeU off. `overrides` are the values of a cell of the host's grid (X/Y/Z plot). They turn FreeU
    on unless they say otherwise; their `preset` replaces all other settings.
    """
    settings, outputs = _read(_without_filling(args), presets, steps)
    changes, changed_outputs = _separate(overrides)
    if changes:
        values = {"enabled": True, **changes}
        settings = Settings.parse(values, presets) if "preset" in values else settings.replace(**values)
    return Request(settings, _parse_outputs({**outputs, **changed_outputs}))


def to_script(settings: Settings | Mapping[str, Any]) -> dict[str, Any]:
    """Return the field of an API request that asks for these settings: `{"alwayson_scripts": ...}`."""
    values = settings.compact() if isinstance(settings, Settings) else dict(settings)
    return {"alwayson_scripts": {SCRIPT: {"args": [values]}}}


def _read(args: Sequence[Any], presets: Mapping[str, Settings], steps: int) -> tuple[Settings, dict[str, Any]]:
    """Return the settings, and the extra outputs as they were given."""
    if args and isinstance(args[0], Mapping):
        # Initial values may follow the object. Invalid ones were meant for something.
        _, initial = _read_list([False, *args[1:]])
        values, outputs = _separate(args[0])
        is_ljleb = ljleb.is_request(values)
        settings = ljleb.from_request(values, steps) if is_ljleb else Settings.parse(values, presets)
        return settings, {**initial, **outputs}
    if ljleb.is_list(args) and len(args) < len(TABLE):
        return ljleb.from_list(args), {}
    if args != [False] and 0 < len(args) < len(TABLE):
        rule = f"must be an object of names and values, or a list of at least {len(TABLE)} values"
        raise SettingsError("settings", args, rule, "A shorter list may be meant for another tool")
    _check_order(args)
    return _read_list(args or [False])


def _read_list(args: Sequence[Any]) -> tuple[Settings, dict[str, Any]]:
    values, outputs = _separate(dict(zip(ARGUMENTS, args, strict=False)))
    # An infotext in a request has no extra outputs.
    return Settings.parse(values), {name: value for name, value in outputs.items() if value is not None}


def _check_order(args: Sequence[Any]) -> None:
    """Raise SettingsError for a list whose values are of other types than ours: it has another order."""
    for position, (name, value) in enumerate(zip(ARGUMENTS, args, strict=False), 1):
        if not _has_type(ARGUMENTS[name].kind, value):
            rule = f"must be a list in the order of this release, whose value {position} is {name}"
            advice = "If the job was put in a queue before an update, empty the queue and put it there again"
            raise SettingsError("settings", args, rule, advice)


def _has_type(kind: str, value: Any) -> bool:
    """Return True for a value of the type of a kind of parameter. API clients send numbers and switches as text too."""
    if isinstance(value, bool):
        return kind == "switch"
    if isinstance(value, (int, float)):
        return kind in ("number", "choice")
    return value is None or (isinstance(value, str) and (kind != "number" or bool(NUMBER.fullmatch(value.strip()))))


def _without_filling(args: Sequence[Any]) -> list[Any]:
    """Return the arguments without the None at their end. The host cuts a list that is longer than ours."""
    given = list(args[: len(ARGUMENTS)])
    while given and given[-1] is None:
        given.pop()
    return given


def _separate(values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the values of settings, and those of extra outputs."""
    outputs = {name: value for name, value in values.items() if name in EXTRA_OUTPUTS}
    return {name: value for name, value in values.items() if name not in outputs}, outputs


def _parse_outputs(values: Mapping[str, Any]) -> ExtraOutputs:
    return ExtraOutputs(**{name: bool(parse_value(name, EXTRA_OUTPUTS[name], value)) for name, value in values.items()})
