"""The routes of the API."""

from __future__ import annotations

import base64
import io
from contextlib import AbstractContextManager, closing
from secrets import compare_digest
from typing import Any

import gradio as gr
from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import HTTPBasic, HTTPBasicCredentials
from PIL import Image, PngImagePlugin

from modules import images, infotext_utils, scripts, sd_samplers, shared, ui
from modules.api import models
from modules.processing import (
    StableDiffusionProcessingImg2Img,
    StableDiffusionProcessingTxt2Img,
    process_images,
)


def decode_base64_to_image(encoding: str) -> Image.Image:
    """Decode an image from base64 or a data URL."""
    return Image.open(io.BytesIO(base64.b64decode(encoding.rpartition(",")[2])))


def encode_pil_to_base64(image: Image.Image) -> str:
    """Encode an image with its text metadata as PNG in base64."""
    metadata = PngImagePlugin.PngInfo()
    for key, value in image.info.items():
        if isinstance(value, str):
            metadata.add_text(key, value)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", pnginfo=metadata)
    return base64.b64encode(buffer.getvalue()).decode()


def script_name_to_index(name: str, scripts: list[scripts.Script]) -> int:
    """Return the index of a script by its title in any case. Raises HTTPException for an unknown one."""
    titles = [script.title().lower() for script in scripts]
    if name.lower() not in titles:
        raise HTTPException(422, f"script must be one of {', '.join(titles)}, got {name!r}")
    return titles.index(name.lower())


class Api:
    """All routes, on an application created with `modules._app.app_options`. `--api-auth` protects them."""

    def __init__(self, app: FastAPI, queue_lock: AbstractContextManager[Any]) -> None:
        self.app = app
        self.queue_lock = queue_lock
        users = shared.cmd_opts.api_auth
        self.credentials = dict(pair.split(":", 1) for pair in users.split(",")) if users else {}
        self._add_routes()
        if not scripts.scripts_txt2img.scripts:
            ui.create_ui()  # without a page, one is built so that scripts have controls
        self.default_script_arg_txt2img = self.init_default_script_args(scripts.scripts_txt2img)
        self.default_script_arg_img2img = self.init_default_script_args(scripts.scripts_img2img)

    def _add_routes(self) -> None:
        routes: list[tuple[str, str, Any]] = [
            ("POST", "txt2img", self.text2imgapi),
            ("POST", "img2img", self.img2imgapi),
            ("POST", "png-info", self.pnginfoapi),
            ("GET", "progress", self.progressapi),
            ("GET", "samplers", self.get_samplers),
            ("GET", "upscalers", self.get_upscalers),
            ("GET", "latent-upscale-modes", self.get_latent_upscale_modes),
            ("GET", "scripts", self.get_scripts_list),
            ("GET", "script-info", self.get_script_info),
        ]
        for method, name, endpoint in routes:
            self.add_api_route(f"/sdapi/v1/{name}", endpoint, methods=[method])

    def add_api_route(self, path: str, endpoint: Any, **kwargs: Any) -> None:
        """Add a route."""
        if self.credentials:
            kwargs["dependencies"] = [Depends(self.auth)]
        self.app.add_api_route(path, endpoint, response_model=None, **kwargs)

    def auth(self, credentials: HTTPBasicCredentials = Depends(HTTPBasic())) -> bool:  # noqa: B008
        """Check name and password. Raises HTTPException if they are wrong."""
        password = self.credentials.get(credentials.username)
        if password is not None and compare_digest(password.encode(), credentials.password.encode()):
            return True
        raise HTTPException(401, "name or password is wrong", {"WWW-Authenticate": "Basic"})

    def text2imgapi(self, txt2imgreq: models.StableDiffusionTxt2ImgProcessingAPI) -> models.TextToImageResponse:
        """Generate images from a prompt."""
        make = StableDiffusionProcessingTxt2Img
        return self._run_job("txt2img", txt2imgreq, make, self.default_script_arg_txt2img, {})

    def img2imgapi(self, img2imgreq: models.StableDiffusionImg2ImgProcessingAPI) -> models.TextToImageResponse:
        """Generate images from images."""
        if img2imgreq.init_images is None:
            raise HTTPException(404, "init_images must be a list of images, got none")
        decoded: dict[str, Any] = {"init_images": [decode_base64_to_image(image) for image in img2imgreq.init_images]}
        if img2imgreq.mask:
            decoded["mask"] = decode_base64_to_image(img2imgreq.mask)
        img2imgreq.init_images = img2imgreq.mask = None
        make = StableDiffusionProcessingImg2Img
        return self._run_job("img2img", img2imgreq, make, self.default_script_arg_img2img, decoded)

    def _run_job(
        self, tabname: str, request: Any, make: Any, default_args: list[Any], decoded: dict[str, Any]
    ) -> models.TextToImageResponse:
        runner = scripts.scripts_img2img if tabname == "img2img" else scripts.scripts_txt2img
        infotext_args: dict[int, Any] = {}
        self.apply_infotext(request, tabname, script_runner=runner, mentioned_script_args=infotext_args)
        script, index = self.get_selectable_script(request.script_name, runner)
        args = self.init_script_args(request, default_args, script, index, runner, input_script_args=infotext_args)
        known = {name for name, field in make.__dataclass_fields__.items() if field.init}
        fields = {name: value for name, value in vars(request).items() if name in known and value is not None}
        fields["sampler_name"] = request.sampler_name or request.sampler_index
        with self.queue_lock, closing(make(**{**fields, **decoded})) as p:
            p.scripts = runner
            p.script_args = tuple(args)
            p.setup_scripts()
            try:
                shared.state.begin(job=f"scripts_{tabname}")
                processed = runner.run(p, *args) if script else process_images(p)
            finally:
                shared.state.end()
        encoded = [encode_pil_to_base64(image) for image in processed.images] if request.send_images else []
        return models.TextToImageResponse(images=encoded, parameters=vars(request), info=processed.js())

    def get_selectable_script(self, script_name: str | None, script_runner: Any) -> tuple[Any, int | None]:
        """Return a script of the dropdown and its index."""
        if not script_name:
            return None, None
        index = script_name_to_index(script_name, script_runner.selectable_scripts)
        return script_runner.selectable_scripts[index], index

    def init_default_script_args(self, script_runner: Any) -> list[Any]:
        """Return the initial values of all scripts' controls, which are created once more for this purpose."""
        script_args: list[Any] = [None] * max([1, *(script.args_to for script in script_runner.scripts)])
        script_args[0] = 0
        with gr.Blocks():
            for script in script_runner.scripts:
                script_args[script.args_from : script.args_to] = [c.value for c in script.ui(script.is_img2img)]
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
        """Return all scripts' arguments: those of the request, else those of its infotext, else initial values."""
        script_args = list(default_script_args)
        for index, value in (input_script_args or {}).items():
            script_args[index] = value
        if selectable_scripts is not None and selectable_idx is not None:
            script_args[selectable_scripts.args_from : selectable_scripts.args_to] = request.script_args
            script_args[0] = selectable_idx + 1
        for name, values in (request.alwayson_scripts or {}).items():
            script = script_runner.scripts[script_name_to_index(name, script_runner.scripts)]
            if not script.alwayson:
                raise HTTPException(422, f"alwayson_scripts must not contain {name!r}; set script_name instead")
            args = values.get("args", [])
            for i in range(min(script.args_to - script.args_from, len(args))):
                script_args[script.args_from + i] = args[i]
        return script_args

    def apply_infotext(
        self, request: Any, tabname: str, *, script_runner: Any, mentioned_script_args: dict[int, Any]
    ) -> None:
        """Set the missing fields of a request, and scripts' arguments, from the request's infotext."""
        if not request.infotext:
            return
        fields = infotext_utils.paste_fields[tabname]["fields"]
        params = infotext_utils.parse_generation_parameters(request.infotext)
        # pydantic 2 has model_fields_set, pydantic 1 has __fields_set__
        present = request.model_fields_set if hasattr(request, "model_fields_set") else request.__fields_set__
        indices = {component: i for i, component in enumerate(script_runner.inputs)}
        for field in fields:
            missing = field.api and field.api not in present
            if not missing and field.component not in indices:
                continue
            value = _field_value(field, params)
            if value is not None and missing:
                setattr(request, field.api, value)
            elif value is not None:
                mentioned_script_args[indices[field.component]] = value

    def pnginfoapi(self, req: models.PNGInfoRequest) -> models.PNGInfoResponse:
        """Return the infotext of an image."""
        info, items = images.read_info_from_image(decode_base64_to_image(req.image.strip()))
        params = infotext_utils.parse_generation_parameters(info or "")
        return models.PNGInfoResponse(info=info or "", items=items, parameters=params)

    def progressapi(self) -> models.ProgressResponse:
        """Return the progress of the running job."""
        state = shared.state
        batches = state.job_no + state.sampling_step / max(1, state.sampling_steps) if state.job_count else 0
        return models.ProgressResponse(progress=min(1, batches / max(1, state.job_count)))

    def get_samplers(self) -> list[dict[str, Any]]:
        """Return all samplers."""
        return [
            {"name": sampler.name, "aliases": sampler.aliases, "options": sampler.options}
            for sampler in sd_samplers.all_samplers
        ]

    def get_upscalers(self) -> list[dict[str, Any]]:
        """Return the upscalers of images."""
        return [{"name": upscaler.name} for upscaler in shared.sd_upscalers]

    def get_latent_upscale_modes(self) -> list[dict[str, Any]]:
        """Return the upscalers of latents. Forge Neo has none."""
        return [{"name": name} for name in shared.latent_upscale_modes]

    def get_scripts_list(self) -> models.ScriptsList:
        """Return the names of both tabs' scripts."""
        runners = {"txt2img": scripts.scripts_txt2img, "img2img": scripts.scripts_img2img}
        return models.ScriptsList(**{tab: [s.name for s in r.scripts if s.name] for tab, r in runners.items()})

    def get_script_info(self) -> list[models.ScriptInfo]:
        """Return the controls of both tabs' scripts."""
        return [
            models.ScriptInfo(
                name=script.name or "",
                is_alwayson=script.alwayson,
                is_img2img=script.is_img2img,
                args=[_describe_control(control) for control in script.controls],
            )
            for script in (*scripts.scripts_txt2img.scripts, *scripts.scripts_img2img.scripts)
        ]


def _describe_control(control: Any) -> models.ScriptArg:
    fields = {name: getattr(control, name, None) for name in ("value", "minimum", "maximum", "step")}
    choices = getattr(control, "choices", None)
    if choices is not None:
        # gradio 4 has pairs of a label and a value
        fields["choices"] = [choice[0] if isinstance(choice, tuple) else choice for choice in choices]
    return models.ScriptArg(label=control.label or "", **fields)


def _field_value(field: infotext_utils.PasteField, params: dict[str, Any]) -> Any:
    """Return the value of a paste field, converted to the type of its control."""
    value = field.function(params) if field.function else params.get(field.label or "")
    if isinstance(value, dict) and str(value.get("__type__", "")).endswith("update"):
        value = value.get("value")
    kind = type(field.component.value)
    if value is None or kind is type(None) or isinstance(value, kind):
        return value if kind is not type(None) else None
    return kind(value)
