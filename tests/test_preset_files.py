"""Files of presets to import: ours, ljleb's and Forge's, and what is none of them."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freeu import Settings, otherpresets
from freeu.compat.ljleb import STAGE_FIELDS
from freeu.preset_file import BrokenFileError, NewerFileError
from freeu.user_presets import UserPresets
from tests import strategies

NEUTRAL = {"b1": 1, "s1": 1, "b2": 1, "s2": 1}

# As its Save button writes it: defaults left out, version 1 whatever the page says.
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
    return otherpresets.read(text.encode())


def test_ljlebs_presets_are_version_2_as_its_page_draws_them():
    found = read(LJLEB)
    assert found.refused == {}
    assert found.presets == {
        "mine": Settings(
            start=0.2, stop=1, b1=1.2, s1=0.9, b2=1.4, s2=1, offset2=0.25, width2=0.75, cutoff2=0.1, high3=1.1
        ),
        "plain": Settings(**NEUTRAL),
    }


@given(st.lists(st.fixed_dictionaries({name: st.floats(0, 1) for name in STAGE_FIELDS}), max_size=3), st.floats(0, 1))
def test_all_of_ljlebs_values_arrive(stages, smoothness):
    found = read(json.dumps({"one": {"transition_smoothness": smoothness, "stage_infos": stages}}))
    settings = found.presets["one"]
    assert settings.smoothness == smoothness
    for n, stage in enumerate(stages, 1):
        for theirs, (ours, _) in STAGE_FIELDS.items():
            assert getattr(settings, f"{ours}{n}") == stage[theirs]


def test_forges_list():
    found = read(FORGE)
    assert found.refused == {}
    assert found.presets == {
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
    ("text", "why"),
    [
        (LJLEB.replace('"skip_factor": 0.9', '"skip_factor": 9'), "s1: 9"),
        (LJLEB.replace('"start_ratio": 0.2', '"start_ratio": 5'), "start: 5"),
        (LJLEB.replace("skip_cutoff", "skip_cut"), "'skip_cut'"),
        (FORGE.replace("0.9", "3.9"), "s1: 3.9"),
        (FORGE.replace("0.2, 0.0, 1.0", "0.2"), "a preset of Forge's has b1"),
        ('{"version": 1, "presets": {"mine": {"b1": 9}, "other": {}}}', "b1: 9"),
    ],
)
def test_a_bad_preset_harms_no_other(text, why):
    found = read(text)
    assert list(found.refused) == ["mine"]
    assert why in found.refused["mine"]
    assert len(found.presets) == 1


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "presets_custom is given no value"),
        (b"{", "it is no JSON"),
        (b"\xff\xfe\x00", "no text in UTF-8"),
        (b'{"version": 1}', "neither our presets nor those of ljleb"),
        (b'{"version": 1, "presets": []}', "it is not"),
        (b'{"mine": [1.2, 1.4]}', "neither our presets"),
        (b"[1, 2]", "presets_custom"),
        (b"presets_custom = 3", "presets_custom"),
        (b"presets_custom = [3]", "presets_custom"),
        (b"presets_custom = [()]", "presets_custom"),
        (b"presets_custom = " + b"(" * 10_000, "presets_custom"),
        (b"presets = [('a', 1, 1, 1, 1, 0, 1)]", "is given no value"),
        (b"{" + b" " * otherpresets.MOST_BYTES, "at most 1000000"),
    ],
)
def test_any_other_file_is_refused(content, why):
    with pytest.raises(BrokenFileError) as refusal:
        otherpresets.read(content)
    assert why in str(refusal.value)


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_whatever_a_file_holds_it_is_read_or_refused(content):
    try:
        found = otherpresets.read(content)
    except (BrokenFileError, NewerFileError):
        return
    assert all(isinstance(settings, Settings) for settings in found.presets.values())


def test_ours_of_a_later_version_is_refused():
    with pytest.raises(NewerFileError, match="update the extension"):
        read('{"version": 2, "presets": {}}')


@given(st.dictionaries(st.text("abc é夜", min_size=1, max_size=9), strategies.valid.map(Settings.parse), max_size=3))
def test_what_was_exported_is_read(tmp_path_factory, presets):
    store = UserPresets(tmp_path_factory.mktemp("presets") / "presets.json")
    store.add(presets)
    assert otherpresets.read(store.export().encode()).presets == store.presets
