"""What all modules share: command line, options, state, and the model that is loaded."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

from modules.options import OptionInfo, Options
from modules.shared_state import State

__all__ = ["OptionInfo", "cmd_opts", "demo", "latent_upscale_modes", "opts", "state"]

cmd_opts = Namespace(api_auth=None)
state = State()
demo: Any = None

latent_upscale_modes = {"Latent": "bilinear", "None": "nearest"}
"""How a first pass is enlarged for hires. fix: the mode of torch's interpolate."""

opts = Options(
    {
        "sd_model_checkpoint": OptionInfo("emoji32", "Stable Diffusion checkpoint"),
        "batch_cond_uncond": OptionInfo(True, "Batch cond/uncond"),
        "enable_pnginfo": OptionInfo(True, "Pictures tell how they were made"),
        "infotext_skip_pasting": OptionInfo([], "Keys that pasting leaves out"),
        "samples_format": OptionInfo("png", "File format for images"),
        "send_seed": OptionInfo(True, "Send to: the seed too"),
        "send_size": OptionInfo(True, "Send to: the size too"),
    }
)


def __getattr__(name: str) -> Any:
    """`sd_model` is whichever is loaded now; the first to ask loads it."""
    if name == "sd_model":
        from modules import sd_models

        return sd_models.model_data.get_sd_model()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
