"""The extension over HTTP, in the playground or in the WebUI whose address is in FREEU_URL.

The tests compare images with each other, so they work with any model.
"""

import base64
import json

import jsonschema
import pytest
import requests
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from PIL import Image

from freeu import Settings, SettingsError, arguments, from_infotext, presets, strength
from freeu.arguments import ARGUMENTS
from freeu.compat.detect import read_image
from freeu.settings.parameter import MAX_MESSAGE_LENGTH
from freeu.settings.settings import TABLE
from tests.support import strategies
from tests.support.client import SMALL, Client, pixels, reason
from tests.support.waiting import SECONDS

ON = {"b1": 1.5, "s1": 0.5, "b2": 1.6, "s2": 0.2}
FULL_LIST = [*Settings(**ON).to_dict().values(), False, False]
NO_SETTINGS = "settings must be an object of names and values, or a list of at least 29"
LJLEB_LIST = [True, 0.5, 1.0, 0.0, "Version 1", 1.5, 0.5, 0, 0.5, 0, 1, 1.6, 0.2, 0, 0.5, 0, 1, 1, 1, 0, 0.5, 0, 1]
LJLEB_OBJECT = {
    "start_ratio": 2,  # of SMALL's 4 steps
    "stage_infos": [{"backbone_factor": 1.5, "skip_factor": 0.5}, {"backbone_factor": 1.6, "skip_factor": 0.2}],
}
LJLEB_STAGES = [{"backbone_factor": 1.5, "skip_factor": 0.5}, {"skip_threshold": 0.3}]  # images of September 2023


@pytest.fixture(scope="module")
def off(client):
    """The image without FreeU."""
    return pixels(client.txt2img())


@pytest.fixture
def off_is_unchanged(client, off):
    """Check after the test that the image without FreeU is still bit-identical."""
    yield
    assert pixels(client.txt2img()) == off


def test_script_info_lists_every_parameter_for_both_tabs(client):
    ours = [s for s in client.get("/sdapi/v1/script-info").json() if s["name"] == "freeu"]
    assert [s["is_img2img"] for s in ours] == [False, True]
    for script in ours:
        switch, *others = script["args"]
        assert switch["value"] is False
        parameters = list(ARGUMENTS.values())[1:]
        assert [arg["label"] for arg in others] == [parameter.label for parameter in parameters]
        assert [arg["value"] for arg in others] == [parameter.default for parameter in parameters]


@pytest.mark.usefixtures("off_is_unchanged")
def test_settings_without_an_effect_give_the_image_without_freeu(client, off):
    for args in ({"enabled": False}, {"b1": 1, "s1": 1, "b2": 1, "s2": 1}, {**ON, "start": 0.5, "stop": 0.5}, False):
        assert pixels(client.txt2img(args)) == off


@pytest.mark.usefixtures("off_is_unchanged")
def test_freeu_changes_the_image_in_the_same_way_each_time(client, off):
    on = pixels(client.txt2img(ON))
    assert on != off
    assert pixels(client.txt2img(ON)) == on
    assert pixels(client.txt2img({**ON, "version": "1"})) not in (on, off)


@pytest.mark.parametrize(
    ("payloads", "expected"),
    [
        ([FULL_LIST, FULL_LIST[:-2], [*FULL_LIST, 0.5]], ON),
        ([[{"preset": "SD1.5"}], [{"preset": "SD1.5", "version": 2}]], presets.BUILTIN["SD1.5"].to_dict()),
        (
            [LJLEB_LIST, [LJLEB_OBJECT], [{**LJLEB_OBJECT, "version": "Version 1"}]],
            {**ON, "version": "1", "start": 0.5},
        ),
    ],
    ids=["list", "preset", "ljleb"],
)
def test_every_form_of_a_payload_gives_the_same_image(client, payloads, expected):
    image = pixels(client.txt2img(expected))
    for args in payloads:
        assert pixels(client.txt2img(*args)) == image


def test_automatic_is_the_preset_for_the_loaded_model(client):
    listed = client.get("/freeu/v1/presets").json()
    name = listed["automatic"]
    if name is None:
        with pytest.raises(RuntimeError, match="preset"):
            client.txt2img({"preset": "Automatic"})
    else:
        expected = client.txt2img({"preset": name})
        assert pixels(client.txt2img({"preset": "Automatic"})) == pixels(expected)


# Infotext


@pytest.fixture(scope="module")
def _reads_infotext(client):
    """Skip the test in Forge, whose API fails at any infotext."""
    plain = client.txt2img().info["infotexts"][0]
    if client.post("/sdapi/v1/txt2img", infotext=plain).status_code != 200:
        pytest.skip("the API of this WebUI cannot read an infotext")


def test_an_image_stores_its_settings(client):
    settings = Settings(**ON, version="1", curve="0:0, 1:1", width2=0.25, stage_map="levels")
    result = client.txt2img(settings.to_dict())
    infotext = result.info["infotexts"][0]
    assert "FreeU version: 1, FreeU b1: 1.5, FreeU s1: 0.5" in infotext
    assert 'FreeU curve: "0:0, 1:1"' in infotext
    parameters = client.post("/sdapi/v1/png-info", image=result.json["images"][0]).json()["parameters"]
    assert from_infotext(parameters) == settings
    assert read_image(base64.b64decode(result.json["images"][0])) == ("this extension", settings)
    assert "FreeU" not in client.txt2img().info["infotexts"][0]


@pytest.mark.usefixtures("_reads_infotext")
def test_an_infotext_restores_its_settings(client):
    first = client.txt2img({**ON, "curve": "0:0, 1:1", "version": "1"})
    again = client.post("/sdapi/v1/txt2img", infotext=first.info["infotexts"][0])
    assert again.json()["images"] == first.json["images"]
    plain = client.post("/sdapi/v1/txt2img", infotext=client.txt2img().info["infotexts"][0])
    assert "FreeU" not in plain.json()["info"]


@pytest.mark.parametrize(
    ("keys", "expected"),
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
def test_the_infotext_of_another_tool_gives_the_same_image(client, keys, expected):
    prompt, _, parameters = client.txt2img().info["infotexts"][0].rpartition("\n")
    pasted = client.post("/sdapi/v1/txt2img", infotext=f"{prompt}\n{parameters}, {keys}")
    assert pasted.json()["images"] == client.txt2img(expected).json["images"]


@pytest.mark.usefixtures("off_is_unchanged", "_reads_infotext")
def test_an_invalid_infotext_is_rejected_by_name(client):
    infotext = client.txt2img(ON).info["infotexts"][0].replace("FreeU b1: 1.5", "FreeU b1: 15")
    answer = client.post("/sdapi/v1/txt2img", infotext=infotext)
    assert answer.status_code == 422
    assert "b1" in reason(answer)


# Bad input


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ([{"b1": 9}], "b1 must be between -1 and 3, got 9"),
        ([{"b1": float("nan")}], "b1 must be between -1 and 3, got nan"),
        ([{"b1": "much"}], "b1 must be between -1 and 3, got 'much'"),
        ([{"backbone": 1}], "backbone is not a parameter of FreeU, got 1"),
        ([{"start": 0.8, "stop": 0.2}], "start must be at most stop, which is 0.2, got 0.8"),
        ([{"curve": "0:0, 2:1"}], "curve must be empty or points progress:strength"),
        ([{"preset": "SDXXL"}], "preset must be one of "),
        ([{"enable": True, "b1": 1.2}], "enable is not a parameter of FreeU, got True"),
        ([True, "3", *FULL_LIST[2:]], "version must be one of 1, 2, got '3'"),
        (["on"], f"{NO_SETTINGS} values, got ['on']"),
        (
            [True, 1, 1.02, 0.99, 0.95, 0.0, 1.0],
            NO_SETTINGS,
        ),
        (LJLEB_LIST[:11], "settings must be 23 values in a list for ljleb/sd-webui-freeu, got "),
    ],
)
@pytest.mark.usefixtures("off_is_unchanged")
def test_a_job_with_invalid_settings_is_refused_by_name(client, args, message):
    answer = client.post("/sdapi/v1/txt2img", **SMALL, alwayson_scripts={"freeu": {"args": args}})
    assert answer.status_code == 422
    assert answer.json()["error"] == "FreeUSettingsError"
    assert reason(answer).startswith(message)
    assert ", got " in reason(answer)


def test_a_refused_job_writes_one_line(playground, caplog):
    """No traceback: a refusal is no crash."""
    client = Client(playground.url)
    keys = "Steps: 1, Sampler: Euler, Seed: 1, FreeU b1: 15"
    refused = [
        client.post("/sdapi/v1/txt2img", **SMALL, alwayson_scripts={"freeu": {"args": [{"b1": 9}]}}),
        client.post("/sdapi/v1/txt2img", infotext=f"red apple\n{keys}"),
    ]
    assert [answer.json()["detail"] for answer in refused] == [
        "b1 must be between -1 and 3, got 9",
        "b1 must be between -1 and 3, got '15'",
    ]
    with pytest.raises(RuntimeError):
        client.plot(("[FreeU] b1", "9"))
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == [
        "FreeU refuses this job: b1 must be between -1 and 3, got 9"
    ]
    assert not any(record.exc_info for record in caplog.records)


def test_a_job_with_any_payload_uses_its_settings_or_is_refused(client, off):
    """No image ignores a payload, and the next job is unchanged."""

    @hypothesis_settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
    @given(strategies.payloads.map(lambda payload: payload if isinstance(payload, list) else [payload]))
    def check(args):
        try:
            body = {**SMALL, "steps": 1, "alwayson_scripts": {"freeu": {"args": args}}}
            answer = client.post("/sdapi/v1/txt2img", **body)
        except (RecursionError, ValueError, TypeError):  # values that JSON does not have
            return
        expected = _parse(args)
        if isinstance(expected, SettingsError):
            assert answer.status_code == 422
            assert expected.field in reason(answer)
        else:
            assert answer.status_code == 200, answer.text
            parameters = client.post("/sdapi/v1/png-info", image=answer.json()["images"][0]).json()["parameters"]
            assert from_infotext(parameters) == (expected if expected.enabled else None)

    check()
    assert pixels(client.txt2img()) == off


def _parse(args):
    """Return the settings, or the error, of a payload for a job of one step."""
    try:
        return arguments.parse(args, presets.BUILTIN, 1).settings
    except SettingsError as error:
        return error


# Jobs


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
        "RK3 Euler",
        "Adaptive Heun",
        "Restart",
    ],
)
def test_samplers(client, sampler):
    """FreeU is active at both steps, at the first one, or at none."""
    if sampler not in client.samplers:
        pytest.skip(f"this WebUI has no sampler {sampler}")
    settings = (ON, {**ON, "stop": 0.5}, False)
    both, first, off = (pixels(client.txt2img(args, sampler_name=sampler, steps=2)) for args in settings)
    assert both != first
    assert off not in (both, first)


@pytest.mark.usefixtures("off_is_unchanged")
def test_passes_of_hires_fix(client):
    hires = {"enable_hr": True, "hr_scale": 2, "hr_upscaler": client.upscaler, "denoising_strength": 0.7, "steps": 2}
    results = {
        name: pixels(client.txt2img(args, **hires))
        for name, args in {
            "off": False,
            "both": ON,
            "first": {**ON, "passes": "first"},
            "hires": {**ON, "passes": "hires"},
        }.items()
    }
    assert len({tuple(images) for images in results.values()}) == 4
    assert pixels(client.txt2img({**ON, "passes": "hires"}, steps=2)) == pixels(client.txt2img(steps=2))
    assert pixels(client.txt2img({**ON, "passes": "first"}, steps=2)) == pixels(client.txt2img(ON, steps=2))


@pytest.mark.parametrize("masked", [False, True], ids=["img2img", "inpainting"])
@pytest.mark.usefixtures("off_is_unchanged")
def test_img2img(client, masked):
    image = client.txt2img().image
    mask = Image.new("L", image.size)
    mask.paste(255, (0, 0, 32, 64))
    job = {"mask_image": mask} if masked else {}
    client.img2img(image, **job)  # in Forge, the first inpainting after another job differs from all later ones
    off = pixels(client.img2img(image, **job))
    assert pixels(client.img2img(image, ON, **job)) != off
    assert pixels(client.img2img(image, **job)) == off
    assert pixels(client.img2img(image, {**ON, "passes": "hires"}, **job)) == off


def test_the_images_of_a_batch_equal_single_images(client):
    batch = client.txt2img(ON, batch_size=2, n_iter=2)
    alone = [pixels(client.txt2img(ON, seed=SMALL["seed"] + i))[0] for i in range(4)]
    together = pixels(batch)[-4:]
    assert len(set(together)) == 4
    # Sums over other batch sizes are rounded in another way.
    for one, other in zip(together, alone, strict=True):
        assert max(abs(a - b) for a, b in zip(one, other, strict=True)) <= 1


@pytest.mark.parametrize("prompt", ["red apple AND strawberry", "[red apple:strawberry:0.5]", ""])
@pytest.mark.usefixtures("off_is_unchanged")
def test_prompts_with_several_parts(client, prompt):
    off = pixels(client.txt2img(prompt=prompt))
    assert pixels(client.txt2img(ON, prompt=prompt)) != off
    assert pixels(client.txt2img(prompt=prompt)) == off


# The X/Y/Z plot


def test_both_tabs_have_one_axis_per_parameter(client):
    ours = [f"[FreeU] {name}" for name in ("preset", *TABLE)]
    for script in client.get("/sdapi/v1/script-info").json():
        if script["name"] == "x/y/z plot":
            axes = script["args"][0]["choices"]
            assert [axis for axis in axes if axis in ours] == ours


@pytest.mark.usefixtures("off_is_unchanged")
def test_the_cells_of_a_plot_equal_single_images(client):
    cells = pixels(client.plot(("[FreeU] b1", "1, 1.5-1.75 (+0.125)")))[1:]
    singles = [{"b1": 1.0}, {"b1": 1.5}, {"b1": 1.625}, {"b1": 1.75}]
    assert cells == [pixels(client.txt2img(single))[0] for single in singles]


@pytest.mark.usefixtures("off_is_unchanged")
def test_axes_with_choices_override_presets(client, off):
    plot = client.plot(
        ("[FreeU] enabled", "True|False"), ("[FreeU] preset", "SD1.5|SDXL gentle"), ("[FreeU] s1", "0.9")
    )
    cells = [{"preset": name, "s1": 0.9, "enabled": on} for name in ("SD1.5", "SDXL gentle") for on in (True, False)]
    assert pixels(plot)[1:] == [pixels(client.txt2img(settings))[0] for settings in cells]
    infotexts = plot.info["infotexts"][1:]
    assert ["FreeU" in infotext.partition("[FreeU]")[0] for infotext in infotexts] == [True, False, True, False]


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ([("[FreeU] b1", "1.2, 9")], "b1 must be between -1 and 3, got 9"),
        ([("[FreeU] b1", "1.2, much")], "b1 must be between -1 and 3, got 'much'"),
        ([("[FreeU] version", "2|3")], "version must be one of 1, 2, got '3'"),
        ([("[FreeU] curve", '"0:0, 1:2"')], "each progress once, got '0:0, 1:2'"),
        ([("[FreeU] preset", "nothing")], "got 'nothing'"),
        ([("[FreeU] plot", "perhaps")], "plot must be true or false, got 'perhaps'"),
        (
            [("[FreeU] start", "0, 0.6"), ("[FreeU] stop", "0.5, 1")],
            "start must be at most stop, which is 0.5, got 0.6",
        ),
        (
            [("[FreeU] stop", "0.5, 1"), ("[FreeU] start", "0, 0.6")],
            "start must be at most stop, which is 0.5, got 0.6",
        ),
        (
            [("[FreeU] b1", "1.2, 9"), ("[FreeU] start", "0.6"), ("[FreeU] stop", "1")],
            "b1 must be between -1 and 3, got 9",
        ),
        ([("[FreeU] curve", "0:0, 1:1")], "curve must have quotes around each curve"),
    ],
)
@pytest.mark.usefixtures("off_is_unchanged")
def test_a_plot_with_invalid_values_is_refused_before_its_first_image(client, axes, message):
    with pytest.raises(RuntimeError) as error:
        client.plot(*axes)
    status, text = error.value.args
    assert status == 422
    assert message in text


def test_axes_are_not_checked_against_the_values_that_they_override(client):
    start, stop = ("[FreeU] start", "0.6"), ("[FreeU] stop", "0.7, 1")
    for axes in ((start, stop), (stop, start)):
        assert len(client.plot(*axes, freeu=({"stop": 0.5},)).images) == 1 + 2


# The routes of the extension


def test_the_schema_accepts_what_a_job_accepts(client):
    schema = client.get("/freeu/v1/schema").json()
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate({**ON, "preset": "Automatic", "version": 2}, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"b1": 9}, schema)


def test_the_presets_are_listed(client):
    listed = client.get("/freeu/v1/presets").json()["presets"]
    assert presets.BUILTIN.items() <= {name: Settings(**preset["settings"]) for name, preset in listed.items()}.items()
    assert all(preset["help"] for preset in listed.values())


@pytest.mark.parametrize("payload", [{"preset": "SDXL", "start": 0.25}, LJLEB_LIST, LJLEB_OBJECT, FULL_LIST])
def test_validate_describes_what_a_job_would_do(client, payload):
    answer = client.post("/freeu/v1/validate", settings=payload, steps=4).json()
    settings = Settings(**answer["settings"])
    args = payload if isinstance(payload, list) else [payload]
    assert settings == arguments.parse(args, presets.BUILTIN, 4).settings
    for step, described in enumerate(answer["schedule"]):
        assert described["step"] == step
        assert described["strength"] == strength(settings, step, 4)
        assert described["factors"]["b1"] == pytest.approx(1 + described["strength"] * (settings.b1 - 1))
    assert len(answer["schedule"]) == 4


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"settings": {"b1": float("inf")}}, "b1"),
        ({"settings": {}, "steps": 0}, "steps"),
        ({"settings": {}, "steps": True}, "steps"),
        ({"settings": {}, "steps": 10**9}, "steps"),
        ({"settings": 3}, "settings"),
        ({"settings": [True, "2"]}, "settings"),
        ({"settings": LJLEB_LIST[:11]}, "settings"),
        ({"steps": 20, "more": "\ud800"}, "body"),
        ({"settings": {"\ud800": 1}}, r"\ud800"),
        ({"settings": {"version": "\ud800"}}, "version"),
        ({"settings": {"preset": "\ud800"}}, "preset"),
        ({"settings": {"stage_infos": [{"\ud800": "\udfff"}]}}, r"\ud800 of stage 1"),
        ({"settings": {"plot": "\ud800"}}, "plot"),
        ({"settings": ["\ud800"]}, "settings"),
        ({"settings": "\ud800"}, "settings"),
        ({"settings": {}, "steps": "\ud800"}, "steps"),
        ({"settings": {"x" * 10_000: ["y"] * 10_000}}, f"{'x' * 77}..."),
    ],
)
def test_validate_names_the_invalid_field(client, body, field):
    answer = client.post("/freeu/v1/validate", **body)
    assert answer.status_code == 422
    assert answer.json()["field"] == field
    assert {"value", "allowed", "message"} < answer.json().keys()
    assert all(text.isprintable() and len(text) <= MAX_MESSAGE_LENGTH for text in answer.json().values())


@pytest.mark.parametrize(
    "body",
    [b"", b"null", b'"\\ud800"', b"[1]", b"NaN", b"\xff", b"{", b"[" * 100_000, b"1" * 5000, b'{"settings": 1e999}'],
)
def test_validate_answers_any_other_body_with_an_error(client, body):
    answer = requests.post(
        f"{client.url}/freeu/v1/validate", data=body, headers={"Content-Type": "application/json"}, timeout=SECONDS
    )
    assert answer.status_code in (400, 422)
    assert "error" in answer.json() or "message" in answer.json() or "detail" in answer.json()


# Saving a preset. A WebUI at FREEU_URL keeps the presets that these tests save, under OWN and OTHER.

OWN, OTHER = "FreeU test 夜 ?#%25+&", "FreeU test 2"


@pytest.fixture
def saved(client, empty_presets):
    """The settings of a preset saved as OWN. The playground has a preset file for this test only."""
    answer = client.save_preset(OWN, settings=ON, overwrite=True)
    assert answer.status_code == 200, answer.text
    return Settings(**ON)


def test_a_saved_preset_is_listed_and_usable_at_once(client, saved):
    listed = client.get("/freeu/v1/presets").json()["presets"]
    assert Settings(**listed[OWN]["settings"]) == saved
    jsonschema.validate({"preset": OWN}, client.get("/freeu/v1/schema").json())
    assert pixels(client.txt2img({"preset": OWN})) == pixels(client.txt2img(ON))


@pytest.mark.parametrize(
    "payload",
    [
        {"preset": "SDXL", "start": 0.25},
        {"preset": OWN, "b1": 1.25},
        {"enabled": False, "curve": "0:0, 1:1", "plot": True},
        LJLEB_LIST,
        LJLEB_OBJECT,
        FULL_LIST,
    ],
)
def test_saving_takes_what_validate_takes(client, saved, payload):
    settings = Settings(**client.post("/freeu/v1/validate", settings=payload, steps=4).json()["settings"])
    answer = client.save_preset(f" {OTHER} ", settings=payload, steps=4, overwrite=True)
    assert answer.status_code == 200
    assert answer.json().keys() == {"name", "settings", "problems"}
    assert answer.json()["name"] == OTHER
    assert Settings(**answer.json()["settings"]) == settings.replace(enabled=True)
    assert client.get("/freeu/v1/presets").json()["presets"][OTHER]["settings"] == answer.json()["settings"]


def test_a_preset_is_overwritten_only_if_asked(client, saved):
    for body in ({}, {"overwrite": False}):
        answer = client.save_preset(f" {OWN}", settings={"b1": 1.1}, **body)
        assert answer.status_code == 409
        assert answer.json() == {
            "field": "preset name",
            "value": repr(OWN),
            "allowed": "must not be the name of an existing preset",
            "message": f"preset name must not be the name of an existing preset, got {OWN!r}",
        }
    assert _own_settings(client) == saved
    assert client.save_preset(OWN, settings={"b1": 1.1}, overwrite=True).status_code == 200
    assert _own_settings(client) == Settings(b1=1.1)


def _own_settings(client):
    return Settings(**client.get("/freeu/v1/presets").json()["presets"][OWN]["settings"])


@pytest.mark.parametrize(
    "name",
    [
        *("", " ", "a/b", "/", "../presets", "SDXL", "sdxl", "SDXL/", "Custom", "automatic", "x" * 61, "夜" * 61),
        *("a\n", "a\nb", "\n", "a\r\nb"),
        *("a,b", "a\tb", "a\0b", "a\\b", "a<b", "\u202e", '"', "'"),
    ],
)
def test_a_preset_name_that_is_not_allowed_is_refused(client, saved, name):
    before = client.get("/freeu/v1/presets").json()
    answer = client.save_preset(name, settings={}, overwrite=True)
    assert answer.status_code == 422
    assert answer.json()["field"] == "preset name"
    assert answer.json()["message"].startswith("preset name must have 1 to 60 visible characters, no quotes and none")
    assert all(text.isprintable() and len(text) <= MAX_MESSAGE_LENGTH for text in answer.json().values())
    assert client.get("/freeu/v1/presets").json() == before


@pytest.mark.parametrize("name", ["%ED%A0%80", "%FF", "a%E5%A4"], ids=["lone surrogate", "byte", "half a character"])
def test_a_preset_name_that_is_not_utf_8_is_refused(client, saved, name):
    before = client.get("/freeu/v1/presets").json()
    answer = requests.put(
        f"{client.url}/freeu/v1/presets/{name}", json={"settings": {}, "overwrite": True}, timeout=SECONDS
    )
    assert answer.status_code == 422
    assert answer.json()["message"].startswith("preset name must be UTF-8 in the address, got ")
    assert client.get("/freeu/v1/presets").json() == before


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"settings": {"b1": 9}}, "b1 must be between -1 and 3, got 9"),
        ({"settings": {"preset": "nothing"}}, "preset must be one of "),
        ({"settings": {"plot": "\ud800"}}, r"plot must be true or false, got '\ud800'"),
        ({"settings": {"\ud800": 1}}, r"\ud800 is not a parameter of FreeU, got 1"),
        ({"settings": LJLEB_LIST[:11]}, "settings must be 23 values in a list for ljleb/sd-webui-freeu, got "),
        ({"settings": {}, "steps": 0}, "steps must be a whole number between 1 and 1000, got 0"),
        ({"overwrite": True}, "body must be an object with settings, got {'overwrite': True}"),
        ({"settings": {}, "overwrite": "true"}, "overwrite must be true or false, got 'true'"),
        ({"settings": {}, "overwrite": None}, "overwrite must be true or false, got None"),
    ],
)
def test_saving_invalid_settings_names_the_field_and_changes_nothing(client, saved, body, message):
    answer = client.save_preset(OWN, **{"overwrite": True, **body})
    assert answer.status_code == 422
    assert answer.json()["message"].startswith(message)
    assert answer.json().keys() == {"field", "value", "allowed", "message"}
    assert _own_settings(client) == saved


@pytest.mark.parametrize("body", [b"", b"null", b'"\\ud800"', b"[1]", b"\xff", b"{", b"[" * 100_000])
def test_saving_any_other_body_is_an_error(client, saved, body):
    path, headers = f"{client.url}/freeu/v1/presets/{OTHER}x", {"Content-Type": "application/json"}
    assert requests.put(path, data=body, headers=headers, timeout=SECONDS).status_code in (400, 422)
    assert f"{OTHER}x" not in client.get("/freeu/v1/presets").json()["presets"]


# Lone surrogates


@pytest.mark.parametrize("freeu", [{"\ud800\n\x1b": 1}, {"preset": "\ud800\n\x1b"}, {"curve": "\ud800\n\x1b"}])
def test_a_job_with_a_lone_surrogate_is_refused_in_escaped_form(client, freeu):
    job = {**SMALL, "alwayson_scripts": {"freeu": {"args": [freeu]}}}
    answer = client.post("/sdapi/v1/txt2img", **job)
    assert answer.status_code == 422
    assert r"\ud800\n\x1b" in reason(answer)


@pytest.mark.usefixtures("_reads_infotext")
def test_an_infotext_with_a_lone_surrogate_is_refused_in_escaped_form(client):
    _, _, parameters = client.txt2img().info["infotexts"][0].rpartition("\n")
    answer = client.post("/sdapi/v1/txt2img", infotext=f"red apple\n{parameters}, FreeU version: \ud800")
    assert answer.status_code == 422
    assert r"version must be one of 1, 2, got '\ud800'" in reason(answer)
