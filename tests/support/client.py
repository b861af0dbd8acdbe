"""A client for the HTTP tests: webuiapi from PyPI, with small jobs."""

from __future__ import annotations

import functools
import json
from typing import Any
from urllib.parse import quote

import requests
import webuiapi
from PIL import Image

from tests.support.waiting import SECONDS

SMALL = {
    "prompt": "red apple",
    "seed": 1,
    "steps": 4,
    "width": 64,
    "height": 64,
    "sampler_name": "Euler",
    "cfg_scale": 3,
}

JSON = {"Content-Type": "application/json"}


class _Api(webuiapi.WebUIApi):
    def post_and_get_api_result(self, url: str, json: dict[str, Any], use_async: bool) -> webuiapi.WebUIApiResult:
        # Forge's hires. fix asks for this field, and others ignore it.
        body = {**json, "hr_additional_modules": ["Use same choices"]}
        return super().post_and_get_api_result(url, body, use_async)


class Client:
    """Jobs and requests for the WebUI at `url`. `freeu` is the arguments of FreeU's script."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self.api = _Api(baseurl=f"{self.url}/sdapi/v1")
        self.api.session.request = functools.partial(self.api.session.request, timeout=SECONDS)
        self.api.session.headers["Connection"] = "close"  # servers close idle connections while a slow job runs

    def txt2img(self, *freeu: Any, **job: Any) -> webuiapi.WebUIApiResult:
        """Run a small txt2img job, with FreeU's arguments if there are any. Raises RuntimeError if it is refused."""
        return self.api.txt2img(**{**SMALL, **job}, alwayson_scripts=_scripts(freeu))

    def img2img(self, image: Image.Image, *freeu: Any, **job: Any) -> webuiapi.WebUIApiResult:
        """Run a small img2img job."""
        return self.api.img2img(images=[image], **{**SMALL, **job}, alwayson_scripts=_scripts(freeu))

    def post(self, path: str, **body: Any) -> requests.Response:
        """Send a request; NaN and Infinity are sent as Python writes them."""
        return requests.post(self.url + path, data=json.dumps(body), headers=JSON, timeout=SECONDS)

    def save_preset(self, name: str, **body: Any) -> requests.Response:
        """Send a request to save a preset."""
        path = f"{self.url}/freeu/v1/presets/{quote(name, safe='')}"
        return requests.put(path, data=json.dumps(body), headers=JSON, timeout=SECONDS)

    def get(self, path: str, **more: Any) -> requests.Response:
        """Get a page or a route."""
        return requests.get(self.url + path, **more, timeout=SECONDS)

    def plot(self, *axes: tuple[str, str], typed: bool = False, freeu: tuple[Any, ...] = (), **job: Any) -> Any:
        """Run an X/Y/Z plot of up to three (axis, values). Its images are the grid and then the cells.

        Choices are separated by bars, or by commas if they are `typed`, as on the page.
        """
        args = [arg.get("value") for arg in self._plot["args"]]
        labels = [arg["label"] for arg in self._plot["args"]]
        chosen = [*axes, *[("Nothing", "")] * (3 - len(axes))]
        for index, (axis, values) in zip((0, 3, 6), chosen, strict=True):
            args[index : index + 3] = [self.axes.index(axis), values, values.split("|") if values else []]
        options = {"Draw legend": False, "Include Sub Images": True, "Use text inputs instead of dropdowns": typed}
        for label, value in options.items():
            args[labels.index(label)] = value
        plot = {"script_name": "x/y/z plot", "script_args": args, "alwayson_scripts": _scripts(freeu)}
        return self.api.txt2img(**{**SMALL, **job}, **plot)

    @property
    def axes(self) -> list[str]:
        """The labels of the X/Y/Z plot's axes on txt2img."""
        return self._plot["args"][0]["choices"]

    @functools.cached_property
    def _plot(self) -> dict[str, Any]:
        scripts = self.get("/sdapi/v1/script-info").json()
        return next(s for s in scripts if s["name"] == "x/y/z plot" and not s["is_img2img"])

    @functools.cached_property
    def upscaler(self) -> str:
        """The name of an upscaler for hires. fix. Forge Neo has none of latents."""
        routes = ("latent-upscale-modes", "upscalers")
        names = [found["name"] for route in routes for found in self.get(f"/sdapi/v1/{route}").json()]
        return next(name for name in names if name != "None")

    @functools.cached_property
    def samplers(self) -> set[str]:
        """The names of the samplers."""
        return {sampler["name"] for sampler in self.get("/sdapi/v1/samplers").json()}


def _scripts(freeu: tuple[Any, ...]) -> dict[str, Any]:
    return {"freeu": {"args": list(freeu)}} if freeu else {}


def reason(answer: requests.Response) -> str:
    """Return why a job was refused."""
    return str(answer.json()["detail"])


def pixels(result: webuiapi.WebUIApiResult) -> list[bytes]:
    """Return the pixels of each image, to compare."""
    return [image.convert("RGB").tobytes() for image in result.images]
