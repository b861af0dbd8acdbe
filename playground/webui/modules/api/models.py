"""Requests and responses of the API."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, get_type_hints

from pydantic import BaseModel, create_model

from modules.processing import StableDiffusionProcessingImg2Img, StableDiffusionProcessingTxt2Img


class TextToImageResponse(BaseModel):
    """Images as PNG in base64, the request, and `Processed` as JSON."""

    images: list[str]
    parameters: dict[str, Any]
    info: str


class PNGInfoRequest(BaseModel):
    """An image in base64."""

    image: str


class PNGInfoResponse(BaseModel):
    """The infotext of an image, its other text metadata, and the parsed infotext."""

    info: str
    items: dict[str, Any] = {}
    parameters: dict[str, Any] = {}


class ProgressResponse(BaseModel):
    """Progress of the running job, from 0 to 1."""

    progress: float


class ScriptsList(BaseModel):
    """Names of each tab's scripts."""

    txt2img: list[str]
    img2img: list[str]


class ScriptArg(BaseModel):
    """A control of a script."""

    label: str
    value: Any = None
    minimum: Any = None
    maximum: Any = None
    step: Any = None
    choices: list[str] | None = None


class ScriptInfo(BaseModel):
    """A script on one tab."""

    name: str
    is_alwayson: bool
    is_img2img: bool
    args: list[ScriptArg]


_NOT_IN_REQUESTS = {"sd_model", "extra_generation_params", "init_images", "mask"}


def _create_request(job: type[Any]) -> Any:
    """Create a request model with the fields of a job and those of the API, all optional. Other fields are ignored."""
    hints = get_type_hints(job)
    job_fields: dict[str, Any] = {
        f.name: (hints[f.name] | None, f.default) for f in fields(job) if f.init and f.name not in _NOT_IN_REQUESTS
    }
    api_fields: dict[str, Any] = {
        "sampler_index": (str | None, None),
        "script_name": (str | None, None),
        "script_args": (list[Any], []),
        "alwayson_scripts": (dict[str, Any], {}),
        "send_images": (bool, True),
        "infotext": (str | None, None),
        "init_images": (list[str] | None, None),
        "mask": (str | None, None),
    }
    return create_model(job.__name__, **{**job_fields, **api_fields})


StableDiffusionTxt2ImgProcessingAPI: Any = _create_request(StableDiffusionProcessingTxt2Img)
StableDiffusionImg2ImgProcessingAPI: Any = _create_request(StableDiffusionProcessingImg2Img)
