"""The script that the WebUI runs: life cycle only."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import partial
from typing import Any

from modules import script_callbacks, scripts

from freeu import arguments
from freeu.settings.infotext import infotext_key, to_infotext
from freeu.settings.parameter import SettingsError, format_value
from freeu.settings.settings import TABLE
from freeu.user_presets import UserPresets
from freeu.webui import api, host, options, xyz
from freeu.webui.controls import Controls
from freeu.webui.diagnostics import add_extra_outputs
from freeu.webui.job import HookManager, close_job, job_of, open_job
from freeu.webui.preset_catalog import PresetCatalog
from freeu.webui.refusal import refuse, refuse_grid, withdraw

log = logging.getLogger(__name__)

_NO_ACTIVE_STEP = "these settings are active at no step of this job"
_COMPILED = "this UNet runs no hooks, because torch.compile compiled it before FreeU was turned on"


class FreeU(scripts.Script):
    """FreeU on one tab. It keeps no state of a job; that is on the job's `p`. All tabs share presets and hooks."""

    catalog = PresetCatalog(UserPresets(host.EXTENSION / "presets.json"))
    hooks = HookManager(host.loaded_unet)

    def __init__(self) -> None:
        self.controls_shown: Controls | None = None
        self._steps_slider: Any = None
        self._waiting_for_steps: Controls | None = None

    def title(self) -> str:
        """Return the accordion's label; in lower case, it is the script's name in the API."""
        return "FreeU"

    def show(self, is_img2img: bool) -> object:
        """Show the script on both tabs, always."""
        return scripts.AlwaysVisible

    def ui(self, is_img2img: bool) -> list[Any]:
        """Create the controls. The host calls this again to read the initial values for the API, which are None."""
        controls = Controls(self.catalog, self.title(), self.elem_id, is_img2img)
        if self.controls_shown is not None:
            for control in controls.arguments:
                control.value = None
            return controls.arguments
        self.infotext_fields = controls.paste_fields()
        self.paste_field_names = [target for _, target in self.infotext_fields[:-2]]
        self.controls_shown = controls
        if is_img2img:
            self._share_presets()
        slider, self._steps_slider = self._steps_slider, None
        if slider is None:
            self._waiting_for_steps = controls
        else:
            controls.follow_steps(slider)
        return controls.arguments

    def after_component(self, component: Any, **kwargs: Any) -> None:
        """Find the host's step slider, which is created before or after our controls."""
        if kwargs.get("elem_id") != f"{'img2img' if self.is_img2img else 'txt2img'}_steps":
            return
        if self._waiting_for_steps is None:
            self._steps_slider = component
        else:
            self._waiting_for_steps.follow_steps(component)

    def setup(self, p: Any, *args: Any) -> None:
        """Refuse an X/Y/Z plot if its job's own settings are invalid. No other method is called before the cells."""
        if not host.runs_script(p):
            return
        self.catalog.reload_if_changed()
        try:
            check_cell(p, {})
        except SettingsError as error:
            refuse_grid(p, error)

    def before_process(self, p: Any, *args: Any) -> None:
        """Remove the hooks that a failed job left. A script may call the UNet without the host's denoiser."""
        self.hooks.close()

    def process_batch(self, p: Any, *args: Any, **kwargs: Any) -> None:
        """Remove the hooks that a job inside this one left when it failed."""
        self.hooks.close()

    def process(self, p: Any, *args: Any) -> None:
        """Parse the job's settings and write them to its infotext. Refuse the job if they are invalid."""
        close_job(p)
        withdraw(p)
        for name in TABLE:
            # The cells of an X/Y/Z plot share this dict.
            p.extra_generation_params.pop(infotext_key(name), None)
        try:
            request = self._parse(p, args)
        except SettingsError as error:
            refuse(p, error)
        except Exception as error:
            refuse(p, error)
            raise
        else:
            if request.settings.enabled:
                open_job(p, request)
                p.extra_generation_params.update(to_infotext(request.settings))

    def postprocess_batch(self, p: Any, *args: Any, **kwargs: Any) -> None:
        """Remove the hooks. Comment on the images if FreeU changed nothing, or acted twice."""
        self.hooks.close()
        job = job_of(p)
        if job is None:
            return
        if job.problem:
            p.comment(f"FreeU changed {'only a part' if job.calls else 'nothing'}: {job.problem}.")
        elif job.calls == 0 and not host.was_stopped():
            p.comment(f"FreeU changed nothing: {_COMPILED if job.was_active else _NO_ACTIVE_STEP}.")
        if other := host.other_freeu(p.extra_generation_params):
            p.comment(f"FreeU acted twice: {other} is enabled too.")

    def postprocess(self, p: Any, processed: Any, *args: Any) -> None:
        """Remove the hooks, and add the job's extra outputs."""
        job = job_of(p)
        close_job(p)
        if job and any(job.outputs):
            add_extra_outputs(p, processed, job)

    def _parse(self, p: Any, args: tuple[Any, ...]) -> arguments.Request:
        """Return what a job asks for. Raises SettingsError."""
        self.catalog.reload_if_changed()
        overrides = getattr(p, "freeu_overrides", {})
        if host.runs_script(p):
            # The jobs of another script, such as a grid's cells, have extra outputs only if the script says so.
            overrides = {**arguments.ExtraOutputs()._asdict(), **overrides}
        return arguments.parse(args, self.catalog.available(), host.sampled_steps(p), overrides)

    def _share_presets(self) -> None:
        """Connect the presets of both tabs. img2img is created last, so both tabs exist now."""
        others = [script for script in scripts.scripts_txt2img.alwayson_scripts if isinstance(script, FreeU)]
        tabs = [script.controls_shown for script in (*others, self) if script.controls_shown]
        for tab in tabs:
            tab.share_presets(*tabs)


def register() -> None:
    """Register the host's callbacks. The host forgets them when its UI reloads, and loads the scripts again."""
    script_callbacks.on_cfg_denoiser(FreeU.hooks.on_cfg_denoiser)
    script_callbacks.on_script_unloaded(FreeU.hooks.close)
    script_callbacks.on_app_started(partial(api.add_routes, FreeU.catalog))
    script_callbacks.on_app_started(keep_initial_values_float)
    script_callbacks.on_ui_settings(partial(options.add_options, FreeU.catalog))
    # Without a page, the host creates the X/Y/Z plot's controls before it calls before_ui. With a page, scripts may
    # be loaded in another order.
    add_axes = partial(xyz.add_axes, FreeU.catalog, check_cell)
    add_axes()
    script_callbacks.on_before_ui(add_axes)


def keep_initial_values_float(demo: object, app: object) -> None:
    """Make the sliders' initial values floats.

    The host converts a pasted number to the type of the initial value. A whole number from a user's ui-config.json
    would turn 1.3 into 1.
    """
    for runner in (scripts.scripts_txt2img, scripts.scripts_img2img):
        for argument, control in zip(arguments.ARGUMENTS.values(), _our_script(runner).controls, strict=True):
            if argument.kind == "number":
                try:
                    control.value = float(control.value)
                except (TypeError, ValueError):
                    shown = format_value(control.value)
                    log.error("ui-config.json: the initial value of %s must be a number, got %s", argument.label, shown)


def check_cell(p: Any, values: Mapping[str, Any]) -> None:
    """Raise SettingsError if a cell with these values, in an X/Y/Z plot of `p`, would be refused."""
    script = _our_script(p.scripts)
    args = p.script_args[script.args_from : script.args_to]
    arguments.parse(args, FreeU.catalog.possible(), host.sampled_steps(p), values)


def _our_script(runner: Any) -> FreeU:
    return next(script for script in runner.alwayson_scripts if isinstance(script, FreeU))
