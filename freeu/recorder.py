"""Recorder: what FreeU does to the features of a run, in small numbers.

    recorder = Recorder()
    with attach(unet, settings, recorder) as session:
        for step in range(steps):
            session.at(step, steps)
            unet(x, timesteps=t, context=c)
    recorder.profile("skip", stage=1).after

With neutral settings it records a run without FreeU. Features are measured when they are met; what is kept are
running means on the CPU.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from freeu.params import Stage
from freeu.session import Observation
from freeu.spectrum import energy, frequencies, mean_map, relative_log_amplitude

PARTS = ("backbone", "skip", "joined")
"""What a profile, a map or a share of energy can be of."""

LAST = -1
"""The step of the maps that were made last."""


class Profile(NamedTuple):
    """Relative log amplitudes before and after FreeU, each for a frequency in 0..pi; the three have one shape."""

    frequencies: Tensor
    before: Tensor
    after: Tensor


class Maps(NamedTuple):
    """Mean maps before and after FreeU, shape (pictures, height, width). The backbone's before is the structure map."""

    before: Tensor
    after: Tensor


class _Place(NamedTuple):
    """Where something was measured. Means are taken over what has the same place."""

    step: int
    block: int
    stage: int | None
    size: tuple[int, int]


@dataclass
class _Sums:
    """Of one place: profiles, shape (parts, before and after, bins), and energies, shape (parts, moved and whole)."""

    calls: int
    profiles: Tensor
    energies: Tensor


class Recorder:
    """Observes a session. Profiles and energies are means over the calls of the UNet, by step and decoder block.

    Questions are asked of a part of the features (see PARTS) and of all that was met, or of one `stage`, `block` or
    `step` of it. A question about what was not met raises ValueError.

    maps_at: the steps of which mean maps are kept. Those of the last step always are.
    factors: by step, the factors that were applied to each stage that was edited.
    """

    def __init__(self, maps_at: Container[int] = ()) -> None:
        self.maps_at = maps_at
        self.factors: dict[int, dict[int, Stage]] = {}
        self._sums: dict[_Place, _Sums] = {}
        self._maps: dict[tuple[int, int], dict[str, Maps]] = {}

    @torch.no_grad()
    def __call__(self, met: Observation) -> None:
        """Measure what a session met."""
        block, edited = met.block, self.factors.setdefault(met.step, {})
        if block.stage and met.stage:
            edited[block.stage] = met.stage
        before, after = _parts(met.before, block.backbone), _parts(met.after, block.backbone)
        height, width = met.before.shape[2:]
        place = _Place(met.step, block.index, block.stage, (height, width))
        self._add(place, before, after)
        maps = {name: Maps(*(mean_map(x).float().cpu() for x in (before[name], after[name]))) for name in PARTS}
        self._maps[LAST, block.index] = maps
        if met.step in self.maps_at:
            self._maps[met.step, block.index] = maps

    @property
    def steps(self) -> list[int]:
        """The steps that were met, in order."""
        return sorted({place.step for place in self._sums})

    @property
    def stages(self) -> dict[int, int | None]:
        """The stage of each decoder block that was met."""
        return {place.block: place.stage for place in sorted(self._sums, key=lambda place: place.block)}

    def profile(
        self, part: str, *, stage: int | None = None, block: int | None = None, step: int | None = None
    ) -> Profile:
        """The mean profile of a part of the features. A stage can have planes of several sizes: of its largest ones."""
        found = self._find(stage, block, step)
        largest = max((place.size for place in found), key=lambda size: (min(size), size))
        sums = [sums for place, sums in found.items() if place.size == largest]
        total = torch.stack([s.profiles[PARTS.index(part)] for s in sums]).sum(0)
        before, after = total / sum(s.calls for s in sums)
        return Profile(frequencies(*largest), before, after)

    def moved(
        self, part: str = "joined", *, stage: int | None = None, block: int | None = None, step: int | None = None
    ) -> float:
        """The energy that FreeU moved, as a share of what there was (see `moved_energy`)."""
        sums = self._find(stage, block, step).values()
        moved, whole = torch.stack([s.energies[PARTS.index(part)] for s in sums]).sum(0)
        return float(moved / whole) if moved else 0.0

    def maps(self, part: str, block: int, step: int = LAST) -> Maps:
        """The mean maps of a part of what entered a decoder block, at a step of `maps_at` or the last."""
        if (step, block) not in self._maps:
            raise ValueError(f"no maps were kept of block {block} at step {step}")
        return self._maps[step, block][part]

    def _add(self, place: _Place, before: dict[str, Tensor], after: dict[str, Tensor]) -> None:
        pairs = [(before[name], after[name]) for name in PARTS]
        profiles = torch.stack([torch.stack([relative_log_amplitude(x) for x in pair]) for pair in pairs])
        energies = torch.stack([torch.stack([energy(new - old), energy(old)]) for old, new in pairs])
        # On the CPU before they are added up: some devices have no float64.
        profiles, energies = profiles.cpu().double(), energies.cpu().double()
        if place in self._sums:
            sums = self._sums[place]
            self._sums[place] = _Sums(sums.calls + 1, sums.profiles + profiles, sums.energies + energies)
        else:
            self._sums[place] = _Sums(1, profiles, energies)

    def _find(self, stage: int | None, block: int | None, step: int | None) -> dict[_Place, _Sums]:
        asked = {"stage": stage, "block": block, "step": step}
        wanted = {name: value for name, value in asked.items() if value is not None}
        found = {
            place: sums
            for place, sums in self._sums.items()
            if all(getattr(place, name) == value for name, value in wanted.items())
        }
        if not found:
            raise ValueError(f"nothing was recorded of {wanted or 'any decoder block'}")
        return found


def _parts(joined: Tensor, backbone: int) -> dict[str, Tensor]:
    return dict(zip(PARTS, (joined[:, :backbone], joined[:, backbone:], joined), strict=True))
