"""What a job can output besides its images: options of a job, not parameters of FreeU. No image depends on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from freeu.settings.parameter import Parameter, parse_value
from freeu.settings.settings import TABLE

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
"""The extra outputs by name."""

SHORTEST_LIST = 28
"""The length of a list of arguments in the first release, without extra outputs."""

_PARAMETERS = tuple(TABLE.items())
ARGUMENTS: Mapping[str, Parameter] = dict(
    [*_PARAMETERS[:SHORTEST_LIST], *EXTRA_OUTPUTS.items(), *_PARAMETERS[SHORTEST_LIST:]]
)
"""The script's arguments in the order of its controls. Later parameters follow, so old lists keep their meaning."""

RENAMED = {"look": "plot"}
"""Names of earlier releases, still accepted."""


class ExtraOutputs(NamedTuple):
    """Whether a job makes a plot, and the images without FreeU."""

    plot: bool = False
    compare: bool = False


def parse_extra_outputs(args: Sequence[Any], overrides: Mapping[str, Any]) -> ExtraOutputs:
    """Read the extra outputs from a script's arguments and from the overrides of an X/Y/Z plot.

    The arguments are an object in the first place, or one value per control; None is a value that was not given.
    Raises SettingsError.
    """
    first = args[0] if args and isinstance(args[0], Mapping) else {}
    positional = {name: value for name, value in zip(ARGUMENTS, args, strict=False) if value is not None}
    named = {RENAMED.get(name, name): value for values in (first, overrides) for name, value in values.items()}
    values = {name: value for name, value in {**positional, **named}.items() if name in EXTRA_OUTPUTS}
    return ExtraOutputs(**{name: bool(parse_value(name, EXTRA_OUTPUTS[name], value)) for name, value in values.items()})


def without_extra_outputs(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the names and values that are not extra outputs."""
    return {name: value for name, value in values.items() if RENAMED.get(name, name) not in EXTRA_OUTPUTS}
