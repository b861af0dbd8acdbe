"""The model as samplers call it: guidance, callbacks before each call, and masks."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from modules import prompt_parser, sd_samplers_common
from modules.script_callbacks import CFGDenoiserParams, cfg_denoiser_callback
from modules.shared import opts, state


class CFGDenoiser(nn.Module):
    """Classifier-free guidance.

    steps: the number of steps of this run. step, total_steps: model calls made and expected.
    mask, nmask: where `init_latent` is kept, and where the image may change.
    """

    def __init__(self, sampler: sd_samplers_common.Sampler) -> None:
        super().__init__()
        self.sampler = sampler
        self.model_wrap: Any = None
        self.p: Any = None
        self.mask: Any = None
        self.nmask: Any = None
        self.init_latent: Any = None
        self.steps = 0
        self.total_steps = 0
        self.step = 0

    @property
    def inner_model(self) -> Any:
        """The model without guidance: (x, sigma, context) to the predicted clean image."""
        return self.model_wrap

    def combine_denoised(
        self, x_out: Tensor, conds_list: list[list[tuple[int, float]]], uncond: Tensor, cond_scale: float
    ) -> Tensor:
        """Guide each image by the weighted sum of its prompts, relative to its negative prompt."""
        guided = []
        for negative, prompts in zip(x_out[-len(uncond) :], conds_list, strict=True):
            direction = sum(weight * (x_out[i] - negative) for i, weight in prompts)
            guided.append(negative + cond_scale * direction)
        return torch.stack(guided)

    def update_inner_model(self) -> None:
        """Use the contexts of the model that has just been loaded."""
        self.sampler.sampler_extra_args["cond"], self.sampler.sampler_extra_args["uncond"] = self.p.get_conds()

    def forward(
        self, x: Tensor, sigma: Tensor, uncond: Any, cond: Any, cond_scale: float, s_min_uncond: float, image_cond: Any
    ) -> Tensor:
        """Return the predicted clean image for `x` (B, C, H, W) at noise level `sigma` (B,)."""
        if state.interrupted or state.skipped:
            raise sd_samplers_common.InterruptedException
        if sd_samplers_common.apply_refiner(self):
            cond, uncond = self.sampler.sampler_extra_args["cond"], self.sampler.sampler_extra_args["uncond"]
        conds_list, tensor = prompt_parser.reconstruct_multicond_batch(cond, self.step)
        uncond = prompt_parser.reconstruct_cond_batch(uncond, self.step)
        repeats = torch.tensor([len(conds) for conds in conds_list])
        x_in = torch.cat([x.repeat_interleave(repeats, 0), x])
        sigma_in = torch.cat([sigma.repeat_interleave(repeats, 0), sigma])
        params = CFGDenoiserParams(
            x_in, image_cond, sigma_in, state.sampling_step, state.sampling_steps, tensor, uncond, self
        )
        cfg_denoiser_callback(params)
        denoised = self.combine_denoised(self._call_model(params, len(x)), conds_list, params.text_uncond, cond_scale)
        if self.mask is not None:
            denoised = denoised * self.nmask + self.init_latent * self.mask
        self.sampler.last_latent = denoised
        self.step += 1
        return denoised

    def _call_model(self, params: CFGDenoiserParams, batch_size: int) -> Tensor:
        """Call the model with all contexts at once or, without `batch_cond_uncond`, `batch_size` at a time."""
        context = torch.cat([params.text_cond, params.text_uncond])
        size = len(context) if opts.batch_cond_uncond else batch_size
        parts = zip(*(torch.split(tensor, size) for tensor in (params.x, params.sigma, context)), strict=True)
        return torch.cat([self.inner_model(x, sigma, cond=cond) for x, sigma, cond in parts])
