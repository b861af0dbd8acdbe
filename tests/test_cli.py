"""`python -m freeu`: settings in images and requests, of this extension and of other tools."""

import json
import re
import subprocess
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import PngImagePlugin

from freeu import Settings, SettingsError, arguments, to_infotext
from freeu.cli.main import main
from freeu.compat import comfyui as comfyui_reader
from freeu.compat import invokeai as invokeai_reader
from freeu.compat import swarmui as swarmui_reader
from freeu.compat.detect import CHUNKS, Detected, read_file, read_image
from freeu.compat.metadata import UnreadableFileError
from freeu.compat.steps import step_share
from freeu.settings.infotext import parse_parameters
from freeu.settings.presets import BUILTIN
from tests.files import (
    FACTORS,
    LEVELS,
    ORIGINAL,
    SWARMUI,
    WRITTEN,
    comfyui,
    comfyui_animation,
    comfyui_chain,
    comfyui_page,
    comfyui_webp,
    image_file,
    infotext,
    invokeai,
    png_with,
    swarmui,
    with_comment,
)
from tests.support.strategies import valid
from tests.support.waiting import SECONDS

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("example", WRITTEN)
def test_images_of_every_tool_are_read(example):
    texts, tool, settings = WRITTEN[example]
    assert read_image(png_with(texts)) == (tool, settings)


@pytest.mark.parametrize("save", [comfyui_webp, comfyui_animation])
def test_other_images_of_comfyui_are_read(save):
    texts, tool, settings = WRITTEN["ComfyUI, with a page's workflow"]
    assert read_image(save(**texts)) == (tool, settings)
    assert read_image(save(prompt=json.dumps(comfyui("None")), workflow=json.dumps(comfyui_page("FreeU")))) is None


@pytest.mark.parametrize("kind", ["JPEG", "WebP"])
@pytest.mark.parametrize(
    "encoded",
    [
        lambda text: b"UNICODE\0" + text.encode("utf-16-be"),  # as in AUTOMATIC1111
        lambda text: b"UNICODE\0" + text.encode("utf-16-le"),
        lambda text: b"ASCII\0\0\0" + text.encode("ascii"),
        lambda text: text.encode(),
    ],
    ids=["UTF-16 BE", "UTF-16 LE", "ASCII", "no encoding"],
)
def test_exif_comment_is_read(kind, encoded):
    texts, tool, settings = WRITTEN["ljleb"]
    assert read_image(with_comment(kind, encoded(texts["parameters"]))) == (tool, settings)


@pytest.mark.parametrize("example", ["Fooocus, a1111", "Fooocus, fooocus", "SwarmUI"])
def test_exif_comment_outside_of_its_directory_is_read(example):
    texts, tool, settings = WRITTEN[example]
    assert read_image(with_comment("JPEG", texts["parameters"], directory=None)) == (tool, settings)


def test_png_text_after_the_pixels_is_read():
    chunks = PngImagePlugin.PngInfo()
    chunks.add_itxt("parameters", WRITTEN["ours"][0]["parameters"], zip=True)
    image = png_with({})
    with_text = image_file("PNG", pnginfo=chunks)
    chunk = with_text[with_text.index(b"iTXt") - 4 : with_text.index(b"IDAT") - 4]
    end = image.index(b"IEND") - 4
    assert read_image(image[:end] + chunk + image[end:]).settings == WRITTEN["ours"][2]


@pytest.mark.parametrize(
    "texts",
    [
        {},
        {"parameters": infotext()},
        {"parameters": "no keys at all"},
        {"parameters": json.dumps(swarmui())},
        {"parameters": json.dumps(swarmui(freeublockone=1.3))},
        {"parameters": json.dumps(swarmui(freeuapplyto="Refiner"))},
        {"parameters": json.dumps({**swarmui(freeuapplyto="Both"), "sui_extra_data": {"unused_parameters": [
            "freeuversion", "freeublockone"]}})},
        {"parameters": infotext("Integrated FreeU Enabled: False")},
        {"prompt": json.dumps(comfyui("None")), "workflow": json.dumps(comfyui_page("FreeU"))},
        {"prompt": json.dumps({"1": {"class_type": "SeargeFreeU", "inputs": {"freeu_mode": "disabled"}}})},
        {"workflow": json.dumps(comfyui_page("KSampler"))},
        {"workflow": json.dumps(comfyui_page("FreeU_V2", mode=4))},
        {"parameters": "[" * 5000, "prompt": "{", "invokeai_graph": "null"},
        {"prompt": json.dumps({"3": {"class_type": "KSampler", "inputs": {"model": ["4", 0]}}, "extra": [1]})},
        {"prompt": json.dumps({**comfyui(["FreeU"]), "6": {"class_type": {}, "inputs": []}})},
        {"invokeai_graph": json.dumps({**invokeai(), "edges": []})},
    ],
)  # fmt: skip
def test_image_without_freeu(texts):
    assert read_image(png_with(texts)) is None


LINKED = "must be a number in the node itself, not from another node"
IN_RANGE = "must be between -1 and 3"
APPLIES_TO_BASE = swarmui(freeublockone=1, freeuapplyto="Base", refinermodel="r")
ALL_SAMPLERS = "must act in all samplers"
FREEU, PATCH = ("FreeU", FACTORS), ("RescaleCFG", {"multiplier": 0.7})
GUIDER = {
    **comfyui_chain(FREEU, ("BasicGuider", {"conditioning": ["9", 0]}), sampler="BasicScheduler"),
    "4": {"class_type": "SamplerCustomAdvanced", "inputs": {"guider": ["2", 0], "sigmas": ["3", 0], "noise": ["5", 0]}},
    "5": {"class_type": "RandomNoise", "inputs": {"noise_seed": 1}},
}
TWO_MODELS = [
    {**GUIDER, "2": {"class_type": "DualModelGuider", "inputs": {"model": ["1", 0], "model_negative": ["0", 0]}}},
    {**GUIDER, "2": {"class_type": "DualModelGuider", "inputs": {"model": ["0", 0], "model_negative": ["1", 0]}}},
    {**GUIDER, "2": {"class_type": "AutoGuidanceCFGGuider", "inputs": {"good_model": ["1", 0], "bad_model": ["6", 0]}}},
    {**comfyui_chain(FREEU),
     "2": {"class_type": "ModelMergeSimple", "inputs": {"model1": ["1", 0], "model2": ["0", 0]}},
     "3": {"class_type": "KSampler", "inputs": {"model": ["2", 0]}}},
]  # fmt: skip
SEARGE = {
    "1": {"class_type": "SeargeFreeU", "inputs": {"freeu_mode": "custom", **FACTORS, "freeu_version": "version 2"}},
    "2": {"class_type": "SeargeGenerationParameters", "inputs": {"data": ["1", 0], "seed": 1}},
    "3": {"class_type": "SeargeMagicBox", "inputs": {"data": ["2", 0]}},
}
LORA = {"class_type": "LoraLoader", "inputs": {"model": ["1", 0], "clip": ["0", 1]}}
TEXT = {"class_type": "CLIPTextEncode", "inputs": {"clip": ["3", 1]}}
PIPE = {"class_type": "ToBasicPipe", "inputs": {"model": ["1", 0], "clip": ["0", 1]}}
CONTEXT = {"class_type": "Context (rgthree)", "inputs": {"model": ["1", 0]}}
SWITCH = ("Switch", {"model": 1, "input1": ["1", 0], "input2": ["0", 0]})
EVERYWHERE = {"class_type": "Anything Everywhere", "inputs": {"MODEL": ["1", 0]}}
DETAILER = {"class_type": "FaceDetailerPipe", "inputs": {"basic_pipe": ["3", 0], "seed": 1}}
WITH_TEXT = {"class_type": "KSampler", "inputs": {"model": ["0", 0], "seed": 1, "positive": ["4", 0]}}
WITHOUT = {"class_type": "KSampler", "inputs": {"model": ["4", 0]}}


@pytest.mark.parametrize(
    "graph",
    [
        comfyui_chain(FREEU, PATCH),
        comfyui_chain(PATCH, FREEU, PATCH, sampler="KSamplerAdvanced"),
        GUIDER,
        {
            **comfyui_chain(FREEU),
            "3": PIPE,
            "4": {"class_type": "FaceDetailerPipe", "inputs": {"basic_pipe": ["3", 0], "seed": 1}},
        },
        {**comfyui_chain(FREEU), "3": {"class_type": "KSampler (Efficient)", "inputs": {"model": ["2", 0], "seed": 2}}},
        {
            **comfyui_chain(FREEU),
            "2": {"class_type": "KSampler", "inputs": {"model": ["3", 1], "seed": 1}},
            "3": CONTEXT,
        },
        {**comfyui_chain(FREEU), "2": {"class_type": "KSampler", "inputs": {"seed": 1}}, "3": EVERYWHERE},
        {**comfyui_chain(FREEU), "3": {"class_type": "PreviewModel", "inputs": {"anything": ["1", 0]}}},
        {**comfyui_chain(FREEU), "3": {"class_type": "FreeU_V2", "inputs": {"model": ["0", 0], "b1": 2}}},
    ],
)
def test_model_of_comfyui_is_followed_to_the_samplers(graph):
    assert comfyui_reader.from_graph(graph) == Settings(version="1", **FACTORS)


@pytest.mark.parametrize(
    "graph",
    [
        {**comfyui_chain(PATCH), "3": {"class_type": "FreeU", "inputs": {"model": ["0", 0], **FACTORS}},
         "4": {"class_type": "RescaleCFG", "inputs": {"model": ["3", 0]}}},
        {**GUIDER, "2": {"class_type": "BasicGuider", "inputs": {"model": ["0", 0]}},
         "3": {"class_type": "BasicScheduler", "inputs": {"model": ["1", 0]}}},
        {**comfyui_chain(FREEU), "2": WITH_TEXT, "3": LORA, "4": TEXT},
    ],
)  # fmt: skip
def test_freeu_whose_model_is_not_sampled_is_off(graph):
    assert comfyui_reader.from_graph(graph) is None


def test_reading_a_graph_takes_linear_time():
    """A quadratic search would take minutes."""
    long = comfyui_chain(*[PATCH] * 5_000, FREEU, *[PATCH] * 5_000)
    assert comfyui_reader.from_graph(long) == Settings(version="1", **FACTORS)
    many = comfyui_chain(*[FREEU] * 5_000)
    with pytest.raises(SettingsError, match="must be one"):
        comfyui_reader.from_graph(many)


@pytest.mark.parametrize("edge", [["6", 0], None])
def test_comfyui_node_that_nothing_uses_is_ignored(edge):
    graph = comfyui("FreeU")
    graph["3"]["inputs"]["model"] = ["4", 0]
    graph["6"] = {"class_type": "KSampler", "inputs": {"model": edge}}
    assert comfyui_reader.from_graph(graph) is None


@pytest.mark.parametrize(
    ("read", "graph", "field", "message"),
    [
        (comfyui_reader.from_graph, comfyui("FreeU", b1=["9", 0]), "b1", LINKED),
        (comfyui_reader.from_graph, comfyui("FreeU", b1=10), "b1", IN_RANGE),
        (comfyui_reader.from_graph, comfyui("FreeU", b1=None), "b1", IN_RANGE),
        (
            comfyui_reader.from_graph,
            {**comfyui("FreeU"), "6": {"class_type": "FreeU_V2", "inputs": {"model": ["5", 0]}},
             "7": {"class_type": "KSampler", "inputs": {"model": ["6", 0]}}},
            "FreeU nodes",
            "must be one; the image may depend on all of them",
        ),
        (
            invokeai_reader.from_graph,
            {**invokeai(), "edges": [*invokeai()["edges"], {"source": {"node_id": "n", "field": "value"},
                                                            "destination": {"node_id": "freeu:1", "field": "s2"}}]},
            "s2",
            LINKED,
        ),
        (comfyui_reader.from_graph, {**comfyui("FreeU"), "6": WITHOUT}, "FreeU node 5", ALL_SAMPLERS),
        (comfyui_reader.from_graph, comfyui_chain(FREEU, SWITCH),
         "node after FreeU", "must have an input for a model"),
        *((comfyui_reader.from_graph, graph, "node 2", "must have FreeU in all of its models, these are without it")
          for graph in TWO_MODELS),
        (invokeai_reader.from_graph, invokeai(b2="much"), "b2", IN_RANGE),
        (swarmui_reader.from_parameters, swarmui(**SWARMUI, freeuskipone=9), "s1", IN_RANGE),
        (swarmui_reader.from_parameters, APPLIES_TO_BASE, "freeuapplyto", "must be Both"),
    ],
)  # fmt: skip
def test_error_names_what_cannot_be_read_in_a_graph(read, graph, field, message):
    with pytest.raises(SettingsError, match=message) as caught:
        read(graph)
    assert caught.value.field == field


def test_missing_values_of_swarmui_are_its_defaults():
    settings = swarmui_reader.from_parameters(swarmui(freeuapplyto="Both", freeublockone=1.3))
    assert settings == Settings(version="1", b1=1.3, b2=1.2, s1=0.9, s2=0.2)
    assert swarmui_reader.from_parameters(swarmui(freeuapplyto="Base")).b1 == 1.1


@pytest.mark.parametrize(
    ("texts", "seen"),
    [
        ({"parameters": infotext("Integrated FBCache Enabled: False, Integrated FreeU Enabled: True")},
         "Integrated FreeU Enabled"),
        ({"parameters": infotext("FUM_enabled: True, FUM_b1: 1.3, FUM_b1_preset: Wave")}, "FUM_enabled"),
        ({"parameters": infotext('FreeU Backbone Scales: "1.2,1.4", FreeU Skip Scales: "0.9,0.2"')},
         "FreeU Backbone Scales"),
        ({"prompt": json.dumps(comfyui_chain(("FreeU (Advanced)", {"target_block": "all"})))}, "FreeU (Advanced)"),
        ({"prompt": json.dumps(comfyui_chain(("FreeU_V2_timestepadd", FACTORS)))}, "FreeU_V2_timestepadd"),
        ({"prompt": json.dumps(SEARGE)}, "SeargeFreeU"),
        ({"workflow": json.dumps(comfyui_page("KSampler", "FreeU_V2"))}, "FreeU_V2"),
        ({"invokeai_workflow": json.dumps({"nodes": [{"id": "1", "type": "invocation", "data": {"type": "freeu"}}],
                                           "edges": []})}, "freeu"),
    ],
)  # fmt: skip
def test_freeu_that_cannot_be_read_is_named(texts, seen):
    with pytest.raises(
        SettingsError, match=f"^FreeU in .* must be in a form that can be read, got '{re.escape(seen)}'"
    ):
        read_image(png_with(texts))


WORDS = (
    "nodes edges links type inputs class_type seed model b1 source destination node_id sui_image_params freeuapplyto "
    "args freeu alwayson_scripts steps init_images override_settings advanced_params freeu_enabled "
    "freeu_b1 input info 5"
)
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.sampled_from(["5", "FreeU", "freeu", "1.2", ""]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS.split()), inner, max_size=4),
    max_leaves=12,
)


@given(JSON)
def test_any_json_is_read_or_raises_an_expected_error(value):
    text = json.dumps(value)
    images = [partial(read_image, png_with({name: text})) for name in CHUNKS]
    for read in (*images, partial(read_file, text.encode())):
        with suppress(SettingsError, UnreadableFileError):
            assert read() is None or isinstance(read(), Detected)


@given(st.text(max_size=40), st.dictionaries(st.from_regex(r"[A-Za-z][\w \-/]{0,9}[a-z]", fullmatch=True), st.text()))
def test_infotext_is_read_as_it_was_written(prompt, keys):
    written = {key: json.dumps(value) for key, value in keys.items()}
    text = f"{prompt}\n{', '.join(f'{key}: {value}' for key, value in written.items())}"
    assert parse_parameters(text) == keys if keys else True


FLAT = {f"freeu_{name}": value for name, value in {"enabled": True, **FACTORS}.items()}
QUEUE_ITEM = [3, "id", comfyui("FreeU_V2"), {"extra_pnginfo": {"workflow": comfyui_page("FreeU")}}, ["9"]]

REQUESTS = {
    "ours": ({"preset": "SDXL gentle", "start": 0.2}, BUILTIN["SDXL gentle"].replace(start=0.2)),
    "ours, a list": ([*Settings(version="1", b1=1.3).to_dict().values(), False, False], Settings(version="1", b1=1.3)),
    "ljleb's": ({"stage_infos": [{"backbone_factor": 1.3}]}, Settings(version="1", b1=1.3, s1=1, b2=1, s2=1)),
    "ljleb's list": (
        [True, 0.0, 1.0, 0.0, "Version 2", 1.3, 0.9, 0, 0.5, 0, 1, 1.4, 0.2, 0, 0.5, 0, 1, 1, 1, 0, 0.5, 0, 1],
        Settings(),
    ),
    "a whole request": (
        {"prompt": "a", "steps": 10, "alwayson_scripts": {"FreeU": {"args": [{"start_ratio": 2, "stage_infos": []}]}}},
        Settings(version="1", b1=1, s1=1, b2=1, s2=1, start=0.2),
    ),
    "a request for Forge, img2img": (
        {"steps": 20, "init_images": ["a"], "denoising_strength": 0.5, "alwayson_scripts": {
            "FreeU Integrated": {"args": [True, 1.3, 1.4, 0.9, 0.2, 0.0, 0.8]}}},
        Settings(stop=step_share(9, 11)),
    ),
    "a request for img2img without a strength, in steps": (
        {"steps": 20, "init_images": ["a"], "alwayson_scripts": {"freeu": {"args": [{"stop_ratio": 8}]}}},
        Settings(version="1", b1=1, s1=1, b2=1, s2=1, stop=0.5),
    ),
    "a request with two scripts": (
        {"alwayson_scripts": {"FreeU Integrated (SD 1.x, SD 2.x, SDXL)": {"args": [False, 1, 1, 1, 1, 0, 1]},
                              "freeu": {"args": [{"b1": 1.2}]}, "FUM (FreeU-Move)": {"args": [False, 1.3]}}},
        Settings(b1=1.2),
    ),
    "a request with two scripts, both off": (
        {"alwayson_scripts": {"FreeU Integrated": {"args": [False]}, "freeu": {"args": [{"enabled": False}]}}},
        Settings(enabled=False),
    ),
    "SD.Next": ({"prompt": "a", "steps": 20, **FLAT}, LEVELS),
    "SD.Next, with other override_settings": (
        {"prompt": "a", "steps": 20, **FLAT, "override_settings": {"sd_model_checkpoint": "x", "freeu_b1": 1.1}},
        LEVELS,
    ),
    "SD.Next, off in other words": ({"steps": 20, **FLAT, "freeu_enabled": "off"}, Settings(enabled=False)),
    "Fooocus, a job": ({"performance_selection": "Speed", "steps": 20, **FLAT}, Settings()),
    "Fooocus, initial values": ({"image_number": 1, "freeu_enabled": True}, BUILTIN["Forge default"]),
    "Fooocus-API": ({"prompt": "a", "advanced_params": {**FLAT, "sampler_name": "euler"}}, Settings()),
    "Fooocus-API, off": ({"prompt": "a", "advanced_params": {**FLAT, "freeu_enabled": False}}, Settings(enabled=False)),
    "off in whichever tool": ({**FLAT, "freeu_enabled": 0}, Settings(enabled=False)),
    "reForge, keys and values": ({"Steps": "20", **FLAT}, Settings()),
    "SD.Next, override_settings": ({"override_settings": {"freeu_enabled": True, "freeu_b1": 1.3}}, LEVELS),
    "SD.Next, config.json": ({"sd_backend": "original", "freeu_enabled": True, "freeu_b1": 1.3}, ORIGINAL),
    "SD.Next, off": ({"freeu_enabled": False, "freeu_b1": 1.3}, Settings(enabled=False)),
    "Forge, keys and values": ({f"freeu_{name}": str(value) for name, value in
                               {"enabled": True, **FACTORS, "start": 0.0, "end": 1.0}.items()}, Settings()),
    "ComfyUI": ({"client_id": "a", "prompt": comfyui("FreeU_V2")}, Settings()),
    "ComfyUI, an item of its queue": (QUEUE_ITEM, Settings()),
    "ComfyUI, the answer of /queue": ({"queue_running": [QUEUE_ITEM], "queue_pending": []}, Settings()),
    "ComfyUI, the answer of /history": (
        {"id": {"prompt": QUEUE_ITEM, "outputs": {"9": {"images": []}}, "status": {"completed": True}}}, Settings()),
    "ComfyUI, a service": ({"input": {"prompt": comfyui("FreeU_V2")}, "webhook": "a"}, Settings()),
    "ComfyUI, a service, as text": ({"input": {"workflow_json": json.dumps(comfyui("FreeU_V2"))}}, Settings()),
    "ComfyUI, metadata of a site": ({"meta": {"comfy": json.dumps({"prompt": comfyui("FreeU_V2")})}}, Settings()),
    "a WebUI's service": ({"input": {"payload": {"alwayson_scripts": {"freeu": {"args": [{"b1": 1.2}]}}}}},
                          Settings(b1=1.2)),
    "a WebUI's answer": (
        {"images": [], "parameters": {"prompt": "a"}, "info": json.dumps({"infotexts": [infotext("FreeU b1: 1.2")]})},
        Settings(b1=1.2)),
    "PNG info's answer": ({"info": infotext("FreeU b1: 1.2"), "items": {}}, Settings(b1=1.2)),
    "a request for Forge": (
        {"steps": 10, "alwayson_scripts": {
            "FreeU Integrated (SD 1.x, SD 2.x, SDXL)": {"args": [True, 1.3, 1.4, 0.9, 0.2, 0.0, 1.0]}}},
        Settings(),
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", REQUESTS)
def test_requests_are_read(kind):
    request, settings = REQUESTS[kind]
    assert read_file(json.dumps(request).encode()).settings == settings


@pytest.mark.parametrize(
    "value",
    [
        {"prompt": "a", "alwayson_scripts": {"ControlNet": {"args": [1]}}},
        {"prompt": "a", "steps": 20},
        {"name": "a", "version": "1.0", "scripts": {"test": "b"}},
        {},
    ],
)
def test_json_without_freeu(value):
    assert read_file(json.dumps(value).encode()) is None


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        ({"start_ratio": 4, "stage_infos": []}, "start_ratio"),
        ({"b1": 9}, "b1"),
        ({"prompt": "a", **FLAT}, "freeu_enabled"),
        ({"0": {"prompt": [0, "a", comfyui("FreeU")]}, "1": {"prompt": [1, "b", comfyui("None")]}}, "graphs"),
        ({"alwayson_scripts": []}, "alwayson_scripts"),
        ({"alwayson_scripts": {"freeu": {}}}, "freeu"),
        ({"alwayson_scripts": {"freeu": {"args": [{"b1": 1}]}, "FreeU Integrated": {"args": [True, 1, 1, 1, 1]}}},
         "alwayson_scripts"),
        ({"alwayson_scripts": {"FBCache + FreeU (Integrated)": {"args": [False, True, 1.3]}}}, "FreeU in a request"),
        (["much"], "settings"),
    ],
)  # fmt: skip
def test_error_names_the_field_of_an_invalid_request(request_, field):
    with pytest.raises(SettingsError) as caught:
        read_file(json.dumps(request_).encode())
    assert caught.value.field == field


def test_error_names_the_tools_that_write_the_same_names():
    data = json.dumps(FLAT).encode()
    with pytest.raises(SettingsError, match=r"several tools write it .*SD\.Next.*--tool forge, fooocus, sdnext$"):
        read_file(data)
    settings = {"forge": Settings(), "fooocus": Settings(), "sdnext": LEVELS}
    assert {tool: read_file(data, tool=tool).settings for tool in settings} == settings
    with pytest.raises(SettingsError, match=r"^freeu_enabled must be in a JSON object of this tool"):
        read_file(b"{}", tool="forge")


@pytest.mark.parametrize(
    "keys",
    ["FreeU: None", "Hires FreeU: off", "FreeU enabled: 0", "FreeU enabled: no, FreeU b1: 1.3", "freeu_strength: 0",
     "freeu_enabled: 0, freeu_b1: 1.3", "Integrated FreeU Enabled: off", "FUM_enabled: 0, FUM_b1: 1.3", "FreeU: "],
)  # fmt: skip
def test_off_in_other_words_is_off(keys):
    detected = read_file(infotext(keys).encode())
    assert detected is None or not detected.settings.enabled


@pytest.mark.parametrize("keys", ["FreeU b1: 0", "FreeU s2: 0", "FreeU keep contrast: 0"])
def test_a_factor_of_0_is_a_number(keys):
    assert read_file(infotext(keys).encode()).settings.enabled


def test_steps_of_a_request_can_be_given():
    data = json.dumps({"start_ratio": 4, "stage_infos": []}).encode()
    assert read_file(data, steps=20).settings.start == 0.2
    with pytest.raises(SettingsError, match=r"^start_ratio must be a share of the run, got 4\. .*--steps N"):
        read_file(data)


@pytest.mark.parametrize(("s1", "enabled"), [(0.9, True), (0.0, False)])
def test_arguments_of_diffusers_are_read(s1, enabled):
    data = json.dumps({**FACTORS, "s1": s1}).encode()
    assert read_file(data, tool="diffusers") == ("diffusers", LEVELS.replace(s1=s1, enabled=enabled))


@pytest.mark.parametrize("data", [b"[1]", b'{"b1": 1}', b"b1=1", json.dumps({**FACTORS, "b3": 1}).encode()])
def test_other_arguments_of_diffusers_are_rejected(data):
    with pytest.raises(SettingsError, match=r"^enable_freeu must be JSON such as"):
        read_file(data, tool="diffusers")


@given(valid)
def test_converted_request_has_the_settings_of_the_image(payload):
    settings = Settings.parse(payload).replace(enabled=True)
    image = png_with({"parameters": f"a\nSteps: 20, {', '.join(infotext_pairs(to_infotext(settings)))}"})
    request = json.loads(json.dumps(arguments.to_script(read_file(image).settings)))
    (args,) = [script["args"] for script in request["alwayson_scripts"].values()]
    assert Settings.parse(args[0]) == settings
    assert arguments.parse(args, {}, steps=20).settings == settings


def infotext_pairs(keys):
    return [f"{key}: {json.dumps(value) if set(value) & set(',:') else value}" for key, value in keys.items()]


def run_command(*options, stdin=b""):
    command = [sys.executable, "-m", "freeu", *options]
    return subprocess.run(command, cwd=ROOT, input=stdin, capture_output=True, check=False, timeout=SECONDS)


def test_read_prints_the_tool_and_one_line_per_value(tmp_path, capsys):
    (tmp_path / "a.png").write_bytes(png_with(WRITTEN["ljleb"][0]))
    main(["read", str(tmp_path / "a.png")])
    assert capsys.readouterr().out.splitlines() == [
        "made by ljleb's sd-webui-freeu",
        "version: 1",
        "b1: 1.2",
        "s1: 0.9",
        "b2: 1.4",
        "s2: 0.2",
        "start: 0",
        "stop: 0.8",
        "smoothness: 0.5",
    ]


@pytest.mark.parametrize("stdin", [png_with(WRITTEN["SD.Next"][0]), WRITTEN["SD.Next"][0]["parameters"].encode()])
def test_convert_reads_standard_input(stdin):
    result = run_command("convert", "-", stdin=stdin)
    assert result.returncode == 0, result.stderr
    args = json.loads(result.stdout)["alwayson_scripts"]["freeu"]["args"]
    assert args == [
        {"version": "1", "b1": 1.3, "s1": 0.9, "b2": 1.4, "s2": 0.2, "start": 0.0, "stop": 1.0, "stage_map": "levels"}
    ]


@pytest.mark.parametrize(
    ("command", "data", "status", "message"),
    [
        ("read", png_with({}), 1, "no FreeU settings in {file}\n"),
        ("convert", infotext().encode(), 1, "no FreeU settings in {file}\n"),
        ("convert", json.dumps(comfyui("None")).encode(), 1, "in {file} (looks like a ComfyUI workflow)\n"),
        ("convert", json.dumps(comfyui_page("None")).encode(), 1, "in {file} (looks like a ComfyUI workflow)\n"),
        ("convert", b'{"nodes": {}, "edges": []}', 1, "in {file} (looks like an InvokeAI workflow)\n"),
        ("convert", b'{"prompt": "a", "steps": 20}', 1, "in {file} (looks like an API request)\n"),
        ("convert", b'{"name": "a", "private": true}', 1, "no FreeU settings in {file}\n"),
        ("convert", json.dumps([1, "id", comfyui("None")]).encode(), 1, "in {file} (looks like a ComfyUI workflow)\n"),
        ("convert", b'{"extra": {"FreeU": "on"}}', 1,
         "in {file} (looks like JSON with FreeU turned off, or in an unknown form)\n"),
        ("convert", b'{"prompt": "a", "extra": {"freeu_on": true}}', 1,
         "in {file} (looks like an API request with FreeU turned off, or in an unknown form)\n"),
        ("read", b'{"prompt": "a"}', 1, "in {file} (looks like an API request)\n"),
        ("read", b'{"freeu_mode": 1}', 2, "FreeU in the settings must be in a form that can be read"),
        ("read", b"FreeU", 2, "the file is neither an image, nor an infotext, nor JSON"),
        ("read", b"", 2, "the file is neither an image, nor an infotext, nor JSON"),
        ("read", png_with({"parameters": infotext("FreeU b1: 12")}), 2, "b1 must be between -1 and 3, got '12'"),
        ("read", image_file("PNG")[:45], 2, "the image is damaged"),
        ("convert", b'{"b1": 1.3,', 2, "the file is neither an image, nor an infotext, nor JSON"),
        ("convert", b'{"b": 1.3}', 2, "b is not a parameter of FreeU, got 1.3. The closest name is b"),
        ("convert", b"\0\1\2\3", 2, "the file is not an image"),
    ],
)  # fmt: skip
def test_exit_status_and_message(tmp_path, capsys, command, data, status, message):
    (tmp_path / "file").write_bytes(data)
    with pytest.raises(SystemExit) as caught:
        main([command, str(tmp_path / "file")])
    out, err = capsys.readouterr()
    assert (caught.value.code, out) == (status, "")
    assert message.replace("{file}", str(tmp_path / "file")) in err
    assert str(tmp_path / "file") in err
    assert "Traceback" not in err


@pytest.mark.parametrize(("steps", "shown"), [("0", "'0'"), ("many", "'many'"), ("1.5", "'1.5'"), ("1001", "'1001'")])
def test_steps_must_be_a_whole_number(capsys, steps, shown):
    with pytest.raises(SystemExit) as caught:
        main(["convert", "request.json", "--steps", steps])
    assert caught.value.code == 2
    assert f"must be a whole number between 1 and 1000, got {shown}" in capsys.readouterr().err


def test_missing_file_is_an_error(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["read", "nowhere.png"])
    assert caught.value.code == 2
    assert "nowhere.png" in capsys.readouterr().err


def test_error_names_pillow_if_it_is_missing(tmp_path):
    (tmp_path / "a.gif").write_bytes(image_file("GIF"))
    code = "import sys; sys.modules['PIL'] = None; from freeu.cli.main import main; main()"
    command = [sys.executable, "-c", code, "read", str(tmp_path / "a.gif")]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=SECONDS)
    assert result.returncode == 2
    assert "needs Pillow to be read; install it with: pip install pillow" in result.stderr
    assert "Traceback" not in result.stderr
