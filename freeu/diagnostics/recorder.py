"""Recorder: measures what FreeU does to the features of a run.

    recorder = Recorder()
    with attach(unet, settings, recorder) as session:
        for step in range(steps):
            session.at(step, steps)
            unet(x, timesteps=t, context=c)
    recorder.profile("skip", stage=1).after

With neutral settings it measures a run without FreeU. It keeps sums on the CPU, not features.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from freeu.core.hooks import Observation
from freeu.diagnostics.spectrum import energy, frequencies, mean_map, relative_log_amplitude
from freeu.settings.stage import Stage

PARTS = ("backbone", "skip", "joined")
"""The parts of a decoder block's input that are measured."""

LAST = -1
"""Stands for the last recorded step."""


class Profile(NamedTuple):
    """Relative log amplitudes before and after FreeU at each frequency, 0..pi. All three have one shape."""

    frequencies: Tensor
    before: Tensor
    after: Tensor


class Maps(NamedTuple):
    """Mean maps before and after FreeU, shape (B, H, W). Before FreeU, that of the backbone is the structure map."""

    before: Tensor
    after: Tensor


class _Key(NamedTuple):
    """What is averaged: one decoder block at one step, for one size (H, W)."""

    step: int
    block: int
    stage: int | None
    size: tuple[int, int]


@dataclass
class _Sums:
    """Sums over calls of the UNet: profiles, shape (parts, 2, bins), and energies (changed, whole), (parts, 2)."""

    calls: int
    profiles: Tensor
    energies: Tensor


class Recorder:
    """An observer of a session. Profiles and energies are means over calls of the UNet, by step and decoder block.

    `profile`, `changed` and `maps` read the results for one of PARTS, for all that was recorded or for one `stage`,
    `block` or `step`. They raise ValueError if nothing was recorded for it.

    Attributes:
        maps_at: the steps whose mean maps are kept, besides the last step's.
        strengths: FreeU's strength by step.
        factors: the applied factors by step and stage.
    """

    def __init__(self, maps_at: Container[int] = ()) -> None:
        self.maps_at = maps_at
        self.strengths: dict[int, float] = {}
        self.factors: dict[int, dict[int, Stage]] = {}
        self._sums: dict[_Key, _Sums] = {}
        self._maps: dict[tuple[int, int], dict[str, Maps]] = {}

    @torch.no_grad()
    def __call__(self, observation: Observation) -> None:
        """Measure the features of one observation."""
        step, block = observation.step, observation.block
        self.strengths[step] = observation.strength
        factors = self.factors.setdefault(step, {})
        if block.stage and observation.stage:
            factors[block.stage] = observation.stage
        before, after = (_split(x, block.backbone) for x in (observation.before, observation.after))
        height, width = observation.before.shape[2:]
        self._add(_Key(step, block.index, block.stage, (height, width)), before, after)
        maps = {part: Maps(*(mean_map(x).float().cpu() for x in (before[part], after[part]))) for part in PARTS}
        self._maps[LAST, block.index] = maps
        if step in self.maps_at:
            self._maps[step, block.index] = maps

    @property
    def steps(self) -> list[int]:
        """The recorded steps, in order."""
        return sorted({key.step for key in self._sums})

    @property
    def stages(self) -> dict[int, int | None]:
        """The stage of each recorded decoder block."""
        return {key.block: key.stage for key in sorted(self._sums, key=lambda key: key.block)}

    def profile(
        self, part: str, *, stage: int | None = None, block: int | None = None, step: int | None = None
    ) -> Profile:
        """Return the mean profile of a part of the features.

        A stage can have planes of several sizes; the profile is of the largest ones.
        """
        found = self._find(stage, block, step)
        largest = max((key.size for key in found), key=lambda size: (min(size), size))
        sums = [sums for key, sums in found.items() if key.size == largest]
        total = torch.stack([s.profiles[PARTS.index(part)] for s in sums]).sum(0)
        before, after = total / sum(s.calls for s in sums)
        return Profile(frequencies(*largest), before, after)

    def changed(
        self, part: str = "joined", *, stage: int | None = None, block: int | None = None, step: int | None = None
    ) -> float:
        """Return the energy that FreeU changed, as a share of the energy before (see `changed_energy`)."""
        sums = self._find(stage, block, step).values()
        changed, whole = torch.stack([s.energies[PARTS.index(part)] for s in sums]).sum(0)
        return float(changed / whole) if changed else 0.0

    def maps(self, part: str, block: int, step: int = LAST) -> Maps:
        """Return the mean maps of a part of a decoder block's input, at a step of `maps_at` or the last one."""
        if (step, block) not in self._maps:
            raise ValueError(f"no maps were recorded for block {block} at step {step}")
        return self._maps[step, block][part]

    def _add(self, key: _Key, before: dict[str, Tensor], after: dict[str, Tensor]) -> None:
        pairs = [(before[part], after[part]) for part in PARTS]
        profiles = torch.stack([torch.stack([relative_log_amplitude(x) for x in pair]) for pair in pairs])
        energies = torch.stack([torch.stack([energy(new - old), energy(old)]) for old, new in pairs])
        # Summed on the CPU: some devices have no float64.
        profiles, energies = profiles.cpu().double(), energies.cpu().double()
        if key in self._sums:
            sums = self._sums[key]
            self._sums[key] = _Sums(sums.calls + 1, sums.profiles + profiles, sums.energies + energies)
        else:
            self._sums[key] = _Sums(1, profiles, energies)

    def _find(self, stage: int | None, block: int | None, step: int | None) -> dict[_Key, _Sums]:
        given = {"stage": stage, "block": block, "step": step}
        wanted = {name: value for name, value in given.items() if value is not None}
        found = {
            key: sums
            for key, sums in self._sums.items()
            if all(getattr(key, name) == value for name, value in wanted.items())
        }
        if not found:
            raise ValueError(f"nothing was recorded for {wanted or 'any decoder block'}")
        return found


def _split(joined: Tensor, backbone: int) -> dict[str, Tensor]:
    return dict(zip(PARTS, (joined[:, :backbone], joined[:, backbone:], joined), strict=True))
