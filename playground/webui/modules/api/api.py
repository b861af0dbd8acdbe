"""The host's HTTP API. A client's job waits for its turn like a page's."""

from __future__ import annotations

import base64
import io
import time
from contextlib import AbstractContextManager, closing
from secrets import compare_digest
from typing import Any

import gradio as gr
from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import HTTPBasic, HTTPBasicCredentials
from PIL import Image, PngImagePlugin

from modules import images, infotext_utils, script_callbacks, scripts, sd_samplers, shared, ui
from modules.api import models
from modules.processing import (
    StableDiffusionProcessingImg2Img,
    StableDiffusionProcessingTxt2Img,
    process_images,
)


def decode_base64_to_image(encoding: str) -> Image.Image:
    """A picture from base64, with or without a data URL around it. Raises HTTPException."""
    try:
        return Image.open(io.BytesIO(base64.b64decode(encoding.rpartition(",")[2])))
    except (ValueError, OSError) as error:
        raise HTTPException(500, "there is no picture in this base64") from error


def encode_pil_to_base64(image: Image.Image) -> str:
    """A PNG with the picture's texts, in base64."""
    texts = PngImagePlugin.PngInfo()
    for key, value in image.info.items():
        if isinstance(value, str):
            texts.add_text(key, value)
    file = io.BytesIO()
    image.save(file, "PNG", pnginfo=texts)
    return base64.b64encode(file.getvalue()).decode()


def script_name_to_index(name: str, scripts: list[scripts.Script]) -> int:
    """Where the script of that title is, in whatever case. Raises HTTPException."""
    titles = [script.title().lower() for script in scripts]
    if name.lower() not in titles:
        raise HTTPException(422, f"there is no script {name!r}; there are {', '.join(titles)}")
    return titles.index(name.lower())


class Api:
    """All routes, on an app made with the options of `modules._app`, and behind the command line's password, if any."""

    def __init__(self, app: FastAPI, queue_lock: AbstractContextManager[Any]) -> None:
        self.app = app
        self.queue_lock = queue_lock
        given = shared.cmd_opts.api_auth
        self.credentials = dict(pair.split(":", 1) for pair in given.split(",")) if given else {}
        self._add_routes()
        self._see_that_there_are_scripts()
        self.default_script_arg_txt2img = self.init_default_script_args(scripts.scripts_txt2img)
        self.default_script_arg_img2img = self.init_default_script_args(scripts.scripts_img2img)

    def _add_routes(self) -> None:
        routes: list[tuple[str, str, Any]] = [
            ("POST", "txt2img", self.text2imgapi),
            ("POST", "img2img", self.img2imgapi),
            ("POST", "png-info", self.pnginfoapi),
            ("POST", "interrupt", self.interruptapi),
            ("POST", "skip", self.skip),
            ("GET", "progress", self.progressapi),
            ("GET", "samplers", self.get_samplers),
            ("GET", "scripts", self.get_scripts_list),
            ("GET", "script-info", self.get_script_info),
        ]
        for method, name, endpoint in routes:
            self.add_api_route(f"/sdapi/v1/{name}", endpoint, methods=[method])

    def _see_that_there_are_scripts(self) -> None:
        """Without a page, one is made and thrown away, so that scripts have their controls."""
        if not scripts.scripts_txt2img.scripts or not scripts.scripts_img2img.scripts:
            ui.create_ui()

    def add_api_route(self, path: str, endpoint: Any, **kwargs: Any) -> None:
        """One route."""
        if self.credentials:
            kwargs["dependencies"] = [Depends(self.auth)]
        self.app.add_api_route(path, endpoint, response_model=None, **kwargs)

    def auth(self, credentials: HTTPBasicCredentials = Depends(HTTPBasic())) -> bool:  # noqa: B008
        """Let in who gives a known name and password."""
        password = self.credentials.get(credentials.username)
        if password is not None and compare_digest(password.encode(), credentials.password.encode()):
            return True
        raise HTTPException(401, "another name or password is asked for", {"WWW-Authenticate": "Basic"})

    def text2imgapi(self, txt2imgreq: models.StableDiffusionTxt2ImgProcessingAPI) -> models.TextToImageResponse:
        """Pictures from prompts."""
        make = StableDiffusionProcessingTxt2Img
        return self._do_job("txt2img", txt2imgreq, make, self.default_script_arg_txt2img, {})

    def img2imgapi(self, img2imgreq: models.StableDiffusionImg2ImgProcessingAPI) -> models.TextToImageResponse:
        """Pictures from pictures."""
        if img2imgreq.init_images is None:
            raise HTTPException(404, "init_images: there is none")
        given: dict[str, Any] = {"init_images": [decode_base64_to_image(image) for image in img2imgreq.init_images]}
        if img2imgreq.mask:
            given["mask"] = decode_base64_to_image(img2imgreq.mask)
        if not img2imgreq.include_init_images:
            img2imgreq.init_images = img2imgreq.mask = None
        make = StableDiffusionProcessingImg2Img
        return self._do_job("img2img", img2imgreq, make, self.default_script_arg_img2img, given)

    def _do_job(
        self, tabname: str, request: Any, make: Any, default_args: list[Any], given: dict[str, Any]
    ) -> models.TextToImageResponse:
        runner = scripts.scripts_img2img if tabname == "img2img" else scripts.scripts_txt2img
        mentioned: dict[int, Any] = {}
        self.apply_infotext(request, tabname, script_runner=runner, mentioned_script_args=mentioned)
        script, index = self.get_selectable_script(request.script_name, runner)
        args = self.init_script_args(request, default_args, script, index, runner, input_script_args=mentioned)
        known = {name for name, field in make.__dataclass_fields__.items() if field.init}
        fields = {name: value for name, value in vars(request).items() if name in known and value is not None}
        fields["sampler_name"] = _sampler_name(request.sampler_name or request.sampler_index)
        with self.queue_lock, closing(make(**{**fields, **given})) as p:
            p.scripts = runner
            p.script_args = tuple(args)
            try:
                shared.state.begin(job=f"scripts_{tabname}")
                processed = runner.run(p, *args) if script else process_images(p)
            finally:
                shared.state.end()
        pictures = [encode_pil_to_base64(image) for image in processed.images] if request.send_images else []
        return models.TextToImageResponse(images=pictures, parameters=vars(request), info=processed.js())

    def get_selectable_script(self, script_name: str | None, script_runner: Any) -> tuple[Any, int | None]:
        """The script of the dropdown that a request names, and its place there."""
        if not script_name:
            return None, None
        index = script_name_to_index(script_name, script_runner.selectable_scripts)
        return script_runner.selectable_scripts[index], index

    def init_default_script_args(self, script_runner: Any) -> list[Any]:
        """The initial values of all scripts' controls, read from controls made for this."""
        script_args: list[Any] = [None] * max([1, *(script.args_to for script in script_runner.scripts)])
        script_args[0] = 0
        with gr.Blocks():
            for script in script_runner.scripts:
                controls = script.ui(script.is_img2img)
                if controls:
                    script_args[script.args_from : script.args_to] = [control.value for control in controls]
        return script_args

    def init_script_args(
        self,
        request: Any,
        default_script_args: list[Any],
        selectable_scripts: Any,
        selectable_idx: int | None,
        script_runner: Any,
        *,
        input_script_args: dict[int, Any] | None = None,
    ) -> list[Any]:
        """All scripts' arguments: a request's own over those of its infotext over the initial values."""
        script_args = list(default_script_args)
        for index, value in (input_script_args or {}).items():
            script_args[index] = value
        if selectable_scripts is not None and selectable_idx is not None:
            script_args[selectable_scripts.args_from : selectable_scripts.args_to] = request.script_args
            script_args[0] = selectable_idx + 1
        for name, given in (request.alwayson_scripts or {}).items():
            script = script_runner.scripts[script_name_to_index(name, script_runner.scripts)]
            if not script.alwayson:
                raise HTTPException(422, f"{name!r} is not always on: it goes into script_name")
            args = given.get("args", [])
            for i in range(min(script.args_to - script.args_from, len(args))):
                script_args[script.args_from + i] = args[i]
        return script_args

    def apply_infotext(
        self,
        request: Any,
        tabname: str,
        *,
        script_runner: Any = None,
        mentioned_script_args: dict[int, Any] | None = None,
    ) -> None:
        """Fill in what a request leaves out from its infotext, and the scripts' arguments too."""
        if not request.infotext:
            return
        fields = infotext_utils.paste_fields[tabname]["fields"]
        params = infotext_utils.parse_generation_parameters(request.infotext)
        given = request.model_fields_set if hasattr(request, "model_fields_set") else request.__fields_set__
        for field in fields:
            value = _field_value(field, params) if field.api and field.api not in given else None
            if value is not None:
                setattr(request, field.api, value)
        if script_runner is not None and mentioned_script_args is not None:
            places = {component: i for i, component in enumerate(script_runner.inputs)}
            for field in fields:
                value = _field_value(field, params) if field.component in places else None
                if value is not None:
                    mentioned_script_args[places[field.component]] = value

    def pnginfoapi(self, req: models.PNGInfoRequest) -> models.PNGInfoResponse:
        """What a picture says of how it was made."""
        info, items = images.read_info_from_image(decode_base64_to_image(req.image.strip()))
        params = infotext_utils.parse_generation_parameters(info or "")
        script_callbacks.infotext_pasted_callback(info or "", params)
        return models.PNGInfoResponse(info=info or "", items=items, parameters=params)

    def progressapi(self) -> models.ProgressResponse:
        """How far the running job is."""
        state = shared.state
        if state.job_count == 0:
            return models.ProgressResponse(progress=0, eta_relative=0, state=state.dict())
        progress = 0.01
        if state.job_count > 0:
            progress += (state.job_no + state.sampling_step / max(1, state.sampling_steps)) / state.job_count
        since_start = time.time() - state.time_start
        eta = since_start / progress - since_start
        return models.ProgressResponse(progress=min(progress, 1), eta_relative=eta, state=state.dict())

    def interruptapi(self) -> dict[str, Any]:
        """End the running job early."""
        shared.state.interrupt()
        return {}

    def skip(self) -> None:
        """End the running batch early."""
        shared.state.skip()

    def get_samplers(self) -> list[dict[str, Any]]:
        """All samplers."""
        return [
            {"name": name, "aliases": aliases, "options": options}
            for name, _, aliases, options in sd_samplers.all_samplers
        ]

    def get_scripts_list(self) -> models.ScriptsList:
        """The scripts of both tabs."""
        runners = {"txt2img": scripts.scripts_txt2img, "img2img": scripts.scripts_img2img}
        return models.ScriptsList(**{tab: [s.name for s in r.scripts if s.name] for tab, r in runners.items()})

    def get_script_info(self) -> list[models.ScriptInfo]:
        """The controls of each script, once a tab."""
        both = [*scripts.scripts_txt2img.scripts, *scripts.scripts_img2img.scripts]
        return [script.api_info for script in both if script.api_info is not None]


def _sampler_name(name: str | None) -> str:
    config = sd_samplers.find_sampler_config(name)
    if config is None:
        raise HTTPException(400, f"sampler_name: {name!r} is unknown")
    return config.name


def _field_value(field: infotext_utils.PasteField, params: dict[str, Any]) -> Any:
    """What a paste field takes from an infotext, of its control's type."""
    value = field.function(params) if field.function else params.get(field.label or "")
    if isinstance(value, dict) and str(value.get("__type__", "")).endswith("update"):
        value = value.get("value")
    kind = type(field.component.value)
    if value is None or kind is type(None) or isinstance(value, kind):
        return value if kind is not type(None) else None
    return kind(value)
