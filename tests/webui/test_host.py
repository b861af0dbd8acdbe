"""The stand-in WebUI behaves like AUTOMATIC1111's towards extensions: model calls, steps, callbacks, errors, API."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import httpx
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from modules import (
    infotext_utils,
    processing,
    prompt_parser,
    script_callbacks,
    scripts,
    sd_models,
    sd_samplers,
    shared,
)
from modules.infotext_utils import parse_generation_parameters, quote, unquote
from PIL import Image

from playground import serve

STEPS, SIZE = 6, 64
JOB: dict[str, Any] = {"prompt": "red apple", "seed": 1, "steps": STEPS, "width": SIZE, "height": SIZE}


@pytest.fixture(scope="module")
def host() -> Iterator[serve.Host]:
    with serve.start() as running:
        yield running


@contextmanager
def callback(register: Any, function: Any) -> Iterator[None]:
    """Register a callback until the block ends."""
    before = {event: list(entries) for event, entries in script_callbacks._callbacks.items()}
    register(function)
    try:
        yield
    finally:
        script_callbacks._callbacks.clear()
        script_callbacks._callbacks.update(before)


def generate(kind: type[Any] = processing.StableDiffusionProcessingTxt2Img, **fields: Any) -> np.ndarray:
    """Run a job without scripts. Returns its images as (B, H, W, 3)."""
    shared.state.begin()
    try:
        processed = processing.process_images(kind(**{**JOB, **fields}))
    finally:
        shared.state.end()
    return np.stack([np.asarray(image) for image in processed.images])


def generate_from(image: Image.Image, **fields: Any) -> np.ndarray:
    return generate(processing.StableDiffusionProcessingImg2Img, init_images=[image], **fields)


def calls(**fields: Any) -> list[tuple[Any, ...]]:
    """Return (sampling_step, step, steps, total_steps) of each model call."""
    seen: list[tuple[Any, ...]] = []

    def note(params: Any) -> None:
        d = params.denoiser
        seen.append((params.sampling_step, d.step, d.steps, d.total_steps))

    with callback(script_callbacks.on_cfg_denoiser, note):
        generate(**fields)
    return seen


def post(host: serve.Host, route: str, body: Any, status: int = 200) -> Any:
    answer = httpx.post(f"{host.url}/sdapi/v1/{route}", json=body, timeout=60)
    assert answer.status_code == status, answer.text
    return answer.json()


def get(host: serve.Host, route: str) -> Any:
    answer = httpx.get(f"{host.url}/sdapi/v1/{route}", timeout=60)
    assert answer.status_code == 200, answer.text
    return answer.json()


def decode(encoded: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(encoded)))


def encode(image: Image.Image) -> str:
    file = io.BytesIO()
    image.save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


# Model calls and steps, as measured on AUTOMATIC1111 1.10.1


@pytest.mark.parametrize(
    ("sampler", "number"),
    [
        ("Euler", 6),
        ("Euler a", 6),
        ("DPM++ 2M", 6),
        ("DDIM", 6),
        ("Heun", 11),
        ("PLMS", 7),
        ("UniPC", 7),
        ("RK3 Euler", 12),
    ],
)
def test_each_sampler_calls_the_model_as_often_as_the_real_one(sampler: str, number: int) -> None:
    seen = calls(sampler_name=sampler)
    assert [step for _, step, _, _ in seen] == list(range(number))
    assert {(steps, total) for _, _, steps, total in seen} == {(STEPS, STEPS * 2 if sampler == "Heun" else STEPS)}


def test_the_sampling_step_lags() -> None:
    assert [step for step, *_ in calls(sampler_name="Euler")] == [0, 0, 1, 2, 3, 4]
    assert [step for step, *_ in calls(sampler_name="Heun")] == [0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert [step for step, *_ in calls(sampler_name="RK3 Euler")] == [0, 0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 4]


def test_the_adaptive_sampler_calls_the_model_more_often_than_expected() -> None:
    assert STEPS < len(calls(sampler_name="Adaptive Heun")) <= 16 * STEPS + 8


@pytest.mark.parametrize(("sampler", "by_sigma"), [("Euler", True), ("DPM++ 2M", True), ("DDIM", False)])
def test_the_noise_level_is_a_sigma_or_a_timestep(sampler: str, by_sigma: bool) -> None:
    seen = []
    with callback(script_callbacks.on_cfg_denoiser, lambda params: seen.append(params.sigma)):
        generate(sampler_name=sampler)
    assert all(len(sigma) == 2 for sigma in seen)
    assert (seen[0][0] < 100) == by_sigma
    assert all(later[0] < earlier[0] for earlier, later in pairwise(seen))


def test_steps_start_from_0_in_each_pass_and_batch() -> None:
    steps = [step for _, step, _, _ in calls(n_iter=2, enable_hr=True, hr_second_pass_steps=3, hr_scale=1.5)]
    assert steps == [*range(6), *range(3)] * 2


def test_img2img_runs_a_share_of_the_steps() -> None:
    seen: list[int] = []
    with callback(script_callbacks.on_cfg_denoiser, lambda params: seen.append(params.denoiser.steps)):
        generate_from(Image.new("RGB", (SIZE, SIZE), "white"), denoising_strength=0.5)
    assert seen == [4] * 4


# Images


@pytest.mark.parametrize("sampler", [data.name for data in sd_samplers.all_samplers])
def test_a_job_is_reproducible(sampler: str) -> None:
    first, second = (generate(sampler_name=sampler, steps=2) for _ in range(2))
    assert (first == second).all()
    assert first.std() > 10


@pytest.mark.parametrize("sampler", ["Euler", "Euler a", "UniPC"])
def test_an_image_does_not_depend_on_its_batch(sampler: str) -> None:
    together = generate(sampler_name=sampler, batch_size=2).astype(int)
    one_by_one = generate(sampler_name=sampler, n_iter=2).astype(int)
    alone = generate(sampler_name=sampler, seed=2).astype(int)
    assert abs(together - one_by_one).max() <= 2
    assert (one_by_one[1:] == alone).all()


def test_hires_fix_doubles_the_size() -> None:
    assert generate(enable_hr=True).shape == (1, 2 * SIZE, 2 * SIZE, 3)
    assert generate(enable_hr=True, hr_upscaler="None", hr_scale=1.5).shape == (1, SIZE * 3 // 2, SIZE * 3 // 2, 3)


def test_inpainting_keeps_the_unmasked_part() -> None:
    mask = Image.new("L", (SIZE, SIZE))
    mask.paste(255, (SIZE // 2, 0, SIZE, SIZE))
    images = generate_from(Image.new("RGB", (SIZE, SIZE), (0, 0, 255)), mask=mask, denoising_strength=1.0)[0]
    assert abs(images[:, : SIZE // 4].astype(int) - (0, 0, 255)).max() <= 2
    assert abs(images[:, 3 * SIZE // 4 :].astype(int) - (0, 0, 255)).mean() > 20


def test_the_refiner_runs_the_last_steps_of_each_batch() -> None:
    unets = []

    def note(params: Any) -> None:
        unets.append(sd_models.model_data.sd_model.sd_checkpoint_info.name)

    with callback(script_callbacks.on_cfg_denoiser, note):
        refined = generate(refiner_checkpoint="emoji32-noised", refiner_switch_at=0.5, n_iter=2)
    assert unets == (["emoji32"] * 3 + ["emoji32-noised"] * 3) * 2
    plain = generate(n_iter=2)
    assert (refined != plain).any()
    assert sd_models.model_data.sd_model.sd_checkpoint_info.name == "emoji32"


def test_override_settings_apply_to_one_job() -> None:
    other = generate(override_settings={"sd_model_checkpoint": "emoji32-noised"})
    assert shared.opts.sd_model_checkpoint == "emoji32"
    assert (other != generate()).any()


def test_prompts_joined_by_and() -> None:
    alone = generate().astype(int)
    together = generate(prompt="red apple AND red apple :0")
    assert abs(together - alone).max() <= 1  # rounding can depend on the size of the batch
    assert (generate(prompt="red apple AND green apple :0.5") != alone).any()


def test_prompt_editing() -> None:
    assert (generate(prompt="red [apple:cat:6]") == generate()).all()
    assert (generate(prompt="red [apple:cat:0]") == generate(prompt="red cat")).all()
    assert (generate(prompt="red [apple:cat:0.5]") != generate()).any()


def test_contexts_together_or_one_after_the_other() -> None:
    at_once = generate().astype(int)
    shared.opts.set("batch_cond_uncond", False)
    try:
        assert abs(generate().astype(int) - at_once).max() <= 2
    finally:
        shared.opts.set("batch_cond_uncond", True)


@pytest.mark.parametrize(
    ("field", "value"),
    [("width", 100), ("height", 0), ("steps", 0), ("refiner_checkpoint", "none such"), ("sampler_name", "none such")],
)
def test_an_invalid_field_is_named(field: str, value: Any) -> None:
    with pytest.raises(ValueError, match=field):
        generate(**{field: value})


def test_an_invalid_size_of_hires_fix_is_named() -> None:
    with pytest.raises(ValueError, match="hr_scale"):
        generate(enable_hr=True, hr_scale=1.1)


# Prompt schedules


@pytest.mark.parametrize(
    ("prompt", "schedule"),
    [
        ("test", [(10, "test")]),
        ("a [b:c:.5] d", [(5, "a b d"), (10, "a c d")]),
        ("a [b:c:3] [:d:7]", [(3, "a b "), (7, "a c "), (10, "a c d")]),
        ("[a]", [(10, "[a]")]),
    ],
)
def test_prompt_schedules(prompt: str, schedule: list[tuple[int, str]]) -> None:
    assert prompt_parser.get_learned_conditioning_prompt_schedules([prompt], 10) == [schedule]


# Infotext


@given(st.text())
@example('"')
@example('a: "b", c')
def test_quoting(text: str) -> None:
    quoted = quote(text)
    assert unquote(quoted) == text or quoted == text


@given(st.dictionaries(st.from_regex(r"[A-Z][a-z]{2,8}", fullmatch=True), st.text('ab:,"\\ 1', min_size=1)))
def test_infotext_round_trip(params: dict[str, str]) -> None:
    params = {key: value.strip() for key, value in params.items() if value.strip(' "') and not value.startswith('"')}
    last = ", ".join(f"{key}: {quote(value)}" for key, value in params.items())
    read = parse_generation_parameters(f"a cat\nNegative prompt: a dog\nSteps: 1, Seed: 2, Size: 3x4, {last}")
    assert {key: read[key] for key in params} == params
    assert (read["Prompt"], read["Negative prompt"]) == ("a cat", "a dog")
    assert (read["Size-1"], read["Size-2"]) == ("3", "4")


# Scripts


class Failing(scripts.Script):
    """A script that raises in each method whose errors the WebUI ignores."""

    def title(self) -> str:
        return "Failing"

    def show(self, is_img2img: bool) -> object:
        return scripts.AlwaysVisible

    def process(self, p: Any, *args: Any) -> None:
        raise RuntimeError("process")

    process_batch = before_process = postprocess_batch = postprocess = process  # type: ignore[assignment]


def test_errors_of_scripts_are_ignored_except_in_sampling() -> None:
    runner = scripts.ScriptRunner()
    runner.scripts = runner.alwayson_scripts = [Failing()]
    p = processing.StableDiffusionProcessingTxt2Img(**JOB)
    p.scripts, p.script_args = runner, (0,)
    assert len(processing.process_images(p).images) == 1

    def fail(*args: Any, **kwargs: Any) -> None:
        raise ZeroDivisionError("sampling")

    p.sample = fail  # type: ignore[method-assign, assignment]
    with pytest.raises(ZeroDivisionError):
        processing.process_images(p)


def test_errors_of_callbacks_are_ignored() -> None:
    def fail(params: Any) -> None:
        raise RuntimeError("callback")

    plain = generate()
    with callback(script_callbacks.on_cfg_denoiser, fail):
        assert (generate() == plain).all()


def test_interrupting_a_job() -> None:
    seen = []

    def interrupt(params: Any) -> None:
        seen.append(params.denoiser.step)
        if len(seen) == 3:
            shared.state.interrupt()

    with callback(script_callbacks.on_cfg_denoiser, interrupt):
        assert len(generate(n_iter=3)) == 1
    assert seen == [0, 1, 2]


# The API


def test_a_job_through_the_api(host: serve.Host) -> None:
    response = post(host, "txt2img", {**JOB, "no such field": 1, "batch_size": 2})
    assert [decode(image).size for image in response["images"]] == [(SIZE, SIZE)] * 2
    info = json.loads(response["info"])
    assert info["all_seeds"] == [1, 2]
    text = decode(response["images"][1]).info["parameters"]
    assert text == info["infotexts"][1]
    assert post(host, "png-info", {"image": response["images"][1]})["parameters"]["Seed"] == "2"
    assert get(host, "progress")["progress"] == 0


def test_img2img_through_the_api(host: serve.Host) -> None:
    start = encode(Image.new("RGB", (SIZE, SIZE), "white"))
    response = post(host, "img2img", {**JOB, "init_images": [start], "denoising_strength": 0.5, "send_images": False})
    assert response["images"] == []
    assert "Denoising strength: 0.5" in json.loads(response["info"])["infotexts"][0]
    post(host, "img2img", JOB, status=404)


def test_script_arguments_through_the_api(host: serve.Host) -> None:
    on = {"alwayson_scripts": {"FreeU": {"args": [{}]}}}
    text = json.loads(post(host, "txt2img", {**JOB, **on})["info"])["infotexts"][0]
    assert "FreeU b1: 1.3" in text
    too_many = {"alwayson_scripts": {"freeu": {"args": [True, *[0] * 100]}}}
    post(host, "txt2img", {**JOB, **too_many}, status=422)
    assert post(host, "txt2img", {**JOB, "alwayson_scripts": {"no such": {}}}, status=422)["error"] == "HTTPException"
    post(host, "txt2img", {**JOB, "alwayson_scripts": {"x/y/z plot": {}}}, status=422)
    post(host, "txt2img", {**JOB, "script_name": "no such"}, status=422)


def test_infotext_through_the_api(host: serve.Host) -> None:
    text = "green apple\nSteps: 3, Sampler: Heun, CFG scale: 2.5, Seed: 7, Size: 64x96, FreeU version: 2, FreeU b1: 1.2"
    info = json.loads(post(host, "txt2img", {"infotext": text, "steps": 2})["info"])
    assert (info["prompt"], info["steps"], info["sampler_name"]) == ("green apple", 2, "Heun")
    assert (info["width"], info["height"], info["seed"], info["cfg_scale"]) == (64, 96, 7, 2.5)
    assert info["extra_generation_params"]["FreeU b1"] == "1.2"


def test_an_error_in_sampling_is_returned_with_its_message(host: serve.Host) -> None:
    error = post(host, "txt2img", {**JOB, "prompt": "quux"}, status=500)
    assert error["error"] == "PromptError"
    assert "quux" in error["errors"]
    assert (error["detail"], error["body"]) == ("", "")
    assert len(post(host, "txt2img", JOB)["images"]) == 1


def test_nan_reaches_the_script(host: serve.Host) -> None:
    body = json.dumps({**JOB, "alwayson_scripts": {"freeu": {"args": [True, "2", float("nan")]}}})
    answer = httpx.post(f"{host.url}/sdapi/v1/txt2img", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
    assert "nan" in answer.json()["detail"]


def test_options_through_the_api(host: serve.Host) -> None:
    override = {"override_settings": {"sd_model_checkpoint": "emoji32-noised"}}
    text = json.loads(post(host, "txt2img", {**JOB, **override})["info"])["infotexts"][0]
    assert "Model: emoji32-noised" in text
    assert shared.opts.sd_model_checkpoint == "emoji32"


def test_samplers_and_scripts_of_the_api(host: serve.Host) -> None:
    assert get(host, "scripts") == {"txt2img": ["x/y/z plot", "freeu"], "img2img": ["x/y/z plot", "freeu"]}
    assert {entry["name"] for entry in get(host, "samplers")} >= {"Euler", "Heun"}
    tabs = [entry["is_img2img"] for entry in get(host, "script-info") if entry["name"] == "freeu"]
    assert tabs == [False, True]


def test_a_password_protects_all_routes() -> None:
    with serve.start(api_auth="me:secret", api_only=True) as guarded:
        url = f"{guarded.url}/sdapi/v1/samplers"
        assert httpx.get(url).status_code == 401
        assert httpx.get(url, auth=("me", "wrong")).status_code == 401
        assert httpx.get(url, auth=("me", "secret")).status_code == 200


def test_reloading_the_page_reloads_scripts() -> None:
    with serve.start() as reloaded:
        before = scripts.scripts_data[0].module
        unloaded = []
        script_callbacks.on_script_unloaded(lambda: unloaded.append(1))
        reloaded.reload_ui()
        assert unloaded == [1]
        assert scripts.scripts_data[0].module is not before
        assert len(post(reloaded, "txt2img", JOB)["images"]) == 1
        page = httpx.get(reloaded.url).text
        assert "host.js" in page


# The X/Y/Z plot


def xyz(x: tuple[str, Any], y: tuple[str, Any] = ("Nothing", ""), lone: bool = False) -> dict[str, Any]:
    """Return a request for a plot of two axes, each a label and its values as text or as choices."""
    plot = next(script for script in scripts.scripts_txt2img.selectable_scripts if script.title() == "X/Y/Z plot")
    labels = [option.label for option in plot.current_axis_options]  # type: ignore[attr-defined]
    args: list[Any] = []
    for label, values in (x, y, ("Nothing", "")):
        args += [labels.index(label), values, []] if isinstance(values, str) else [labels.index(label), "", values]
    return {**JOB, "script_name": "X/Y/Z plot", "script_args": [*args, True, lone, *[False] * 5, 0, False]}


def test_a_plot(host: serve.Host) -> None:
    response = post(host, "txt2img", xyz(("Steps", "2-4 (+2)"), ("Sampler", ["Euler", "DDIM"]), lone=True))
    assert len(response["images"]) == 1 + 4
    info = json.loads(response["info"])
    grid = parse_generation_parameters(info["infotexts"][0])
    assert (grid["Script"], grid["X Type"], grid["X Values"]) == ("X/Y/Z plot", "Steps", "2-4 (+2)")
    assert grid["Y Values"] == "Euler, DDIM"
    steps = [parse_generation_parameters(text)["Steps"] for text in info["infotexts"][1:]]
    assert steps == ["2", "4", "2", "4"]


def test_a_plot_validates_all_values_before_the_first_job(host: serve.Host) -> None:
    images = []
    with callback(script_callbacks.on_cfg_denoiser, images.append):
        error = post(host, "txt2img", xyz(("Sampler", ["Euler", "no such"])), status=500)
    assert "no such" in error["errors"]
    assert images == []


def test_a_failing_cell_is_blank(host: serve.Host) -> None:
    response = post(host, "txt2img", xyz(("Prompt", "red apple, quux"), lone=True))
    assert decode(response["images"][2]).getextrema() == ((0, 0),) * 3
    assert decode(response["images"][1]).getextrema() != ((0, 0),) * 3


@pytest.mark.parametrize(
    ("text", "kind", "numbers"),
    [
        ("1-3", int, [1, 2, 3]),
        ("1-10 (+4)", int, [1, 5, 9]),
        ("10-4 (-3)", int, [10, 7, 4]),
        ("1-2 (+0.5)", float, [1, 1.5, 2]),
        ("1-2 [5]", float, [1, 1.25, 1.5, 1.75, 2]),
        ("0-10 [3]", int, [0, 5, 10]),
        ("7", int, ["7"]),
    ],
)
def test_ranges(host: serve.Host, text: str, kind: Any, numbers: list[Any]) -> None:
    module = next(data.module for data in scripts.scripts_data if hasattr(data.module, "axis_options"))
    assert list(module._expand(text, kind)) == pytest.approx(numbers) if kind is float else numbers


def test_paste_fields_include_the_scripts(host: serve.Host) -> None:
    for tab in ("txt2img", "img2img"):
        labels = {field.label for field in infotext_utils.paste_fields[tab]["fields"]}
        assert {"Prompt", "Steps", "X Type"} <= labels
