"""Samplers: schedulers of diffusers, one in the form of k-diffusion's, and an adaptive one."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import torch
from diffusers import (
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EulerAncestralDiscreteScheduler,
    EulerDiscreteScheduler,
    HeunDiscreteScheduler,
    PNDMScheduler,
    UniPCMultistepScheduler,
)
from torch import Tensor

from modules import sd_unet, shared
from modules.sd_samplers_cfg_denoiser import CFGDenoiser
from modules.sd_samplers_common import Sampler, SamplerData, setup_img2img_steps
from playground.sampling import NOISE_SCHEDULE, training_noise

_ALPHAS = training_noise().alphas_cumprod
_SIGMAS = ((1 - _ALPHAS) / _ALPHAS).sqrt()


def _predict(x: Tensor, timesteps: Tensor, sigma: Tensor, context: Tensor) -> Tensor:
    """Return the clean image for `x` of unit variance. The UNet predicts v."""
    engine = sd_unet.current_unet
    v = engine(x, timesteps, context=context) if engine else shared.sd_model.apply_model(x, timesteps, context)
    signal = (1 + sigma**2).rsqrt().reshape(-1, 1, 1, 1)
    predicted: Tensor = signal * x - (1 - signal**2).sqrt() * v
    return predicted


def _predict_by_sigma(x: Tensor, sigma: Tensor, cond: Tensor) -> Tensor:
    """Return the clean image for x = image + sigma * noise."""
    index = torch.searchsorted(_SIGMAS, sigma.contiguous()).clamp(1, len(_SIGMAS) - 1)
    low, high = _SIGMAS[index - 1].log(), _SIGMAS[index].log()
    timesteps = (index - 1 + (sigma.log() - low) / (high - low)).clamp(0, len(_SIGMAS) - 1)
    return _predict(x / (1 + sigma**2).sqrt().reshape(-1, 1, 1, 1), timesteps, sigma, cond)


def _predict_by_timestep(x: Tensor, sigma: Tensor, cond: Tensor) -> Tensor:
    """Return the clean image for `x` of unit variance, where `sigma` is the timestep."""
    return _predict(x, sigma, _SIGMAS[sigma.long()], cond)


class _GuidedSampler(Sampler):
    """Base class: subclasses implement `_run`."""

    inner_model = staticmethod(_predict_by_sigma)

    def __init__(self, funcname: Any, sd_model: Any) -> None:
        super().__init__(funcname)
        self.model_wrap_cfg = CFGDenoiser(self)
        self.model_wrap_cfg.model_wrap = self.inner_model

    def sample(
        self,
        p: Any,
        x: Tensor,
        conditioning: Any,
        unconditional_conditioning: Any,
        steps: int | None = None,
        image_conditioning: Any = None,
    ) -> Tensor:
        """Run all steps, from noise."""
        self._prepare(p, x, conditioning, unconditional_conditioning, image_conditioning)
        steps = steps or p.steps
        return self.launch_sampling(steps, lambda: self._run(None, x, steps, 0))

    def sample_img2img(
        self,
        p: Any,
        x: Tensor,
        noise: Tensor,
        conditioning: Any,
        unconditional_conditioning: Any,
        steps: int | None = None,
        image_conditioning: Any = None,
    ) -> Tensor:
        """Run the last steps, from an image and noise."""
        self._prepare(p, x, conditioning, unconditional_conditioning, image_conditioning)
        self.model_wrap_cfg.init_latent = x
        steps, t_enc = setup_img2img_steps(p, steps)
        return self.launch_sampling(t_enc + 1, lambda: self._run(x, noise, steps, steps - t_enc - 1))

    def _prepare(self, p: Any, x: Tensor, cond: Any, uncond: Any, image_cond: Any) -> None:
        self.initialize(p)
        self.last_latent = x
        self.sampler_extra_args = {
            "cond": cond,
            "uncond": uncond,
            "image_cond": image_cond,
            "cond_scale": p.cfg_scale,
            "s_min_uncond": 0.0,
        }

    def _run(self, image: Tensor | None, noise: Tensor, steps: int, first: int) -> Tensor:
        """Run the steps from `first` to `steps`, starting from `image`, if any, and noise."""
        raise NotImplementedError

    def _denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        """Call the guided model at one noise level for the whole batch."""
        denoised: Tensor = self.model_wrap_cfg(x, sigma.float().expand(len(x)), **self.sampler_extra_args)
        return denoised


class _SchedulerSampler(_GuidedSampler):
    """Steps by a scheduler of diffusers, which `func` constructs."""

    extra_steps = 0

    def _run(self, image: Tensor | None, noise: Tensor, steps: int, first: int) -> Tensor:
        scheduler = self.func(**{**NOISE_SCHEDULE, "prediction_type": "epsilon"}, timestep_spacing="trailing")
        scheduler.set_timesteps(steps + self.extra_steps)
        timesteps = _timesteps_from(scheduler, first)
        x: Tensor = noise * scheduler.init_noise_sigma
        if image is not None:
            x = scheduler.add_noise(image, noise, timesteps[:1].expand(len(noise)))
        for call, timestep in enumerate(timesteps):
            x = self._step(scheduler, x, timestep)
            if call % scheduler.order == 0:
                self.callback_state({"i": call // scheduler.order})
        return x

    def _step(self, scheduler: Any, x: Tensor, timestep: Tensor) -> Tensor:
        scaled = scheduler.scale_model_input(x, timestep)
        sigma, signal = _SIGMAS[timestep.long()], _ALPHAS[timestep.long()].sqrt()
        epsilon = (scaled - signal * self._denoise_scaled(scaled, timestep, sigma)) / (1 - signal**2).sqrt()
        # Ancestral samplers draw the noise of each image from its own generator.
        noise = {"generator": self.p.rng.generators} if self.config.options.get("ancestral") else {}
        stepped: Tensor = scheduler.step(epsilon, timestep, x, **noise).prev_sample
        return stepped

    def _denoise_scaled(self, scaled: Tensor, timestep: Tensor, sigma: Tensor) -> Tensor:
        return self._denoise(scaled * (1 + sigma**2).sqrt(), sigma)


class _TimestepSampler(_SchedulerSampler):
    """A sampler that passes timesteps, not sigmas, to the model."""

    inner_model = staticmethod(_predict_by_timestep)

    def _denoise_scaled(self, scaled: Tensor, timestep: Tensor, sigma: Tensor) -> Tensor:
        return self._denoise(scaled, timestep)


class _UniPC(_TimestepSampler):
    """UniPC. As in the real WebUI it calls the model once more than there are steps."""

    extra_steps = 1


def _timesteps_from(scheduler: Any, first: int) -> Tensor:
    """Return the scheduler's timesteps from a step on, and set the scheduler to this step."""
    timesteps: Tensor = scheduler.timesteps
    if isinstance(scheduler, PNDMScheduler):
        # It calls the model twice in its first step, whichever that is.
        rest = torch.unique(timesteps).flip(0)[first:]
        return torch.cat([rest[:1], rest[1:2], rest[1:]])
    if hasattr(scheduler, "set_begin_index"):
        scheduler.set_begin_index(first * scheduler.order)
    return timesteps[first * scheduler.order :]


class _AdaptiveHeun(_GuidedSampler):
    """Heun's method with an adaptive step in log sigma: repeat a step with half its size if Euler's method disagrees.

    A step is between a quarter of the schedule's step and the whole of it.
    """

    tolerance = 0.02

    def _run(self, image: Tensor | None, noise: Tensor, steps: int, first: int) -> Tensor:
        longest = (_SIGMAS[-1] / _SIGMAS[0]).log() / steps
        sigma = _SIGMAS[-1] * (-longest * first).exp()
        x = noise * sigma if image is None else image + noise * sigma
        step, number = longest, 0
        while sigma > _SIGMAS[0] * 1.001:
            slope = (x - self._denoise(x, sigma)) / sigma
            self.callback_state({"i": number})
            x, sigma, step = self._advance(x, slope, sigma, step, longest)
            number += 1
        return self._denoise(x, sigma)

    def _advance(
        self, x: Tensor, slope: Tensor, sigma: Tensor, step: Tensor, longest: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return x and sigma after an accepted step, and the size of the next step."""
        while True:
            lower = torch.maximum(sigma * (-step).exp(), _SIGMAS[0])
            euler = x + slope * (lower - sigma)
            change = ((euler - self._denoise(euler, lower)) / lower - slope) / 2 * (lower - sigma)
            error = (change.square().mean().sqrt() / (1 + lower) / self.tolerance).item()
            if error <= 1 or step <= longest / 4:
                return euler + change, lower, torch.minimum(longest, step * (2 if error < 1 / math.sqrt(8) else 1))
            step = torch.maximum(step / 2, longest / 4)


class _FunctionSampler(_GuidedSampler):
    """A sampler in the form of k-diffusion's: `func` takes the model and the noise levels, and counts its steps in `i`.

    The schedule is linear in log sigma, and ends at 0.
    """

    def _run(self, image: Tensor | None, noise: Tensor, steps: int, first: int) -> Tensor:
        low, high = (float(sigma.log()) for sigma in (_SIGMAS[0], _SIGMAS[-1]))
        sigmas = torch.cat([torch.linspace(high, low, steps).exp(), torch.zeros(1)])[first:]
        x = noise * sigmas[0] if image is None else image + noise * sigmas[0]
        options = {"extra_args": self.sampler_extra_args, "callback": self.callback_state}
        sampled: Tensor = self.func(self.model_wrap_cfg, x, sigmas, **options)
        return sampled


@torch.no_grad()
def _sample_rk3_euler(model: Any, x: Tensor, sigmas: Tensor, extra_args: dict[str, Any], callback: Any) -> Tensor:
    """Kutta's third-order method in the first half of the steps, Euler's in the second.

    As Kohaku LoNyu Yog, it calls the model three times in each of the first steps and is not marked as second order.
    """

    def slope(x: Tensor, sigma: Tensor) -> Tensor:
        denoised: Tensor = model(x, sigma * x.new_ones(len(x)), **extra_args)
        return (x - denoised) / sigma

    for i in range(len(sigmas) - 1):
        change = sigmas[i + 1] - sigmas[i]
        direction = first = slope(x, sigmas[i])
        callback({"x": x, "i": i, "sigma": sigmas[i]})
        if i < (len(sigmas) - 1) // 2:
            second = slope(x + first * change / 2, sigmas[i] + change / 2)
            third = slope(x + (2 * second - first) * change, sigmas[i + 1])
            direction = (first + 4 * second + third) / 6
        x = x + direction * change
    return x


def _sampler(name: str, kind: type[_GuidedSampler], scheduler: Any, **options: Any) -> SamplerData:
    return SamplerData(name, partial(kind, scheduler), [], options)


all_samplers = [
    _sampler("Euler", _SchedulerSampler, EulerDiscreteScheduler),
    _sampler("Euler a", _SchedulerSampler, EulerAncestralDiscreteScheduler, ancestral=True),
    _sampler("Heun", _SchedulerSampler, HeunDiscreteScheduler, second_order=True),
    _sampler("DPM++ 2M", _SchedulerSampler, DPMSolverMultistepScheduler),
    _sampler("DDIM", _TimestepSampler, partial(DDIMScheduler, clip_sample=False)),
    _sampler("PLMS", _TimestepSampler, partial(PNDMScheduler, skip_prk_steps=True)),
    _sampler("UniPC", _UniPC, UniPCMultistepScheduler),
    _sampler("RK3 Euler", _FunctionSampler, _sample_rk3_euler),
    _sampler("Adaptive Heun", _AdaptiveHeun, None),
]
all_samplers_map = {sampler.name: sampler for sampler in all_samplers}


def create_sampler(name: str | None, model: Any) -> Sampler:
    """Construct a sampler for one run."""
    config = all_samplers_map[name or ""]
    sampler = config.constructor(model)
    sampler.config = config
    return sampler


def visible_sampler_names() -> list[str]:
    """Return the names for dropdowns."""
    return list(all_samplers_map)
