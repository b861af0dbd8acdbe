"""What a job asks for: the page's list, an object of names, both forms of ljleb's extension, and a grid's values."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freeu import Settings, SettingsError, arguments, presets
from freeu.arguments import ARGUMENTS, ExtraOutputs, Request
from freeu.compat.ljleb import STAGE_FIELDS
from freeu.settings.settings import TABLE
from tests.support import strategies

LJLEB_STAGES = [1.2, 0.9, 0.0, 0.5, 0.0, 1.0, 1.4, 0.2, 0.25, 0.75, 0.1, 1.1, 1.0, 1.0, 0.0, 0.5, 0.0, 1.0]
LJLEB = Settings(version="1", b1=1.2, s1=0.9, b2=1.4, s2=0.2, offset2=0.25, width2=0.75, cutoff2=0.1, high2=1.1)
STAGES = [dict(zip(STAGE_FIELDS, LJLEB_STAGES[i : i + 6], strict=True)) for i in (0, 6, 12)]
DEFAULTS = [argument.default for argument in ARGUMENTS.values()]
NEUTRAL = {"b1": 1, "s1": 1, "b2": 1, "s2": 1}


def parse(*args, steps=20, **overrides):
    """Return the settings in arguments as the host passes them on: filled up with None, or cut."""
    filled = [*args, *[None] * len(ARGUMENTS)][: len(ARGUMENTS)]
    request = arguments.parse(filled, presets.BUILTIN, steps, overrides)
    assert arguments.parse(args, presets.BUILTIN, steps, overrides) == request
    return request.settings


def outputs(*args, **overrides):
    return arguments.parse(args, presets.BUILTIN, 20, overrides).outputs


@given(strategies.valid)
def test_flat_names_mean_the_same_as_in_settings_parse(payload):
    assert parse(payload) == Settings.parse(payload)


@given(strategies.valid, st.booleans(), st.booleans())
def test_a_list_is_read_in_the_order_of_the_arguments(payload, plot, compare):
    settings = Settings.parse(payload)
    values = {**settings.to_dict(), "plot": plot, "compare": compare}
    request = arguments.parse([values[name] for name in ARGUMENTS], presets.BUILTIN, 20)
    assert request == Request(settings, ExtraOutputs(plot, compare))


@pytest.mark.parametrize(
    "args",
    [
        [True, 1, 1.02, 0.99, 0.95, 0.0, 1.0],  # Forge's list, valid as ours: version 1, no active step
        [True, 1.01, 1.02, 0.99, 0.95, 0.0, 1.0],
        [False, 1.01, 1.02, 0.99, 0.95, 0.0, 1.0],
        [True, 2, 1.3, 0.9, 0.2],  # reForge's
        [True],
        [True, "2", 1.3, 0.9, 1.4, 0.2],
        list(Settings().to_dict().values())[:-1],
        [True, 0.0, 1.0, 0.0, 1, 1.2, 0.9],
        ["yes"],
        [[1]],
    ],
    ids=str,
)
def test_a_list_that_is_shorter_than_ours_is_rejected(args):
    """It may be meant for another tool, in whose list the values mean something else."""
    with pytest.raises(
        SettingsError, match="settings must be an object of names and values, or a list of at least 29 values"
    ):
        parse(*args)


@pytest.mark.parametrize("args", [[], [False], [None], [None, None]], ids=str)
def test_no_arguments_and_false_mean_off(args):
    assert parse(*args) == Settings(enabled=False)


def test_parameters_without_extra_outputs_are_a_whole_list():
    """That is how the host passes on the infotext of a request."""
    values = list(Settings(b1=1.2).to_dict().values())
    assert parse(*values) == Settings(b1=1.2)
    assert outputs(*values, None, True) == ExtraOutputs(compare=True)


def test_an_object_among_initial_values_of_a_host_that_fills_up_with_them():
    initial = [False, *DEFAULTS[1:]]
    assert parse({"b1": 1.2}, *initial[1:]) == Settings(b1=1.2)


def test_an_empty_object_means_the_defaults():
    assert parse({}) == Settings()


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        ({"enable": True}, {"version": "1", **NEUTRAL}),
        ({"stage_infos": [{"backbone_factor": 1.2}]}, {"version": "1", **NEUTRAL, "b1": 1.2}),
        ({"stage_infos": [{}, {"skip_factor": 0.2}]}, {"version": "1", **NEUTRAL, "s2": 0.2}),
        ({"enable": False, "version": "2"}, {"enabled": False, **NEUTRAL}),
        ({"start_ratio": 5, "version": 2}, {"start": 0.25, **NEUTRAL}),
        ({"start_ratio": 0.25, "stop_ratio": 10}, {"version": "1", "start": 0.25, "stop": 0.5, **NEUTRAL}),
        ({"stop_ratio": 1}, {"version": "1", "stop": 0.05, **NEUTRAL}),
        ({"stop_ratio": 1.0}, {"version": "1", "stop": 1, **NEUTRAL}),
        ({"stop_ratio": 99}, {"version": "1", "stop": 1, **NEUTRAL}),
        ({"transition_smoothness": 0.5}, {"version": "1", "smoothness": 0.5, **NEUTRAL}),
        ({"stage_infos": [{"skip_threshold": 0.3}]}, {"version": "1", "cutoff1": 0.3, **NEUTRAL}),
        ({"version": "Version 2", "stage_infos": [{"backbone_factor": 1.2}]}, {**NEUTRAL, "b1": 1.2}),
        ({"version": "Version 1", "enable": True}, {"version": "1", **NEUTRAL}),
        ({"stage_infos": [1.2, 0.9, 0, 0.5, 0, 1]}, {"version": "1", **NEUTRAL, "b1": 1.2, "s1": 0.9}),
        ({"stage_infos": [1.2]}, {"version": "1", **NEUTRAL, "b1": 1.2}),
        ({"stage_infos": [1.2, 0.9, 0, 0.5, 0, 1, 1.4, 0.2]}, {"version": "1", "b1": 1.2, "s1": 0.9}),
        ({"stage_infos": [{"backbone_factor": 1.2}, 1.4, 0.2]}, {"version": "1", "b1": 1.2, "s1": 1}),
        ({"stage_infos": []}, {"version": "1", **NEUTRAL}),
    ],
)
def test_an_object_for_ljlebs_extension_keeps_its_meaning(payload, expected):
    assert parse(payload) == Settings(**expected)


PUBLIC = [
    # Python script for videos: every field of three stages, no version
    ([{"enable": True, "start_ratio": 0.0, "stop_ratio": 1.0, "transition_smoothness": 0.0, "stage_infos": STAGES}],
     LJLEB),
    # An entry of ljleb's presets.json, sent as it is
    ([{"start_ratio": 0, "stop_ratio": 1.0, "transition_smoothness": 0, "version": "1", "stage_infos": STAGES}], LJLEB),
    # The second stage only
    ([{"start_ratio": 0.1, "stage_infos": [{}, {"backbone_factor": 0.8, "backbone_offset": 0.5}]}],
     Settings(version="1", start=0.1, b1=1, s1=1, b2=0.8, s2=1, offset2=0.5)),
    # Names as in diffusers, with the version as a number
    ([{"s1": 0.9, "s2": 0.2, "b1": 1.3, "b2": 1.4, "version": 1}], Settings(version="1")),
    # Texts from input fields
    ([{"enabled": "True", "b1": "1.3", "b2": "1.4", "s1": "0.9", "s2": "0.2"}], Settings()),
    # A client that lists all scripts, unused ones with empty lists or switched off
    ([], Settings(enabled=False)),
    ([{"enabled": False, "b1": 1.3, "b2": 1.4, "s1": 0.9, "s2": 0.2}], Settings(enabled=False)),
    # A client that copies the values of script-info, and changes some
    (DEFAULTS, Settings()),
    ([True, 2, *DEFAULTS[2:]], Settings()),
]  # fmt: skip
"""Payloads of public clients, rewritten."""


@pytest.mark.parametrize(("args", "expected"), PUBLIC)
def test_payloads_of_public_clients(args, expected):
    assert parse(*args) == expected


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ([True, 1.3, 1.4, 0.9, 0.2], "settings must be an object"),  # for "FreeU Integrated", to the wrong name
        ([1.01, 1.02, 0.99, 0.95, 0.0, 1.0], "settings must be an object"),  # the same without the switch
        ([True, 0.0, 1.0, 0.0, *LJLEB_STAGES], "settings must be an object"),  # ljleb's list before it had versions
        ([[{"b1": 1.3}]], "settings must be an object"),  # one list too many
        ([{"b1": 1.3}, {"b1": 1.2}], "version must be"),  # units, as for ControlNet
        ([{"b1": None}], "b1 must be"),  # a serializer that writes missing values as null
        ([{"freeu_enabled": True, "freeu_b1": 1.3}], "freeu_enabled is not a parameter of FreeU"),
        ([{"stage_infos": '[{"backbone_factor": 1.2}]'}], "stage_infos must be a list"),  # encoded twice
    ],
)
def test_mistakes_of_public_clients_are_rejected_by_name(args, message):
    with pytest.raises(SettingsError, match=f"^{message}"):
        parse(*args)


def test_an_object_for_ljlebs_extension_with_all_stages():
    assert parse({"enable": True, "version": "1", "stage_infos": STAGES}) == LJLEB
    assert parse({"enable": True, "version": "1", "stage_infos": LJLEB_STAGES}) == LJLEB


@pytest.mark.parametrize("written", ["Version {}", "{}"])
@pytest.mark.parametrize("version", ["1", "2"])
def test_a_list_of_23_values_for_ljlebs_extension(version, written):
    args = [True, 0.2, 1, 0.5, written.format(version), *LJLEB_STAGES]
    assert len(args) == 23
    # In the list, start and stop are shares even if they are whole numbers.
    assert parse(*args) == LJLEB.replace(version=version, start=0.2, stop=1, smoothness=0.5)
    assert parse(False, *args[1:]) == LJLEB.replace(version=version, start=0.2, stop=1, smoothness=0.5, enabled=False)


@pytest.mark.parametrize("length", range(5, 23))
def test_a_shorter_list_for_ljlebs_extension_is_rejected(length):
    """There, the host fills it up with the initial values of that extension."""
    args = [True, 0.2, 1, 0.5, "Version 1", *LJLEB_STAGES]
    with pytest.raises(SettingsError, match="23 values"):
        parse(*args[:length])


@pytest.mark.parametrize(
    ("args", "field"),
    [
        ([{"b1": 9}], "b1"),
        ([{"enable": True, "b1": 1.2}], "enable"),
        ([{"bq": 1}], "bq"),
        ([{"preset": "SDXXL"}], "preset"),
        ([{"stage_infos": [{"backbone": 1}]}], "backbone of stage 1"),
        ([{"stage_infos": {}}], "stage_infos"),
        ([{"stage_infos": [[1.2]]}], "b1"),
        ([{"stage_infos": [{}] * 4}], "stage_infos"),
        ([{"stage_infos": [1.0] * 19}], "stage_infos"),
        ([{"stage_infos": [{}, {}, {}, 1.2]}], "stage_infos"),
        ([{"stage_infos": [1.2, {}]}], "s1"),
        ([{"stage_infos": None}], "stage_infos"),
        ([{"stage_infos": "1.2"}], "stage_infos"),
        ([{"version": "Version 3", "stage_infos": []}], "version"),
        ([{"start_ratio": -1}], "start"),
        ([{"start_ratio": True}], "start"),
        ([{"enable": "perhaps"}], "enabled"),
        ([True, "3", *DEFAULTS[2:]], "version"),
        ([True, "2", float("nan"), *DEFAULTS[3:]], "b1"),
        ([True, "2", None, *DEFAULTS[3:]], "b1"),
        (["yes", *DEFAULTS[1:]], "enabled"),
        ([None, *DEFAULTS[1:]], "enabled"),
        ([{"b1": 1.3}, "nonsense"], "version"),
        ([{"b1": 1.3}, {"b1": 2.5}], "version"),
        ([True, 0, 1, 0, "Version 3", *LJLEB_STAGES], "version"),
    ],
)
def test_invalid_arguments_are_rejected_by_name(args, field):
    with pytest.raises(SettingsError) as error:
        parse(*args)
    assert error.value.field == field
    assert field in str(error.value)


OLD = [False, *DEFAULTS[1:]]
"""A job of a queue, with FreeU off."""


@pytest.mark.parametrize("on", [False, True])
@pytest.mark.parametrize(
    "args",
    [
        [False, *OLD[:-1]],  # a control was added after the first
        *([*OLD[:place], 0.5, *OLD[place:-1]] for place in (2, 6, 9, 12)),  # a slider was removed since
        *([*OLD[:place], *OLD[place + 1 :], False] for place in (2, 6, 8, 28)),  # a slider was added since
        [*OLD[1:], False],
        ["Euler", 20, *OLD[:-2]],  # another extension has more controls now
        [*OLD[3:], "", [], {}],
        [0.5, 0.5, 0.5, 0.5, *OLD[1:28]],
    ],
    ids=str,
)
def test_a_list_in_another_order_is_refused_as_one(args, on):
    """Agent Scheduler stores jobs as lists. An update can change the place of each control."""
    args = [on if value is False else value for value in args]
    assert len(args) == len(ARGUMENTS)
    message = r"^settings must be a list in the order of this release, whose value \d+ is .* empty the queue"
    with pytest.raises(SettingsError, match=message):
        parse(*args)


@given(st.lists(strategies.junk, max_size=len(TABLE)) | strategies.payloads.map(lambda payload: [payload]))
def test_any_arguments_give_valid_settings_or_a_settings_error(args):
    try:
        settings = parse(*args)
    except SettingsError as error:
        assert error.rule
    else:
        assert Settings(**settings.to_dict()) == settings


def test_the_values_of_a_plot_override_the_arguments_and_turn_freeu_on():
    assert parse(b1=1.5) == Settings(b1=1.5)
    assert parse({"b2": 1.2, "enabled": False}, b1=1.5) == Settings(b1=1.5, b2=1.2)
    assert parse(b1=1.5, enabled="False") == Settings(b1=1.5, enabled=False)
    assert parse({"b2": 1.2}, preset="SD1.5", s1=0.5) == presets.BUILTIN["SD1.5"].replace(s1=0.5)


def test_the_values_of_a_plot_are_checked_together_with_the_arguments():
    with pytest.raises(SettingsError, match="start"):
        parse({"stop": 0.5}, start=0.6)
    with pytest.raises(SettingsError, match="preset"):
        parse(preset="none")


@pytest.mark.parametrize(
    ("args", "overrides", "expected"),
    [
        ([], {}, ExtraOutputs()),
        ([{"plot": True}], {}, ExtraOutputs(plot=True)),
        ([{"plot": "true", "compare": True, "b1": 1.1}], {}, ExtraOutputs(plot=True, compare=True)),
        ([{"enable": True, "stage_infos": [{"backbone_factor": 1.2}], "plot": True}], {}, ExtraOutputs(plot=True)),
        ([{"plot": True}], {"plot": False, "compare": True}, ExtraOutputs(compare=True)),
        ([{}], {"plot": "True", "b1": "1.1"}, ExtraOutputs(plot=True)),
    ],
)
def test_extra_outputs_in_an_object_and_in_a_grid(args, overrides, expected):
    assert outputs(*args, **overrides) == expected


def test_an_extra_output_on_the_axis_of_a_grid_does_not_turn_freeu_on():
    assert not parse(plot=True).enabled


@pytest.mark.parametrize("args", [[{"plot": "maybe"}], [*DEFAULTS[:-2], "maybe", False], [{}, *DEFAULTS[1:-1], 3]])
def test_bad_extra_outputs_are_rejected_by_name(args):
    with pytest.raises(SettingsError, match=r"^(plot|compare) must be true or false, got"):
        outputs(*args)


@given(strategies.valid)
def test_a_script_written_is_read_as_the_same_settings(payload):
    settings = Settings.parse(payload)
    for given_as in (settings, settings.to_dict()):
        args = arguments.to_script(given_as)["alwayson_scripts"]["freeu"]["args"]
        assert arguments.parse(args, presets.BUILTIN, 20) == Request(settings, ExtraOutputs())
