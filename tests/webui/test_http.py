"""The extension over HTTP, on the playground, or on the WebUI whose address is in FREEU_URL.

Pictures are compared with each other, so that any model will do.
"""

import base64
import json

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from PIL import Image

from freeu import Settings, SettingsError, from_infotext, presets, strength
from freeu.cli import sources
from freeu.settings.settings import TABLE
from freeu.webui import arguments, wishes
from tests import strategies
from tests.webui.client import SMALL, pixels, reason

ON = {"b1": 1.5, "s1": 0.5, "b2": 1.6, "s2": 0.2}
LJLEB_LIST = [True, 0.5, 1.0, 0.0, "Version 1", 1.5, 0.5, 0, 0.5, 0, 1, 1.6, 0.2, 0, 0.5, 0, 1, 1, 1, 0, 0.5, 0, 1]
LJLEB_OBJECT = {
    "start_ratio": 2,  # of SMALL's 4 steps
    "stage_infos": [{"backbone_factor": 1.5, "skip_factor": 0.5}, {"backbone_factor": 1.6, "skip_factor": 0.2}],
}
LJLEB_STAGES = [{"backbone_factor": 1.5, "skip_factor": 0.5}, {"skip_threshold": 0.3}]  # of September 2023


@pytest.fixture(scope="module")
def off(client):
    """The picture without FreeU."""
    return pixels(client.draw())


@pytest.fixture
def unharmed(client, off):
    """Afterwards, the picture without FreeU is what it was, bit for bit."""
    yield
    assert pixels(client.draw()) == off


def test_script_info_lists_every_parameter_for_both_tabs(client):
    ours = [s for s in client.get("/sdapi/v1/script-info").json() if s["name"] == "freeu"]
    assert [s["is_img2img"] for s in ours] == [False, True]
    for script in ours:
        switch, *others = script["args"]
        assert switch["value"] is False
        params = [*list(TABLE.values())[1:], *wishes.NAMES.values()]
        assert [arg["label"] for arg in others] == [param.label for param in params]
        assert [arg["value"] for arg in others] == [param.default for param in params]


@pytest.mark.usefixtures("unharmed")
def test_off_is_the_picture_without_the_extension(client, off):
    for nothing in ({"enabled": False}, {"b1": 1, "s1": 1, "b2": 1, "s2": 1}, {**ON, "start": 0.5, "stop": 0.5}, False):
        assert pixels(client.draw(nothing)) == off


@pytest.mark.usefixtures("unharmed")
def test_on_is_another_picture_and_the_same_each_time(client, off):
    on = pixels(client.draw(ON))
    assert on != off
    assert pixels(client.draw(ON)) == on
    assert pixels(client.draw({**ON, "version": "1"})) not in (on, off)


@pytest.mark.parametrize(
    ("shapes", "meant"),
    [
        ([list(Settings(**ON).to_dict().values()), [True, "2", 1.5, 0.5, 1.6, 0.2]], ON),
        ([[{"preset": "SD1.5"}], [{"preset": "SD1.5", "version": 2}]], presets.BUILTIN["SD1.5"].to_dict()),
        ([LJLEB_LIST, [LJLEB_OBJECT]], {**ON, "version": "1", "start": 0.5}),
    ],
    ids=["list", "preset", "ljleb"],
)
def test_every_shape_of_a_payload_gives_the_picture_that_it_means(client, shapes, meant):
    wanted = pixels(client.draw(meant))
    for args in shapes:
        assert pixels(client.draw(*args)) == wanted


def test_automatic_follows_the_loaded_model(client):
    listed = client.get("/freeu/v1/presets").json()
    name = listed["automatic"]
    if name is None:
        with pytest.raises(RuntimeError, match="preset"):
            client.draw({"preset": "Automatic"})
    else:
        wanted = client.draw({"preset": name})
        assert pixels(client.draw({"preset": "Automatic"})) == pixels(wanted)


# Infotext


@pytest.fixture(scope="module")
def _reads_infotext(client):
    """Forge's API fails at any infotext, FreeU's or not."""
    plain = client.draw().info["infotexts"][0]
    if client.post("/sdapi/v1/txt2img", infotext=plain).status_code != 200:
        pytest.skip("this WebUI's API cannot read an infotext at all")


def test_a_picture_tells_its_settings(client):
    asked = Settings(**ON, version="1", curve="0:0, 1:1", width2=0.25, stage_map="levels")
    drawn = client.draw(asked.to_dict())
    infotext = drawn.info["infotexts"][0]
    assert "FreeU version: 1, FreeU b1: 1.5, FreeU s1: 0.5" in infotext
    assert 'FreeU curve: "0:0, 1:1"' in infotext
    parameters = client.post("/sdapi/v1/png-info", image=drawn.json["images"][0]).json()["parameters"]
    assert from_infotext(parameters) == asked
    assert sources.in_picture(base64.b64decode(drawn.json["images"][0])) == ("this extension", asked)
    assert "FreeU" not in client.draw().info["infotexts"][0]


@pytest.mark.usefixtures("_reads_infotext")
def test_a_pictures_infotext_restores_its_settings(client):
    first = client.draw({**ON, "curve": "0:0, 1:1", "version": "1"})
    again = client.post("/sdapi/v1/txt2img", infotext=first.info["infotexts"][0])
    assert again.json()["images"] == first.json["images"]
    plain = client.post("/sdapi/v1/txt2img", infotext=client.draw().info["infotexts"][0])
    assert "FreeU" not in plain.json()["info"]


@pytest.mark.parametrize(
    ("keys", "meant"),
    [
        (
            f"FreeU Stages: {json.dumps(json.dumps(LJLEB_STAGES))}, FreeU Schedule: {json.dumps('2, 1.0, 0.0')}",
            {"version": "1", "b1": 1.5, "s1": 0.5, "b2": 1, "s2": 1, "cutoff2": 0.3, "start": 0.5},
        ),
        (
            "freeu_enabled: True, freeu_b1: 1.1, freeu_b2: 1.2, freeu_s1: 0.6, freeu_s2: 0.4",
            {**presets.BUILTIN["SDXL gentle"].to_dict()},
        ),
        ("FreeU: b1=1.5 b2=1.6 s1=0.5 s2=0.2", {**ON, "version": "1", "stage_map": "levels"}),
        ('FreeU: "(1.5, 1.6, 0.5, 0.2)"', ON),
    ],
    ids=["ljleb", "reForge", "SD.Next", "Fooocus"],
)
@pytest.mark.usefixtures("_reads_infotext")
def test_another_tools_infotext_gives_the_picture_that_it_means(client, keys, meant):
    prompt, _, parameters = client.draw().info["infotexts"][0].rpartition("\n")
    pasted = client.post("/sdapi/v1/txt2img", infotext=f"{prompt}\n{parameters}, {keys}")
    assert pasted.json()["images"] == client.draw(meant).json["images"]


@pytest.mark.usefixtures("unharmed", "_reads_infotext")
def test_a_damaged_infotext_is_refused_by_name(client):
    infotext = client.draw(ON).info["infotexts"][0].replace("FreeU b1: 1.5", "FreeU b1: 15")
    answer = client.post("/sdapi/v1/txt2img", infotext=infotext)
    assert answer.status_code == 500
    assert "b1" in reason(answer)


# Bad input


@pytest.mark.parametrize(
    ("args", "named"),
    [
        ([{"b1": 9}], "b1: 9 "),
        ([{"b1": float("nan")}], "b1: nan "),
        ([{"b1": "much"}], "b1: 'much' "),
        ([{"backbone": 1}], "backbone: 1 "),
        ([{"start": 0.8, "stop": 0.2}], "start: 0.8 "),
        ([{"curve": "0:0, 2:1"}], "curve: '0:0, 2:1' "),
        ([{"preset": "SDXXL"}], "preset: 'SDXXL' "),
        ([{"enable": True, "b1": 1.2}], "enable: True "),
        ([True, "3"], "version: '3' "),
        (["on"], "enabled: 'on' "),
        (LJLEB_LIST[:11], "settings: "),
    ],
)
@pytest.mark.usefixtures("unharmed")
def test_bad_settings_refuse_the_job_by_name(client, args, named):
    answer = client.post("/sdapi/v1/txt2img", **SMALL, alwayson_scripts={"freeu": {"args": args}})
    assert answer.status_code == 500
    assert answer.json()["error"] == "SettingsError"
    assert reason(answer).startswith(named)
    assert "is not allowed; " in reason(answer)


def test_any_payload_gives_what_it_asks_for_or_is_refused(client, off):
    """Never a picture that ignores what was asked, never a changed next job."""

    @settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
    @given(strategies.payloads.map(lambda payload: payload if isinstance(payload, list) else [payload]))
    def check(args):
        try:
            body = {**SMALL, "steps": 1, "alwayson_scripts": {"freeu": {"args": args}}}
            answer = client.post("/sdapi/v1/txt2img", **body)
        except (RecursionError, ValueError, TypeError):  # what JSON cannot say
            return
        asked = _asked(args)
        if isinstance(asked, SettingsError):
            assert answer.status_code == 500
            assert asked.field in reason(answer)
        else:
            assert answer.status_code == 200, answer.text
            parameters = client.post("/sdapi/v1/png-info", image=answer.json()["images"][0]).json()["parameters"]
            assert from_infotext(parameters) == (asked if asked.enabled else None)

    check()
    assert pixels(client.draw()) == off


def _asked(args):
    """What a payload of one step means."""
    try:
        return arguments.read(arguments.filled_up(args), presets.BUILTIN, 1)
    except SettingsError as error:
        return error


# The life of a job


@pytest.mark.parametrize(
    "sampler",
    [
        "Euler",
        "Heun",
        "DPM2 a",
        "DPM++ 2M",
        "DPM++ SDE",
        "DDIM",
        "PLMS",
        "UniPC",
        "DPM adaptive",
        "Adaptive Heun",
        "Restart",
    ],
)
def test_samplers(client, sampler):
    """A window that no step is in changes nothing; both calls of a second-order step are in the window or out."""
    if sampler not in client.samplers:
        pytest.skip(f"no sampler {sampler} there")
    off, on = (pixels(client.draw(args, sampler_name=sampler)) for args in (False, ON))
    assert on != off
    assert pixels(client.draw({**ON, "start": 0.5, "stop": 0.5}, sampler_name=sampler)) == off
    half = pixels(client.draw({**ON, "stop": 0.5}, sampler_name=sampler))
    assert half not in (on, off)
    assert pixels(client.draw(False, sampler_name=sampler)) == off


@pytest.mark.usefixtures("unharmed")
def test_hires_fix_and_its_passes(client):
    hires = {"enable_hr": True, "hr_scale": 2, "hr_upscaler": "Latent", "denoising_strength": 0.7}
    drawn = {
        name: pixels(client.draw(args, **hires))
        for name, args in {
            "off": False,
            "both": ON,
            "first": {**ON, "passes": "first"},
            "hires": {**ON, "passes": "hires"},
        }.items()
    }
    assert len({tuple(picture) for picture in drawn.values()}) == 4
    assert pixels(client.draw({**ON, "passes": "hires"})) == pixels(client.draw())
    assert pixels(client.draw({**ON, "passes": "first"})) == pixels(client.draw(ON))


@pytest.mark.parametrize("masked", [False, True], ids=["img2img", "inpainting"])
@pytest.mark.usefixtures("unharmed")
def test_img2img(client, masked):
    image = client.draw().image
    mask = Image.new("L", image.size)
    mask.paste(255, (0, 0, 32, 64))
    job = {"mask_image": mask} if masked else {}
    client.redraw(image, **job)  # Forge's first inpainting after another job is unlike all later ones
    off = pixels(client.redraw(image, **job))
    assert pixels(client.redraw(image, ON, **job)) != off
    assert pixels(client.redraw(image, **job)) == off
    assert pixels(client.redraw(image, {**ON, "passes": "hires"}, **job)) == off


def test_a_batch_is_its_pictures_alone(client):
    batch = client.draw(ON, batch_size=2, n_iter=2)
    alone = [pixels(client.draw(ON, seed=SMALL["seed"] + i))[0] for i in range(4)]
    together = pixels(batch)[-4:]
    assert len(set(together)) == 4
    # Sums over other batch sizes round otherwise.
    for one, other in zip(together, alone, strict=True):
        assert max(abs(a - b) for a, b in zip(one, other, strict=True)) <= 1


@pytest.mark.parametrize("prompt", ["red apple AND strawberry", "[red apple:strawberry:0.5]", ""])
@pytest.mark.usefixtures("unharmed")
def test_prompts_of_several_parts(client, prompt):
    off = pixels(client.draw(prompt=prompt))
    assert pixels(client.draw(ON, prompt=prompt)) != off
    assert pixels(client.draw(prompt=prompt)) == off


# The X/Y/Z plot


def test_every_parameter_is_an_axis_once_on_both_tabs(client):
    ours = [f"[FreeU] {name}" for name in ("preset", *TABLE)]
    for script in client.get("/sdapi/v1/script-info").json():
        if script["name"] == "x/y/z plot":
            axes = script["args"][0]["choices"]
            assert [axis for axis in axes if axis in ours] == ours


@pytest.mark.usefixtures("unharmed")
def test_a_plots_cells_are_the_single_pictures(client):
    cells = pixels(client.plot(("[FreeU] b1", "1, 1.5-1.75 (+0.125)")))[1:]
    singles = [{"b1": 1.0}, {"b1": 1.5}, {"b1": 1.625}, {"b1": 1.75}]
    assert cells == [pixels(client.draw(single))[0] for single in singles]


@pytest.mark.usefixtures("unharmed")
def test_axes_with_choices_go_on_top_of_presets(client, off):
    plot = client.plot(
        ("[FreeU] enabled", "True|False"), ("[FreeU] preset", "SD1.5|SDXL gentle"), ("[FreeU] s1", "0.9")
    )
    wanted = [{"preset": name, "s1": 0.9, "enabled": on} for name in ("SD1.5", "SDXL gentle") for on in (True, False)]
    assert pixels(plot)[1:] == [pixels(client.draw(settings))[0] for settings in wanted]
    infotexts = plot.info["infotexts"][1:]
    assert ["FreeU" in infotext.partition("[FreeU]")[0] for infotext in infotexts] == [True, False, True, False]


@pytest.mark.parametrize(
    ("axes", "named"),
    [
        ([("[FreeU] b1", "1.2, 9")], "b1: 9"),
        ([("[FreeU] b1", "1.2, much")], "b1: 'much'"),
        ([("[FreeU] version", "2|3")], "version: '3'"),
        ([("[FreeU] curve", '"0:0, 1:2"')], "curve: '0:0, 1:2'"),
        ([("[FreeU] preset", "nothing")], "preset: 'nothing'"),
        ([("[FreeU] start", "0, 0.6"), ("[FreeU] stop", "0.5, 1")], "start: 0.6"),
        ([("[FreeU] stop", "0.5, 1"), ("[FreeU] start", "0, 0.6")], "start: 0.6"),
        ([("[FreeU] curve", "0:0, 1:1")], "curve: '0:0, 1:1'"),
    ],
)
@pytest.mark.usefixtures("unharmed")
def test_a_plot_is_refused_before_its_first_picture(client, axes, named):
    with pytest.raises(RuntimeError) as refusal:
        client.plot(*axes)
    status, text = refusal.value.args
    assert status == 500
    assert named in text


def test_axes_that_fit_each_other_need_not_fit_the_accordion(client):
    start, stop = ("[FreeU] start", "0.6"), ("[FreeU] stop", "0.7, 1")
    for axes in ((start, stop), (stop, start)):
        assert len(client.plot(*axes, freeu=({"stop": 0.5},)).images) == 1 + 2


# FreeU's own routes


def test_the_schema_takes_what_a_job_takes(client):
    schema = client.get("/freeu/v1/schema").json()
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate({**ON, "preset": "Automatic", "version": 2}, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"b1": 9}, schema)


def test_presets_are_listed(client):
    listed = client.get("/freeu/v1/presets").json()["presets"]
    assert presets.BUILTIN.items() <= {name: Settings(**preset["settings"]) for name, preset in listed.items()}.items()
    assert all(preset["help"] for preset in listed.values())


@pytest.mark.parametrize("asked", [{"preset": "SDXL", "start": 0.25}, LJLEB_LIST, LJLEB_OBJECT, [True, "1"]])
def test_validate_tells_what_a_job_would_do(client, asked):
    answer = client.post("/freeu/v1/validate", settings=asked, steps=4).json()
    meant = Settings(**answer["settings"])
    args = asked if isinstance(asked, list) else [asked]
    assert meant == arguments.read(arguments.filled_up(args), presets.BUILTIN, 4)
    for step, at in enumerate(answer["schedule"]):
        assert at["step"] == step
        assert at["strength"] == strength(meant, step, 4)
        assert at["factors"]["b1"] == pytest.approx(1 + at["strength"] * (meant.b1 - 1))
    assert len(answer["schedule"]) == 4


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"settings": {"b1": float("inf")}}, "b1"),
        ({"settings": {}, "steps": 0}, "steps"),
        ({"settings": {}, "steps": True}, "steps"),
        ({"settings": {}, "steps": 10**9}, "steps"),
        ({"settings": 3}, "enabled"),
        ({"settings": LJLEB_LIST[:11]}, "settings"),
    ],
)
def test_validate_names_what_is_wrong(client, body, field):
    answer = client.post("/freeu/v1/validate", **body)
    assert answer.status_code == 422
    assert answer.json()["field"] == field
    assert {"value", "allowed", "message"} < answer.json().keys()
