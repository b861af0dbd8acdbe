"""Base class of samplers, the number of their steps, and the refiner."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from torch import Tensor

from modules import sd_models, shared
from modules.shared import state

_TIMESTEPS = 1000


class InterruptedException(BaseException):
    """Ends sampling with the last latent."""


class SamplerData(NamedTuple):
    """A sampler. Option `second_order`: it calls the model twice per step."""

    name: str
    constructor: Callable[[Any], Sampler]
    aliases: list[str]
    options: dict[str, Any]

    def total_steps(self, steps: int) -> int:
        """Return the expected number of model calls."""
        return steps * 2 if self.options.get("second_order") else steps


def setup_img2img_steps(p: Any, steps: int | None = None) -> tuple[int, int]:
    """Return the number of steps of the whole schedule, and t_enc: the last t_enc + 1 of them are run.

    steps: how many steps to run in a hires. fix pass; None to run the share `denoising_strength` of the job's steps.
    """
    strength = min(p.denoising_strength, 0.999)
    if steps is None:
        return p.steps, int(strength * p.steps)
    return min(_TIMESTEPS, int(steps / max(strength, 1 / _TIMESTEPS))), steps - 1


def apply_refiner(cfg_denoiser: Any) -> bool:
    """Switch to the refiner at its share of the steps. Returns True if the model was switched."""
    p = cfg_denoiser.p
    info = p.refiner_checkpoint_info
    if info is None or shared.sd_model.sd_checkpoint_info is info:
        return False
    if p.refiner_switch_at is not None and cfg_denoiser.step / cfg_denoiser.total_steps < p.refiner_switch_at:
        return False
    p.extra_generation_params["Refiner"] = info.short_title
    p.extra_generation_params["Refiner switch at"] = p.refiner_switch_at
    p.sd_model = sd_models.reload_model_weights(info=info)
    p.setup_conds()
    cfg_denoiser.update_inner_model()
    return True


class Sampler:
    """A sampler of one run. `model_wrap_cfg` is its CFGDenoiser, `func` its scheduler."""

    def __init__(self, funcname: Any) -> None:
        self.func = funcname
        self.config: SamplerData
        self.p: Any = None
        self.model_wrap_cfg: Any = None
        self.sampler_extra_args: dict[str, Any] = {}
        self.last_latent: Tensor

    def callback_state(self, d: dict[str, Any]) -> None:
        """Record the step `d["i"]` after its first model call, as k-diffusion does: `sampling_step` lags by one."""
        state.sampling_step = d["i"]

    def launch_sampling(self, steps: int, func: Callable[[], Tensor]) -> Tensor:
        """Run `func`, which takes `steps` steps. Returns the last latent if it is interrupted."""
        self.model_wrap_cfg.steps = steps
        self.model_wrap_cfg.total_steps = self.config.total_steps(steps)
        state.sampling_steps = steps
        state.sampling_step = 0
        try:
            return func()
        except InterruptedException:
            return self.last_latent

    def initialize(self, p: Any) -> None:
        """Reset for the job `p`."""
        self.p = p
        self.model_wrap_cfg.p = p
        self.model_wrap_cfg.mask = getattr(p, "mask", None)
        self.model_wrap_cfg.nmask = getattr(p, "nmask", None)
        self.model_wrap_cfg.step = 0
