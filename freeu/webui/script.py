"""The Script that the WebUI runs: life cycle only."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import partial
from typing import Any, NoReturn

from modules import script_callbacks, scripts

from freeu.infotext import key, to_infotext
from freeu.params import TABLE
from freeu.values import SettingsError
from freeu.webui import api, arguments, host, look, options, presets, run, wishes, xyz
from freeu.webui.controls import Controls

log = logging.getLogger(__name__)


_NO_STEP = "these settings act at no step of this job"
_COMPILED = "this UNet runs no hooks, as one does that torch.compile compiled before FreeU came on"


class FreeU(scripts.Script):
    """FreeU on one tab. Holds nothing of a job: that lives on the job's `p`."""

    def __init__(self) -> None:
        self._steps: Any = None
        self._without_steps: Controls | None = None
        self.shown: Controls | None = None

    def title(self) -> str:
        """The accordion's label; in lower case, the script's name in the API."""
        return "FreeU"

    def show(self, is_img2img: bool) -> object:
        """On both tabs, always."""
        return scripts.AlwaysVisible

    def ui(self, is_img2img: bool) -> list[Any]:
        """Make the controls. The host may do this several times, and once more to see their initial values."""
        controls = Controls(self.title(), self.elem_id, is_img2img)
        self.infotext_fields = controls.paste_fields()
        self.paste_field_names = [target for _, target in self.infotext_fields[:-2]]
        self.shown = controls
        if is_img2img:
            self._share_presets()
        # The host's step slider is of this page or, when only initial values are asked for, nowhere.
        steps, self._steps = self._steps, None
        if steps is None:
            self._without_steps = controls
        else:
            controls.follow_steps(steps)
        return [*controls.values, *controls.wishes]

    def _share_presets(self) -> None:
        """Let both tabs show the same presets. This is the second of them, so both are there now."""
        first = [script for script in scripts.scripts_txt2img.alwayson_scripts if isinstance(script, FreeU)]
        tabs = [script.shown for script in (*first, self) if script.shown]
        for tab in tabs:
            tab.share_presets(*tabs)

    def after_component(self, component: Any, **kwargs: Any) -> None:
        """Find the host's step slider, which may come before or after our controls."""
        if kwargs.get("elem_id") != f"{'img2img' if self.is_img2img else 'txt2img'}_steps":
            return
        if self._without_steps is None:
            self._steps = component
        else:
            self._without_steps.follow_steps(component)

    def process(self, p: Any, *args: Any) -> None:
        """Read what the job asks for, and write it into its infotext. A job that asks in vain is refused."""
        run.end(p)
        _allow(p)
        for name in TABLE:
            # The cells of an X/Y/Z plot share this dict.
            p.extra_generation_params.pop(key(name), None)
        try:
            overrides = getattr(p, "freeu_overrides", None)
            settings = arguments.read(args, presets.available(), host.sampled_steps(p), overrides)
            # A script's jobs, such as a plot's cells, show nothing unless the script itself asks for it.
            wished = wishes.of([False] if host.runs_script(p) else args, overrides)
        except SettingsError as error:
            _refuse(p, error)
        except Exception as error:
            _refuse(p, error)
            raise
        else:
            if settings.enabled:
                run.start(p, settings, wished)
                p.extra_generation_params.update(to_infotext(settings))

    def postprocess_batch(self, p: Any, *args: Any, **kwargs: Any) -> None:
        """Say beside the pictures what the user should know of them."""
        job = run.run_of(p)
        if job is None:
            return
        if job.obstacle:
            p.comment(f"FreeU changed {'only a part' if job.calls else 'nothing'}: {job.obstacle}.")
        elif job.calls == 0 and not host.was_stopped():
            p.comment(f"FreeU changed nothing: {_COMPILED if job.asked else _NO_STEP}.")
        if other := host.other_freeu(p.extra_generation_params):
            p.comment(f"FreeU acted twice: {other} is on as well.")

    def postprocess(self, p: Any, processed: Any, *args: Any) -> None:
        """Leave the UNet as it was, and show what the job wishes to see."""
        job = run.run_of(p)
        run.end(p)
        if job and any(job.wishes):
            look.show(p, processed, job)


def register() -> None:
    """Tell the host when to call us. The host forgets it when the UI reloads, and loads the scripts anew."""
    turns = run.Turns(host.loaded_unet)
    script_callbacks.on_cfg_denoiser(turns.before_call)
    script_callbacks.on_script_unloaded(turns.close)
    script_callbacks.on_app_started(api.add_routes)
    script_callbacks.on_app_started(keep_numbers)
    script_callbacks.on_ui_settings(options.add)
    script_callbacks.on_ui_settings(look.add_option)
    # Without a page the host makes the X/Y/Z plot's controls before it calls before_ui; with one, scripts
    # may be loaded in another order.
    xyz.add_axes(check_cell)
    script_callbacks.on_before_ui(partial(xyz.add_axes, check_cell))


def keep_numbers(demo: object, app: object) -> None:
    """Make initial values of sliders floats: the host reads a picture's numbers as what they are.

    A whole number that a user gave as default in ui-config.json would cut 1.3 down to 1 there.
    """
    for runner in (scripts.scripts_txt2img, scripts.scripts_img2img):
        for param, control in zip(TABLE.values(), _ours(runner).controls, strict=False):
            if param.kind == "number":
                control.value = float(control.value)


def check_cell(p: Any, values: Mapping[str, Any]) -> None:
    """Raises SettingsError where a cell of an X/Y/Z plot of job `p` would be refused."""
    script = _ours(p.scripts)
    args = p.script_args[script.args_from : script.args_to]
    arguments.read(args, presets.possible(), host.sampled_steps(p), values)


def _ours(runner: Any) -> FreeU:
    return next(script for script in runner.alwayson_scripts if isinstance(script, FreeU))


class _Refusal:
    """What stands in for a job's `sample`: sampling is the first thing whose error the host does not swallow."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def __call__(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise self.error.with_traceback(None)


def _refuse(p: Any, error: Exception) -> None:
    log.error("FreeU refuses this job: %s", error)
    p.comment(f"FreeU: {error}")  # an X/Y/Z plot swallows what its cells raise
    p.sample = _Refusal(error)


def _allow(p: Any) -> None:
    """Take back a refusal, since a `p` may be processed again."""
    if isinstance(vars(p).get("sample"), _Refusal):
        del p.sample
