"""Checkpoints by name, and the one that is loaded."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Any

import torch
from torch import Tensor, nn

from modules import shared
from playground import model as emoji

_SHARE_OF_NOISE = 0.02


class CheckpointInfo:
    """A model that can be loaded. `filename` is what the API shows; `_make` makes it."""

    def __init__(self, filename: str) -> None:
        self.filename = filename
        self.name = self.title = self.short_title = self.model_name = self.name_for_extra = filename
        self._make: Callable[[], emoji.TextToImage] = emoji.load

    def register(self) -> None:
        """Make it known by its name."""
        checkpoints_list[self.title] = self
        checkpoint_aliases[self.name] = self


class _SdModel(nn.Module):
    """A loaded checkpoint, shaped as the real host's: the UNet is `model.diffusion_model`."""

    is_sdxl = True
    """What it is most like: the same three widths of the decoder."""
    is_sd1 = is_sd2 = False
    sd_model_hash = None

    def __init__(self, info: CheckpointInfo) -> None:
        super().__init__()
        loaded = info._make()
        self.text = loaded.text
        self.model = nn.Module()
        self.model.diffusion_model = loaded.unet
        self.sd_checkpoint_info = info
        self.sd_model_checkpoint = info.filename

    def get_learned_conditioning(self, prompts: list[str]) -> Tensor:
        """Context for each prompt. Raises PromptError for a word that the model does not know."""
        context: Tensor = self.text(self.text.tokens(prompts))
        return context


class SdModelData:
    """The loaded model, `sd_model`; None until somebody asks for it."""

    def __init__(self) -> None:
        self.sd_model: Any = None
        self.loaded_sd_models: list[Any] = []
        self.lock = Lock()

    def get_sd_model(self) -> Any:
        """The loaded model; loads the chosen one where there is none."""
        with self.lock:
            if self.sd_model is None:
                load_model()
        return self.sd_model

    def set_sd_model(self, v: Any) -> None:
        """Make a model the loaded one, and keep it at hand."""
        self.sd_model = v
        if v not in self.loaded_sd_models:
            self.loaded_sd_models.append(v)


checkpoints_list: dict[str, CheckpointInfo] = {}
checkpoint_aliases: dict[str | None, CheckpointInfo] = {}
model_data = SdModelData()


def list_models() -> None:
    """Make the built-in checkpoints known: the trained model, and a worse one that differs from it."""
    for name, make in (("emoji32", emoji.load), ("emoji32-noised", _load_noised)):
        info = CheckpointInfo(name)
        info._make = make
        info.register()


def get_closet_checkpoint_match(search_string: str | None) -> CheckpointInfo | None:
    """The checkpoint of that name, or the shortest name that contains it."""
    if not search_string:
        return None
    if search_string in checkpoint_aliases:
        return checkpoint_aliases[search_string]
    found = [info for info in checkpoints_list.values() if search_string in info.title]
    return min(found, key=lambda info: len(info.title), default=None)


def select_checkpoint() -> CheckpointInfo:
    """The checkpoint that the option names, or else the first."""
    chosen = checkpoint_aliases.get(shared.opts.sd_model_checkpoint)
    return chosen or next(iter(checkpoints_list.values()))


def load_model(checkpoint_info: CheckpointInfo | None = None) -> Any:
    """Load a checkpoint, by default the chosen one, in place of the loaded one."""
    model_data.set_sd_model(_SdModel(checkpoint_info or select_checkpoint()))
    return model_data.sd_model


def reload_model_weights(sd_model: Any = None, info: CheckpointInfo | None = None) -> Any:
    """See that `info`, by default the chosen checkpoint, is the loaded one."""
    wanted = info or select_checkpoint()
    sd_model = sd_model or model_data.sd_model
    if sd_model is not None and sd_model.sd_checkpoint_info is wanted:
        return sd_model
    for loaded in model_data.loaded_sd_models:
        if loaded.sd_checkpoint_info is wanted:
            model_data.set_sd_model(loaded)
            return loaded
    return load_model(wanted)


def _load_noised() -> emoji.TextToImage:
    """The trained model with some noise mixed into its weights: it still draws, but not the same."""
    noised = emoji.load()
    generator = torch.Generator().manual_seed(0)
    for weight in noised.unet.parameters():
        noise = torch.randn(weight.shape, generator=generator) * weight.abs().mean()
        weight.lerp_(noise, _SHARE_OF_NOISE)
    return noised


list_models()
