"""Preset files to import: of this extension, of ljleb's, of Forge's, and files that are none of them."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freeu import Settings
from freeu.compat import python_list
from freeu.compat.forge import MAX_FILE_LENGTH
from freeu.compat.ljleb import STAGE_FIELDS
from freeu.compat.preset_import import MAX_BYTES, read_preset_file
from freeu.preset_file import BrokenFileError, NewerFileError
from freeu.user_presets import UserPresets
from tests import strategies

NEUTRAL = {"b1": 1, "s1": 1, "b2": 1, "s2": 1}

# As its Save button writes it: without defaults, and with version 1 whatever the page shows.
LJLEB = """{
    "mine": {
        "start_ratio": 0.2,
        "stop_ratio": 1,
        "transition_smoothness": 0,
        "version": "1",
        "stage_infos": [
            {"backbone_factor": 1.2, "skip_factor": 0.9},
            {"backbone_factor": 1.4, "backbone_offset": 0.25, "backbone_width": 0.75, "skip_cutoff": 0.1},
            {"skip_high_end_factor": 1.1}
        ]
    },
    "plain": {"stage_infos": []}
}"""
FORGE = """# My presets
presets_custom = [
    #  name, b1, b2, s1, s2, start, end
    ('mine', 1.2, 1.4, 0.9, 0.2, 0.0, 1.0),
    ("late", 1.1, 1.2, 0.6, 0.4, 0.5, 1),
]
"""


def read(text):
    return read_preset_file(text.encode())


def test_presets_of_ljleb_are_version_2_as_on_its_page():
    parsed = read(LJLEB)
    assert parsed.errors == {}
    assert parsed.presets == {
        "mine": Settings(
            start=0.2, stop=1, b1=1.2, s1=0.9, b2=1.4, s2=1, offset2=0.25, width2=0.75, cutoff2=0.1, high3=1.1
        ),
        "plain": Settings(**NEUTRAL),
    }


@given(st.lists(st.fixed_dictionaries({name: st.floats(0, 1) for name in STAGE_FIELDS}), max_size=3), st.floats(0, 1))
def test_all_values_of_ljleb_are_read(stages, smoothness):
    parsed = read(json.dumps({"one": {"transition_smoothness": smoothness, "stage_infos": stages}}))
    settings = parsed.presets["one"]
    assert settings.smoothness == smoothness
    for n, stage in enumerate(stages, 1):
        for theirs, (ours, _) in STAGE_FIELDS.items():
            assert getattr(settings, f"{ours}{n}") == stage[theirs]


def test_list_of_forge_is_read():
    parsed = read(FORGE)
    assert parsed.errors == {}
    assert parsed.presets == {
        "mine": Settings(b1=1.2, b2=1.4, s1=0.9, s2=0.2),
        "late": Settings(b1=1.1, b2=1.2, s1=0.6, s2=0.4, start=0.5),
    }


@pytest.mark.parametrize(
    "code",
    [
        "import pathlib\npathlib.Path('harm').touch()\npresets_custom = [('a', 1, 1, 1, 1, 0, 1)]",
        "presets_custom = [('a', __import__('pathlib').Path('harm').touch() or 1, 1, 1, 1, 0, 1)]",
        "presets_custom = [('a', 1, 1, 1, 1, 0, 1) for _ in [__import__('pathlib').Path('harm').touch()]]",
    ],
)
def test_no_code_is_run(code, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    try:
        read(code)
    except BrokenFileError as error:
        assert "presets_custom, a list of (name, b1, b2, s1, s2, start, stop)" in str(error)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (LJLEB.replace('"skip_factor": 0.9', '"skip_factor": 9'), "s1 must be between -1 and 3, got 9"),
        (LJLEB.replace('"start_ratio": 0.2', '"start_ratio": 5'), "start must be between 0 and 1, got 5"),
        (LJLEB.replace("skip_cutoff", "skip_cut"), "skip_cut of stage 2 is none of backbone_factor, "),
        (FORGE.replace("0.9", "3.9"), "s1 must be between -1 and 3, got 3.9"),
        (FORGE.replace("0.2, 0.0, 1.0", "0.2"), "mine must have b1, b2, s1, s2, start, stop, got [1.2, 1.4, 0.9, 0.2]"),
        ('{"version": 1, "presets": {"mine": {"b1": 9}, "other": {}}}', "b1 must be between -1 and 3, got 9"),
    ],
)
def test_invalid_preset_is_reported_and_the_others_are_read(text, message):
    parsed = read(text)
    assert list(parsed.errors) == ["mine"]
    assert parsed.errors["mine"].startswith(message)
    assert len(parsed.presets) == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "presets_custom is not assigned"),
        (b"{", "a preset file must be JSON: "),
        (b"\xff\xfe\x00", "a preset file must be UTF-8 text: "),
        (b'{"version": 1}', "neither presets of this extension nor of ljleb"),
        (b'{"version": 1, "presets": []}', 'a preset file must be {"version": 1, "presets": {name: values}}'),
        (b'{"mine": [1.2, 1.4]}', "neither presets of this extension"),
        (b"[1, 2]", "presets_custom"),
        (b"presets_custom = 3", "presets_custom"),
        (b"presets_custom = [3]", "presets_custom"),
        (b"presets_custom = [()]", "presets_custom"),
        (b"presets_custom = " + b"(" * 10_000, "presets_custom"),
        (b"presets = [('a', 1, 1, 1, 1, 0, 1)]", "presets_custom is not assigned"),
        (b"{" + b" " * MAX_BYTES, "a preset file must be at most 1000000 bytes, got 1000001"),
    ],
)
def test_any_other_file_is_an_error(content, message):
    with pytest.raises(BrokenFileError) as caught:
        read_preset_file(content)
    assert message in str(caught.value)


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_content_is_read_or_raises_an_expected_error(content):
    try:
        parsed = read_preset_file(content)
    except (BrokenFileError, NewerFileError):
        return
    assert all(isinstance(settings, Settings) for settings in parsed.presets.values())


ENTRY = "('mine', 1.2, 1.4, 0.9, 0.2, 0.0, 1.0)"
MINE = Settings(b1=1.2, b2=1.4, s1=0.9, s2=0.2)


@pytest.mark.parametrize(
    "statement",
    [
        f"presets_custom += [{ENTRY}]",
        f"presets_custom.append({ENTRY})  # of the forum",
        f"presets_custom.extend([\n    {ENTRY},\n])",
        f"presets_custom = [('x', 1, 1, 1, 1, 0, 1), {ENTRY},]",
        f"presets_custom = (\n('x', 1, 1, 1, 1, 0, 1), {ENTRY.replace('(', '[').replace(')', ']')})",
        f"presets_custom = []\npresets_custom += [('x', +1, 1, 1, -1, 0, 1)]\npresets_custom += \\\n[{ENTRY}]",
    ],
)
def test_list_of_forge_can_grow(statement):
    parsed = read(f"import os\npresets_custom = [('x', 1, 1, 1, 1, 0, 1)]\n{statement}\n")
    assert list(parsed.presets) == ["x", "mine"]
    assert parsed.presets["mine"] == MINE


@pytest.mark.parametrize(
    "statement",
    [
        f"presets_custom.insert(0, {ENTRY})",
        f"for _ in range(2):\n    presets_custom.append({ENTRY})",
        f"if os.name == 'nt':\n    x = 1\n    presets_custom += [{ENTRY}]",
        f"presets_custom = presets_custom + [{ENTRY}]",
        f"presets_custom: list = [{ENTRY}]",
        f"x = 1; presets_custom += [{ENTRY}]",
        "presets_custom += [('mine', base, 1, 1, 1, 0, 1)]",
        "presets_custom += [('mine', 1 + 1, 1, 1, 1, 0, 1)]",
        "presets_custom += [(f'mine', 1, 1, 1, 1, 0, 1)]",
        "presets_custom += [[[[[1]]]]]",
        "del presets_custom[0]",
    ],
)
def test_statement_about_the_list_of_forge_that_cannot_be_read_is_an_error(statement):
    with pytest.raises(BrokenFileError, match=r"line \d must "):
        read(f"presets_custom = [('x', 1, 1, 1, 1, 0, 1)]\n{statement}\n")


def test_equal_names_in_the_list_of_forge_are_numbered():
    parsed = read(f"presets_custom = [{ENTRY}, {ENTRY}, ('1', 1, 1, 1, 1, 0, 1), (1, 1.2, 1.4, 0.9, 0.2, 0, 1)]")
    assert parsed.errors == {}
    assert list(parsed.presets) == ["mine", "mine (2)", "1", "1 (2)"]
    assert parsed.presets["1 (2)"] == MINE


def test_file_of_forge_has_a_maximum_length():
    text = f"presets_custom = [{ENTRY}]\n".ljust(MAX_FILE_LENGTH)
    assert list(read(text).presets) == ["mine"]
    with pytest.raises(BrokenFileError, match="at most 20000 characters, got 20001"):
        read(f"{text}\n")


HOSTILE = {
    name: f"presets_custom = {code}"[:MAX_FILE_LENGTH]
    for name, code in {
        "sum": "1" + "+1" * 10_000,
        "attributes": "a" + ".b" * 10_000,
        "calls": "a" + "()" * 10_000,
        "signs": "-" * 20_000,
        "nots": "not " * 5_000 + "1",
        "brackets": "[" * 10_000 + "]" * 10_000,
        "open brackets": "[" * 20_000,
        "dictionaries": "{1:" * 7_000,
        "comparisons": "1" + "<1" * 10_000,
        "f-string": "f'{" + "1+" * 9_000 + "1}'",
        "texts": "'a' " * 5_000,
        "digits": "9" * 20_000,
        "equal names": "[" + "('a',)," * 2_800 + "1]",
    }.items()
}
RUN = """
import importlib.util, json, sys, threading, tokenize
spec = importlib.util.spec_from_file_location("python_list", sys.argv[1])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
def read():
    for name, text in json.load(sys.stdin).items():
        try:
            module.python_list(text, "presets_custom")
        except (SyntaxError, tokenize.TokenError, ValueError):
            pass
        print(name)
threading.stack_size(2**18)
thread = threading.Thread(target=read)
thread.start()
thread.join()
"""


def oldest_python():
    """Return Python 3.10, whose parser can overflow the stack, if it is installed; else this Python."""
    candidates = [shutil.which("python3.10"), *Path.home().glob(".pyenv/versions/3.10.*/bin/python3.10")]
    for path in filter(None, candidates):
        if subprocess.run([path, "-V"], capture_output=True, check=False).returncode == 0:
            return path
    return sys.executable


def test_hostile_file_of_forge_does_not_end_the_process():
    """In a thread with a stack of 256 KiB, since Windows and macOS have small ones."""
    command = [oldest_python(), "-c", RUN, python_list.__file__]
    result = subprocess.run(command, input=json.dumps(HOSTILE), capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout.split("\n")[:-1] == list(HOSTILE)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_file_of_forge_is_an_error(name):
    with pytest.raises(BrokenFileError):
        read(HOSTILE[name])


def test_file_of_a_later_release_is_an_error():
    with pytest.raises(NewerFileError, match=r"^version must be 1 in this release, got 2\. Update the extension$"):
        read('{"version": 2, "presets": {}}')


@given(st.dictionaries(st.text("abc é夜", min_size=1, max_size=9), strategies.valid.map(Settings.parse), max_size=3))
def test_exported_file_is_read(tmp_path_factory, presets):
    store = UserPresets(tmp_path_factory.mktemp("presets") / "presets.json")
    store.add(presets)
    assert read(store.export()).presets == store.read().presets
