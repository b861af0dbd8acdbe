"""The script in the playground's host: what it says beside pictures, and what the host sees of it."""

from contextlib import closing
from pathlib import Path

import gradio as gr
import pytest
import requests
import torch
from fastapi import FastAPI
from freeu.webui.run import Turns
from modules.infotext_utils import parse_generation_parameters
from PIL import Image

from freeu import from_infotext, presets
from freeu.settings.settings import TABLE
from freeu.webui import wishes
from tests.unets import hooks_on
from tests.webui.client import SMALL, Client


@pytest.fixture
def host(playground):
    """The host's modules."""
    import modules.api.api
    import modules.processing
    import modules.script_callbacks
    import modules.scripts
    import modules.sd_models
    import modules.sd_unet
    import modules.shared

    return modules


@pytest.fixture
def job(host):
    """Makes a job; call what it returns to get what is said beside its pictures."""

    def make(freeu, **fields):
        p = host.processing.StableDiffusionProcessingTxt2Img(sd_model=host.shared.sd_model, **{**SMALL, **fields})
        p.scripts = host.scripts.scripts_txt2img
        args = [0, *(control.value for control in p.scripts.inputs[1:])]
        args[script(p.scripts).args_from] = freeu
        p.script_args = args
        return p

    return make


def script(runner):
    return next(script for script in runner.alwayson_scripts if script.title() == "FreeU")


def run(host, p):
    with closing(p):
        return host.processing.process_images(p)


# What is said beside the pictures


def test_nothing_is_said_where_all_is_well(host, job):
    assert run(host, job({})).comments == ""
    assert run(host, job(False)).comments == ""


@pytest.mark.parametrize(
    "freeu", [{"passes": "hires"}, {"start": 0.5, "stop": 0.5}, {"b1": 1, "s1": 1, "b2": 1, "s2": 1}]
)
def test_freeu_that_changed_nothing_is_told(host, job, freeu):
    comments = run(host, job(freeu, n_iter=2)).comments
    assert comments == "FreeU changed nothing: these settings act at no step of this job.\n"


class Engine(torch.nn.Module):
    """Computes what a UNet computes, and has none of its blocks."""

    def __init__(self, unet):
        super().__init__()
        self.forward = unet.forward


def test_a_model_that_freeu_does_not_know_is_told(host, job, monkeypatch):
    model = host.shared.sd_model.model
    monkeypatch.setitem(model._modules, "diffusion_model", Engine(model.diffusion_model))
    assert "FreeU changed nothing: FreeU needs a UNet with ldm's decoder blocks; Engine" in run(host, job({})).comments


def test_an_engine_in_the_unets_place_is_told(host, job, monkeypatch):
    monkeypatch.setattr(host.sd_unet, "current_unet", Engine(host.shared.sd_model.model.diffusion_model))
    assert "pictures are computed by Engine, not by the model's UNet" in run(host, job({})).comments


@pytest.mark.parametrize(("key", "name"), [("freeu_enabled", "built into this WebUI"), ("FreeU Stages", "ljleb's")])
def test_another_freeu_that_is_on_as_well_is_told(host, job, key, name):
    p = job({})
    p.extra_generation_params[key] = "something"
    assert f"FreeU acted twice: the one {name}" in run(host, p).comments.replace("twice: ljleb", "twice: the one ljleb")
    p = job(False)
    p.extra_generation_params[key] = "something"
    assert run(host, p).comments == ""


def test_a_model_that_freeu_cannot_read_part_way_is_told(host, job, monkeypatch):
    calls = []

    def fails_at_the_third(self, denoiser, unet):
        calls.append(denoiser.step)
        if len(calls) == 3:
            raise AttributeError("no such block")
        follow(self, denoiser, unet)

    follow = Run.follow
    monkeypatch.setattr(Run, "follow", fails_at_the_third)
    assert run(host, job({})).comments == "FreeU changed only a part: AttributeError: no such block.\n"


def test_an_interrupted_job_is_no_reason_to_say_anything(host, job):
    p = job({"start": 0.9})
    sample = p.sample
    p.sample = lambda **kwargs: host.shared.state.interrupt() or sample(**kwargs)
    assert run(host, p).comments == ""
    host.shared.state.end()


# Jobs


def test_a_refused_cell_of_a_plot_says_why(host, job):
    p = job({"b1": 9})
    with pytest.raises(ValueError, match="b1: 9"):
        run(host, p)
    assert list(p.comments) == ["FreeU: b1: 9 is not allowed; it is a number from -1 to 3"]


def test_ljlebs_steps_are_of_those_that_img2img_samples(host):
    base = host.processing.StableDiffusionProcessingImg2Img
    picture = {"init_images": [Image.new("RGB", (64, 64))], "denoising_strength": 0.5}
    p = base(sd_model=host.shared.sd_model, **{**SMALL, **picture, "steps": 20})
    p.scripts = host.scripts.scripts_img2img
    p.script_args = [0, *(control.value for control in p.scripts.inputs[1:])]
    p.script_args[script(p.scripts).args_from] = {"start_ratio": 5}
    infotext = parse_generation_parameters(run(host, p).infotexts[0])
    assert int(from_infotext(infotext).start * 11) == 5


def test_whole_numbers_that_a_user_made_initial_do_not_cut_a_pictures_numbers(playground, host, job):
    slider = script(host.scripts.scripts_txt2img).controls[list(TABLE).index("b1")]
    slider.value = 2
    infotext = run(host, job({"b1": 1.3})).infotexts[0]
    host.script_callbacks.app_started_callback(None, FastAPI())
    drawn = Client(playground.url).post("/sdapi/v1/txt2img", infotext=infotext).json()
    assert "FreeU b1: 1.3," in drawn["info"]
    slider.value = TABLE["b1"].default


def test_a_job_may_be_processed_again_after_it_was_refused(host, job):
    p = job({"b1": 9})
    with pytest.raises(ValueError, match="b1: 9"):
        run(host, p)
    p.script_args[script(p.scripts).args_from] = {"b1": 1.2}
    assert "FreeU b1: 1.2" in run(host, p).infotexts[0]
    p.script_args[script(p.scripts).args_from] = False
    assert "FreeU" not in run(host, p).infotexts[0]


def test_after_a_job_no_hook_is_left_while_the_host_still_holds_it(host, job):
    p = job({})
    run(host, p)
    assert hooks_on(host.shared.sd_model.model.diffusion_model) == 0
    assert p.prompt == "red apple"


def test_an_unexpected_error_refuses_the_job_too(host, job, monkeypatch):
    from freeu.webui import arguments

    monkeypatch.setattr(arguments, "read", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run(host, job({}))


def test_params_txt_has_the_settings(host, job):
    from modules import paths

    run(host, job({"b1": 1.21}))
    assert "FreeU b1: 1.21" in (Path(paths.data_path) / "params.txt").read_text("utf-8")


# The page


def test_ui_may_run_again_and_gives_one_control_a_parameter(host):
    for runner in (host.scripts.scripts_txt2img, host.scripts.scripts_img2img):
        with gr.Blocks():
            again = script(runner).ui(runner is host.scripts.scripts_img2img)
        params = [*list(TABLE.values())[1:], *wishes.NAMES.values()]
        assert [control.value for control in again] == [False, *(param.default for param in params)]
        assert [type(control) for control in again] == [type(control) for control in script(runner).controls]
        ids = [control.elem_id for control in again]
        assert len(set(ids)) == len(TABLE) + len(wishes.NAMES)
        assert all(("img2img" if script(runner).is_img2img else "txt2img") in elem_id for elem_id in ids)


@pytest.mark.parametrize("before", [True, False])
def test_the_step_slider_may_come_before_or_after_the_script(host, before):
    fresh = type(script(host.scripts.scripts_txt2img))()
    fresh.is_img2img = False
    with gr.Blocks() as page:
        if before:
            steps = gr.Slider(1, 150, value=33, elem_id="txt2img_steps")
            fresh.after_component(steps, elem_id="txt2img_steps")
        fresh.ui(False)
        if not before:
            steps = gr.Slider(1, 150, value=33, elem_id="txt2img_steps")
            fresh.after_component(steps, elem_id="txt2img_steps")
    listens = [d for d in page.config["dependencies"] if d["targets"] in ([steps._id], [(steps._id, "change")])]
    assert len([d for d in listens if d.get("trigger", "change") == "change"]) == 1
    hidden = next(c for c in page.config["components"] if c["props"].get("elem_id", "").endswith("freeu_steps"))
    assert hidden["props"]["value"] == 33


def test_paste_functions_are_shared_so_that_send_to_finds_them(host):
    one, other = (script(runner) for runner in (host.scripts.scripts_txt2img, host.scripts.scripts_img2img))
    names = one.paste_field_names
    assert names == other.paste_field_names
    for each in (one, other):
        assert [target for _, target in each.infotext_fields if target in names] == names


def test_reloading_the_ui_registers_axes_and_callbacks_once(playground, host, job, monkeypatch):
    def seen():
        plots = [data.module for data in host.scripts.scripts_data if data.path.endswith("xyz_grid.py")]
        return [axis.label for plot in plots for axis in plot.axis_options]

    before = seen()
    others = ["[FreeU] preset", "[FreeU] look"]
    assert sum(label.startswith("[FreeU]") for label in before) == len(TABLE) + len(others)
    assert set(others) <= set(before)
    playground.reload_ui()
    assert seen() == before
    calls = []
    monkeypatch.setattr(Turns, "before_call", lambda self, params: calls.append(params.denoiser.step))
    playground.reload_ui()
    run(host, job({}))
    assert calls == list(range(SMALL["steps"]))


# The API


def test_the_presets_and_automatic(playground):
    listed = Client(playground.url).get("/freeu/v1/presets").json()
    assert listed["automatic"] == "SDXL"
    assert list(listed["presets"]) == list(presets.BUILTIN)


def test_without_a_page_the_api_has_it_all_and_asks_for_the_password(playground, host):
    from playground import serve

    body = {**SMALL, "alwayson_scripts": {"freeu": {"args": [{"b1": 1.5}]}}}
    with serve.start(api_auth="me:secret", api_only=True) as locked:
        for path in ("schema", "presets"):
            assert requests.get(f"{locked.url}/freeu/v1/{path}").status_code == 401
            assert requests.get(f"{locked.url}/freeu/v1/{path}", auth=("me", "wrong")).status_code == 401
            assert requests.get(f"{locked.url}/freeu/v1/{path}", auth=("you", "secret")).status_code == 401
            assert requests.get(f"{locked.url}/freeu/v1/{path}", auth=("me", "secret")).status_code == 200
        validate = f"{locked.url}/freeu/v1/validate"
        assert requests.post(validate, json={"settings": {}}).status_code == 401
        assert requests.post(validate, json={"settings": {}}, auth=("me", "secret")).status_code == 200
        drawn = requests.post(f"{locked.url}/sdapi/v1/txt2img", json=body, auth=("me", "secret")).json()
        assert "FreeU b1: 1.5" in drawn["info"]
        scripts = requests.get(f"{locked.url}/sdapi/v1/script-info", auth=("me", "secret")).json()
        plot = next(s for s in scripts if s["name"] == "x/y/z plot")
        assert "[FreeU] b1" in plot["args"][0]["choices"]
    playground.reload_ui()
