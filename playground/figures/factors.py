"""What b and s do, from little to much (Fig. 5, 6, 17, 18)."""

from __future__ import annotations

from collections.abc import Mapping

from PIL import Image
from torch import Tensor

from freeu import Settings
from freeu.settings.stage import STAGES
from playground.figures import plots
from playground.figures.findings import Check, Finding
from playground.figures.lab import Lab
from playground.figures.measures import BINS, change, detail, profiles, upper
from playground.figures.statistics import mean
from playground.pictures import to_image

FACTORS = (0.6, 0.8, 1.0, 1.2, 1.4)
SKIPS = (0.6, 1.0, 1.4)
B_SWEEP = (1.0, 1.2, 1.4, 1.6, 1.8)
S_SWEEP = (0.0, 0.25, 0.5, 0.75, 1.0)
SHOWN = 3
CELL = 112


def whole(b: float = 1.0, s: float = 1.0) -> Settings:
    """Every decoder block's whole backbone times b and whole skip times s, as in the paper's first experiments."""
    factors = {"b": b, "s": s, "high": s, "width": 1.0}
    values = {f"{name}{n}": value for name, value in factors.items() for n in STAGES}
    return Settings.parse({"version": "1", **values})


def grid(lab: Lab) -> Finding:
    """Fig. 5: pictures over b and s."""
    one = lab.only(1)
    shown = [[to_image(one.draw(whole(b, s))[0], CELL) for b in FACTORS] for s in SKIPS]
    picture = plots.sheet(shown, [f"b = {b}" for b in FACTORS], [f"s = {s}" for s in SKIPS])
    off, little, much = (lab.draw(whole(b)) for b in (1.0, FACTORS[0], FACTORS[-1]))
    by_b = change(little, off) + change(much, off)
    by_s = change(lab.draw(whole(s=SKIPS[0])), off) + change(lab.draw(whole(s=SKIPS[-1])), off)
    numbers = {"b": mean(by_b / 2), "s": mean(by_s / 2), "apart": mean(by_b - by_s)}
    share = {"off": mean(detail(off)), "little": mean(detail(little)), "much": mean(detail(much))}
    return Finding(
        picture,
        [
            Check(
                "b changes pictures much, s little.",
                "0.4 more or less of b changes colour values by {b}, of s by {s} (root mean square, of 1)",
                numbers,
                numbers["apart"].above_zero,
            ),
            Check(
                "b = 0.6 is noisy.",
                "The share of detail is {little}, and {off} at b = 1",
                share,
                mean(detail(little) - detail(off)).above_zero,
            ),
            Check(
                "b = 1.4 is clearer than b = 1: less noise.",
                "The share of detail is {much}, and {off} at b = 1",
                share,
                mean(detail(much) - detail(off)).below_zero,
            ),
        ],
    )


def spectrum(lab: Lab) -> Finding:
    """Fig. 6: the relative log amplitude of pictures, by b."""
    measured = {b: profiles(lab.draw(whole(b))) for b in FACTORS}
    lines = {f"b = {b}": (BINS, profile.mean(0).tolist()) for b, profile in measured.items()}
    picture = plots.curves({"": lines}, "frequency / π", "relative log amplitude", ordered=True)
    heights = {f"{b}": mean(upper(profile)) for b, profile in measured.items()}
    below, above = (mean(upper(measured[end]) - upper(measured[1.0])) for end in (FACTORS[0], FACTORS[-1]))
    return Finding(
        picture,
        [
            Check(
                "Below b = 1 high frequencies are stronger.",
                "At b = 0.6 the upper half of the profile changes by {change}",
                {"change": below, **heights},
                below.above_zero,
            ),
            Check(
                "Above b = 1 they are weaker.",
                "At b = 1.4 it changes by {change}",
                {"change": above, **heights},
                above.below_zero,
            ),
        ],
    )


def sweep_b(lab: Lab) -> Finding:
    """Fig. 17: b from none to too much, in version 2."""
    drawn = {b: lab.draw(Settings(b1=b, b2=b)) for b in B_SWEEP}
    smooth = mean(detail(drawn[1.8]) - detail(drawn[1.4]))
    return Finding(
        _sweep(lab, "b", drawn),
        [
            Check(
                "b = 1.8 oversmooths.",
                "From b = 1.4 to 1.8 the share of detail changes by {change}",
                {"change": smooth, **{f"{b}": mean(detail(pictures)) for b, pictures in drawn.items()}},
                smooth.below_zero,
            ),
        ],
    )


def sweep_s(lab: Lab) -> Finding:
    """Fig. 18: s from all gone to untouched, with b as by default."""
    drawn = {s: lab.draw(Settings(s1=s, s2=s)) for s in S_SWEEP}
    more = mean(detail(drawn[0.0]) - detail(drawn[1.0]))
    little, much = change(drawn[0.0], drawn[1.0]), change(lab.draw(Settings(s1=1, s2=1)), lab.draw(whole()))
    apart = mean(little - much)
    return Finding(
        _sweep(lab, "s", drawn),
        [
            Check(
                "Less s gives back the detail that b smooths away.",
                "From s = 1 to 0 the share of detail changes by {change}",
                {"change": more, **{f"{s}": mean(detail(pictures)) for s, pictures in drawn.items()}},
                more.above_zero,
            ),
            Check(
                "s does less than b.",
                "s from 1 to 0 changes colour values by {s}, b from 1 to its default by {b} (root mean square, of 1)",
                {"s": mean(little), "b": mean(much), "apart": apart},
                apart.below_zero,
            ),
        ],
    )


def _sweep(lab: Lab, name: str, drawn: Mapping[float, Tensor]) -> Image.Image:
    count = range(min(SHOWN, len(lab.prompts)))
    shown = [[to_image(pictures[i], CELL) for pictures in drawn.values()] for i in count]
    return plots.sheet(shown, [f"{name} = {value:g}" for value in drawn])
