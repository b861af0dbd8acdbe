"""A script's arguments to Settings: the page's list, flat names, and both shapes of ljleb's extension."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freeu import Settings, SettingsError, presets
from freeu.compat.ljleb import STAGE_FIELDS
from freeu.settings.settings import TABLE
from freeu.webui import arguments
from tests import strategies

INITIAL = [False, *(param.default for name, param in TABLE.items() if name != "enabled")]
LJLEB_STAGES = [1.2, 0.9, 0.0, 0.5, 0.0, 1.0, 1.4, 0.2, 0.25, 0.75, 0.1, 1.1, 1.0, 1.0, 0.0, 0.5, 0.0, 1.0]
LJLEB = Settings(version="1", b1=1.2, s1=0.9, b2=1.4, s2=0.2, offset2=0.25, width2=0.75, cutoff2=0.1, high2=1.1)
NOTHING = {"b1": 1, "s1": 1, "b2": 1, "s2": 1}


def through_the_api(args):
    """As the host hands them on: filled up with the page's initial values, or cut."""
    return [*args, *INITIAL[len(args) :]][: len(INITIAL)]


def read(*args, steps=20, **overrides):
    return arguments.read(through_the_api(args), presets.BUILTIN, steps, overrides)


def test_the_page_that_nobody_touched_is_off():
    assert not read().enabled
    assert read() == Settings(enabled=False)


@given(strategies.valid)
def test_flat_names_mean_what_they_mean_to_the_core(payload):
    assert read(payload) == Settings.parse(payload)


@given(strategies.valid, st.integers(1, len(TABLE)))
def test_a_list_is_read_in_the_order_of_the_table(payload, length):
    wanted = Settings.parse(payload).to_dict()
    assert read(*wanted.values()) == Settings(**wanted)
    try:
        shorter = Settings(**dict(zip(TABLE, through_the_api(list(wanted.values())[:length]), strict=True)))
    except SettingsError:  # start after the stop that was left out
        return
    assert read(*list(wanted.values())[:length]) == shorter


def test_an_empty_object_is_freeu_at_its_defaults():
    assert read({}) == Settings()


@pytest.mark.parametrize(
    ("payload", "meant"),
    [
        ({"enable": True}, {"version": "1", **NOTHING}),
        ({"stage_infos": [{"backbone_factor": 1.2}]}, {"version": "1", **NOTHING, "b1": 1.2}),
        ({"stage_infos": [{}, {"skip_factor": 0.2}]}, {"version": "1", **NOTHING, "s2": 0.2}),
        ({"enable": False, "version": "2"}, {"enabled": False, **NOTHING}),
        ({"start_ratio": 5, "version": 2}, {"start": 0.25, **NOTHING}),
        ({"start_ratio": 0.25, "stop_ratio": 10}, {"version": "1", "start": 0.25, "stop": 0.5, **NOTHING}),
        ({"stop_ratio": 1}, {"version": "1", "stop": 0.05, **NOTHING}),
        ({"stop_ratio": 1.0}, {"version": "1", "stop": 1, **NOTHING}),
        ({"stop_ratio": 99}, {"version": "1", "stop": 1, **NOTHING}),
        ({"transition_smoothness": 0.5}, {"version": "1", "smoothness": 0.5, **NOTHING}),
        ({"stage_infos": [{"skip_threshold": 0.3}]}, {"version": "1", "cutoff1": 0.3, **NOTHING}),
    ],
)
def test_ljlebs_object_keeps_its_meaning(payload, meant):
    assert read(payload) == Settings(**meant)


def test_a_whole_ljleb_object():
    stages = [dict(zip(STAGE_FIELDS, LJLEB_STAGES[i : i + 6], strict=True)) for i in (0, 6, 12)]
    assert read({"enable": True, "version": "1", "stage_infos": stages}) == LJLEB


@pytest.mark.parametrize("version", ["1", "2"])
def test_ljlebs_list_of_23(version):
    args = [True, 0.2, 1, 0.5, f"Version {version}", *LJLEB_STAGES]
    assert len(args) == 23
    # In the list, start and stop are shares, whole or not.
    assert read(*args) == LJLEB.replace(version=version, start=0.2, stop=1, smoothness=0.5)
    assert read(False, *args[1:]) == LJLEB.replace(version=version, start=0.2, stop=1, smoothness=0.5, enabled=False)


@pytest.mark.parametrize("length", range(5, 23))
def test_a_shorter_ljleb_list_is_refused_since_the_host_fills_it_up_with_our_values(length):
    args = [True, 0.2, 1, 0.5, "Version 1", *LJLEB_STAGES]
    with pytest.raises(SettingsError, match="23 values"):
        read(*args[:length])


@pytest.mark.parametrize(
    ("args", "field"),
    [
        ([{"b1": 9}], "b1"),
        ([{"enable": True, "b1": 1.2}], "enable"),
        ([{"bq": 1}], "bq"),
        ([{"preset": "SDXXL"}], "preset"),
        ([{"stage_infos": [{"backbone": 1}]}], "FreeU Stages"),
        ([{"stage_infos": {}}], "stage_infos"),
        ([{"stage_infos": [[1.2]]}], "stage_infos"),
        ([{"stage_infos": [{}] * 4}], "stage_infos"),
        ([{"start_ratio": -1}], "start"),
        ([{"start_ratio": True}], "start"),
        ([{"enable": "perhaps"}], "enabled"),
        ([True, "3"], "version"),
        ([True, "2", float("nan")], "b1"),
        (["yes"], "enabled"),
        ([{"b1": 1.3}, "nonsense"], "version"),
        ([{"b1": 1.3}, {"b1": 2.5}], "version"),
        ([{"enable": True}, None], "version"),
        ([None], "enabled"),
        ([[1]], "enabled"),
        ([True, 0, 1, 0, "Version 3", *LJLEB_STAGES], "version"),
    ],
)
def test_anything_else_is_refused_by_name(args, field):
    with pytest.raises(SettingsError) as refusal:
        read(*args)
    assert refusal.value.field == field
    assert field in str(refusal.value)


@given(st.lists(strategies.junk, max_size=len(TABLE)) | strategies.payloads.map(lambda payload: [payload]))
def test_arguments_are_read_or_refused_and_nothing_else(args):
    try:
        settings = read(*args)
    except SettingsError as refusal:
        assert refusal.rule
    else:
        assert Settings(**settings.to_dict()) == settings


def test_a_plots_values_go_on_top_and_turn_freeu_on():
    assert read(b1=1.5) == Settings(b1=1.5)
    assert read({"b2": 1.2, "enabled": False}, b1=1.5) == Settings(b1=1.5, b2=1.2)
    assert read(b1=1.5, enabled="False") == Settings(b1=1.5, enabled=False)
    assert read({"b2": 1.2}, preset="SD1.5", s1=0.5) == presets.BUILTIN["SD1.5"].replace(s1=0.5)


def test_a_plots_values_are_checked_with_the_rest():
    with pytest.raises(SettingsError, match="start"):
        read({"stop": 0.5}, start=0.6)
    with pytest.raises(SettingsError, match="preset"):
        read(preset="none")
