"""Pictures from prompts: classifier-free guidance over the schedulers of diffusers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
from diffusers import (
    DDIMScheduler,
    DDPMScheduler,
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    HeunDiscreteScheduler,
)
from torch import Tensor

import freeu
from freeu.core.hooks import Observer
from playground.model import PICTURE_SIZE, TextToImage

LEAST_SIGNAL = 1e-3
"""The share of the picture's power that is left at the noisiest timestep, so that a Heun step from there works."""


def _betas() -> list[float]:
    """The cosine schedule (Nichol and Dhariwal) over 1000 timesteps, moved up to LEAST_SIGNAL."""
    cosine: Tensor = DDPMScheduler(1000, beta_schedule="squaredcos_cap_v2").alphas_cumprod.double()
    signal = LEAST_SIGNAL + (1 - LEAST_SIGNAL) * cosine
    before = torch.cat([torch.ones(1), signal[:-1]])
    return list((1 - signal / before).tolist())


NOISE = {"num_train_timesteps": 1000, "trained_betas": _betas(), "prediction_type": "v_prediction"}
"""What the model was trained for."""

SAMPLERS: dict[str, Any] = {
    "Euler": EulerDiscreteScheduler,
    "Heun": HeunDiscreteScheduler,
    "DDIM": partial(DDIMScheduler, clip_sample=False),
    "DPM++ 2M": DPMSolverMultistepScheduler,
}


class Job(NamedTuple):
    """What to draw: one picture a prompt, of seed, seed + 1, ..."""

    prompts: Sequence[str]
    seed: int = 1
    steps: int = 20
    guidance: float = 3.0
    sampler: str = "Euler"


class Result(NamedTuple):
    """Pictures in 0..1, shape (prompts, 3, height, width), and how many decoder blocks FreeU edited."""

    pictures: Tensor
    edited: int


class Step(NamedTuple):
    """What a sampler step saw, shape (prompts, 3, height, width), in -1..1 but for noise.

    noisy: what the model was given: picture and noise, of about unit variance whatever the sampler.
    predicted: the clean picture that the model made out of it.
    """

    noisy: Tensor
    predicted: Tensor


def training_noise() -> DDPMScheduler:
    """The noise that training adds, with its timesteps 0..999."""
    return DDPMScheduler(**NOISE)


@torch.inference_mode()
def sample(
    model: TextToImage,
    job: Job,
    settings: freeu.Settings,
    on_step: Callable[[Step], object] = lambda step: None,
    observe: Observer | None = None,
) -> Result:
    """Draw `job` with FreeU as set. A picture depends on its prompt and seed, not on the others.

    `on_step` is called after each sampler step, with that of its last model call; `observe` is
    `attach`'s. Raises PromptError for a word that the model does not know.
    """
    scheduler = SAMPLERS[job.sampler](**NOISE, timestep_spacing="trailing")
    scheduler.set_timesteps(job.steps)
    tokens = model.text.tokens([*[""] * len(job.prompts), *job.prompts])
    x = _noise(len(job.prompts), job.seed) * scheduler.init_noise_sigma
    with freeu.attach(model.unet, settings, observe) as session:
        for call, timestep in enumerate(scheduler.timesteps):
            # A scheduler of order 2 calls the model twice a step.
            session.at(call // scheduler.order, job.steps)
            given = scheduler.scale_model_input(x, timestep)
            without, with_prompt = model(given.repeat(2, 1, 1, 1), timestep.expand(len(tokens)), tokens).chunk(2)
            guided = without + job.guidance * (with_prompt - without)
            x = scheduler.step(guided, timestep, x).prev_sample
            if (call + 1) % scheduler.order == 0 or call + 1 == len(scheduler.timesteps):
                on_step(Step(given, _predicted(scheduler, given, guided, timestep)))
    return Result((x / 2 + 0.5).clamp(0, 1), session.calls)


def _predicted(scheduler: Any, noisy: Tensor, v: Tensor, timestep: Tensor) -> Tensor:
    """The clean picture that `v` tells of: what v is, solved for it."""
    signal: Tensor = scheduler.alphas_cumprod[timestep.long()]
    return signal.sqrt() * noisy - (1 - signal).sqrt() * v


def _noise(pictures: int, seed: int) -> Tensor:
    """One draw a picture, so that the batch does not matter."""
    shape = (3, PICTURE_SIZE, PICTURE_SIZE)
    return torch.stack([torch.randn(shape, generator=torch.Generator().manual_seed(seed + i)) for i in range(pictures)])
