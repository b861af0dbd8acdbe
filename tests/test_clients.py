"""Files and requests as public clients of other tools write them, rewritten."""

import json

import pytest

from freeu import Settings, SettingsError
from freeu.compat.detect import read_file
from tests.files import FACTORS, STAGES

GRAPH_OF_A_CLIENT = """{
  "4": {"inputs": {"ckpt_name": "a.safetensors"}, "class_type": "CheckpointLoaderSimple", "_meta": {"title": "Load"}},
  "87": {"inputs": {"weight": 0.75, "noise": 0.99, "model": ["4", 0]}, "class_type": "IPAdapterApply"},
  "44": {"inputs": {"b1": 1.3, "b2": 1.4000000000000001, "s1": 0.9, "s2": 0.2, "model": ["87", 0]},
         "class_type": "FreeU_V2", "is_changed": [NaN], "_meta": {"title": "FreeU_V2 (IPA)"}},
  "50": {"inputs": {"model": ["44", 0], "motion_model": ["51", 0]}, "class_type": "ADE_UseEvolvedSampling"},
  "114:1": {"inputs": {"noise_seed": ["99", 0], "model": ["50", 0], "add_noise": true}, "class_type": "A sampler of B"},
  "55": {"inputs": {"seed": 1, "steps": 20, "model": ["50", 0]}, "class_type": "KSampler"},
  "72": {"inputs": {"images": ["55", 0]}, "class_type": "PreviewImage"}
}"""
OF_CLIENTS = {
    "a graph of ComfyUI": (GRAPH_OF_A_CLIENT, "ComfyUI", Settings(**FACTORS).replace(b2=1.4000000000000001)),
    "ljleb's, without a prompt": (
        f'\nSteps: 48, FreeU Stages: {STAGES}, FreeU Schedule: "0.0, 1.0, 0.0", FreeU Version: 2, PAG Scale: 1',
        "ljleb's sd-webui-freeu", Settings(b1=1.2, s1=0.9, b2=1.4, s2=0.2)),
    "SD.Next's, at the end": (
        "a\nSteps: 50, Size: 64x64, CFG end: 0.9, App: SD.Next, Parser: a1111, FreeU: b1=1.1 b2=1.15 s1=0.7 s2=0.6",
        "SD.Next",
        Settings(version="1", stage_map="levels", b1=1.1, b2=1.15, s1=0.7, s2=0.6)),
    "Fooocus' log": (json.dumps({"Prompt": "a", "Styles": "['b']", "Steps": 30, "FreeU": "(1.3, 1.4, 0.9, 0.2)",
                                 "Seed": "1", "Version": "Fooocus v2.5.5"}), "Fooocus", Settings(**FACTORS)),
    "a script for Forge that names all": (
        json.dumps({"prompt": "a", "steps": 20, "alwayson_scripts": {
            "ADetailer": {"args": [{"ad_model": "None"}]}, "Extra options": {"args": []},
            "freeu integrated (sd 1.x, sd 2.x, sdxl)": {"args": [True, 1.3, 1.4, 0.9, 0.2, 0, 1]},
            "never oom integrated": {"args": [False, False]}}}), "an API request", Settings(**FACTORS)),
    "a script for Forge of early 2024": (
        json.dumps({"alwayson_scripts": {"FreeU Integrated": {"args": [True, 1.3, 1.4, 0.9, 0.2]}}}),
        "an API request", Settings(**FACTORS)),
}  # fmt: skip


@pytest.mark.parametrize("example", OF_CLIENTS)
def test_text_is_read(example):
    text, tool, settings = OF_CLIENTS[example]
    assert read_file(text.encode()) == (tool, settings)


def test_schedules_of_deforum_are_an_error_that_names_the_factor():
    request = {"freeu_enabled": True, "freeu_b1": "0:(1.3)", "freeu_b2": "0:(1.4)"}
    with pytest.raises(SettingsError, match=r"^b1 must be between -1 and 3, got '0:\(1\.3\)'$"):
        read_file(json.dumps(request).encode(), tool="forge")
