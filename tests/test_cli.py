"""`python -m freeu`: settings out of pictures and requests, of this tool and of others."""

import io
import json
import subprocess
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from freeu import Settings, SettingsError, to_infotext
from freeu.cli import graphs, infotexts, payloads, sources
from freeu.cli.main import main
from freeu.compat.metadata import UnreadableFileError
from freeu.settings.presets import BUILTIN
from freeu.webui import arguments
from tests.strategies import valid

ROOT = Path(__file__).parent.parent
FACTORS = {"b1": 1.3, "b2": 1.4, "s1": 0.9, "s2": 0.2}
LEVELS = Settings(version="1", stage_map="levels", **FACTORS)
STAGES = r'"[{\"backbone_factor\": 1.2, \"skip_factor\": 0.9}, {\"backbone_factor\": 1.4, \"skip_factor\": 0.2}]"'
PROMPT = "a cat: (grey:1.2), \\(tabby\\)\nNegative prompt: blue, low quality: yes\n"


def infotext(*keys):
    """The text that a WebUI writes, with FreeU's keys in it."""
    return PROMPT + ", ".join(["Steps: 20, Sampler: Euler a, Size: 64x64", *keys, 'Lora hashes: "a: 1, b: 2"'])


def comfyui(node, **more):
    """A graph of ComfyUI, as it goes into the chunk "prompt"."""
    return {
        "3": {"class_type": "KSampler", "inputs": {"model": ["5", 0], "seed": 1, "steps": 20}},
        "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "a.safetensors"}},
        "5": {"class_type": node, "inputs": {"model": ["4", 0], **FACTORS, **more}},
    }


def invokeai(**more):
    """A graph of InvokeAI, as it goes into the chunk "invokeai_graph"."""
    node = {"id": "freeu:1", "type": "freeu", "is_intermediate": True, "unet": None, **FACTORS, **more}
    edge = {
        "source": {"node_id": "freeu:1", "field": "unet"},
        "destination": {"node_id": "denoise:1", "field": "unet"},
    }
    return {"id": "graph", "nodes": {"freeu:1": node, "denoise:1": {"type": "denoise_latents"}}, "edges": [edge]}


def swarmui(**params):
    """SwarmUI's chunk "parameters"."""
    return {"sui_image_params": {"prompt": "a cat", "model": "a", "steps": 20, **params}, "sui_extra_data": {}}


SWARMUI = {"freeuapplyto": "Both", "freeuversion": "2", "freeublockone": 1.3, "freeublocktwo": 1.4}
WRITTEN = {
    "ours": ({"parameters": infotext("FreeU b1: 1.1, FreeU curve: \"0:0, 1:1\"")}, "this extension",
             Settings(b1=1.1, curve="0:0, 1:1")),
    "ljleb": ({"parameters": infotext(f'FreeU Stages: {STAGES}, FreeU Schedule: "0.0, 16, 0.5"')},
              "ljleb's sd-webui-freeu",
              Settings(version="1", b1=1.2, s1=0.9, b2=1.4, s2=0.2, stop=0.8, smoothness=0.5)),
    "Forge": ({"parameters": infotext(*(f"freeu_{k}: {v}" for k, v in {"enabled": True, **FACTORS}.items()))},
              "Forge or reForge", Settings(**FACTORS)),
    "SD.Next": ({"parameters": infotext("FreeU: b1=1.3 b2=1.4 s1=0.9 s2=0.2")}, "SD.Next", LEVELS),
    "Fooocus, a1111": ({"parameters": infotext('FreeU: "(1.3, 1.4, 0.9, 0.2)"'), "fooocus_scheme": "a1111"},
                       "Fooocus", Settings(**FACTORS)),
    "Fooocus, fooocus": ({"parameters": json.dumps({"freeu": "(1.3, 1.4, 0.9, 0.2)", "steps": 30}),
                          "fooocus_scheme": "fooocus"}, "Fooocus", Settings(**FACTORS)),
    "ComfyUI FreeU": ({"prompt": json.dumps(comfyui("FreeU"))}, "ComfyUI", Settings(version="1", **FACTORS)),
    "ComfyUI FreeU_V2": ({"prompt": json.dumps(comfyui("FreeU_V2")), "workflow": "{}"}, "ComfyUI",
                         Settings(version="2", **FACTORS)),
    "ComfyUI, with a WebUI's infotext": ({"parameters": infotext(), "prompt": json.dumps(comfyui("FreeU"))},
                                         "ComfyUI", Settings(version="1", **FACTORS)),
    "InvokeAI": ({"invokeai_graph": json.dumps(invokeai()), "invokeai_metadata": "{}"}, "InvokeAI", LEVELS),
    "InvokeAI, off by a 0": ({"invokeai_graph": json.dumps(invokeai(s1=0))}, "InvokeAI",
                             LEVELS.replace(s1=0, enabled=False)),
    "SwarmUI": ({"parameters": json.dumps(swarmui(**SWARMUI))}, "SwarmUI", Settings(version="2", **FACTORS)),
}  # fmt: skip


def png(texts):
    chunks = PngImagePlugin.PngInfo()
    for name, text in texts.items():
        chunks.add_text(name, text)
    return saved("PNG", pnginfo=chunks)


def saved(kind, **how):
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, kind, **how)
    return file.getvalue()


def with_comment(kind, comment, place=0x8769):
    """A picture with an EXIF comment, in the part of EXIF where it belongs, or beside it as Fooocus has it."""
    exif = Image.Exif()
    exif.update({0x9286: comment} if place is None else {place: {0x9286: comment}})
    return saved(kind, exif=exif)


@pytest.mark.parametrize("tool", WRITTEN)
def test_every_tools_pictures_are_read(tool):
    texts, made_by, settings = WRITTEN[tool]
    assert sources.in_picture(png(texts)) == (made_by, settings)


@pytest.mark.parametrize("kind", ["JPEG", "WebP"])
@pytest.mark.parametrize(
    "encoded",
    [
        lambda text: b"UNICODE\0" + text.encode("utf-16-be"),  # as AUTOMATIC1111's library has it
        lambda text: b"UNICODE\0" + text.encode("utf-16-le"),
        lambda text: b"ASCII\0\0\0" + text.encode("ascii"),
        lambda text: text.encode(),
    ],
    ids=["UTF-16 BE", "UTF-16 LE", "ASCII", "bare"],
)
def test_the_comment_of_other_files_is_read(kind, encoded):
    texts, made_by, settings = WRITTEN["ljleb"]
    picture = with_comment(kind, encoded(texts["parameters"]))
    assert sources.in_picture(picture) == (made_by, settings)


@pytest.mark.parametrize("tool", ["Fooocus, a1111", "Fooocus, fooocus", "SwarmUI"])
def test_a_comment_outside_of_its_part_of_exif_is_read(tool):
    texts, made_by, settings = WRITTEN[tool]
    assert sources.in_picture(with_comment("JPEG", texts["parameters"], place=None)) == (made_by, settings)


def test_a_text_after_the_pixels_is_read():
    chunks = PngImagePlugin.PngInfo()
    chunks.add_itxt("parameters", WRITTEN["ours"][0]["parameters"], zip=True)
    picture = png({})
    itxt = saved("PNG", pnginfo=chunks)
    chunk = itxt[itxt.index(b"iTXt") - 4 : itxt.index(b"IDAT") - 4]
    end = picture.index(b"IEND") - 4
    assert sources.in_picture(picture[:end] + chunk + picture[end:]).settings == WRITTEN["ours"][2]


@pytest.mark.parametrize(
    "texts",
    [
        {},
        {"parameters": infotext()},
        {"parameters": "no keys at all"},
        {"parameters": json.dumps(swarmui())},
        {"parameters": "[" * 5000, "prompt": "{", "invokeai_graph": "null"},
        {"prompt": json.dumps({"3": {"class_type": "KSampler", "inputs": {"model": ["4", 0]}}, "extra": [1]})},
        {"invokeai_graph": json.dumps({**invokeai(), "edges": []})},
    ],
)
def test_a_picture_without_freeu(texts):
    assert sources.in_picture(png(texts)) is None


@pytest.mark.parametrize("edge", [["6", 0], None])
def test_a_comfyui_node_that_nothing_uses_did_nothing(edge):
    graph = comfyui("FreeU")
    graph["3"]["inputs"]["model"] = ["4", 0]
    graph["6"] = {"class_type": "KSampler", "inputs": {"model": edge}}
    assert graphs.comfyui(graph) is None


@pytest.mark.parametrize(
    ("read", "graph", "field", "message"),
    [
        (graphs.comfyui, comfyui("FreeU", b1=["9", 0]), "b1", "another node gives it"),
        (graphs.comfyui, comfyui("FreeU", b1=10), "b1", "from -1 to 3"),
        (graphs.comfyui, comfyui("FreeU", b1=None), "b1", "from -1 to 3"),
        (
            graphs.comfyui,
            {**comfyui("FreeU"), "6": {"class_type": "FreeU_V2", "inputs": {"model": ["5", 0]}},
             "7": {"class_type": "KSampler", "inputs": {"model": ["6", 0]}}},
            "FreeU nodes",
            "one can be read",
        ),
        (
            graphs.invokeai,
            {**invokeai(), "edges": [*invokeai()["edges"], {"source": {"node_id": "n", "field": "value"},
                                                            "destination": {"node_id": "freeu:1", "field": "s2"}}]},
            "s2",
            "another node gives it",
        ),
        (graphs.invokeai, invokeai(b2="much"), "b2", "from -1 to 3"),
        (graphs.swarmui, swarmui(**SWARMUI, freeuskipone=9), "s1", "from -1 to 3"),
        (graphs.swarmui, swarmui(freeublockone=1, freeuapplyto="Base", refinermodel="r"), "freeuapplyto", "it is Both"),
    ],
)  # fmt: skip
def test_what_cannot_be_said_is_refused_by_name(read, graph, field, message):
    with pytest.raises(SettingsError, match=message) as caught:
        read(graph)
    assert caught.value.field == field


def test_swarmui_writes_no_initial_values():
    assert graphs.swarmui(swarmui(freeublockone=1.3)) == Settings(version="1", b1=1.3, b2=1.2, s1=0.9, s2=0.2)


WORDS = "nodes edges inputs class_type model b1 source destination node_id sui_image_params freeublockone args freeu"
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.sampled_from(["5", "FreeU", "freeu", "1.2", ""]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*WORDS.split(), "alwayson_scripts", "5"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(JSON)
def test_any_json_is_read_or_refused(value):
    text = json.dumps(value)
    pictures = [partial(sources.in_picture, png({name: text})) for name in sources.PICTURE_TEXTS]
    for read in (*pictures, partial(sources.in_file, text.encode())):
        with suppress(SettingsError, UnreadableFileError):
            assert read() is None or isinstance(read(), sources.Found)


@given(st.text(max_size=40), st.dictionaries(st.from_regex(r"[A-Za-z][\w \-/]{0,9}[a-z]", fullmatch=True), st.text()))
def test_an_infotext_is_read_as_it_was_written(prompt, keys):
    written = {key: json.dumps(value) for key, value in keys.items()}
    text = f"{prompt}\n{', '.join(f'{key}: {value}' for key, value in written.items())}"
    assert infotexts.parse(text) == keys if keys else True


REQUESTS = {
    "ours": ({"preset": "SDXL gentle", "start": 0.2}, BUILTIN["SDXL gentle"].replace(start=0.2)),
    "ours, a list": ([True, "1", 1.3], Settings(version="1", b1=1.3)),
    "ljleb's": ({"stage_infos": [{"backbone_factor": 1.3}]}, Settings(version="1", b1=1.3, s1=1, b2=1, s2=1)),
    "ljleb's list": (
        [True, 0.0, 1.0, 0.0, "Version 2", 1.3, 0.9, 0, 0.5, 0, 1, 1.4, 0.2, 0, 0.5, 0, 1, 1, 1, 0, 0.5, 0, 1],
        Settings(),
    ),
    "a whole request": (
        {"prompt": "a", "steps": 10, "alwayson_scripts": {"FreeU": {"args": [{"start_ratio": 2, "stage_infos": []}]}}},
        Settings(version="1", b1=1, s1=1, b2=1, s2=1, start=0.2),
    ),
    "a request for Forge": (
        {"steps": 10, "alwayson_scripts": {
            "FreeU Integrated (SD 1.x, SD 2.x, SDXL)": {"args": [True, 1.3, 1.4, 0.9, 0.2, 0.0, 1.0]}}},
        Settings(),
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", REQUESTS)
def test_requests_are_read(kind):
    request, settings = REQUESTS[kind]
    assert sources.in_file(json.dumps(request).encode()).settings == settings


def test_a_request_without_freeu_has_none():
    assert sources.in_file(b'{"prompt": "a", "alwayson_scripts": {"ControlNet": {"args": [1]}}}') is None


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        ({"start_ratio": 4, "stage_infos": []}, "start_ratio"),
        ({"b1": 9}, "b1"),
        ({"alwayson_scripts": []}, "alwayson_scripts"),
        ({"alwayson_scripts": {"freeu": {}}}, "freeu"),
        (["much"], "enabled"),
    ],
)
def test_bad_requests_are_refused_by_name(request_, field):
    with pytest.raises(SettingsError) as caught:
        sources.in_file(json.dumps(request_).encode())
    assert caught.value.field == field


def test_the_steps_of_a_request_can_be_given():
    data = json.dumps({"start_ratio": 4, "stage_infos": []}).encode()
    assert sources.in_file(data, steps=20).settings.start == 0.2


@pytest.mark.parametrize(("s1", "on"), [(0.9, True), (0.0, False)])
def test_diffusers_arguments(s1, on):
    data = json.dumps({**FACTORS, "s1": s1}).encode()
    assert sources.in_file(data, diffusers=True) == ("diffusers", LEVELS.replace(s1=s1, enabled=on))


@pytest.mark.parametrize("data", [b"[1]", b'{"b1": 1}', b"b1=1", json.dumps({**FACTORS, "b3": 1}).encode()])
def test_other_arguments_of_diffusers_are_refused(data):
    with pytest.raises(SettingsError, match="enable_freeu"):
        sources.in_file(data, diffusers=True)


@given(valid)
def test_a_payload_asks_for_the_same(payload):
    settings = Settings.parse(payload).replace(enabled=True)
    picture = png({"parameters": f"a\nSteps: 20, {', '.join(format_value(to_infotext(settings)))}"})
    request = json.loads(json.dumps(payloads.request(sources.in_file(picture).settings)))
    (args,) = [script["args"] for script in request["alwayson_scripts"].values()]
    assert Settings.parse(args[0]) == settings
    assert arguments.read(arguments.filled_up(args), {}, steps=20) == settings


def format_value(keys):
    return [f"{key}: {json.dumps(value) if set(value) & set(',:') else value}" for key, value in keys.items()]


def run(*options, stdin=b""):
    command = [sys.executable, "-m", "freeu", *options]
    return subprocess.run(command, cwd=ROOT, input=stdin, capture_output=True, check=False)


def test_read_prints_the_tool_and_a_line_a_value(tmp_path, capsys):
    (tmp_path / "a.png").write_bytes(png(WRITTEN["ljleb"][0]))
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


@pytest.mark.parametrize("stdin", [png(WRITTEN["SD.Next"][0]), WRITTEN["SD.Next"][0]["parameters"].encode()])
def test_convert_reads_standard_input(stdin):
    done = run("convert", "-", stdin=stdin)
    assert done.returncode == 0, done.stderr
    args = json.loads(done.stdout)["alwayson_scripts"]["freeu"]["args"]
    assert args == [
        {"version": "1", "b1": 1.3, "s1": 0.9, "b2": 1.4, "s2": 0.2, "start": 0.0, "stop": 1.0, "stage_map": "levels"}
    ]


@pytest.mark.parametrize(
    ("command", "data", "status", "message"),
    [
        ("read", png({}), 1, "there are no FreeU settings in it"),
        ("convert", infotext().encode(), 1, "there are no FreeU settings in it"),
        ("read", b"FreeU b1: 1.2", 2, "it is no picture"),
        ("read", b"", 2, "it is no picture"),
        ("read", png({"parameters": infotext("FreeU b1: 12")}), 2, "b1: '12' is not allowed; it is a number from -1"),
        ("read", saved("PNG")[:45], 2, "the picture is damaged"),
        ("convert", b'{"b1": 1.3,', 2, "neither a picture, nor an infotext, nor JSON"),
        ("convert", b'{"b": 1.3}', 2, "there is no such parameter; the closest is b"),
        ("convert", "FreeU b1: 1.2".encode("utf-16"), 2, "it is no picture"),
    ],
)
def test_exit_status_and_message(tmp_path, capsys, command, data, status, message):
    (tmp_path / "file").write_bytes(data)
    with pytest.raises(SystemExit) as caught:
        main([command, str(tmp_path / "file")])
    out, err = capsys.readouterr()
    assert (caught.value.code, out) == (status, "")
    assert message in err
    assert str(tmp_path / "file") in err
    assert "Traceback" not in err


def test_a_file_that_is_not_there(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["read", "nowhere.png"])
    assert caught.value.code == 2
    assert "nowhere.png" in capsys.readouterr().err


def test_without_pillow_it_is_said(tmp_path):
    (tmp_path / "a.png").write_bytes(png({}))
    code = "import sys; sys.modules['PIL'] = None; from freeu.cli.main import main; main()"
    command = [sys.executable, "-c", code, "read", str(tmp_path / "a.png")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "needs Pillow" in done.stderr
    assert "Traceback" not in done.stderr
