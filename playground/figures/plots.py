"""Curves, dots and sheets that read well on a phone: few panels, large letters."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

from playground import pictures
from playground.figures.statistics import Interval

WIDTH, DPI = 7.6, 110
TEXT = 15
SHEET_TEXT = 22
STYLE = {"font.size": TEXT, "axes.titlesize": TEXT, "axes.spines.top": False, "axes.spines.right": False}
Curves = Mapping[str, tuple[Sequence[float], Sequence[float]]]


def curves(panels: Mapping[str, Curves], across: str, up: str, *, ordered: bool = False) -> Image.Image:
    """Panels side by side, each of curves with names. `ordered`: their colours go from dark to bright."""
    with matplotlib.rc_context(STYLE):
        figure, axes = _panels(len(panels), 4.4 if len(panels) < 3 else 3.6)
        for ax, (title, lines) in zip(axes, panels.items(), strict=True):
            colours = matplotlib.colormaps["viridis"](np.linspace(0, 0.85, len(lines))) if ordered else [None] * 9
            for (name, (x, y)), colour in zip(lines.items(), colours, strict=False):
                ax.plot(x, y, label=name, color=colour, linewidth=2.5)
            ax.set(title=title, xlabel=across)
            ax.grid(visible=True, alpha=0.3)
        axes[0].set_ylabel(up)
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
        return render(figure)


def intervals(names: Sequence[str], panels: Mapping[str, Sequence[Interval]], title: str) -> Image.Image:
    """A row a name, with a dot and its interval in each panel."""
    with matplotlib.rc_context(STYLE):
        figure, axes = _panels(len(panels), 1.6 + 0.42 * len(names))
        for ax, (heading, values) in zip(axes, panels.items(), strict=True):
            for row, value in enumerate(values):
                ax.plot([value.low, value.high], [row, row], color="C0", linewidth=3)
                ax.plot(value.mean, row, "o", color="C0", markersize=9)
            ax.axvline(values[0].mean, color="gray", linestyle=":", linewidth=2)
            ax.set(xlabel=heading, yticks=range(len(names)), yticklabels=names, xlim=(0, None))
            ax.grid(visible=True, axis="x", alpha=0.3)
        axes[0].invert_yaxis()
        figure.suptitle(title, fontsize=TEXT)
        return render(figure)


def sheet(
    rows: Sequence[Sequence[Image.Image]], columns: Sequence[str] = (), labels: Sequence[str] = ()
) -> Image.Image:
    """Pictures in rows and columns, with large letters."""
    return pictures.grid(rows, columns, labels, SHEET_TEXT)


def heat(plane: Tensor, size: int = pictures.CELL) -> Image.Image:
    """A plane of numbers, shape (height, width), from its least (dark) to its largest (bright)."""
    low, high = plane.min(), plane.max()
    colours = matplotlib.colormaps["viridis"](((plane - low) / (high - low)).numpy())
    return Image.fromarray((colours[..., :3] * 255).astype(np.uint8)).resize((size, size), Image.Resampling.NEAREST)


def render(figure: Figure) -> Image.Image:
    """The figure as a picture."""
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=DPI, format="png")
    return Image.open(buffer).convert("RGB")


def _panels(count: int, height: float) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    return figure, list(figure.subplots(1, count, sharey=True, squeeze=False)[0])
