"""Command line options, options, state and the loaded model."""

from __future__ import annotations

from argparse import Namespace
from types import SimpleNamespace
from typing import Any

from modules.options import OptionInfo, Options
from modules.shared_state import State

__all__ = ["OptionInfo", "cmd_opts", "demo", "latent_upscale_modes", "opts", "sd_model", "sd_upscalers", "state"]

cmd_opts = Namespace(api_auth=None, forge=False)
state = State()
demo: Any = None

sd_model: Any
"""The loaded model, a property that `sd_models` adds to this module, as AUTOMATIC1111's `shared_items` does."""

latent_upscale_modes = {"Latent": "bilinear", "Latent (nearest)": "nearest"}
"""Upscalers of latents for hires. fix, each with its mode of torch's interpolate."""

sd_upscalers = [SimpleNamespace(name="None", mode="nearest"), SimpleNamespace(name="Lanczos", mode="bicubic")]
"""Upscalers of images."""

opts = Options(
    {
        "sd_model_checkpoint": OptionInfo("emoji32", "Stable Diffusion checkpoint"),
        "batch_cond_uncond": OptionInfo(True, "Batch cond/uncond"),
        "samples_format": OptionInfo("png", "File format for images"),
    }
)
