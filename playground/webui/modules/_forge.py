"""What Forge and Forge Neo do in another way than AUTOMATIC1111. `use` switches between the two."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from torch import Tensor, nn

from modules import sd_models, shared
from playground import model as emoji_model

_DIT = "emoji32-dit"
_LATENT_UPSCALE_MODES = dict(shared.latent_upscale_modes)


def use(forge: bool) -> None:
    """Behave like Forge Neo from now on, or like AUTOMATIC1111 again. The X/Y/Z plot changes when the page reloads."""
    shared.cmd_opts.forge = forge
    sd_models.model_data = ForgeModelData() if forge else sd_models.SdModelData()
    shared.latent_upscale_modes.clear()
    if forge:
        sd_models.loaders[_DIT] = _load_dit
        sd_models.CheckpointInfo(_DIT).register()
    else:
        shared.latent_upscale_modes.update(_LATENT_UPSCALE_MODES)
        for known in (sd_models.loaders, sd_models.checkpoints_list, sd_models.checkpoint_aliases):
            known.pop(_DIT, None)


class ForgeModelData(sd_models.SdModelData):
    """The model is loaded with the next image, if `forge_hash` is not the text of `forge_loading_parameters`."""

    def __init__(self) -> None:
        super().__init__()
        self.sd_model = FakeInitialModel()
        self.forge_hash = ""

    @property
    def forge_loading_parameters(self) -> dict[str, Any]:
        """What the next image is generated with."""
        return {"checkpoint_info": sd_models.select_checkpoint()}

    def get_sd_model(self) -> Any:
        """Return the loaded model. Nothing is loaded here."""
        return self.sd_model

    def set_sd_model(self, v: Any) -> None:
        """Make `v` the loaded model, and forget the last one."""
        if self.loaded_sd_models != [v]:
            self.loaded_sd_models = [v]
            self.sd_model = _Engine(v)
        self.forge_hash = str({"checkpoint_info": v.sd_checkpoint_info})


class FakeInitialModel:
    """The loaded model before the first image."""


class _Owner(nn.Module):
    """The owner of the UNet. Extensions replace `apply_model`."""

    def __init__(self, unet: nn.Module) -> None:
        super().__init__()
        self.diffusion_model = unet

    def apply_model(self, x: Tensor, t: Tensor, context: Tensor) -> Any:
        """Call the UNet."""
        return self.diffusion_model(x, t, context=context)


class _Engine:
    """A loaded checkpoint. Its UNet is `forge_objects.unet.model.diffusion_model`."""

    is_sd1 = is_sd2 = False

    def __init__(self, loaded: Any) -> None:
        self.is_sdxl = loaded.is_sdxl
        self.sd_checkpoint_info = loaded.sd_checkpoint_info
        self.get_learned_conditioning = loaded.get_learned_conditioning
        self.forge_objects = SimpleNamespace(unet=SimpleNamespace(model=_Owner(loaded.model.diffusion_model)))

    def apply_model(self, x: Tensor, t: Tensor, cond: Tensor) -> Any:
        """Call the UNet."""
        return self.forge_objects.unet.model.apply_model(x, t, cond)


class NextDiT(nn.Module):
    """A model without the attributes of a UNet, as most of Neo's are. It computes what the playground's UNet does."""

    def __init__(self, unet: nn.Module) -> None:
        super().__init__()
        self.layers = unet

    def forward(self, x: Tensor, timesteps: Tensor, context: Tensor) -> Any:
        """Return v."""
        return self.layers(x, timesteps, context=context)


def compile_unet(compiler: Callable[[nn.Module], Any]) -> None:
    """Compile the loaded UNet anew in each call, and put it back after the call, as Neo's torch.compile does."""
    owner = shared.sd_model.forge_objects.unet.model
    apply_model = owner.apply_model

    def apply_compiled(*args: Any) -> Any:
        unet = owner.diffusion_model
        owner._modules["diffusion_model"] = compiler(unet)
        try:
            return apply_model(*args)
        finally:
            owner._modules["diffusion_model"] = unet

    owner.apply_model = apply_compiled


def _load_dit() -> emoji_model.TextToImage:
    loaded = emoji_model.load()
    loaded.unet = NextDiT(loaded.unet)
    return loaded
