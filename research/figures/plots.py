"""Curves, intervals, heat maps and sheets of images, with letters large enough for a phone."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

from playground import images
from research.figures.statistics import Interval

FIGURE_WIDTH, DPI = 7.6, 110
TEXT_SIZE = 15
SHEET_TEXT_SIZE = 22
STYLE = {"font.size": TEXT_SIZE, "axes.titlesize": TEXT_SIZE, "axes.spines.top": False, "axes.spines.right": False}
Curves = Mapping[str, tuple[Sequence[float], Sequence[float]]]


def curves(panels: Mapping[str, Curves], x_label: str, y_label: str, *, ordered: bool = False) -> Image.Image:
    """Plot panels of labelled curves side by side. `ordered` curves are colored from dark to bright."""
    with matplotlib.rc_context(STYLE):
        figure, axes = _panels(len(panels), 4.4 if len(panels) < 3 else 3.6)
        for ax, (title, lines) in zip(axes, panels.items(), strict=True):
            colors = matplotlib.colormaps["viridis"](np.linspace(0, 0.85, len(lines))) if ordered else [None] * 9
            for (label, (x, y)), color in zip(lines.items(), colors, strict=False):
                ax.plot(x, y, label=label, color=color, linewidth=2.5)
            ax.set(title=title, xlabel=x_label)
            ax.grid(visible=True, alpha=0.3)
        axes[0].set_ylabel(y_label)
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
        return _render(figure)


def intervals(labels: Sequence[str], panels: Mapping[str, Sequence[Interval]], title: str) -> Image.Image:
    """Plot a row per label, with its mean and interval in each panel."""
    with matplotlib.rc_context(STYLE):
        figure, axes = _panels(len(panels), 1.6 + 0.42 * len(labels))
        for ax, (heading, values) in zip(axes, panels.items(), strict=True):
            for row, value in enumerate(values):
                ax.plot([value.low, value.high], [row, row], color="C0", linewidth=3)
                ax.plot(value.mean, row, "o", color="C0", markersize=9)
            ax.axvline(values[0].mean, color="gray", linestyle=":", linewidth=2)
            ax.set(xlabel=heading, yticks=range(len(labels)), yticklabels=labels, xlim=(0, None))
            ax.grid(visible=True, axis="x", alpha=0.3)
        axes[0].invert_yaxis()
        figure.suptitle(title, fontsize=TEXT_SIZE)
        return _render(figure)


def trends(
    panels: Mapping[str, Mapping[str, Sequence[Interval]]], x: Sequence[float], x_label: str, y_label: str
) -> Image.Image:
    """Plot panels of labelled intervals against `x`, one below the other, on axes that are logarithmic beyond 10."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(FIGURE_WIDTH, 1.4 + 3 * len(panels)), layout="constrained")
        for ax, (title, lines) in zip(figure.subplots(len(panels), squeeze=False)[:, 0], panels.items(), strict=True):
            for n, (label, values) in enumerate(lines.items()):
                shifted = [at * 1.03 ** (n - len(lines) // 2) for at in x]  # so that intervals do not overlap
                (points,) = ax.plot(shifted, [value.mean for value in values], "o-", label=label, linewidth=2)
                ax.vlines(shifted, [v.low for v in values], [v.high for v in values], points.get_color(), linewidth=2)
            ax.axhline(0, color="gray", linestyle=":", linewidth=2)
            ax.set_yscale("symlog", linthresh=10)
            ax.set(title=title, ylabel=y_label, xscale="log", xticks=x, xticklabels=[f"{at:,}" for at in x])
            ax.minorticks_off()
            ax.grid(visible=True, alpha=0.3)
        ax.set_xlabel(x_label)
        figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)
        return _render(figure)


def sheet(
    rows: Sequence[Sequence[Image.Image]], column_labels: Sequence[str] = (), row_labels: Sequence[str] = ()
) -> Image.Image:
    """Arrange images in rows and columns, with large labels."""
    return images.grid(rows, column_labels, row_labels, SHEET_TEXT_SIZE)


def heat_map(values: Tensor, size: int = images.CELL_SIZE) -> Image.Image:
    """Draw values (H, W) as an image of `size` x `size` pixels, from the smallest (dark) to the largest (bright)."""
    low, high = values.min(), values.max()
    colors = matplotlib.colormaps["viridis"](((values - low) / (high - low)).numpy())
    return Image.fromarray((colors[..., :3] * 255).astype(np.uint8)).resize((size, size), Image.Resampling.NEAREST)


def _panels(count: int, height: float) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(FIGURE_WIDTH, height), layout="constrained")
    return figure, list(figure.subplots(1, count, sharey=True, squeeze=False)[0])


def _render(figure: Figure) -> Image.Image:
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=DPI, format="png")
    return Image.open(buffer).convert("RGB")
