"""FreeU in the metadata of images: of this extension, and of other tools as found in their images."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freeu import Settings, SettingsError, from_infotext, strength, to_infotext
from freeu.compat.steps import step_share
from freeu.settings.infotext import DIAGNOSTICS_KEY, parse_parameters

FORGE = {
    "freeu_enabled": "True",
    "freeu_b1": "1.01",
    "freeu_b2": "1.02",
    "freeu_s1": "0.99",
    "freeu_s2": "0.95",
}
GENTLE = {"b1": 1.01, "b2": 1.02, "s1": 0.99, "s2": 0.95}
NEUTRAL = {"b1": 1, "s1": 1, "b2": 1, "s2": 1}
STAGES = '[{"backbone_factor": 1.2, "skip_factor": 0.9}, {"backbone_factor": 1.4, "skip_factor": 0.2}]'
LJLEB = {"version": "1", "b1": 1.2, "s1": 0.9, "b2": 1.4, "s2": 0.2}


def test_each_value_has_its_own_key():
    assert to_infotext(Settings()) == {
        "FreeU version": "2",
        "FreeU b1": "1.3",
        "FreeU s1": "0.9",
        "FreeU b2": "1.4",
        "FreeU s2": "0.2",
        "FreeU start": "0",
        "FreeU stop": "1",
    }
    assert (
        to_infotext(Settings(width2=0.25, stage_map="levels")).items()
        >= {
            "FreeU width2": "0.25",
            "FreeU stage map": "levels",
        }.items()
    )


def test_disabled_settings_write_nothing_and_no_keys_mean_no_freeu():
    assert to_infotext(Settings(enabled=False, b1=2)) == {}
    assert from_infotext({}) is None
    assert from_infotext({"Steps": "20", "Sampler": "Euler", "Hypertile U-Net": "True"}) is None


def test_missing_keys_mean_their_infotext_default():
    assert from_infotext({"FreeU b1": "1.1"}) == Settings(b1=1.1)


def test_unknown_keys_are_logged_and_ignored(caplog):
    infotext = parse_parameters(f"FreeU b1: 1.1, FreeU sparkle: 3, {DIAGNOSTICS_KEY}: x")
    assert from_infotext(infotext) == Settings(b1=1.1)
    assert [record.getMessage() for record in caplog.records] == [
        "infotext: keys unknown to this version of FreeU are ignored: FreeU sparkle"
    ]


def test_many_unknown_keys_are_one_short_line_of_the_log(caplog):
    from_infotext({"FreeU b1": "1.1", **{f"FreeU \n\x1b{index}": "1" for index in range(1000)}})
    [record] = caplog.records
    assert record.getMessage().isprintable()
    assert len(record.getMessage()) < 200


@pytest.mark.parametrize(
    ("infotext", "changes"),
    [
        # ljleb/sd-webui-freeu; version 1 if the key is missing
        ({"FreeU Stages": STAGES, "FreeU Schedule": "0.0, 1.0, 0.0", "FreeU Version": "2"}, {**LJLEB, "version": "2"}),
        (
            {"FreeU Stages": STAGES, "FreeU Schedule": "0.1, 0.8, 0.5"},
            {**LJLEB, "start": 0.1, "stop": 0.8, "smoothness": 0.5},
        ),
        ({"FreeU Stages": STAGES}, LJLEB),
        ({"FreeU Stages": json.dumps(STAGES), "FreeU Schedule": '"0.1, 0.8, 0"'}, {**LJLEB, "start": 0.1, "stop": 0.8}),
        ({"FreeU Stages": json.dumps(STAGES)}, LJLEB),
        ({"FreeU Stages": "[]", "FreeU Version": "2"}, NEUTRAL),
        ({"FreeU Stages": '[{}, {"backbone_factor": 1.1}]'}, {**NEUTRAL, "version": "1", "b2": 1.1}),
        (
            {"FreeU Stages": '[{"skip_threshold": 0.5, "skip_high_end_factor": 1.2}]'},
            {**NEUTRAL, "version": "1", "cutoff1": 0.5, "high1": 1.2},
        ),
        (
            {"FreeU Stages": '[{"backbone_offset": 0.25, "skip_cutoff": 0.5}, {}, {"backbone_width": 0.75}]'},
            {**NEUTRAL, "version": "1", "offset1": 0.25, "cutoff1": 0.5, "width3": 0.75},
        ),
        # a whole number is a step
        ({"FreeU Stages": STAGES, "FreeU Schedule": "4, 16, 0.0", "Steps": "20"}, {**LJLEB, "start": 0.2, "stop": 0.8}),
        ({"FreeU Stages": STAGES, "FreeU Schedule": "0, 99, 0.0", "Steps": 20}, LJLEB),
        # Forge has seven keys; Forge until September 2024 and reForge have five
        ({**FORGE, "freeu_start": "0.0", "freeu_end": "1.0"}, GENTLE),
        ({**FORGE, "freeu_start": "0.25", "freeu_end": "0.75"}, {**GENTLE, "start": 0.25, "stop": 0.75}),
        (FORGE, GENTLE),
        ({"freeu_enabled": "False"}, {"enabled": False}),
        # SD.Next, Fooocus
        ({"FreeU": "b1=1.2 b2=1.4 s1=0.9 s2=0.2"}, {**LJLEB, "stage_map": "levels"}),
        ({"FreeU": "(1.01, 1.02, 0.99, 0.95)"}, GENTLE),
        ({"FreeU": '"(1.01, 1.02, 0.99, 0.95)"'}, GENTLE),
        ({"freeu": [1.01, 1.02, 0.99, 0.95]}, GENTLE),
    ],
)
def test_metadata_of_other_tools_is_read(infotext, changes):
    assert from_infotext(infotext) == Settings(**changes)


@pytest.mark.parametrize("steps", [2, 7, 20, 33])
@pytest.mark.parametrize(("start", "end"), [(0.0, 1.0), (0.2, 0.8), (0.33, 0.34), (0.5, 0.5), (1.0, 1.0), (0.0, 0.0)])
def test_settings_of_forge_act_at_the_same_steps(start, end, steps):
    """In Forge, both ends are part of the window, and progress is step / (steps - 1)."""
    keys = {**FORGE, "freeu_start": str(start), "freeu_end": str(end), "Steps": str(steps)}
    settings = from_infotext(keys)
    expected = [1.0 if start <= step / (steps - 1) <= end else 0.0 for step in range(steps)]
    assert [strength(settings, step, steps) for step in range(steps)] == expected


@pytest.mark.parametrize(
    ("job", "sampled"),
    [
        ({}, 20),
        ({"Denoising strength": "0.5"}, 11),
        ({"Denoising strength": "0.75"}, 16),
        ({"Denoising strength": "1"}, 20),
        ({"Denoising strength": "0"}, 20),  # written for txt2img by older WebUIs
        ({"Denoising strength": "much"}, 20),
        ({"Denoising strength": "0.5", "Hires upscale": "2", "Hires upscaler": "Latent"}, 20),
        ({"Denoising strength": "0.5", "Hires resize-1": "512"}, 20),
    ],
)
def test_windows_of_other_tools_count_the_sampled_steps(job, sampled):
    """img2img samples only a part of `Steps`: 11 of 20 at a denoising strength of 0.5, of which Forge uses 0 to 8."""
    forge = from_infotext({**FORGE, "freeu_start": "0.0", "freeu_end": "0.8", "Steps": "20", **job})
    expected = [1.0 if step / (sampled - 1) <= 0.8 else 0.0 for step in range(sampled)]
    assert [strength(forge, step, sampled) for step in range(sampled)] == expected
    ljleb = from_infotext({"FreeU Stages": "[]", "FreeU Schedule": "4, 8, 0.0", "Steps": "20", **job})
    assert [strength(ljleb, step, sampled) for step in range(sampled)] == [
        1.0 if 4 <= step < 8 else 0.0 for step in range(sampled)
    ]


@given(st.integers(1, 1000).flatmap(lambda steps: st.tuples(st.integers(0, steps), st.just(steps))))
def test_step_share_means_the_same_step(when):
    step, steps = when
    share = step_share(step, steps)
    assert 0 <= share <= 1
    assert int(share * steps) == step


@pytest.mark.parametrize(
    ("infotext", "field"),
    [
        ({"FreeU b1": "much"}, "b1"),
        ({"FreeU version": "3"}, "version"),
        ({"FreeU Stages": "[1.2"}, "FreeU Stages"),
        ({"FreeU Stages": "{}"}, "FreeU Stages"),
        ({"FreeU Stages": '[{"backbone": 1}]'}, "backbone of stage 1"),
        ({"FreeU Stages": '[{"backbone_factor": 12}]'}, "b1"),
        ({"FreeU Stages": "[]", "FreeU Schedule": "0.0, 1.0"}, "FreeU Schedule"),
        ({"FreeU Stages": "[]", "FreeU Schedule": "4, 16, 0.0"}, "start"),
        ({"FreeU Stages": "[]", "FreeU Version": "7"}, "version"),
        ({"freeu_enabled": "perhaps"}, "enabled"),
        ({"FreeU": "b1=1.2 b9=3"}, "FreeU"),
        ({"FreeU": "b1=1.2"}, "FreeU"),
        ({"FreeU": "b1 = 1.2 b2 = 1.4 s1 = 0.9 s2 = 0.2"}, "FreeU"),
        ({"freeu_enabled": "True", "freeu_b1": "1.2", "freeu_s1": "1"}, "b2"),
        ({**FORGE, "freeu_start": "0.8", "freeu_end": "0.2"}, "start"),
        ({"FreeU": "(1, 2)"}, "FreeU"),
        ({"FreeU": "__import__('os').getcwd()"}, "FreeU"),
    ],
)
def test_error_names_the_field_of_an_invalid_value(infotext, field):
    with pytest.raises(SettingsError) as caught:
        from_infotext(infotext)
    assert caught.value.field == field


BEGINNING = "a\nNegative prompt: b\nSteps: 20, Sampler: Euler, "
FORGE_LINE = ", ".join(f"{key}: {value}" for key, value in FORGE.items())


@pytest.mark.parametrize(
    "text",
    [
        f"{BEGINNING}{FORGE_LINE}\nTemplate: a {{red|blue}} cat",
        f"{BEGINNING}{FORGE_LINE}\nTemplate: a {{red|blue}} cat,\nFreeU b1: 2\nNegative Template: b, FreeU b2: 2",
        f'{BEGINNING}{FORGE_LINE}\nHashed prompt: 12ab\nResources: [{{"type": "lora"}}]\nComment: a, b: c',
        f'{BEGINNING}{FORGE_LINE}, Template: "a\n{{red|blue}}, freeu_b1: 2\ncat", Version: v1.10.1',
        f'{BEGINNING}Template: "a\nSteps: 3", {FORGE_LINE}',
        f'{BEGINNING}Lora hashes: "a: 1, b: \\"2\\"" , TI: "c: 3", {FORGE_LINE}, Hashes: {{"vae": "1", "b": "2"}}',
        f'{BEGINNING}Model: 5" cat, no key, {FORGE_LINE}, Size: 64x64',
        f"{BEGINNING}{FORGE_LINE}, Version: v1.10.1".replace("\n", "\r\n"),
        f'{BEGINNING}{FORGE_LINE}, Lora hashes: "a: 1"\r\nTemplate: "b"\r\n',
        f"{BEGINNING}Sampler: 歐拉, 🐱: 猫, {FORGE_LINE}",
        f"Steps: 20, {FORGE_LINE}",
        f"  \n{BEGINNING}{FORGE_LINE}\n\n",
        f"a\nSteps: 5, Sampler: Euler, FreeU b1: 2\n{BEGINNING}{FORGE_LINE}",
    ],
)
def test_lines_and_values_around_the_settings_do_not_hide_them(text):
    assert from_infotext(parse_parameters(text)) == Settings(**GENTLE)


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("64x64", "64x64"),
        ('"a: 1, b: 2"', "a: 1, b: 2"),
        ('"a \\"b\\" \\u00e9"', 'a "b" é'),
        ('"a\n\tb"', "a\n\tb"),
        ('"a" b', '"a" b'),
    ],
)
def test_quoted_values_are_json_that_may_have_line_breaks(written, value):
    assert parse_parameters(f"a\nSteps: 20, Template: {written}, Seed: 1") == {
        "Steps": "20",
        "Template": value,
        "Seed": "1",
    }


@pytest.mark.parametrize(
    "text",
    [
        f"a, {FORGE_LINE}\nNegative prompt: FreeU b1: 1.2\nSteps: 20, Sampler: Euler",
        f"a\nSteps: 20, Sampler: Euler\nTemplate: a, {FORGE_LINE}",
        f"a\nSteps: 20, Sampler: Euler\nTemplate: a\n{FORGE_LINE}",
        f'a\nSteps: 20, Template: "a\n{FORGE_LINE}", Sampler: Euler\nTemplate: "a"',
    ],
)
def test_prompts_that_mention_freeu_are_not_settings(text):
    assert from_infotext(parse_parameters(text)) is None


WRITTEN = (
    to_infotext(Settings(curve="0:0, 1:1", high2=1.1)),
    {"FreeU Stages": STAGES, "FreeU Schedule": "0.0, 12, 0.5", "FreeU Version": "2", "Steps": "20"},
    {**FORGE, "freeu_start": "0.1", "freeu_end": "0.9", "Steps": "20"},
    {"FreeU": "b1=1.2 b2=1.4 s1=0.9 s2=0.2"},
    {"FreeU": "(1.01, 1.02, 0.99, 0.95)"},
)
OTHER = st.one_of(
    st.text(max_size=12), st.sampled_from(["1", "0.5", "-1", "[]", "[[]]", "[" * 5000, "9" * 5000, "nan", "True"])
)


@given(st.sampled_from(WRITTEN), st.data())
def test_damaged_infotexts_are_read_or_raise_settings_error(written, data):
    """With values replaced and keys missing. Settings are never made from only some of Forge's factors."""
    keep = data.draw(st.sets(st.sampled_from(sorted(written))))
    change = data.draw(st.dictionaries(st.sampled_from(sorted(written)), OTHER, max_size=2))
    infotext = {**{key: written[key] for key in keep}, **change}
    try:
        settings = from_infotext(infotext)
    except SettingsError:
        return
    if infotext == written:
        assert settings == from_infotext(written)
    assert settings is None or isinstance(settings, Settings)
    if settings and settings.enabled and "freeu_enabled" in infotext:
        assert set(FORGE) <= set(infotext)
