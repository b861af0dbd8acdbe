"""The table, Settings and the JSON schema."""

import dataclasses
import json
import pickle

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freeu import Settings, SettingsError, from_infotext, json_schema, presets, to_infotext
from freeu.settings.parameter import format_value
from freeu.settings.settings import TABLE
from tests.strategies import payloads, valid

OF_A_STAGE = {"high": 1.0, "offset": 0.0, "width": 0.5, "cutoff": 0.0}
ABSENT = {
    "enabled": True,
    "version": "2",
    "b1": 1.3,
    "s1": 0.9,
    "b2": 1.4,
    "s2": 0.2,
    "b3": 1.0,
    "s3": 1.0,
    "start": 0.0,
    "stop": 1.0,
    "smoothness": 0.0,
    "curve": "",
    "clock": "step",
    "passes": "both",
    "mask": "box",
    "stage_map": "channels",
    **{f"{name}{n}": value for name, value in OF_A_STAGE.items() for n in (1, 2, 3)},
}


def test_what_a_picture_without_a_value_means_never_changes():
    """Released pictures depend on it. A new parameter adds a line here; no line changes."""
    assert {name: param.infotext_default for name, param in TABLE.items()} == ABSENT


def test_every_default_is_allowed_and_explained():
    for name, param in TABLE.items():
        assert getattr(Settings(**{name: param.default}), name) == param.default
        assert param.label
        assert param.help.endswith(".")
    assert len({param.label for param in TABLE.values()}) == len(TABLE)


@given(payloads)
def test_every_payload_is_kept_or_refused_by_name(payload):
    try:
        settings = Settings.parse(payload)
    except SettingsError as refused:
        error = refused
    else:
        assert_survives(settings)
        return
    if isinstance(payload, dict):
        # start is refused where only stop was given and lies below it; a name that is no text is quoted
        assert error.field in {name if isinstance(name, str) else format_value(name) for name in payload} | {"start"}
    else:
        assert error.field in {*TABLE, "settings"}
    assert str(error).startswith(f"{error.field}: ")
    assert str(error).endswith(error.rule)


def assert_survives(settings):
    assert Settings.parse(settings.to_dict()) == settings
    assert Settings.parse(list(settings.to_dict().values())) == settings
    assert Settings.parse(json.loads(json.dumps(settings.to_dict()))) == settings
    assert from_infotext(to_infotext(settings)) == (settings if settings.enabled else None)


@given(valid)
def test_every_valid_payload_is_accepted(payload):
    settings = Settings.parse(payload)
    base = presets.BUILTIN.get(payload.get("preset"), Settings())
    for name in TABLE:
        if name != "curve":
            assert getattr(settings, name) == payload.get(name, getattr(base, name))


@given(valid)
def test_the_schema_accepts_what_is_valid(payload):
    jsonschema.Draft202012Validator(json_schema()).validate(payload)
    jsonschema.Draft202012Validator(json_schema()).validate(Settings.parse(payload).to_dict())


def test_the_schema_is_a_schema_and_covers_the_table():
    jsonschema.Draft202012Validator.check_schema(json_schema())
    assert set(json_schema()["properties"]) == {*TABLE, "preset"}
    assert json.loads(json.dumps(json_schema())) == json_schema()


json_values = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 5), st.floats(-5, 5), st.sampled_from(["1", "2", "box"])
)


@given(st.dictionaries(st.sampled_from([*TABLE, "preset", "b4"]), json_values, max_size=3))
def test_what_the_schema_refuses_is_refused(payload):
    """Apart from numbers as text, which Settings reads and the schema does not promise."""
    if jsonschema.Draft202012Validator(json_schema()).is_valid(payload):
        return
    numbers_as_text = {name for name, value in payload.items() if isinstance(value, str)}
    rest = {name: value for name, value in payload.items() if name not in numbers_as_text}
    if not jsonschema.Draft202012Validator(json_schema()).is_valid(rest):
        with pytest.raises(SettingsError):
            Settings.parse(payload)


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        ({"b1": 5}, "b1: 5 is not allowed; it is a number from -1 to 3"),
        ({"b1": float("nan")}, "b1: nan is not allowed; it is a number from -1 to 3"),
        ({"s2": float("inf")}, "s2: inf is not allowed"),
        ({"b1": True}, "b1: True is not allowed"),
        ({"b1": "strong"}, "b1: 'strong' is not allowed"),
        ({"b1": "1_0"}, "b1: '1_0' is not allowed"),
        ({"b1": None}, "b1: None is not allowed"),
        ({"b1": 10**400}, "b1: 1000"),
        ({"version": 3}, "version: 3 is not allowed; it is one of 1, 2"),
        ({"version": True}, "version: True is not allowed"),
        ({"mask": "circle"}, "mask: 'circle' is not allowed; it is one of box, disc"),
        ({"enabled": 1}, "enabled: 1 is not allowed; it is true or false"),
        ({"curve": "0:2"}, "curve: '0:2' is not allowed; it is empty, or points progress:strength"),
        ({"curve": "0.5:1, 0.5:0"}, "curve: '0.5:1, 0.5:0' is not allowed"),
        ({"curve": "half"}, "curve: 'half' is not allowed"),
        ({"start": 0.6, "stop": 0.5}, "start: 0.6 is not allowed; it is at most stop, which is 0.5"),
        ({"b4": 1}, "b4: 1 is not allowed; there is no such parameter; the closest is b"),
        ({"Stage map": 1}, "Stage map: 1 is not allowed; there is no such parameter; the closest is stage_map"),
        ({"preset": "sdxl gentler"}, "the closest is SDXL gentle"),
        ({"preset": 5}, "preset: 5 is not allowed; it is one of SD1.4"),
        ("b1", "settings: 'b1' is not allowed"),
        (7, "settings: 7 is not allowed"),
        ({1.1, 1.2}, "settings: {1"),
        ([True] + ["2"] * 40, "a list of values has at most"),
    ],
)
def test_errors_name_the_field_the_value_and_what_is_allowed(payload, message):
    with pytest.raises(SettingsError) as caught:
        Settings.parse(payload)
    assert message in str(caught.value)


def test_errors_survive_pickling():
    error = pickle.loads(pickle.dumps(SettingsError("b1", 5, "it is a number")))
    assert (str(error), error.field) == ("b1: 5 is not allowed; it is a number", "b1")


@pytest.mark.parametrize("version", [1, 2, 1.0, "1", " 2 "])
def test_the_version_may_be_a_number(version):
    assert Settings(version=version).version == str(int(float(version)))


def test_numbers_may_be_text():
    assert Settings.parse({"b1": " 1.25 ", "enabled": "False"}) == Settings(b1=1.25, enabled=False)


def test_a_list_is_read_in_the_order_of_the_table():
    assert Settings.parse([True, "1", 1.1, 0.8]) == Settings(version="1", b1=1.1, s1=0.8)
    assert Settings.parse([]) == Settings()


def test_a_preset_is_a_base_that_other_fields_change():
    assert Settings.parse({"preset": "SD1.5", "b1": 1.2}) == Settings(b1=1.2, b2=1.6, s1=0.9, s2=0.2)
    own = {"mine": Settings(b1=1.7)}
    assert Settings.parse({"preset": "mine"}, presets=own).b1 == 1.7


def test_a_curve_is_kept_in_order_and_in_one_spelling():
    assert Settings(curve="1:0,0.20:1 , 0:0.0,").curve == "0:0, 0.2:1, 1:0"


def test_settings_are_frozen_and_a_copy_is_checked():
    settings = Settings()
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.b1 = 2
    assert settings.replace(b1=1.5) == Settings(b1=1.5)
    with pytest.raises(SettingsError, match="b1: 9"):
        settings.replace(b1=9)
    for name in ("c1", "preset"):
        with pytest.raises(SettingsError, match=f"{name}: 'SDXL' is not allowed; there is no such parameter"):
            settings.replace(**{name: "SDXL"})


@pytest.mark.parametrize("preset", presets.PRESETS, ids=lambda preset: preset.name)
def test_presets_act_and_say_where_they_come_from(preset):
    assert not preset.settings.neutral
    assert "/" in preset.help, "a source is a repository"
    assert presets.BUILTIN[preset.name] is preset.settings


def test_the_authors_presets():
    factors = {name: (s.b1, s.b2, s.s1, s.s2) for name, s in presets.BUILTIN.items()}
    assert factors == {
        "SD1.4": (1.3, 1.4, 0.9, 0.2),
        "SD1.5": (1.5, 1.6, 0.9, 0.2),
        "SD2.1": (1.4, 1.6, 0.9, 0.2),
        "SDXL": (1.3, 1.4, 0.9, 0.2),
        "SDXL gentle": (1.1, 1.2, 0.6, 0.4),
        "Forge default": (1.01, 1.02, 0.99, 0.95),
    }
