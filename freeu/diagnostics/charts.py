"""Charts of what FreeU did to each stage, its strength at each step, and how oversaturated the images are.

Figures are created without pyplot, which would keep them for the whole process.
"""

from __future__ import annotations

import math
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from PIL import Image, ImageOps

from freeu.diagnostics.recorder import PARTS, Recorder
from freeu.diagnostics.spectrum import ColorStats
from freeu.settings.parameter import format_number
from freeu.settings.settings import Settings
from freeu.settings.stage import STAGES

COLORS = dict(zip(PARTS, ("#0072b2", "#d55e00", "#444444"), strict=True))
"""Distinct for people with color blindness too (https://jfly.uni-koeln.de/color/)."""

CHART_INCHES = (6.0, 2.3)
"""Size of one chart, readable on a phone."""

DPI = 100


def draw_charts(
    settings: Settings, pass_name: str, recorder: Recorder, on: ColorStats, off: ColorStats | None
) -> Image.Image:
    """Draw a chart for each stage that was recorded in a pass, and one for the strength.

    `on` and `off` are the color statistics of the images with FreeU, and without it if they are known.
    """
    stages = [n for n in STAGES if n in recorder.stages]
    rows = len(stages) + 1
    figure = Figure(figsize=(CHART_INCHES[0], CHART_INCHES[1] * rows + 0.9), dpi=DPI, layout="constrained")
    figure.suptitle(f"FreeU version {settings.version}, {pass_name}\n{describe_colors(on, off)}", fontsize=12)
    charts = figure.subplots(rows, squeeze=False)[:, 0]
    for chart, n in zip(charts, stages, strict=False):
        _draw_stage(chart, n, recorder)
        changed = f"{recorder.changed(stage=n):.1%} of the energy changed"
        chart.set_title(f"Stage {n}: {describe_factors(settings, n)}; {changed}", fontsize=12)
    charts[0].legend(ncols=2, fontsize=9, loc="lower left")
    _draw_strength(charts[-1], recorder)
    return _to_image(figure)


def describe_colors(on: ColorStats, off: ColorStats | None) -> str:
    """Return two lines about clipped pixels and saturation."""
    clipped, saturation = f"Clipped pixels {on.clipped:.1%}", f"Saturation {on.saturation:.2f}"
    if off:
        clipped += f" ({off.clipped:.1%} with FreeU off)"
        saturation += f" ({off.saturation:.2f} with FreeU off)"
    return f"{clipped}\n{saturation}"


def describe_factors(settings: Settings, n: int) -> str:
    """Return the factors of stage n at full strength, without those that are 1."""
    stage = settings.stage(n)
    changed = [name for name in ("b", "s", "high") if getattr(stage, name) != 1]
    return ", ".join(f"{name} {format_number(getattr(stage, name))}" for name in changed) or "unchanged"


def fit_to(charts: Image.Image, image: Image.Image) -> Image.Image:
    """Return the plot in the size of `image`, with its metadata, to take its place."""
    fitted = ImageOps.pad(charts, image.size, color="white")
    fitted.info.update(image.info)
    return fitted


def _draw_stage(chart: Axes, n: int, recorder: Recorder) -> None:
    """Draw the profiles of a stage's features: thin and dashed before FreeU, thick after it."""
    for part in PARTS:
        profile = recorder.profile(part, stage=n)
        x = profile.frequencies / math.pi
        chart.plot(x, profile.before, color=COLORS[part], linewidth=1, linestyle="--")
        chart.plot(x, profile.after, color=COLORS[part], linewidth=2, label=part)
    chart.plot([], [], color="grey", linewidth=1, linestyle="--", label="before FreeU")
    _label(chart, "frequency / π", "relative log\namplitude")
    chart.set_xlim(0, 1)


def _draw_strength(chart: Axes, recorder: Recorder) -> None:
    steps = recorder.steps
    strengths = [recorder.strengths[step] for step in steps]
    chart.bar([step + 1 for step in steps], strengths, color="#009e73", width=0.8)
    chart.set_xlim(0.4, steps[-1] + 1.6)
    chart.set_ylim(0, 1.05)
    chart.xaxis.set_major_locator(MaxNLocator(integer=True))
    chart.set_title("Strength at each step", fontsize=12)
    _label(chart, "step", "strength")


def _label(chart: Axes, x: str, y: str) -> None:
    chart.set_xlabel(x, fontsize=11)
    chart.set_ylabel(y, fontsize=11)
    chart.tick_params(labelsize=10)
    chart.grid(alpha=0.3)


def _to_image(figure: Figure) -> Image.Image:
    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    return Image.frombuffer("RGBA", canvas.get_width_height(), canvas.buffer_rgba()).convert("RGB")
