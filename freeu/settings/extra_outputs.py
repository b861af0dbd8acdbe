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
"""The extra outputs by name. On the page, in this order, their controls follow those of the table."""

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
    outputs = zip(EXTRA_OUTPUTS, args[len(TABLE) :], strict=False)
    positional = {name: value for name, value in outputs if value is not None}
    named = {RENAMED.get(name, name): value for values in (first, overrides) for name, value in values.items()}
    values = {**positional, **{name: value for name, value in named.items() if name in EXTRA_OUTPUTS}}
    return ExtraOutputs(**{name: bool(parse_value(name, EXTRA_OUTPUTS[name], value)) for name, value in values.items()})


def without_extra_outputs(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the names and values that are not extra outputs."""
    return {name: value for name, value in values.items() if RENAMED.get(name, name) not in EXTRA_OUTPUTS}
