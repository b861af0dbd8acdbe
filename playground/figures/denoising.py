"""Low and high frequencies over the steps of a run (Fig. 2 to 4, 13)."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor

from freeu import Settings
from freeu.diagnostics.spectrum import split_frequencies
from playground import sampling
from playground.figures import plots
from playground.figures.findings import Check, Finding
from playground.figures.lab import OFF, Lab
from playground.figures.measures import BINS, LOW, profiles, upper
from playground.figures.statistics import mean
from playground.pictures import to_image

SHOWN = 5
CELL = 96
WATCHED = 2
"""The prompt, of those of the demo, that the rows show."""


def rows(lab: Lab) -> Finding:
    """Fig. 2: the noisy picture, its low and its high frequencies, step by step."""
    states = _states(lab.watch(OFF))
    parts = [split_frequencies(state, LOW) for state in states]
    low, high = (torch.stack([part[n] for part in parts]) for n in (0, 1))
    chosen, one = _spread(len(states), SHOWN), min(WATCHED, len(lab.prompts) - 1)
    shown = [
        [to_image(_visible(kind[step][one]), CELL) for step in chosen] for kind in (torch.stack(states), low, high)
    ]
    picture = plots.sheet(shown, [_name(step, len(states)) for step in chosen], ["picture", "low", "high"])
    return Finding(picture, [_slower(low, high), _earlier(low, high)])


def _slower(low: Tensor, high: Tensor) -> Check:
    numbers = {"low": mean(_pace(low)), "high": mean(_pace(high)), "less": mean(_pace(low) - _pace(high))}
    return Check(
        "From step to step, low frequencies change slowly and high ones much.",
        "A step changes low frequencies by {low} of their size, and high ones by {high}",
        numbers,
        numbers["less"].below_zero,
    )


def _earlier(low: Tensor, high: Tensor) -> Check:
    left = [_size(part[len(part) // 2] - part[-1]) / _size(part[0] - part[-1]) for part in (low, high)]
    numbers = {"low": mean(left[0]), "high": mean(left[1]), "less": mean(left[0] - left[1])}
    return Check(
        "Half way, low frequencies are nearer to what they become than high ones.",
        "Of the distance from noise to the picture, {low} is left in low frequencies, and {high} in high ones",
        numbers,
        numbers["less"].below_zero,
    )


def spectrum(lab: Lab) -> Finding:
    """Fig. 3 and 4: the relative log amplitude of the noisy picture, step by step."""
    measured = [profiles(state) for state in _states(lab.watch(OFF))]
    lines = {
        _name(step, len(measured)): (BINS, measured[step].mean(0).tolist()) for step in _spread(len(measured), SHOWN)
    }
    picture = plots.curves({"FreeU off": lines}, "frequency / π", "relative log amplitude", ordered=True)
    falls = [mean(upper(after) - upper(before)) for before, after in pairwise(measured)]
    low, high = (mean(part(measured[-1]) - part(measured[0])) for part in (_lower, upper))
    apart = mean((upper(measured[-1]) - upper(measured[0])) - (_lower(measured[-1]) - _lower(measured[0])))
    return Finding(
        picture,
        [
            Check(
                "High frequencies fall during denoising.",
                "The upper half of the profile falls in {falling} of {steps} steps; by {fall} in all",
                {"falling": sum(fall.below_zero for fall in falls), "steps": len(falls), "fall": high},
                all(fall.below_zero for fall in falls),
            ),
            Check(
                "They fall more than low ones.",
                "The lower half changes by {low}, the upper one by {high}",
                {"low": low, "high": high, "apart": apart},
                apart.below_zero,
            ),
        ],
    )


def by_step(lab: Lab) -> Finding:
    """Fig. 13: the same with FreeU off and on."""
    ways = {"off": OFF, "version 1": Settings(version="1"), "version 2": Settings(version="2")}
    runs = {name: [profiles(state) for state in _states(lab.watch(settings))] for name, settings in ways.items()}
    count = len(runs["off"])
    panels = {
        _name(step, count): {name: (BINS, run[step].mean(0).tolist()) for name, run in runs.items()}
        for step in (count // 2, count - 1)
    }
    picture = plots.curves(panels, "frequency / π", "relative log amplitude")
    return Finding(picture, [_lower_than_off(name, runs[name], runs["off"]) for name in ("version 1", "version 2")])


def _lower_than_off(name: str, run: list[Tensor], off: list[Tensor]) -> Check:
    # Before the first step there is the same noise.
    less = [mean(upper(on) - upper(without)) for on, without in zip(run[1:], off[1:], strict=True)]
    return Check(
        f"FreeU lowers high frequencies at every step ({name}).",
        "The upper half of the profile is lower after {lower} of {steps} steps; in the end it changes by {end}",
        {"lower": sum(one.below_zero for one in less), "steps": len(less), "end": less[-1]},
        all(one.below_zero for one in less),
    )


def _states(steps: list[sampling.Step]) -> list[Tensor]:
    """The noisy picture before each step, and the picture after the last."""
    return [*(step.noisy for step in steps), steps[-1].predicted]


def _pace(states: Tensor) -> Tensor:
    """The mean change a step of each picture, as a share of its size there; shape (pictures,)."""
    return (_size(states[1:] - states[:-1]) / _size(states[:-1])).mean(0)


def _size(x: Tensor) -> Tensor:
    """The norm of each picture, shape (..., pictures)."""
    norm: Tensor = torch.linalg.vector_norm(x.flatten(-3), dim=-1)
    return norm


def _spread(count: int, wanted: int) -> list[int]:
    return sorted({round(i * (count - 1) / (wanted - 1)) for i in range(wanted)})


def _name(step: int, count: int) -> str:
    return "noise" if step == 0 else "end" if step == count - 1 else f"step {step}"


def _visible(x: Tensor) -> Tensor:
    """-1..1 as a picture in 0..1."""
    return (x / 2 + 0.5).clamp(0, 1)


def _lower(profile: Tensor) -> Tensor:
    """The mean over the lower half of the frequencies; the lowest, 0 by definition, is left out."""
    return profile[..., 1 : profile.shape[-1] // 2].mean(-1)
