"""What all samplers have in common: their steps, the refiner, and how a run of one begins and ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from torch import Tensor

from modules import sd_models, shared
from modules.shared import state

if TYPE_CHECKING:
    from modules.sd_samplers_cfg_denoiser import CFGDenoiser

_TIMESTEPS = 1000


class InterruptedException(BaseException):
    """Sampling ends here, with the last latent."""


class SamplerData(NamedTuple):
    """A sampler by name. Option `second_order`: it calls the model twice a step."""

    name: str
    constructor: Callable[[Any], Sampler]
    aliases: list[str]
    options: dict[str, Any]

    def total_steps(self, steps: int) -> int:
        """How many calls of the model to expect."""
        return steps * 2 if self.options.get("second_order") else steps


def setup_img2img_steps(p: Any, steps: int | None = None) -> tuple[int, int]:
    """All steps of the schedule, and t_enc: the last t_enc + 1 of them are done.

    A second pass of hires. fix gives `steps`, the number to do; otherwise it is a share of the job's.
    """
    strength = min(p.denoising_strength, 0.999)
    if steps is None:
        return p.steps, int(strength * p.steps)
    return min(_TIMESTEPS, int(steps / max(strength, 1 / _TIMESTEPS))), steps - 1


def apply_refiner(cfg_denoiser: CFGDenoiser) -> bool:
    """Swap the refiner in once its share of the run has come. Whether the model was swapped."""
    p = cfg_denoiser.p
    info = p.refiner_checkpoint_info
    if info is None or shared.sd_model.sd_checkpoint_info is info:
        return False
    if p.refiner_switch_at is not None and cfg_denoiser.step / cfg_denoiser.total_steps < p.refiner_switch_at:
        return False
    p.extra_generation_params["Refiner switch by sampling steps"] = True
    p.extra_generation_params["Refiner"] = info.short_title
    p.extra_generation_params["Refiner switch at"] = p.refiner_switch_at
    p.sd_model = sd_models.reload_model_weights(info=info)
    p.setup_conds()
    cfg_denoiser.update_inner_model()
    return True


class Sampler:
    """From noise to pictures. `model_wrap_cfg` is the guided model, `funcname` what makes the steps."""

    def __init__(self, funcname: Any) -> None:
        self.func = funcname
        self.config: SamplerData
        self.p: Any = None
        self.model_wrap_cfg: CFGDenoiser
        self.sampler_extra_args: dict[str, Any] = {}
        self.last_latent: Tensor

    def callback_state(self, d: dict[str, Any]) -> None:
        """Step `d["i"]` has called the model for the first time. So `sampling_step` lags behind by one."""
        state.sampling_step = d["i"]

    def launch_sampling(self, steps: int, func: Callable[[], Tensor]) -> Tensor:
        """Run `func`, which does so many steps. An interrupted run gives the last latent."""
        self.model_wrap_cfg.steps = steps
        self.model_wrap_cfg.total_steps = self.config.total_steps(steps)
        state.sampling_steps = steps
        state.sampling_step = 0
        try:
            return func()
        except InterruptedException:
            return self.last_latent

    def initialize(self, p: Any) -> None:
        """Begin anew, for the job `p`."""
        self.p = p
        self.model_wrap_cfg.p = p
        self.model_wrap_cfg.mask = getattr(p, "mask", None)
        self.model_wrap_cfg.nmask = getattr(p, "nmask", None)
        self.model_wrap_cfg.step = 0
