"""The model, prompts, steps and seed that all figures share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from freeu import Settings
from freeu.core.hooks import Observer
from playground import demo, sampling
from playground.model import TextToImage
from research.dataset import Dataset
from research.figures.subjects import Subject

OFF = demo.OFF
PROMPT_COUNT = 24
"""How many prompts the figures are measured on."""


@dataclass(frozen=True)
class Experiment:
    """What every run of a figure has in common: model, training data, prompts, steps and seed.

    subjects: the models at several stages of training. Only the figure "unfinished" needs them.
    images: the folder in which their images are kept.
    """

    model: TextToImage
    data: Dataset
    prompts: Sequence[str]
    steps: int = 12
    seed: int = 1
    subjects: Sequence[Subject] = ()
    images: Path = Path()

    def generate(self, settings: Settings, observe: Observer | None = None) -> Tensor:
        """Return the images (B, 3, H, W) in 0..1. `observe` is called with the input of each decoder block."""
        return sampling.sample(self.model, self._job(), settings, observe=observe).images

    def record_steps(self, settings: Settings) -> list[sampling.Step]:
        """Return the steps of a run with DDIM, the paper's sampler, whose model input is the noisy image itself."""
        steps: list[sampling.Step] = []
        sampling.sample(self.model, self._job()._replace(sampler="DDIM"), settings, steps.append)
        return steps

    @property
    def configuration(self) -> dict[str, Any]:
        """The values that reproduce the results."""
        return {"prompts": list(self.prompts), "steps": self.steps, "seed": self.seed}

    def with_first_prompts(self, count: int) -> Experiment:
        """Return the same experiment with the first `count` prompts."""
        return replace(self, prompts=self.prompts[:count])

    def _job(self) -> sampling.Job:
        return sampling.Job(self.prompts, self.seed, self.steps)


def choose_prompts(data: Dataset) -> list[str]:
    """Return PROMPT_COUNT prompts: those of the demo, and others evenly spread over the training data."""
    others = [prompt for prompt in data.prompts if prompt not in demo.PROMPTS]
    wanted = PROMPT_COUNT - len(demo.PROMPTS)
    return [*demo.PROMPTS, *(others[len(others) * i // wanted] for i in range(wanted))]
