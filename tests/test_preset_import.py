"""Preset files to import: of this extension, of ljleb's, of Forge's, and files that are none of them."""

import json
import re
from contextlib import suppress
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freeu import Settings, SettingsError
from freeu.compat.ljleb import STAGE_FIELDS
from freeu.compat.preset_import import read_preset_file
from freeu.user_presets import MAX_BYTES, MAX_PRESETS, BrokenFileError, ConflictError, UserPresets
from tests.files import FORGE, LJLEB
from tests.support import strategies

NEUTRAL = {"b1": 1, "s1": 1, "b2": 1, "s2": 1}


@pytest.fixture(scope="module")
def read(tmp_path_factory):
    """Return a function that reads the presets in a file with a given content."""
    paths = (tmp_path_factory.mktemp("files") / str(number) for number in count())

    def write_and_read(content):
        path = next(paths)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_preset_file(path)

    return write_and_read


def test_presets_of_ljleb_are_version_2_as_on_its_page(read):
    parsed = read(LJLEB)
    assert parsed.errors == {}
    assert parsed.presets == {
        "mine": Settings(
            start=0.2, stop=1, b1=1.2, s1=0.9, b2=1.4, s2=1, offset2=0.25, width2=0.75, cutoff2=0.1, high3=1.1
        ),
        "plain": Settings(**NEUTRAL),
    }


@given(st.lists(st.fixed_dictionaries({name: st.floats(0, 1) for name in STAGE_FIELDS}), max_size=3), st.floats(0, 1))
def test_all_values_of_ljleb_are_read(read, stages, smoothness):
    parsed = read(json.dumps({"one": {"transition_smoothness": smoothness, "stage_infos": stages}}))
    one = parsed.presets["one"]
    assert one.smoothness == smoothness
    for n, stage in enumerate(stages, 1):
        for theirs, (ours, _) in STAGE_FIELDS.items():
            assert getattr(one, f"{ours}{n}") == stage[theirs]


def test_list_of_forge_is_read(read):
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
def test_no_code_is_run(read, code, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    try:
        read(code)
    except SettingsError as error:
        assert "presets_custom, a list of (name, b1, b2, s1, s2, start, stop)" in str(error)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (LJLEB.replace('"skip_factor": 0.9', '"skip_factor": 9'), "s1 must be between -1 and 3, got 9"),
        (LJLEB.replace('"start_ratio": 0.2', '"start_ratio": 5'), "start must be between 0 and 1, got 5"),
        (LJLEB.replace("skip_cutoff", "skip_cut"), "skip_cut of stage 2 is none of backbone_factor, "),
        (FORGE.replace("0.9", "3.9"), "s1 must be between -1 and 3, got '3.9'"),
        (FORGE.replace("0.2, 0.0, 1.0", "0.2"), "mine must have b1, b2, s1, s2, start, stop, got ['1.2', "),
        ('{"version": 1, "presets": {"mine": {"b1": 9}, "other": {}}}', "b1 must be between -1 and 3, got 9"),
    ],
)
def test_invalid_preset_is_reported_and_the_others_are_read(read, text, message):
    parsed = read(text)
    assert list(parsed.errors) == ["mine"]
    assert parsed.errors["mine"].startswith(message)
    assert len(parsed.presets) == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "must be JSON, or Forge's presets_custom, a list of (name, b1, b2, s1, s2, start, stop), got ''"),
        (b"{", "a preset file must be JSON: "),
        (b"\xff\xfe\x00", "a preset file must be UTF-8 text: "),
        (b'{"version": 1}', "preset file must have presets of this extension or of ljleb/sd-webui-freeu, got {"),
        (b'{"version": 1, "presets": []}', 'a preset file must be {"version": 1, "presets": {name: values}}'),
        (b'{"mine": [1.2, 1.4]}', "preset file must have presets of this extension"),
        (b"[1, 2]", "presets_custom"),
        (b"presets_custom = 3", "presets_custom"),
        (b"presets_custom = [3]", "presets_custom"),
        (b"presets = [('a', 1, 1, 1, 1, 0, 1)]", "presets_custom"),
        (b"{" + b" " * MAX_BYTES, "must be at most 1000000 bytes"),
    ],
)
def test_any_other_file_is_an_error(read, content, message):
    with pytest.raises((OSError, SettingsError)) as caught:
        read(content)
    assert message in str(caught.value)


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_content_is_read_or_raises_an_expected_error(read, content):
    try:
        parsed = read(content)
    except (BrokenFileError, SettingsError):
        return
    assert all(isinstance(preset, Settings) for preset in parsed.presets.values())


ENTRY = "('mine', 1.2, 1.4, 0.9, 0.2, 0.0, 1.0)"
MINE = Settings(b1=1.2, b2=1.4, s1=0.9, s2=0.2)


@pytest.mark.parametrize(
    "statement",
    [
        f"presets_custom += [{ENTRY}]",
        f"presets_custom.append({ENTRY})  # of the forum",
        f"presets_custom.extend([\n    {ENTRY},\n])",
        f"presets_custom.insert(len(x), {ENTRY})",
        f"presets_custom = presets_custom + [\n{ENTRY.replace('(', '[').replace(')', ']')}]",
        f"presets_custom += \\\n[{ENTRY}]  # {ENTRY}",
    ],
)
def test_list_of_forge_can_grow(read, statement):
    parsed = read(f"import os\npresets_custom = [('x', 1, 1, 1, 1, 0, 1)]\n{statement}\n")
    assert list(parsed.presets) == ["x", "mine"]
    assert parsed.presets["mine"] == MINE


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("presets_custom += [(f'mine', 1, 1, 1, 1, 0, 1)]", "got \"'mine', 1, 1, 1, 1, 0, 1)]\""),
        (r"presets_custom += [('mi\'ne', 1, 1, 1, 1, 0, 1)]", "mi"),
        ("presets_custom += [(1, 1, 1, 1, 1, 0, 1)]", "got '1, 1, 1, 1, 1, 0, 1)]'"),
        ("del presets_custom[0]", "got '0]'"),
    ],
)
def test_list_of_forge_with_other_code_is_an_error(read, statement, message):
    with pytest.raises(SettingsError, match=re.escape(message)):
        read(f"presets_custom = [('x', 1, 1, 1, 1, 0, 1)]\n{statement}\n")


@pytest.mark.parametrize("value", ["base", "1 + 1"])
def test_value_that_is_no_number_is_reported(read, value):
    parsed = read(f"presets_custom = [('x', 1, 1, 1, 1, 0, 1), ('mine', {value}, 1, 1, 1, 0, 1)]")
    assert list(parsed.presets) == ["x"]
    assert parsed.errors["mine"] == f"b1 must be between -1 and 3, got '{value}'"


def test_equal_names_in_the_list_of_forge_are_numbered(read):
    parsed = read(f"presets_custom = [{ENTRY}, {ENTRY},  ('mine 2', 1, 1, 1, 1, 0, 1)]")
    assert parsed.errors == {}
    assert list(parsed.presets) == ["mine", "mine 2", "mine 2 2"]
    assert parsed.presets["mine 2"] == MINE


def test_many_equal_names_in_the_list_of_forge_are_numbered(read):
    parsed = read(f"presets_custom = [{ENTRY * 10_000}]")
    assert list(parsed.presets)[1:] == [f"mine {number}" for number in range(2, MAX_PRESETS + 1)]
    assert parsed.errors == {"preset 1001 and later": "a file can have at most 1000 presets"}


@pytest.mark.parametrize(
    "code",
    [
        "1" + "+1" * 490_000,
        "a" + ".b" * 490_000,
        "-" * 900_000,
        "[" * 900_000,
        "[" * 450_000 + "]" * 450_000,
        "{1:" * 300_000,
        "'a' " * 200_000,
        "('a, " * 190_000,
        "[" + "('a',)," * 100_000 + "]",
    ],
)
def test_hostile_file_of_forge_is_harmless(read, code):
    """In Python 3.10, `ast.parse` on most of these ends the process."""
    with suppress(SettingsError):
        assert read(f"presets_custom = {code}").presets == {}


def test_file_of_a_later_release_is_an_error(read):
    with pytest.raises(ConflictError, match=r"^version must be 1 in this release, got 2\. Update the extension$"):
        read('{"version": 2, "presets": {}}')


@settings(max_examples=25)
@given(st.dictionaries(st.text("abc é夜", min_size=1, max_size=9), strategies.valid.map(Settings.parse), max_size=3))
def test_exported_file_is_read(read, tmp_path_factory, presets):
    store = UserPresets(tmp_path_factory.mktemp("presets") / "presets.json")
    store.add(presets)
    assert read(store.export()).presets == store.read().presets
