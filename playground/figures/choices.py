"""What is scaled, and how: which channels, s or not, by the structure map or not (Fig. 9, 10, 15, 16, 19)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from PIL import Image
from torch import Tensor

from freeu import Settings
from freeu.diagnostics.spectrum import color_stats
from playground.figures import plots
from playground.figures.findings import Check, Finding
from playground.figures.lab import OFF, Lab
from playground.figures.measures import change, detail
from playground.figures.statistics import mean
from playground.pictures import to_image

SHOWN = 3
B_ALONE = Settings(s1=1, s2=1)
MINOR = 0.5
"""What share of an effect is a minor one."""


def channels(lab: Lab) -> Finding:
    """Fig. 9 and 19: b on no channels, all, the first half and the second. Our window has no "uniform half"."""
    windows = {"all": (0.0, 1.0), "first half": (0.0, 0.5), "second half": (0.5, 0.5)}
    ways = {name: B_ALONE.replace(offset1=o, offset2=o, width1=w, width2=w) for name, (o, w) in windows.items()}
    drawn = {"none": lab.draw(OFF), **{name: lab.draw(settings) for name, settings in ways.items()}}
    shares = {name.replace(" half", ""): mean(detail(pictures)) for name, pictures in drawn.items()}
    smooth = mean(detail(drawn["all"]) - detail(drawn["none"]))
    spared = mean(detail(drawn["all"]) - (detail(drawn["first half"]) + detail(drawn["second half"])) / 2)
    halves = change(drawn["first half"], drawn["second half"])
    effect = (change(drawn["first half"], drawn["none"]) + change(drawn["second half"], drawn["none"])) / 2
    apart = mean(halves - MINOR * effect)
    return Finding(
        _beside(drawn),
        [
            Check(
                "On all channels, b smooths textures away.",
                "The share of detail is {all}, and {none} without; it changes by {change}",
                {**shares, "change": smooth},
                smooth.below_zero,
            ),
            Check(
                "On half of them it smooths less.",
                "The share is {first} and {second} with the first and second half; "
                "all differ from their mean by {change}",
                {**shares, "change": spared},
                spared.below_zero,
            ),
            Check(
                "Which half matters little: less than half of what b does.",
                "The two halves give pictures that differ by {halves}, from FreeU off they differ by {effect} "
                "(root mean square, of 1)",
                {"halves": mean(halves), "effect": mean(effect), "apart": apart},
                apart.below_zero,
            ),
        ],
    )


def ablation(lab: Lab) -> Finding:
    """Fig. 10 and 15: off, b, b and s."""
    drawn = {"off": lab.draw(OFF), "b": lab.draw(B_ALONE), "b and s": lab.draw(Settings())}
    shares = {name: mean(detail(pictures)) for name, pictures in drawn.items()}
    smooth = mean(detail(drawn["b"]) - detail(drawn["off"]))
    back = mean(detail(drawn["b and s"]) - detail(drawn["b"]))
    return Finding(
        _beside(drawn),
        [
            Check(
                "b alone smooths.",
                "The share of detail is {off} off and {b} with b; it changes by {change}",
                {**shares, "change": smooth},
                smooth.below_zero,
            ),
            Check(
                "With s, detail comes back.",
                "The share is {b and s} with both: a change by {change}",
                {**shares, "change": back},
                back.above_zero,
            ),
        ],
    )


def structure(lab: Lab) -> Finding:
    """Fig. 16: one factor everywhere (version 1) against the structure map (version 2)."""
    drawn = {
        "off": lab.draw(OFF),
        "constant": lab.draw(Settings(version="1")),
        "structure map": lab.draw(Settings(version="2")),
    }
    constant, structured = (drawn[name] for name in ("constant", "structure map"))
    smooth = mean(detail(constant) - detail(structured))
    burns = {name.split()[0]: color_stats(pictures) for name, pictures in drawn.items()}
    clipped = {name: mean(measured.clipped) for name, measured in burns.items()}
    saturation = {name: mean(measured.saturation) for name, measured in burns.items()}
    clipped_more = mean(burns["constant"].clipped - burns["structure"].clipped)
    saturated_more = mean(burns["constant"].saturation - burns["structure"].saturation)
    return Finding(
        _beside(drawn),
        [
            Check(
                "A constant factor oversmooths, beside the structure map.",
                "The share of detail differs by {change}",
                {"change": smooth, **{name: mean(detail(pictures)) for name, pictures in drawn.items()}},
                smooth.below_zero,
            ),
            Check(
                "It oversaturates colours.",
                "Saturation is {off} off, {constant} with a constant, {structure} with the map",
                {**saturation, "change": saturated_more},
                saturated_more.above_zero,
            ),
            Check(
                "It burns: more pixels are at a limit.",
                "Their share is {off} off, {constant} with a constant, {structure} with the map",
                {**clipped, "change": clipped_more},
                clipped_more.above_zero,
            ),
        ],
    )


def _beside(drawn: Mapping[str, Tensor]) -> Image.Image:
    """A column a way, a row a prompt."""
    stacked = torch.stack(list(drawn.values()), 1)[:SHOWN]
    return plots.sheet([[to_image(picture) for picture in row] for row in stacked], list(drawn))
