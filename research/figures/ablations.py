"""With and without each part of FreeU: half of the channels, s, the structure map (Fig. 9, 10, 15, 16, 19)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from PIL import Image
from torch import Tensor

from freeu import Settings
from freeu.diagnostics.spectrum import color_stats
from playground.images import to_image
from research.figures import plots
from research.figures.experiment import OFF, Experiment
from research.figures.metrics import detail, difference
from research.figures.results import Claim, FigureResult
from research.figures.statistics import mean

SHOWN_PROMPTS = 3
B_ONLY = Settings(s1=1, s2=1)
MINOR_SHARE = 0.5
"""An effect below this share of another one counts as minor."""


def channels(experiment: Experiment) -> FigureResult:
    """Fig. 9 and 19: b on no channels, all, the first half and the second half.

    The paper's "uniform half", every second channel, is left out: FreeU's channel window is contiguous.
    """
    windows = {"all": (0.0, 1.0), "first half": (0.0, 0.5), "second half": (0.5, 0.5)}
    images = {"none": experiment.generate(OFF)}
    for name, (offset, width) in windows.items():
        settings = B_ONLY.replace(offset1=offset, offset2=offset, width1=width, width2=width)
        images[name] = experiment.generate(settings)
    first, second, none = images["first half"], images["second half"], images["none"]
    shares = {name.removesuffix(" half"): mean(detail(batch)) for name, batch in images.items()}
    change = mean(detail(images["all"]) - detail(none))
    extra = mean(detail(images["all"]) - (detail(first) + detail(second)) / 2)
    between = difference(first, second)
    effect = (difference(first, none) + difference(second, none)) / 2
    excess = mean(between - MINOR_SHARE * effect)
    return FigureResult(
        _comparison_sheet(images),
        [
            Claim(
                "On all channels, b smooths textures away.",
                "The share of detail is {all}, and {none} without b; it changes by {change}",
                {**shares, "change": change},
                change.below_zero,
            ),
            Claim(
                "On half of the channels, b smooths less.",
                "The share is {first} with the first half and {second} with the second half; "
                "with all channels it differs from their mean by {change}",
                {**shares, "change": extra},
                extra.below_zero,
            ),
            Claim(
                "Which half is scaled matters little: less than half of the effect of b.",
                "Images with the two halves differ by {halves}; they differ from FreeU off by {effect} "
                "(root mean square, full range 1)",
                {"halves": mean(between), "effect": mean(effect), "excess": excess},
                excess.below_zero,
            ),
        ],
    )


def skip_scaling(experiment: Experiment) -> FigureResult:
    """Fig. 10 and 15: FreeU off, b alone, b and s."""
    settings = {"off": OFF, "b": B_ONLY, "b and s": Settings()}
    images = {name: experiment.generate(variant) for name, variant in settings.items()}
    shares = {name: mean(detail(batch)) for name, batch in images.items()}
    by_b = mean(detail(images["b"]) - detail(images["off"]))
    by_s = mean(detail(images["b and s"]) - detail(images["b"]))
    return FigureResult(
        _comparison_sheet(images),
        [
            Claim(
                "b alone smooths.",
                "The share of detail is {off} with FreeU off and {b} with b; it changes by {change}",
                {**shares, "change": by_b},
                by_b.below_zero,
            ),
            Claim(
                "s restores detail.",
                "The share of detail is {b and s} with both: a change of {change}",
                {**shares, "change": by_s},
                by_s.above_zero,
            ),
        ],
    )


def structure_map(experiment: Experiment) -> FigureResult:
    """Fig. 16: a constant factor (version 1) against the structure map (version 2)."""
    settings = {"off": OFF, "constant": Settings(version="1"), "structure map": Settings(version="2")}
    images = {name: experiment.generate(variant) for name, variant in settings.items()}
    details = {name: detail(batch) for name, batch in images.items()}
    colors = {name: color_stats(batch) for name, batch in images.items()}
    smoother = mean(details["constant"] - details["structure map"])
    more_saturated = mean(colors["constant"].saturation - colors["structure map"].saturation)
    more_clipped = mean(colors["constant"].clipped - colors["structure map"].clipped)
    return FigureResult(
        _comparison_sheet(images),
        [
            Claim(
                "A constant factor smooths more than the structure map.",
                "The share of detail differs by {change}",
                {"change": smoother, **{name: mean(values) for name, values in details.items()}},
                smoother.below_zero,
            ),
            Claim(
                "A constant factor oversaturates colors.",
                "Saturation is {off} with FreeU off, {constant} with a constant factor and {structure map} with the "
                "structure map",
                {**{name: mean(stats.saturation) for name, stats in colors.items()}, "change": more_saturated},
                more_saturated.above_zero,
            ),
            Claim(
                "A constant factor clips more pixels.",
                "The share of clipped pixels is {off} with FreeU off, {constant} with a constant factor and "
                "{structure map} with the structure map",
                {**{name: mean(stats.clipped) for name, stats in colors.items()}, "change": more_clipped},
                more_clipped.above_zero,
            ),
        ],
    )


def _comparison_sheet(images: Mapping[str, Tensor]) -> Image.Image:
    """Return a sheet with one column per variant and one row per prompt."""
    stacked = torch.stack(list(images.values()), 1)[:SHOWN_PROMPTS]
    return plots.sheet([[to_image(rgb) for rgb in row] for row in stacked], list(images))
