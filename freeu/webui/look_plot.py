"""The plot of a job: what FreeU did to each stage, how strong it was at each step, and how burnt the pictures are.

Figures are objects of their own. matplotlib's pyplot would keep them for the whole process.
"""

from __future__ import annotations

import math
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from PIL import Image, ImageOps

from freeu.params import STAGES, Settings
from freeu.recorder import PARTS, Recorder
from freeu.spectrum import Burn
from freeu.values import short

COLOURS = dict(zip(PARTS, ("#0072b2", "#d55e00", "#444444"), strict=True))
"""Told apart by people who see no red or green too."""

_INCHES = (6.0, 2.3)
"""The size of one chart: six inches are read on a phone."""

_DPI = 100


def draw(settings: Settings, of_pass: str, seen: Recorder, on: Burn, off: Burn | None) -> Image.Image:
    """A chart for each stage that was met, one for the strength, and the burn measure in words.

    on, off: how burnt the pictures are, and how burnt they are without FreeU where that is known.
    """
    stages = [n for n in STAGES if n in seen.stages.values()]
    rows = len(stages) + 1
    figure = Figure(figsize=(_INCHES[0], _INCHES[1] * rows + 0.9), dpi=_DPI, layout="constrained")
    figure.suptitle(f"FreeU version {settings.version}, {of_pass}\n{burnt(on, off)}", fontsize=12)
    charts = figure.subplots(rows, squeeze=False)[:, 0]
    for chart, n in zip(charts, stages, strict=False):
        _draw_stage(chart, n, seen)
        moved = f"{seen.moved(stage=n):.1%} of the energy moved"
        chart.set_title(f"Stage {n}: {factors(settings, n)}; {moved}", fontsize=12)
    charts[0].legend(ncols=2, fontsize=9, loc="lower left")
    _draw_strength(charts[-1], seen)
    return _to_picture(figure)


def burnt(on: Burn, off: Burn | None) -> str:
    """How burnt the pictures are, in two lines."""
    clipped, saturation = f"Clipped pixels {on.clipped:.1%}", f"Saturation {on.saturation:.2f}"
    if off:
        clipped += f" ({off.clipped:.1%} with FreeU off)"
        saturation += f" ({off.saturation:.2f} with FreeU off)"
    return f"{clipped}\n{saturation}"


def factors(settings: Settings, n: int) -> str:
    """A stage's factors at full strength, those of 1 left out."""
    stage = settings.stage(n)
    named = [f"{name} {short(getattr(stage, name))}" for name in ("b", "s", "high") if getattr(stage, name) != 1]
    return ", ".join(named) or "left alone"


def fitted(plot: Image.Image, other: Image.Image) -> Image.Image:
    """The plot, as large as another picture, which it takes the place of."""
    small = ImageOps.pad(plot, other.size, color="white")
    small.info.update(other.info)
    return small


def _draw_stage(chart: Axes, n: int, seen: Recorder) -> None:
    """Profiles of a stage's features: thin and dashed before FreeU, thick after it."""
    for part in PARTS:
        profile = seen.profile(part, stage=n)
        x = profile.frequencies / math.pi
        chart.plot(x, profile.before, color=COLOURS[part], linewidth=1, linestyle="--")
        chart.plot(x, profile.after, color=COLOURS[part], linewidth=2, label=part)
    chart.plot([], [], color="grey", linewidth=1, linestyle="--", label="before FreeU")
    _label(chart, "frequency / π", "relative log\namplitude")
    chart.set_xlim(0, 1)


def _draw_strength(chart: Axes, seen: Recorder) -> None:
    steps = seen.steps
    chart.bar([step + 1 for step in steps], [seen.strengths[step] for step in steps], color="#009e73", width=0.8)
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


def _to_picture(figure: Figure) -> Image.Image:
    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    return Image.frombuffer("RGBA", canvas.get_width_height(), canvas.buffer_rgba()).convert("RGB")
