"""Generate images from prompts with classifier-free guidance and the schedulers of diffusers."""

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
from playground.model import IMAGE_SIZE, TextToImage

MIN_SIGNAL = 1e-3
"""Share of the signal's power left at timestep 999. It limits sigma to 32, from where a Heun step is accurate."""


def _betas() -> list[float]:
    """Return the cosine schedule (https://arxiv.org/abs/2102.09672, eq. 17) of 1000 timesteps, raised to MIN_SIGNAL."""
    cosine: Tensor = DDPMScheduler(1000, beta_schedule="squaredcos_cap_v2").alphas_cumprod.double()
    signal = MIN_SIGNAL + (1 - MIN_SIGNAL) * cosine
    previous = torch.cat([torch.ones(1), signal[:-1]])
    return list((1 - signal / previous).tolist())


NOISE_SCHEDULE = {"num_train_timesteps": 1000, "trained_betas": _betas(), "prediction_type": "v_prediction"}
"""The noise that the model was trained on."""

SAMPLERS: dict[str, Any] = {
    "Euler": EulerDiscreteScheduler,
    "Heun": HeunDiscreteScheduler,
    "DDIM": partial(DDIMScheduler, clip_sample=False),
    "DPM++ 2M": DPMSolverMultistepScheduler,
}


class Job(NamedTuple):
    """What to generate: one image per prompt, with the seeds `seed`, `seed + 1`, ..."""

    prompts: Sequence[str]
    seed: int = 1
    steps: int = 20
    guidance: float = 3.0
    sampler: str = "Euler"


class Result(NamedTuple):
    """Images (B, 3, H, W) in 0..1, and how many decoder blocks FreeU edited."""

    images: Tensor
    edited_blocks: int


class Step(NamedTuple):
    """One sampler step. Both tensors are (B, 3, H, W); images are in -1..1.

    noisy: the model's input, image plus noise, of about unit variance with every sampler.
    predicted: the clean image that the model predicts from it.
    """

    noisy: Tensor
    predicted: Tensor


def training_noise() -> DDPMScheduler:
    """Return the scheduler that adds the noise of training, with timesteps 0..999."""
    return DDPMScheduler(**NOISE_SCHEDULE)


@torch.inference_mode()
def sample(
    model: TextToImage,
    job: Job,
    settings: freeu.Settings,
    on_step: Callable[[Step], object] = lambda step: None,
    observe: Observer | None = None,
) -> Result:
    """Generate the images of `job`. An image depends on its prompt and seed only, not on the rest of the batch.

    on_step: called after each sampler step, with the values of its last model call.
    observe: passed to `freeu.attach`.
    Raises PromptError for an unknown word.
    """
    scheduler = SAMPLERS[job.sampler](**NOISE_SCHEDULE, timestep_spacing="trailing")
    scheduler.set_timesteps(job.steps)
    tokens = model.text.tokens([*[""] * len(job.prompts), *job.prompts])
    x = _initial_noise(len(job.prompts), job.seed) * scheduler.init_noise_sigma
    with freeu.attach(model.unet, settings, observe) as session:
        for call, timestep in enumerate(scheduler.timesteps):
            # A scheduler of order 2 calls the model twice per step.
            session.at(call // scheduler.order, job.steps)
            model_input = scheduler.scale_model_input(x, timestep)
            uncond, cond = model(model_input.repeat(2, 1, 1, 1), timestep.expand(len(tokens)), tokens).chunk(2)
            guided = uncond + job.guidance * (cond - uncond)
            x = scheduler.step(guided, timestep, x).prev_sample
            if (call + 1) % scheduler.order == 0 or call + 1 == len(scheduler.timesteps):
                on_step(Step(model_input, _predicted(scheduler, model_input, guided, timestep)))
    return Result((x / 2 + 0.5).clamp(0, 1), session.calls)


def _predicted(scheduler: Any, noisy: Tensor, v: Tensor, timestep: Tensor) -> Tensor:
    """Return the clean image x0 for v = sqrt(a) noise - sqrt(1 - a) x0 and noisy = sqrt(a) x0 + sqrt(1 - a) noise."""
    signal: Tensor = scheduler.alphas_cumprod[timestep.long()]
    return signal.sqrt() * noisy - (1 - signal).sqrt() * v


def _initial_noise(batch: int, seed: int) -> Tensor:
    """Draw (B, 3, H, W), each image from a generator of its own, so that the batch does not matter."""
    shape = (3, IMAGE_SIZE, IMAGE_SIZE)
    return torch.stack([torch.randn(shape, generator=torch.Generator().manual_seed(seed + i)) for i in range(batch)])
