"""What figures are made with: the model, prompts, and runs that are watched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from freeu import Settings
from freeu.core.hooks import Observer
from playground import demo, sampling
from playground.emoji import Emoji
from playground.model import TextToImage

OFF = demo.OFF
MEASURED = 24
"""How many prompts the figures are measured on."""


@dataclass(frozen=True)
class Lab:
    """The model, its training pictures, and what to draw: all runs have the same prompts and seeds."""

    model: TextToImage
    data: Emoji
    prompts: Sequence[str]
    steps: int = 12
    seed: int = 1

    def draw(self, settings: Settings, observe: Observer | None = None) -> Tensor:
        """The pictures, shape (prompts, 3, height, width), in 0..1. `observe` sees what enters the decoder blocks."""
        return sampling.sample(self.model, self._job(), settings, observe=observe).pictures

    def watch(self, settings: Settings) -> list[sampling.Step]:
        """The steps of a run by DDIM, the paper's sampler: the noisy picture is in it as it is."""
        steps: list[sampling.Step] = []
        sampling.sample(self.model, self._job()._replace(sampler="DDIM"), settings, steps.append)
        return steps

    @property
    def about(self) -> dict[str, Any]:
        """What another needs to make the same."""
        return {"prompts": list(self.prompts), "steps": self.steps, "seed": self.seed}

    def only(self, count: int) -> Lab:
        """The same with the first prompts alone."""
        return replace(self, prompts=self.prompts[:count])

    def _job(self) -> sampling.Job:
        return sampling.Job(self.prompts, self.seed, self.steps)


def choose_prompts(data: Emoji) -> list[str]:
    """The demo's prompts, which are shown, and others evenly from all: MEASURED in all."""
    others = [prompt for prompt in data.prompts if prompt not in demo.PROMPTS]
    wanted = MEASURED - len(demo.PROMPTS)
    return [*demo.PROMPTS, *(others[len(others) * i // wanted] for i in range(wanted))]
