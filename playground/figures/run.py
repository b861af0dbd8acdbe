"""All figures, or some: pictures and results.json in a folder, and the tables of the page in it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from tqdm import tqdm

from playground import pictures
from playground.figures import choices, denoising, factors, features, findings, page, quality
from playground.figures.findings import Finding
from playground.figures.lab import Lab
from playground.files import replacing

FIGURES: Mapping[str, tuple[str, Callable[[Lab], Finding]]] = {
    "rows": ("Low and high frequencies, step by step (Fig. 2)", denoising.rows),
    "spectrum": ("Amplitudes, step by step (Fig. 3, 4)", denoising.spectrum),
    "grid": ("Scaling backbone and skip (Fig. 5)", factors.grid),
    "spectrum-b": ("Amplitudes against b (Fig. 6)", factors.spectrum),
    "stages": ("Amplitudes of backbone and skip (Fig. 7)", features.stages),
    "maps": ("Mean feature maps (Fig. 8)", features.maps),
    "channels": ("Which channels (Fig. 9, 19)", choices.channels),
    "ablation": ("With and without s (Fig. 10, 15)", choices.ablation),
    "by-step": ("Amplitudes with FreeU (Fig. 13)", denoising.by_step),
    "maps-freeu": ("Feature maps with FreeU (Fig. 14)", features.maps_with_freeu),
    "structure": ("Constant or structure map (Fig. 16)", choices.structure),
    "sweep-b": ("More and more b (Fig. 17)", factors.sweep_b),
    "sweep-s": ("Less and less s (Fig. 18)", factors.sweep_s),
    "quality": ("Distance to the training pictures (Tables 3, 4)", quality.quality),
}
"""By name, its heading in the page, and what draws and measures it."""

TITLES = {name: title for name, (title, _) in FIGURES.items()}


def run(lab: Lab, names: Collection[str], folder: Path) -> None:
    """Draw the figures of these names into `folder`. Results of the others stay; each is saved as it is done."""
    results = findings.load(folder)
    with tqdm(names, unit="figure") as bar:
        for name in bar:
            bar.set_description(name)
            finding = FIGURES[name][1](lab)
            pictures.save(finding.picture, folder / f"{name}.png")
            results[name] = findings.to_json(finding)
            findings.save({done: results[done] for done in FIGURES if done in results}, lab.about, folder)


def fill_page(path: Path, folder: Path) -> None:
    """Put the results that lie in `folder` into the page."""
    filled = page.fill(path.read_text("utf-8"), findings.load(folder), TITLES)
    with replacing(path) as unfinished:
        unfinished.write_text(filled, "utf-8")
