"""All figures by name, and drawing some or all of them into a folder."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from tqdm import tqdm

from freeu.atomic_file import replace_file
from playground import images
from research.figures import (
    ablations,
    denoising,
    factor_sweeps,
    features,
    markdown_tables,
    results,
    sample_quality,
    unfinished_models,
)
from research.figures.experiment import Experiment

FIGURES: Mapping[str, tuple[str, Callable[[Experiment], results.FigureResult]]] = {
    "rows": ("Low and high frequencies, step by step (Fig. 2)", denoising.frequency_bands),
    "spectrum": ("Amplitudes, step by step (Fig. 3, 4)", denoising.spectrum),
    "grid": ("Scaling backbone and skip (Fig. 5)", factor_sweeps.grid),
    "spectrum-b": ("Amplitudes against b (Fig. 6)", factor_sweeps.spectrum),
    "stages": ("Amplitudes of backbone and skip (Fig. 7)", features.spectrum_by_stage),
    "maps": ("Mean feature maps (Fig. 8)", features.maps),
    "channels": ("Which channels (Fig. 9, 19)", ablations.channels),
    "ablation": ("With and without s (Fig. 10, 15)", ablations.skip_scaling),
    "by-step": ("Amplitudes with FreeU (Fig. 13)", denoising.spectrum_with_freeu),
    "maps-freeu": ("Feature maps with FreeU (Fig. 14)", features.maps_with_freeu),
    "structure": ("Constant or structure map (Fig. 16)", ablations.structure_map),
    "sweep-b": ("Increasing b (Fig. 17)", factor_sweeps.sweep_b),
    "sweep-s": ("Decreasing s (Fig. 18)", factor_sweeps.sweep_s),
    "quality": ("Distance to the training images (Tables 3, 4)", sample_quality.quality),
    "unfinished": ("Models that are not finished", unfinished_models.gain),
    "unfinished-images": ("Images of a model that is not finished", unfinished_models.samples),
}
"""The heading in docs/analysis.md and the function that draws and measures the figure, by name."""

UNFINISHED = ("unfinished", "unfinished-images")
"""The figures that need models at several stages of training. The others need the shipped model only."""

TITLES = {name: title for name, (title, _) in FIGURES.items()}


def draw_figures(experiment: Experiment, names: Collection[str], folder: Path) -> None:
    """Draw figures into `folder`, and save each result when it is done. Results of other figures stay."""
    found = results.load(folder)
    with tqdm(names, unit="figure") as bar:
        for name in bar:
            bar.set_description(name)
            result = FIGURES[name][1](experiment)
            images.save(result.image, folder / f"{name}.webp")
            found[name] = results.to_json(result)
            ordered = {known: found[known] for known in FIGURES if known in found}
            results.save(ordered, experiment.configuration, folder)


def fill_page(path: Path, folder: Path) -> None:
    """Write the results in `folder` into the tables of the page."""
    filled = markdown_tables.fill(path.read_text("utf-8"), results.load(folder), TITLES)
    with replace_file(path) as temporary:
        temporary.write_text(filled, "utf-8")
