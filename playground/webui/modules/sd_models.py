"""Checkpoints, and the loaded model."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from modules import shared
from playground import model as emoji_model

_NOISE_SHARE = 0.02


class CheckpointInfo:
    """A checkpoint that can be loaded."""

    def __init__(self, filename: str) -> None:
        self.filename = filename
        self.name = self.title = self.short_title = self.name_for_extra = filename

    def register(self) -> None:
        """Add the checkpoint to the lists."""
        checkpoints_list[self.title] = self
        checkpoint_aliases[self.name] = self


class _SdModel(nn.Module):
    """A loaded checkpoint. As in the real WebUI its UNet is `model.diffusion_model`."""

    is_sd1 = is_sd2 = False

    def __init__(self, info: CheckpointInfo) -> None:
        super().__init__()
        loaded = loaders[info.filename]()
        self.is_sdxl = hasattr(loaded.unet, "output_blocks")  # its decoder has the three stages of SDXL
        self.text = loaded.text
        self.model = nn.Module()
        self.model.diffusion_model = loaded.unet
        self.sd_checkpoint_info = info

    def get_learned_conditioning(self, prompts: list[str]) -> Tensor:
        """Return the context of each prompt. Raises PromptError for an unknown word."""
        context: Tensor = self.text(self.text.tokens(prompts))
        return context

    def apply_model(self, x_noisy: Tensor, t: Tensor, cond: Tensor) -> Any:
        """Call the UNet."""
        unet: Any = self.model.diffusion_model
        return unet(x_noisy, t, context=cond)


class SdModelData:
    """`sd_model` is the loaded model, None until it is used. `loaded_sd_models` are kept in memory."""

    def __init__(self) -> None:
        self.sd_model: Any = None
        self.loaded_sd_models: list[Any] = []
        self.lock = Lock()

    def get_sd_model(self) -> Any:
        """Return the loaded model. Load the selected checkpoint first if there is none."""
        with self.lock:
            if self.sd_model is None:
                reload_model_weights()
        return self.sd_model

    def set_sd_model(self, v: Any) -> None:
        """Make `v` the loaded model."""
        if v not in self.loaded_sd_models:
            self.loaded_sd_models.append(v)
        self.sd_model = v


class _SharedModule(ModuleType):
    @property
    def sd_model(self) -> Any:
        return model_data.get_sd_model()


checkpoints_list: dict[str, CheckpointInfo] = {}
checkpoint_aliases: dict[str | None, CheckpointInfo] = {}
model_data = SdModelData()
shared.__class__ = _SharedModule


def list_models() -> None:
    """Register the built-in checkpoints."""
    for name in loaders:
        CheckpointInfo(name).register()


def get_closet_checkpoint_match(search_string: str | None) -> CheckpointInfo | None:
    """Return the checkpoint of that name, if there is one."""
    return checkpoint_aliases.get(search_string)


def select_checkpoint() -> CheckpointInfo:
    """Return the checkpoint that the option selects, or else the first."""
    selected = checkpoint_aliases.get(shared.opts.sd_model_checkpoint)
    return selected or next(iter(checkpoints_list.values()))


def reload_model_weights(sd_model: Any = None, info: CheckpointInfo | None = None) -> Any:
    """Make the checkpoint `info`, by default the selected one, the loaded model, and return the model."""
    info = info or select_checkpoint()
    loaded = next((model for model in model_data.loaded_sd_models if model.sd_checkpoint_info is info), None)
    model_data.set_sd_model(_SdModel(info) if loaded is None else loaded)
    return model_data.sd_model


def _load_noised() -> emoji_model.TextToImage:
    """Load the trained model with a little noise in its weights, so that its images differ."""
    noised = emoji_model.load()
    generator = torch.Generator().manual_seed(0)
    for weight in noised.unet.parameters():
        noise = torch.randn(weight.shape, generator=generator) * weight.abs().mean()
        weight.lerp_(noise, _NOISE_SHARE)
    return noised


loaders: dict[str, Callable[[], emoji_model.TextToImage]] = {
    "emoji32": emoji_model.load,
    "emoji32-noised": _load_noised,
}

list_models()
