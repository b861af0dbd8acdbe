"""The table of parameters, Settings and the JSON schema."""

import dataclasses
import inspect
import json
import pickle

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freeu import Settings, SettingsError, from_infotext, json_schema, presets, strength, to_infotext
from freeu.core.schedule import strength_at_timestep
from freeu.settings import parameter as parameter_module
from freeu.settings import settings as settings_module
from freeu.settings.parameter import MAX_MESSAGE_LENGTH, MAX_VALUE_LENGTH, format_value, readable
from freeu.settings.settings import TABLE
from freeu.settings.stage import Stage
from tests.support.strategies import payloads, valid

STAGE_DEFAULTS = {"high": 1.0, "offset": 0.0, "width": 0.5, "cutoff": 0.0}
INFOTEXT_DEFAULTS = {
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
    "keep_contrast": 0.0,
    **{f"{name}{n}": value for name, value in STAGE_DEFAULTS.items() for n in (1, 2, 3)},
}


def test_infotext_defaults_never_change():
    """The meaning of released images depends on them. A new parameter adds a line above; no line changes."""
    assert {name: parameter.infotext_default for name, parameter in TABLE.items()} == INFOTEXT_DEFAULTS


def test_every_parameter_has_a_valid_default_and_texts():
    for name, parameter in TABLE.items():
        assert getattr(Settings(**{name: parameter.default}), name) == parameter.default
        assert parameter.label
        assert parameter.help.endswith(".")
        assert parameter.rule.startswith("must be ")
    assert len({parameter.label for parameter in TABLE.values()}) == len(TABLE)


@given(payloads)
def test_every_payload_is_accepted_or_raises_an_error_that_names_the_field(payload):
    try:
        settings = Settings.parse(payload)
    except SettingsError as raised:
        error = raised
    else:
        assert_round_trips(settings)
        return
    if isinstance(payload, dict):
        # start can be wrong because of a stop below it; a name that is not text is shown as its repr.
        shown = {readable(name) if isinstance(name, str) else format_value(name) for name in payload}
        assert error.field in shown | {"start"}
    else:
        assert error.field in {*TABLE, "settings"}
    message = f"{error.field} {error.rule}, got {format_value(error.value)}"
    assert str(error) == (f"{message}. {error.advice}" if error.advice else message)


texts = st.text(st.characters(), max_size=200) | st.text("a\n\x1b\u202e\ud800<", min_size=900, max_size=2000)


@given(texts)
def test_readable_text_is_printable_short_and_stays_as_it_is(text):
    shown = readable(text)
    assert shown.isprintable()
    assert len(shown) <= 80
    assert readable(shown) == shown
    if text.isprintable() and len(text) <= 80:
        assert shown == text
    assert len(readable(text, 1000)) <= 1000


@given(texts, texts, texts, texts)
def test_error_of_any_texts_is_printable_and_short(field, value, rule, advice):
    """A lone surrogate is no character that a log or an answer can contain."""
    error = SettingsError(field, value, rule, advice)
    for shown in (str(error), error.field, error.rule, error.advice, format_value(error.value)):
        assert shown.isprintable()
        assert len(shown) <= MAX_MESSAGE_LENGTH
    assert error.value == value
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        ({"b1\x1b[31m": 1}, r"b1\x1b[31m is not a parameter of FreeU, got 1. The closest name is b"),
        ({"\ud800": 1}, r"\ud800 is not a parameter of FreeU, got 1. "),
        ({"b1": "１.３"}, "b1 must be between -1 and 3, got '１.３'"),
        ({"b1": "1" * 10**6}, f"b1 must be between -1 and 3, got '{'1' * 76}..."),
        ({"version": "\ud800"}, r"version must be one of 1, 2, got '\ud800'"),
        ({"curve": "0:0\n, \u202e"}, r"each progress once, got '0:0\n, \u202e'"),
        ({"preset": "a\r\nb"}, r", got 'a\r\nb'. The closest name is "),
        ({"x" * 10_000: 1}, f"{'x' * 77}... is not a parameter of FreeU, got 1. "),
        (
            {"curve": ", ".join(f"{index / 1000}:1" for index in range(201))},
            "at most 200 points and each progress once",
        ),
    ],
)
def test_names_and_values_are_escaped_and_shortened(payload, message):
    with pytest.raises(SettingsError) as caught:
        Settings.parse(payload)
    assert message in str(caught.value)


def assert_round_trips(settings):
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
def test_schema_accepts_every_valid_payload(payload):
    jsonschema.Draft202012Validator(json_schema()).validate(payload)
    jsonschema.Draft202012Validator(json_schema()).validate(Settings.parse(payload).to_dict())


def test_schema_is_valid_and_covers_the_table():
    jsonschema.Draft202012Validator.check_schema(json_schema())
    assert set(json_schema()["properties"]) == {*TABLE, "preset"}
    assert json.loads(json.dumps(json_schema())) == json_schema()


json_values = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 5), st.floats(-5, 5), st.sampled_from(["1", "2", "box"])
)


@given(st.dictionaries(st.sampled_from([*TABLE, "preset", "b4"]), json_values, max_size=3))
def test_payloads_that_the_schema_rejects_raise_an_error(payload):
    """Except numbers as text: Settings reads them, and the schema does not promise it."""
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
        ({"b1": 9}, "b1 must be between -1 and 3, got 9"),
        ({"b1": float("nan")}, "b1 must be between -1 and 3, got nan"),
        ({"s2": float("inf")}, "s2 must be between -1 and 3, got inf"),
        ({"b1": True}, "b1 must be between -1 and 3, got True"),
        ({"b1": "strong"}, "b1 must be between -1 and 3, got 'strong'"),
        ({"b1": "1_0"}, "b1 must be between -1 and 3, got '1_0'"),
        ({"b1": None}, "b1 must be between -1 and 3, got None"),
        ({"b1": 10**400}, f"b1 must be between -1 and 3, got 1{'0' * (MAX_VALUE_LENGTH - 4)}..."),
        ({"b1": 10**5000}, "b1 must be between -1 and 3, got a value of type int"),
        ({"width1": 1.5}, "width1 must be between 0 and 1, got 1.5"),
        ({"version": 3}, "version must be one of 1, 2, got 3"),
        ({"version": True}, "version must be one of 1, 2, got True"),
        ({"mask": "circle"}, "mask must be one of box, disc, got 'circle'"),
        ({"enabled": 1}, "enabled must be true or false, got 1"),
        ({"curve": "0:2"}, f"curve {TABLE['curve'].rule}, got '0:2'"),
        ({"start": 0.6, "stop": 0.5}, "start must be at most stop, which is 0.5, got 0.6"),
        ({"Stage map": 1}, "Stage map is not a parameter of FreeU, got 1. The closest name is stage_map"),
        (
            {"preset": "sdxl gentler"},
            f"preset must be one of {', '.join(presets.BUILTIN)}, got 'sdxl gentler'. The closest name is SDXL gentle",
        ),
    ],
)
def test_error_names_the_field_the_rule_and_the_value(payload, message):
    with pytest.raises(SettingsError) as caught:
        Settings.parse(payload)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        ("b1", "settings must be an object of names and values, or a list of values, got 'b1'"),
        (7, "settings must be an object of names and values, or a list of values, got 7"),
        (None, "settings must be an object of names and values, or a list of values, got None"),
        ({1.1, 1.2}, "settings must be an object of names and values, or a list of values, got {1"),
        ([True] + ["2"] * 40, f"settings must be a list of at most {len(TABLE)} values, got [True, '2', "),
        ({"preset": 5}, "preset must be one of SD1.4, SD1.5, "),
        ({"preset": ["SDXL"]}, "preset must be one of SD1.4, SD1.5, "),
    ],
)
def test_payloads_of_another_type_are_rejected(payload, message):
    with pytest.raises(SettingsError) as caught:
        Settings.parse(payload)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("curve", ["0:2", "0.5:1, 0.5:0", "half", "0", "0:1:0", "-0.1:1", 1, None, True])
def test_invalid_curves_are_rejected(curve):
    with pytest.raises(SettingsError, match=r"^curve must be empty or points"):
        Settings(curve=curve)


@pytest.mark.parametrize("make", [lambda **b4: Settings.parse(b4), Settings().replace, Settings])
def test_unknown_name_suggests_the_closest_one(make):
    with pytest.raises(SettingsError, match=r"^b4 is not a parameter of FreeU, got 1\. The closest name is b\d$"):
        make(b4=1)


def test_the_signature_lists_the_parameters():
    assert [*inspect.signature(Settings).parameters] == [*TABLE]


def test_error_has_its_parts_as_attributes_and_survives_pickling():
    error = pickle.loads(pickle.dumps(SettingsError("b1", 5, "must be less", "Move the slider")))
    assert (error.field, error.value, error.rule, error.advice) == ("b1", 5, "must be less", "Move the slider")
    assert str(error) == "b1 must be less, got 5. Move the slider"
    assert isinstance(error, ValueError)


@pytest.mark.parametrize("version", [1, 2, 1.0, "1", " 2 "])
def test_version_may_be_a_number(version):
    assert Settings(version=version).version == str(int(float(version)))


def test_numbers_may_be_text():
    assert Settings.parse({"b1": " 1.25 ", "enabled": "False"}) == Settings(b1=1.25, enabled=False)


def test_list_is_read_in_the_order_of_the_table():
    assert Settings.parse([True, "1", 1.1, 0.8]) == Settings(version="1", b1=1.1, s1=0.8)
    assert Settings.parse([]) == Settings()


def test_preset_is_a_base_that_other_fields_change():
    assert Settings.parse({"preset": "SD1.5", "b1": 1.2}) == Settings(b1=1.2, b2=1.6, s1=0.9, s2=0.2)
    own = {"mine": Settings(b1=1.7)}
    assert Settings.parse({"preset": "mine"}, presets=own).b1 == 1.7


def test_curve_is_sorted_and_has_one_spelling():
    settings = Settings(curve="1:0,0.20:1 , 0:0.0,")
    assert settings.curve == "0:0, 0.2:1, 1:0"
    assert settings.curve_points == ((0, 0), (0.2, 1), (1, 0))
    assert settings.replace(curve="").curve_points == ()


def test_curve_points_are_no_parameter():
    settings = Settings(curve="0:0, 1:1")
    assert "curve_points" not in {**TABLE, **settings.to_dict(), **json_schema()["properties"]}
    with pytest.raises(SettingsError, match="curve_points is not a parameter"):
        settings.replace(curve_points=())
    assert "curve_points" not in repr(settings)


def test_curve_points_are_parsed_only_when_settings_are_made(monkeypatch):
    settings = Settings(curve="0:0, 0.5:1, 1:0")

    def fail(*args):
        raise AssertionError("the curve was parsed again")

    monkeypatch.setattr(settings_module, "parse_curve", fail)
    monkeypatch.setattr(parameter_module, "parse_curve", fail)
    assert [strength(settings, step, 5) for step in range(5)] == [0, 0.5, 1, 0.5, 0]
    assert strength_at_timestep(settings, 999) == 0


def test_settings_are_frozen_and_replace_validates():
    settings = Settings()
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.b1 = 2
    assert settings.replace(b1=1.5) == Settings(b1=1.5)
    with pytest.raises(SettingsError, match="b1 must be between -1 and 3, got 9"):
        settings.replace(b1=9)
    for name in ("c1", "preset"):
        with pytest.raises(SettingsError, match=f"^{name} is not a parameter of FreeU, got 'SDXL'"):
            settings.replace(**{name: "SDXL"})


@pytest.mark.parametrize(
    ("changes", "changed"),
    [
        ({}, []),
        ({"b1": 0.9}, ["b"]),
        ({"b1": 1.1, "width1": 0.001}, ["b"]),
        ({"b1": 1.1, "width1": 0}, []),
        ({"s1": 0.9}, ["s"]),
        ({"s1": 1.1, "width1": 0}, ["s"]),
        ({"high1": 0.9}, ["high"]),
        ({"b1": 2, "s1": 0, "high1": 1.1}, ["b", "s", "high"]),
        ({"b2": 2, "s3": 0}, []),
        ({"offset1": 0.5, "width1": 1, "cutoff1": 1}, []),
    ],
)
def test_stage_knows_its_factors_that_change_features(changes, changed):
    stage = Settings(b1=1, s1=1).replace(**changes).stage(1)
    assert stage.changed() == changed
    assert stage.neutral == (not changed)


@given(st.lists(st.floats(-1, 3), min_size=3, max_size=3), st.floats(0, 1))
def test_strength_is_how_far_a_factor_is_from_one(factors, strength):
    stage = Stage(*factors, offset=0.25, width=0.5, cutoff=0.75)
    scaled = stage.at_strength(strength)
    assert scaled[:3] == pytest.approx([1 + strength * (factor - 1) for factor in factors])
    assert scaled[3:] == stage[3:]
    assert stage.at_strength(1) == stage
    assert stage.at_strength(0).neutral


def test_settings_are_neutral_if_they_are_off_or_no_stage_changes_features():
    ones = Settings(b1=1, s1=1, b2=1, s2=1)
    assert Settings(enabled=False).neutral
    assert ones.neutral
    assert not any(ones.replace(**{f"b{n}": 1.1}).neutral for n in (1, 2, 3))


def test_compact_leaves_out_defaults_however_they_are_written():
    written = ["version", "b1", "s1", "b2", "s2", "start", "stop"]
    assert [*Settings.parse({"b3": "1.0", "mask": " box ", "cutoff1": 0}).compact()] == written
    assert [*Settings(b3=1.1).compact()] == [*written, "b3"]


@pytest.mark.parametrize("preset", presets.PRESETS, ids=lambda preset: preset.name)
def test_presets_change_images_and_name_their_source(preset):
    assert not preset.settings.neutral
    assert "/" in preset.help, "the source must be a repository"
    assert presets.BUILTIN[preset.name] is preset.settings


def test_values_of_the_built_in_presets():
    factors = {name: (s.b1, s.b2, s.s1, s.s2) for name, s in presets.BUILTIN.items()}
    assert factors == {
        "SD1.4": (1.3, 1.4, 0.9, 0.2),
        "SD1.5": (1.5, 1.6, 0.9, 0.2),
        "SD2.1": (1.4, 1.6, 0.9, 0.2),
        "SDXL": (1.3, 1.4, 0.9, 0.2),
        "SDXL gentle": (1.1, 1.2, 0.6, 0.4),
        "Forge default": (1.01, 1.02, 0.99, 0.95),
    }
