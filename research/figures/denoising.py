"""Low and high frequencies during denoising (Fig. 2 to 4, 13)."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor

from freeu import Settings
from freeu.diagnostics.spectrum import split_frequencies
from playground import sampling
from playground.images import to_image
from research.figures import plots
from research.figures.experiment import OFF, Experiment
from research.figures.metrics import FREQUENCIES, LOW, amplitude_profiles, lower_half_mean, upper_half_mean
from research.figures.results import Claim, FigureResult
from research.figures.statistics import mean

SHOWN_STEPS = 5
CELL_SIZE = 96
SHOWN_PROMPT = 2
"""Index of the prompt in the sheet of Fig. 2."""


def frequency_bands(experiment: Experiment) -> FigureResult:
    """Fig. 2: the noisy image, its low and its high frequencies at several steps."""
    states = _states(experiment.record_steps(OFF))
    bands = [split_frequencies(state, LOW) for state in states]
    low, high = (torch.stack([band[n] for band in bands]) for n in (0, 1))
    steps, prompt = _spread(len(states), SHOWN_STEPS), min(SHOWN_PROMPT, len(experiment.prompts) - 1)
    rows = [
        [to_image((band[step][prompt] / 2 + 0.5).clamp(0, 1), CELL_SIZE) for step in steps]
        for band in (torch.stack(states), low, high)
    ]
    sheet = plots.sheet(rows, [_step_name(step, len(states)) for step in steps], ["image", "low", "high"])
    return FigureResult(sheet, [_compare_change_per_step(low, high), _compare_halfway_distance(low, high)])


def _compare_change_per_step(low: Tensor, high: Tensor) -> Claim:
    numbers = {
        "low": mean(_change_per_step(low)),
        "high": mean(_change_per_step(high)),
        "difference": mean(_change_per_step(low) - _change_per_step(high)),
    }
    return Claim(
        "Low frequencies change slowly from step to step, high frequencies change much.",
        "One step changes low frequencies by {low} of their norm, and high frequencies by {high}",
        numbers,
        numbers["difference"].below_zero,
    )


def _compare_halfway_distance(low: Tensor, high: Tensor) -> Claim:
    left = [_norm(band[len(band) // 2] - band[-1]) / _norm(band[0] - band[-1]) for band in (low, high)]
    numbers = {"low": mean(left[0]), "high": mean(left[1]), "difference": mean(left[0] - left[1])}
    return Claim(
        "Halfway, low frequencies are closer to their final values than high frequencies.",
        "Of the distance from noise to the final image, {low} is left in low frequencies and {high} in high ones",
        numbers,
        numbers["difference"].below_zero,
    )


def spectrum(experiment: Experiment) -> FigureResult:
    """Fig. 3 and 4: the relative log amplitude of the noisy image at several steps."""
    profiles = [amplitude_profiles(state) for state in _states(experiment.record_steps(OFF))]
    lines = {
        _step_name(step, len(profiles)): (FREQUENCIES, profiles[step].mean(0).tolist())
        for step in _spread(len(profiles), SHOWN_STEPS)
    }
    plot = plots.curves({"FreeU off": lines}, "frequency / π", "relative log amplitude", ordered=True)
    falls = [mean(upper_half_mean(after) - upper_half_mean(before)) for before, after in pairwise(profiles)]
    lower = lower_half_mean(profiles[-1]) - lower_half_mean(profiles[0])
    upper = upper_half_mean(profiles[-1]) - upper_half_mean(profiles[0])
    difference = mean(upper - lower)
    return FigureResult(
        plot,
        [
            Claim(
                "High frequencies fall during denoising.",
                "The upper half of the profile falls in {falling} of {steps} steps, by {fall} in total",
                {"falling": sum(fall.below_zero for fall in falls), "steps": len(falls), "fall": mean(upper)},
                all(fall.below_zero for fall in falls),
            ),
            Claim(
                "High frequencies fall more than low frequencies.",
                "The lower half changes by {low}, the upper half by {high}",
                {"low": mean(lower), "high": mean(upper), "difference": difference},
                difference.below_zero,
            ),
        ],
    )


def spectrum_with_freeu(experiment: Experiment) -> FigureResult:
    """Fig. 13: the relative log amplitude halfway and at the end, with FreeU off and on."""
    variants = {"off": OFF, "version 1": Settings(version="1"), "version 2": Settings(version="2")}
    runs = {
        name: [amplitude_profiles(state) for state in _states(experiment.record_steps(settings))]
        for name, settings in variants.items()
    }
    count = len(runs["off"])
    panels = {
        _step_name(step, count): {name: (FREQUENCIES, run[step].mean(0).tolist()) for name, run in runs.items()}
        for step in (count // 2, count - 1)
    }
    plot = plots.curves(panels, "frequency / π", "relative log amplitude")
    return FigureResult(plot, [_compare_with_off(name, runs[name], runs["off"]) for name in ("version 1", "version 2")])


def _compare_with_off(name: str, run: list[Tensor], off: list[Tensor]) -> Claim:
    # Both runs start from the same noise, so the first state is left out.
    changes = [mean(upper_half_mean(on) - upper_half_mean(base)) for on, base in zip(run[1:], off[1:], strict=True)]
    return Claim(
        f"FreeU lowers high frequencies at every step ({name}).",
        "The upper half of the profile is lower after {lower} of {steps} steps; at the end it changes by {end}",
        {"lower": sum(change.below_zero for change in changes), "steps": len(changes), "end": changes[-1]},
        all(change.below_zero for change in changes),
    )


def _states(steps: list[sampling.Step]) -> list[Tensor]:
    """Return the noisy images before each step, and the images after the last, each (B, 3, H, W)."""
    return [*(step.noisy for step in steps), steps[-1].predicted]


def _change_per_step(states: Tensor) -> Tensor:
    """Return the mean relative change per step (B,) of states (steps, B, 3, H, W)."""
    return (_norm(states[1:] - states[:-1]) / _norm(states[:-1])).mean(0)


def _norm(x: Tensor) -> Tensor:
    """Return the norm of each image, (..., B) for (..., B, 3, H, W)."""
    norm: Tensor = torch.linalg.vector_norm(x.flatten(-3), dim=-1)
    return norm


def _spread(count: int, wanted: int) -> list[int]:
    """Return up to `wanted` indices from 0 to `count` - 1, evenly spread."""
    return sorted({round(i * (count - 1) / (wanted - 1)) for i in range(wanted)})


def _step_name(step: int, count: int) -> str:
    return "noise" if step == 0 else "end" if step == count - 1 else f"step {step}"
