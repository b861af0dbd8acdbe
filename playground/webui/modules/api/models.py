"""What the API takes and gives."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, get_type_hints

from pydantic import BaseModel, create_model

from modules.processing import StableDiffusionProcessingImg2Img, StableDiffusionProcessingTxt2Img


class TextToImageResponse(BaseModel):
    """Pictures as PNG in base64, the request, and what the job says of itself as JSON."""

    images: list[str]
    parameters: dict[str, Any]
    info: str


class ImageToImageResponse(TextToImageResponse):
    """The same for pictures from pictures."""


class PNGInfoRequest(BaseModel):
    """A picture in base64."""

    image: str


class PNGInfoResponse(BaseModel):
    """A picture's infotext, its other texts, and what the infotext says."""

    info: str
    items: dict[str, Any] = {}
    parameters: dict[str, Any] = {}


class ProgressResponse(BaseModel):
    """How far the running job is, 0 to 1."""

    progress: float
    eta_relative: float
    state: dict[str, Any]
    current_image: str | None = None
    textinfo: str | None = None


class ScriptsList(BaseModel):
    """The names of each tab's scripts."""

    txt2img: list[str]
    img2img: list[str]


class ScriptArg(BaseModel):
    """A script's control."""

    label: str
    value: Any = None
    minimum: Any = None
    maximum: Any = None
    step: Any = None
    choices: list[str] | None = None


class ScriptInfo(BaseModel):
    """A script's controls on one tab."""

    name: str
    is_alwayson: bool
    is_img2img: bool
    args: list[ScriptArg]


_OURS = {"sd_model", "extra_generation_params", "init_images", "mask"}


def _request(name: str, job: type[Any]) -> Any:
    """A request with a job's own fields, all optional, and those of the API; fields it does not know are ignored."""
    hints = get_type_hints(job)
    own: dict[str, Any] = {
        f.name: (hints[f.name] | None, f.default) for f in fields(job) if f.init and f.name not in _OURS
    }
    api: dict[str, Any] = {
        "sampler_index": (str | None, None),
        "script_name": (str | None, None),
        "script_args": (list[Any], []),
        "alwayson_scripts": (dict[str, Any], {}),
        "send_images": (bool, True),
        "save_images": (bool, False),
        "infotext": (str | None, None),
        "init_images": (list[str] | None, None),
        "mask": (str | None, None),
        "include_init_images": (bool, False),
    }
    return create_model(name, **{**own, **api})


StableDiffusionTxt2ImgProcessingAPI: Any = _request(
    "StableDiffusionProcessingTxt2Img", StableDiffusionProcessingTxt2Img
)
StableDiffusionImg2ImgProcessingAPI: Any = _request(
    "StableDiffusionProcessingImg2Img", StableDiffusionProcessingImg2Img
)
