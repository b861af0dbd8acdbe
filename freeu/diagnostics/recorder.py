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

from typing import NamedTuple

import torch
from torch import Tensor

from freeu.core.hooks import Observation
from freeu.diagnostics.spectrum import energy, frequencies, relative_log_amplitude

PARTS = ("backbone", "skip", "joined")
"""The parts of a decoder block's input that are measured."""


class Profile(NamedTuple):
    """Relative log amplitudes before and after FreeU at each frequency, 0..pi. All three have one shape."""

    frequencies: Tensor
    before: Tensor
    after: Tensor


class _Key(NamedTuple):
    """What is summed: the blocks of one stage at one step, for one size (H, W)."""

    step: int
    stage: int | None
    size: tuple[int, int]


class _Sums(NamedTuple):
    """Sums over blocks: their number, profiles (parts, 2, bins), energies (changed, whole): (parts, 2)."""

    blocks: int
    profiles: Tensor
    energies: Tensor


class Recorder:
    """An observer of a session. `strengths` is FreeU's strength by step.

    `profile` and `changed` return means over all that was recorded, or over one `stage` or `step` of it. They raise
    ValueError if nothing was recorded for it.
    """

    def __init__(self) -> None:
        self.strengths: dict[int, float] = {}
        self._sums: dict[_Key, _Sums] = {}

    @torch.no_grad()
    def __call__(self, observation: Observation) -> None:
        """Measure the features of one observation."""
        self.strengths[observation.step] = observation.strength
        before, after = (_split(x, observation.block.backbone) for x in (observation.before, observation.after))
        pairs = list(zip(before, after, strict=True))
        profiles = torch.stack([torch.stack([relative_log_amplitude(x) for x in pair]) for pair in pairs])
        energies = torch.stack([torch.stack([energy(new - old), energy(old)]) for old, new in pairs])
        height, width = observation.before.shape[2:]
        key = _Key(observation.step, observation.block.stage, (height, width))
        # Summed on the CPU: some devices have no float64.
        profiles, energies = profiles.cpu().double(), energies.cpu().double()
        sums = self._sums.get(key, _Sums(0, torch.zeros_like(profiles), torch.zeros_like(energies)))
        self._sums[key] = _Sums(sums.blocks + 1, sums.profiles + profiles, sums.energies + energies)

    @property
    def steps(self) -> list[int]:
        """The recorded steps, in order."""
        return sorted(self.strengths)

    @property
    def stages(self) -> set[int | None]:
        """The recorded stages; None for blocks that belong to no stage."""
        return {key.stage for key in self._sums}

    def profile(self, part: str, *, stage: int | None = None, step: int | None = None) -> Profile:
        """Return the mean profile of one of PARTS. If the planes have several sizes, it is of the largest ones."""
        found = self._find(stage, step)
        largest = max((key.size for key in found), key=lambda size: (min(size), size))
        sums = [sums for key, sums in found.items() if key.size == largest]
        total = torch.stack([s.profiles[PARTS.index(part)] for s in sums]).sum(0)
        before, after = total / sum(s.blocks for s in sums)
        return Profile(frequencies(*largest), before, after)

    def changed(self, part: str = "joined", *, stage: int | None = None, step: int | None = None) -> float:
        """Return the energy that FreeU changed in one of PARTS, as a share of the energy before."""
        sums = self._find(stage, step).values()
        changed, whole = torch.stack([s.energies[PARTS.index(part)] for s in sums]).sum(0)
        return float(changed / whole) if changed else 0.0

    def _find(self, stage: int | None, step: int | None) -> dict[_Key, _Sums]:
        found = {k: s for k, s in self._sums.items() if stage in (None, k.stage) and step in (None, k.step)}
        if not found:
            raise ValueError(
                f"nothing was recorded for stage {stage or 'any'} and step {'any' if step is None else step}"
            )
        return found


def _split(joined: Tensor, backbone: int) -> tuple[Tensor, ...]:
    """Return the PARTS of a decoder block's input."""
    return joined[:, :backbone], joined[:, backbone:], joined
