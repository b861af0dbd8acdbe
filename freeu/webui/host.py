"""The host: AUTOMATIC1111, Forge or reForge. The only file that knows one from another.

They are told apart by what they have, never by a version.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from modules import extensions, images, processing, scripts, sd_models, sd_unet, shared
from torch import nn

from freeu.decoder import UnsupportedUNetError

EXTENSION = Path(__file__).parents[2]
"""Our own folder."""


def loaded_unet() -> nn.Module:
    """The UNet that computes pictures now; loads nothing.

    Raises UnsupportedUNetError, with the reason, where no model is loaded, or something else computes.
    """
    model = _loaded_model()
    engine = _engine()
    if engine:
        raise UnsupportedUNetError(f"pictures are computed by {engine}, not by the model's UNet")
    if getattr(model, "forge_objects", None):
        return _module(model.forge_objects.unet.model)
    if hasattr(model, "model"):
        return _module(model.model)
    raise UnsupportedUNetError("no model is loaded")


def model_family() -> str:
    """What kind of model is loaded: "SD 1", "SD 2" or "SDXL"; empty for none of them."""
    families = {"is_sdxl": "SDXL", "is_sd2": "SD 2", "is_sd1": "SD 1"}
    model = _loaded_model()
    return next((name for flag, name in families.items() if getattr(model, flag, False)), "")


def sampled_steps(p: Any) -> int:
    """How many steps the job's first pass samples: in img2img, as many as its denoising strength asks for."""
    if not hasattr(p, "init_images") or getattr(shared.opts, "img2img_fix_steps", False):
        return int(p.steps)
    return int(min(p.denoising_strength, 0.999) * p.steps) + 1


def was_stopped() -> bool:
    """Whether the user ended the job, or the batch, early."""
    return any(getattr(shared.state, name, False) for name in ("interrupted", "skipped", "stopping_generation"))


def runs_script(p: Any) -> bool:
    """Whether a script of the dropdown, such as the X/Y/Z plot, does the job: it uses the first picture of each."""
    return bool(p.script_args and p.script_args[0])


def draw_again(p: Any, *, save: bool, noted: Mapping[str, str], **changes: Any) -> Any:
    """Do the job `p`, which is done, once more, with the prompts and seeds that it had in the end.

    save: whether the host may save its pictures. noted: goes into their infotext. changes: attributes of the new job.
    """
    again = copy.copy(p)
    for name in ("prompt", "negative_prompt", "hr_prompt", "hr_negative_prompt"):
        if every := getattr(p, f"all_{name}s", None):
            setattr(again, name, list(every))
    again.styles = []  # they are in those prompts
    again.seed, again.subseed = list(p.all_seeds), list(p.all_subseeds)
    again.comments, again.override_settings = {}, dict(p.override_settings)
    again.extra_generation_params = {**p.extra_generation_params, **noted}
    again.do_not_save_samples = again.do_not_save_grid = not save
    for name, value in changes.items():
        setattr(again, name, value)
    shared.state.job_count += max(shared.state.job_count, 0)
    return processing.process_images(again)


def save(p: Any, image: Any, infotext: str, suffix: str) -> None:
    """Save a picture where those of the job are saved, under the name of the first."""
    kept: dict[str, Any] = {"info": infotext, "p": p, "suffix": suffix}
    extension = shared.opts.samples_format
    images.save_image(image, p.outpath_samples, "", p.all_seeds[0], p.all_prompts[0], extension, **kept)


def plotted_axes(p: Any) -> list[str]:
    """The labels of the axes that the X/Y/Z plot of job `p` has; none where something else plots."""
    plot = next((script for script in p.scripts.selectable_scripts if hasattr(script, "current_axis_options")), None)
    if plot is None:
        return []
    chosen = p.script_args[plot.args_from : plot.args_to][0:9:3]
    # The page sends the number of an axis; as initial values they are labels.
    return [axis if isinstance(axis, str) else plot.current_axis_options[axis or 0].label for axis in chosen]


def api_users() -> dict[str, str]:
    """Names and passwords of `--api-auth`; none where the API is open."""
    given = shared.cmd_opts.api_auth
    return dict(user.split(":") for user in given.split(",")) if given else {}


def xyz_plots() -> Iterator[Any]:
    """The loaded X/Y/Z plot scripts, which have `axis_options` and `AxisOption`."""
    for data in scripts.scripts_data:
        if Path(data.path).name == "xyz_grid.py" and hasattr(data.module, "axis_options"):
            yield data.module


def other_freeu(infotext: dict[str, Any]) -> str:
    """Which other FreeU acted on a job, by what it wrote into its infotext; empty for none."""
    others = {"freeu_enabled": "the one built into this WebUI", "FreeU Stages": "ljleb's extension"}
    return next((name for key, name in others.items() if key in infotext), "")


def other_presets() -> Iterator[tuple[str, Path]]:
    """Files in which another FreeU here keeps its users' presets: its name and the file, on or off."""
    for extension in extensions.extensions:
        folder = Path(extension.path)
        files = {"ljleb": folder / "presets.json"} if (folder / "lib_free_u").is_dir() else {}
        files["Forge"] = folder / "freeu_presets.py"
        yield from ((tool, file) for tool, file in files.items() if file.is_file())


def add_option(key: str, default: Any, label: str, **more: Any) -> None:
    """Give the WebUI's settings page an option, in a section of ours."""
    shared.opts.add_option(key, shared.OptionInfo(default, label, section=("freeu", "FreeU"), **more))


def option(key: str, default: Any) -> Any:
    """The value of such an option; `default` where the host has no settings page."""
    return getattr(shared.opts, key, default)


def _loaded_model() -> Any:
    # shared.sd_model would load one.
    return sd_models.model_data.sd_model


def _engine() -> str:
    """What replaces the UNet (TensorRT and the like in AUTOMATIC1111), or nothing."""
    return type(sd_unet.current_unet).__name__ if sd_unet.current_unet is not None else ""


def _module(wrapper: Any) -> nn.Module:
    unet: nn.Module = wrapper.diffusion_model
    return unet
