"""Images and spectra over ranges of b and s (Fig. 5, 6, 17, 18)."""

from __future__ import annotations

from collections.abc import Mapping

from PIL import Image
from torch import Tensor

from freeu import Settings
from freeu.settings.stage import STAGES
from playground.images import to_image
from research.figures import plots
from research.figures.experiment import Experiment
from research.figures.metrics import FREQUENCIES, amplitude_profiles, detail, difference, upper_half_mean
from research.figures.results import Claim, FigureResult
from research.figures.statistics import mean

BACKBONE_FACTORS = (0.6, 0.8, 1.0, 1.2, 1.4)
SKIP_FACTORS = (0.6, 1.0, 1.4)
B_SWEEP = (1.0, 1.2, 1.4, 1.6, 1.8)
S_SWEEP = (0.0, 0.25, 0.5, 0.75, 1.0)
SHOWN_PROMPTS = 3
CELL_SIZE = 112


def scale_everything(b: float = 1.0, s: float = 1.0) -> Settings:
    """Return settings that scale all backbone features by `b` and all skip features by `s`, as in Fig. 5."""
    factors = {"b": b, "s": s, "high": s, "width": 1.0}
    values = {f"{name}{n}": value for name, value in factors.items() for n in STAGES}
    return Settings.parse({"version": "1", **values})


def grid(experiment: Experiment) -> FigureResult:
    """Fig. 5: images over b and s."""
    single = experiment.with_first_prompts(1)
    rows = [
        [to_image(single.generate(scale_everything(b, s))[0], CELL_SIZE) for b in BACKBONE_FACTORS]
        for s in SKIP_FACTORS
    ]
    sheet = plots.sheet(rows, [f"b = {b}" for b in BACKBONE_FACTORS], [f"s = {s}" for s in SKIP_FACTORS])
    neutral, low, high = (experiment.generate(scale_everything(b)) for b in (1.0, 0.6, 1.4))
    by_b = difference(low, neutral) + difference(high, neutral)
    skip_low, skip_high = (experiment.generate(scale_everything(s=s)) for s in (0.6, 1.4))
    by_s = difference(skip_low, neutral) + difference(skip_high, neutral)
    numbers = {"b": mean(by_b / 2), "s": mean(by_s / 2), "difference": mean(by_b - by_s)}
    shares = {"neutral": mean(detail(neutral)), "low": mean(detail(low)), "high": mean(detail(high))}
    return FigureResult(
        sheet,
        [
            Claim(
                "b changes images much, s changes them little.",
                "A change of b by 0.4 changes color values by {b}, of s by {s} (root mean square, full range 1)",
                numbers,
                numbers["difference"].above_zero,
            ),
            Claim(
                "b = 0.6 is noisy.",
                "The share of detail is {low}, and {neutral} at b = 1",
                shares,
                mean(detail(low) - detail(neutral)).above_zero,
            ),
            Claim(
                "b = 1.4 is clearer than b = 1: it has less noise.",
                "The share of detail is {high}, and {neutral} at b = 1",
                shares,
                mean(detail(high) - detail(neutral)).below_zero,
            ),
        ],
    )


def spectrum(experiment: Experiment) -> FigureResult:
    """Fig. 6: the relative log amplitude of images by b."""
    profiles = {b: amplitude_profiles(experiment.generate(scale_everything(b))) for b in BACKBONE_FACTORS}
    lines = {f"b = {b}": (FREQUENCIES, profile.mean(0).tolist()) for b, profile in profiles.items()}
    plot = plots.curves({"": lines}, "frequency / π", "relative log amplitude", ordered=True)
    means = {f"{b}": mean(upper_half_mean(profile)) for b, profile in profiles.items()}
    below, above = (mean(upper_half_mean(profiles[b]) - upper_half_mean(profiles[1.0])) for b in (0.6, 1.4))
    return FigureResult(
        plot,
        [
            Claim(
                "High frequencies are stronger below b = 1.",
                "At b = 0.6 the upper half of the profile changes by {change}",
                {"change": below, **means},
                below.above_zero,
            ),
            Claim(
                "High frequencies are weaker above b = 1.",
                "At b = 1.4 the upper half of the profile changes by {change}",
                {"change": above, **means},
                above.below_zero,
            ),
        ],
    )


def sweep_b(experiment: Experiment) -> FigureResult:
    """Fig. 17: increasing b, in version 2."""
    images = {b: experiment.generate(Settings(b1=b, b2=b)) for b in B_SWEEP}
    change = mean(detail(images[1.8]) - detail(images[1.4]))
    return FigureResult(
        _sweep_sheet(experiment, "b", images),
        [
            Claim(
                "b = 1.8 oversmooths.",
                "From b = 1.4 to 1.8 the share of detail changes by {change}",
                {"change": change, **{f"{b}": mean(detail(batch)) for b, batch in images.items()}},
                change.below_zero,
            ),
        ],
    )


def sweep_s(experiment: Experiment) -> FigureResult:
    """Fig. 18: decreasing s, with the default b."""
    images = {s: experiment.generate(Settings(s1=s, s2=s)) for s in S_SWEEP}
    change = mean(detail(images[0.0]) - detail(images[1.0]))
    by_s = difference(images[0.0], images[1.0])
    by_b = difference(experiment.generate(Settings(s1=1, s2=1)), experiment.generate(scale_everything()))
    smaller = mean(by_s - by_b)
    return FigureResult(
        _sweep_sheet(experiment, "s", images),
        [
            Claim(
                "A smaller s restores the detail that b smooths away.",
                "From s = 1 to 0 the share of detail changes by {change}",
                {"change": change, **{f"{s}": mean(detail(batch)) for s, batch in images.items()}},
                change.above_zero,
            ),
            Claim(
                "s has less effect than b.",
                "s from 1 to 0 changes color values by {s}, b from 1 to its default by {b} "
                "(root mean square, full range 1)",
                {"s": mean(by_s), "b": mean(by_b), "difference": smaller},
                smaller.below_zero,
            ),
        ],
    )


def _sweep_sheet(experiment: Experiment, name: str, images: Mapping[float, Tensor]) -> Image.Image:
    prompts = range(min(SHOWN_PROMPTS, len(experiment.prompts)))
    rows = [[to_image(batch[i], CELL_SIZE) for batch in images.values()] for i in prompts]
    return plots.sheet(rows, [f"{name} = {value:g}" for value in images])
