"""What only Forge and Forge Neo do: models loaded late or without a U-Net, a compiled U-Net, another X/Y/Z plot."""

import numpy as np
import pytest
import requests
from modules import _forge, shared
from torch import nn

from freeu import Settings
from freeu.webui import host as freeu_host
from freeu.webui.callbacks import PENDING, Callbacks
from freeu.webui.preset_catalog import AUTOMATIC
from freeu.webui.script import FreeU
from tests.support.client import Client, pixels
from tests.support.jobs import run
from tests.support.unets import hooks_on

ON = {"b1": 1.5, "s1": 0.5, "b2": 1.6, "s2": 0.2}


@pytest.fixture(scope="module")
def forge_page(playground):
    """The playground's server with the page of Forge Neo."""
    _forge.use(forge=True)
    playground.reload_ui()
    yield
    _forge.use(forge=False)
    playground.reload_ui()


@pytest.fixture
def forge(forge_page, host):
    """The host's modules, as Forge Neo before its first image."""
    _forge.use(forge=True)
    return host


@pytest.fixture
def client(playground):
    return Client(playground.url)


def shown(**changes):
    """Return the status line of the page."""
    return Callbacks(FreeU.catalog, is_img2img=False).status(Settings(**changes), 20)


def presets():
    return FreeU.catalog.available()


def image(forge, job, freeu, **fields):
    return np.asarray(run(forge, job(freeu, **fields)).images[0])


def test_a_model_is_loaded_with_the_next_image(forge, job, monkeypatch):
    assert PENDING in shown()
    assert "data-freeu" in shown()
    assert "color" not in shown()
    assert AUTOMATIC not in presets()
    run(forge, job(ON))
    assert "SDXL: b1" in shown()
    assert AUTOMATIC in presets()
    monkeypatch.setitem(shared.opts.data, "sd_model_checkpoint", "emoji32-noised")
    assert PENDING in shown()
    assert AUTOMATIC not in presets()
    assert freeu_host.model_family() == ""
    run(forge, job(ON))
    assert "SDXL: b1" in shown()


def test_automatic_changes_nothing_before_the_model_is_loaded(forge):
    values = Settings(b1=1.1).to_dict().values()
    dropdown, line, *filled = Callbacks(FreeU.catalog, is_img2img=False).fill(AUTOMATIC, 20, *values)
    assert dropdown["value"] == "Custom"
    assert PENDING in line
    assert not any(isinstance(value, (int, float, str)) for value in filled)


def test_a_job_that_names_automatic_takes_the_model_that_it_loads(forge, job):
    chosen = image(forge, job, {"preset": "SDXL"})
    _forge.use(forge=True)
    assert (image(forge, job, {"preset": AUTOMATIC}) == chosen).all()


def test_freeu_changes_the_image_as_in_automatic1111_and_off_is_identical(forge, job):
    seen = [image(forge, job, freeu) for freeu in (False, ON, False)]
    _forge.use(forge=False)
    off, on = (image(forge, job, freeu) for freeu in (False, ON))
    assert [np.array_equal(*pair) for pair in zip(seen, (off, on, off), strict=True)] == [True] * 3


def test_a_model_without_a_unet_is_named_and_unchanged(forge, job, monkeypatch):
    dit = {"override_settings": {"sd_model_checkpoint": "emoji32-dit"}}
    off = run(forge, job(False, **dit))
    on = run(forge, job({**ON, "plot": True, "compare": True}, **dit))
    reason = "FreeU needs a U-Net (SD 1, SD 2, SDXL); this model, NextDiT, has none"
    assert f"FreeU changed nothing: {reason}.\n" in on.comments
    assert [np.array_equal(image, off.images[0]) for image in on.images] == [True, True]
    monkeypatch.setitem(shared.opts.data, "sd_model_checkpoint", "emoji32-dit")
    assert f"FreeU has no effect: {reason}" in shown()
    assert freeu_host.model_family() == ""


class Compiled(nn.Module):
    """A compiled module, which runs the original and its hooks."""

    def __init__(self, unet):
        super().__init__()
        self._orig_mod = unet
        self.forward = unet.__call__


def test_a_unet_that_is_replaced_during_the_call(forge, job):
    off, on = image(forge, job, False), image(forge, job, ON)
    _forge.compile_unet(Compiled)
    assert (image(forge, job, ON) == on).all()
    assert hooks_on(freeu_host.loaded_unet()) == 0
    assert (image(forge, job, False) == off).all()
    assert "SDXL: b1" in shown()


# Over HTTP


def test_the_api_names_no_preset_for_a_model_that_is_not_loaded(forge, client):
    assert client.get("/freeu/v1/presets").json()["automatic"] is None
    client.txt2img({"preset": AUTOMATIC})
    assert client.get("/freeu/v1/presets").json()["automatic"] == "SDXL"


def test_hires_fix_without_upscalers_of_latents(forge, client):
    assert client.get("/sdapi/v1/latent-upscale-modes").json() == []
    hires = {"enable_hr": True, "hr_upscaler": client.upscaler, "hr_scale": 2}
    off, on, first = (client.txt2img(freeu, **hires) for freeu in (False, ON, {**ON, "passes": "first"}))
    assert on.image.size == (128, 128)
    assert len({pixels(result)[0] for result in (off, on, first)}) == 3


def test_the_plot_with_one_argument_more(forge, client):
    plot = next(script for script in client.get("/sdapi/v1/script-info").json() if script["name"] == "x/y/z plot")
    assert [arg["label"] for arg in plot["args"]][-3:] == [
        "Row Count",
        "Grid margins (px)",
        "Use text inputs instead of dropdowns",
    ]
    cells = pixels(client.plot(("[FreeU] b1", "1, 1.5"), ("[FreeU] version", "1, 2"), typed=True, freeu=(ON,)))[1:]
    expected = [{**ON, "b1": b1, "version": version} for version in ("1", "2") for b1 in (1, 1.5)]
    assert cells == [pixels(client.txt2img(freeu))[0] for freeu in expected]


@pytest.mark.parametrize("method", ["PUT", "POST", "GET"])
def test_the_page_of_another_site_may_not_use_the_api(playground, method):
    path = f"{playground.url}/freeu/v1/presets" + ("/x" if method == "PUT" else "")
    headers = {"Origin": "https://example.org", "Access-Control-Request-Method": method}
    headers["Access-Control-Request-Headers"] = "content-type"
    preflight = requests.options(path, headers=headers, timeout=60)
    answer = requests.get(f"{playground.url}/freeu/v1/presets", headers={"Origin": "https://example.org"}, timeout=60)
    assert not preflight.ok
    for response in (preflight, answer):
        assert "access-control-allow-origin" not in {name.lower() for name in response.headers}
