"""The samplers: schedulers of diffusers over the model's own noise, and one of our own that chooses its step size."""

from __future__ import annotations

import math
from collections.abc import Iterator
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
from playground.sampling import NOISE, training_noise

_ALPHAS = training_noise().alphas_cumprod
_SIGMAS = ((1 - _ALPHAS) / _ALPHAS).sqrt()


def _predict(x: Tensor, timesteps: Tensor, sigma: Tensor, context: Tensor) -> Tensor:
    """The picture without noise in `x`, which is scaled to unit variance. The loaded UNet predicts v."""
    unet = sd_unet.current_unet or shared.sd_model.model.diffusion_model
    v = unet(x, timesteps, context=context)
    share = (1 + sigma**2).rsqrt().reshape(-1, 1, 1, 1)
    predicted: Tensor = share * x - (1 - share**2).sqrt() * v
    return predicted


def _by_sigma(x: Tensor, sigma: Tensor, cond: Tensor) -> Tensor:
    """The model for samplers that count noise in sigmas: x is the picture plus sigma times noise."""
    place = torch.searchsorted(_SIGMAS, sigma.contiguous()).clamp(1, len(_SIGMAS) - 1)
    low, high = _SIGMAS[place - 1].log(), _SIGMAS[place].log()
    timesteps = (place - 1 + (sigma.log() - low) / (high - low)).clamp(0, len(_SIGMAS) - 1)
    return _predict(x / (1 + sigma**2).sqrt().reshape(-1, 1, 1, 1), timesteps, sigma, cond)


def _by_timestep(x: Tensor, sigma: Tensor, cond: Tensor) -> Tensor:
    """The model for samplers that count noise in timesteps, which `sigma` then is."""
    return _predict(x, sigma, _SIGMAS[sigma.long()], cond)


class _GuidedSampler(Sampler):
    """A sampler that fills in `_run`, on the guided model."""

    inner_model = staticmethod(_by_sigma)

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
        """All steps, from noise alone."""
        self._begin(p, x, conditioning, unconditional_conditioning, image_conditioning)
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
        """The last steps, from a picture and noise."""
        self._begin(p, x, conditioning, unconditional_conditioning, image_conditioning)
        self.model_wrap_cfg.init_latent = x
        steps, t_enc = setup_img2img_steps(p, steps)
        return self.launch_sampling(t_enc + 1, lambda: self._run(x, noise, steps, steps - t_enc - 1))

    def _begin(self, p: Any, x: Tensor, cond: Any, uncond: Any, image_cond: Any) -> None:
        self.initialize(p)
        self.last_latent = x
        self.sampler_extra_args = {
            "cond": cond,
            "uncond": uncond,
            "image_cond": image_cond,
            "cond_scale": p.cfg_scale,
            "s_min_uncond": 0.0,
        }

    def _run(self, picture: Tensor | None, noise: Tensor, steps: int, first: int) -> Tensor:
        """Steps `first` to `steps`, from `picture`, if any, with noise."""
        raise NotImplementedError

    def _denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        """One guided call of the model, at one noise level for all pictures."""
        denoised: Tensor = self.model_wrap_cfg(x, sigma.float().expand(len(x)), **self.sampler_extra_args)
        return denoised


class _SchedulerSampler(_GuidedSampler):
    """Steps by a scheduler of diffusers, which `func` makes. More steps than asked for: `extra_steps`."""

    extra_steps = 0

    def _run(self, picture: Tensor | None, noise: Tensor, steps: int, first: int) -> Tensor:
        scheduler = self.func(**{**NOISE, "prediction_type": "epsilon"}, timestep_spacing="trailing")
        scheduler.set_timesteps(steps + self.extra_steps)
        timesteps = _from_step(scheduler, first)
        x = noise * scheduler.init_noise_sigma
        if picture is not None:
            x = scheduler.add_noise(picture, noise, timesteps[:1].expand(len(noise)))
        return self._steps(scheduler, x, timesteps)

    def _steps(self, scheduler: Any, x: Tensor, timesteps: Tensor) -> Tensor:
        for call, timestep in enumerate(timesteps):
            x = self._step(scheduler, x, timestep)
            if call % scheduler.order == 0:
                self.callback_state({"i": call // scheduler.order})
        return x

    def _step(self, scheduler: Any, x: Tensor, timestep: Tensor) -> Tensor:
        scaled = scheduler.scale_model_input(x, timestep)
        sigma, share = _SIGMAS[timestep.long()], _ALPHAS[timestep.long()].sqrt()
        epsilon = (scaled - share * self._denoised(scaled, timestep, sigma)) / (1 - share**2).sqrt()
        # Samplers that draw noise of their own take it from each picture's own stream.
        own_noise = {"generator": self.p.rng.generators} if self.config.options.get("ancestral") else {}
        stepped: Tensor = scheduler.step(epsilon, timestep, x, **own_noise).prev_sample
        return stepped

    def _denoised(self, scaled: Tensor, timestep: Tensor, sigma: Tensor) -> Tensor:
        return self._denoise(scaled * (1 + sigma**2).sqrt(), sigma)


class _TimestepSampler(_SchedulerSampler):
    """A scheduler whose noise is counted in timesteps."""

    inner_model = staticmethod(_by_timestep)

    def _denoised(self, scaled: Tensor, timestep: Tensor, sigma: Tensor) -> Tensor:
        return self._denoise(scaled, timestep)


class _UniPC(_TimestepSampler):
    """The real host's UniPC calls the model once more than it has steps, and so does ours."""

    extra_steps = 1


def _from_step(scheduler: Any, first: int) -> Tensor:
    """The scheduler's timesteps from a step on, and the scheduler ready for them."""
    timesteps: Tensor = scheduler.timesteps
    if isinstance(scheduler, PNDMScheduler):
        # It calls the model a second time after its first step, wherever that is.
        rest = torch.unique(timesteps).flip(0)[first:]
        return torch.cat([rest[:1], rest[1:2], rest[1:]])
    if hasattr(scheduler, "set_begin_index"):
        scheduler.set_begin_index(first * scheduler.order)
    return timesteps[first * scheduler.order :]


class _AdaptiveHeun(_GuidedSampler):
    """Heun's method at its own pace: a step is done again at half its size while Euler's method disagrees.

    A step is a share of the way in log sigma, never more than the schedule's and never less than a quarter of it.
    """

    tolerance = 0.02

    def _run(self, picture: Tensor | None, noise: Tensor, steps: int, first: int) -> Tensor:
        longest = (_SIGMAS[-1] / _SIGMAS[0]).log() / steps
        sigma = _SIGMAS[-1] * (-longest * first).exp()
        x = noise * sigma if picture is None else picture + noise * sigma
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
        """x and sigma after a step that both methods agree on, and the size of the next one."""
        while True:
            lower = torch.maximum(sigma * (-step).exp(), _SIGMAS[0])
            euler = x + slope * (lower - sigma)
            change = ((euler - self._denoise(euler, lower)) / lower - slope) / 2 * (lower - sigma)
            error = (change.square().mean().sqrt() / (1 + lower) / self.tolerance).item()
            if error <= 1 or step <= longest / 4:
                return euler + change, lower, torch.minimum(longest, step * (2 if error < 1 / math.sqrt(8) else 1))
            step = torch.maximum(step / 2, longest / 4)


def _by_name() -> Iterator[SamplerData]:
    schedulers: list[tuple[str, type[_SchedulerSampler], Any, dict[str, Any]]] = [
        ("Euler", _SchedulerSampler, EulerDiscreteScheduler, {}),
        ("Euler a", _SchedulerSampler, EulerAncestralDiscreteScheduler, {"ancestral": True}),
        ("Heun", _SchedulerSampler, HeunDiscreteScheduler, {"second_order": True}),
        ("DPM++ 2M", _SchedulerSampler, DPMSolverMultistepScheduler, {}),
        ("DDIM", _TimestepSampler, partial(DDIMScheduler, clip_sample=False), {}),
        ("PLMS", _TimestepSampler, partial(PNDMScheduler, skip_prk_steps=True), {}),
        ("UniPC", _UniPC, UniPCMultistepScheduler, {}),
    ]
    for name, kind, make, options in schedulers:
        yield SamplerData(name, partial(kind, make), [], options)
    yield SamplerData("Adaptive Heun", partial(_AdaptiveHeun, None), [], {})


all_samplers = list(_by_name())
all_samplers_map = {sampler.name: sampler for sampler in all_samplers}


def find_sampler_config(name: str | None) -> SamplerData | None:
    """A sampler by name; the first for no name."""
    return all_samplers[0] if name is None else all_samplers_map.get(name)


def create_sampler(name: str | None, model: Any) -> Sampler:
    """A sampler for one run. Raises ValueError for an unknown name."""
    config = find_sampler_config(name)
    if config is None:
        raise ValueError(f"sampler_name: {name!r} is unknown; there are {', '.join(all_samplers_map)}")
    sampler = config.constructor(model)
    sampler.config = config
    return sampler


def visible_sampler_names() -> list[str]:
    """For dropdowns."""
    return [sampler.name for sampler in all_samplers]
