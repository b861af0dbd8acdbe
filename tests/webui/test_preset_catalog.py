"""One's own presets and other tools' in the API and in plots, and what the WebUI's settings do to neither."""

import json

import jsonschema
import pytest

from freeu import Settings
from freeu import presets as built_in
from freeu.user_presets import UserPresets
from freeu.webui import options, presets
from tests.test_otherpresets import FORGE, LJLEB
from tests.webui.client import SMALL, Client, pixels, reason

SOFT = Settings(version="1", b1=1.15, s1=0.95, curve="0:0, 1:1")


@pytest.fixture(autouse=True)
def store(tmp_path, monkeypatch):
    """The user's file, which has one preset."""
    monkeypatch.setattr(presets, "OWN", UserPresets(tmp_path / "presets.json"))
    presets.OWN.save("夜 soft", SOFT)
    return presets.OWN


@pytest.fixture
def here(playground):
    """A client of the playground: these tests write to its presets."""
    return Client(playground.url)


@pytest.fixture
def opts(playground, monkeypatch):
    """The WebUI's settings; what is set is taken back."""
    from modules import shared

    return lambda key, value: monkeypatch.setitem(shared.opts.data, key, value)


@pytest.fixture
def tools(tmp_path, monkeypatch):
    """Other tools' extensions beside ours, with a user's presets."""
    from modules import extensions

    theirs, forge = tmp_path / "sd-webui-freeu", tmp_path / "sd_forge_freeu"
    (theirs / "lib_free_u").mkdir(parents=True)
    (theirs / "presets.json").write_text(LJLEB)
    forge.mkdir()
    (forge / "freeu_presets.py").write_text(FORGE)
    (tmp_path / "another").mkdir()
    (tmp_path / "another" / "presets.json").write_text("{}")
    folders = [tmp_path / "another", theirs, forge, tmp_path / "gone"]
    found = [*extensions.extensions, *(extensions.Extension(path.name, str(path)) for path in folders)]
    monkeypatch.setattr(extensions, "extensions", found)
    return theirs, forge


def test_a_job_may_ask_for_a_preset_of_ones_own(here):
    drawn = here.draw({"preset": "夜 soft", "b2": 1.2})
    assert pixels(drawn) == pixels(here.draw(SOFT.replace(b2=1.2).to_dict()))
    assert "FreeU b1: 1.15" in drawn.info["infotexts"][0]


def test_a_deleted_preset_is_refused_by_name(here, store):
    store.delete("夜 soft")
    answer = here.post("/sdapi/v1/txt2img", **SMALL, alwayson_scripts={"freeu": {"args": [{"preset": "夜 soft"}]}})
    assert answer.status_code == 500
    assert reason(answer).startswith("preset: '夜 soft' is not allowed; it is one of Automatic, SD1.4")


def test_the_axis_offers_and_draws_it(here):
    axis = _axis("[FreeU] preset")
    assert axis.choices() == ["Automatic", *built_in.BUILTIN, "夜 soft"]
    plot = here.plot(("[FreeU] preset", "夜 soft, SDXL gentle"), typed=True)
    singles = [pixels(here.draw({"preset": name}))[0] for name in ("夜 soft", "SDXL gentle")]
    assert pixels(plot)[1:] == singles


def _axis(label):
    from modules import scripts

    plot = next(data.module for data in scripts.scripts_data if data.path.endswith("xyz_grid.py"))
    return next(axis for axis in plot.axis_options if axis.label == label)


def test_the_schema_and_the_list_have_it(here):
    schema = here.get("/freeu/v1/schema").json()
    jsonschema.validate({"preset": "夜 soft"}, schema)
    listed = here.get("/freeu/v1/presets").json()["presets"]
    assert list(listed) == [*built_in.BUILTIN, "夜 soft"]
    assert Settings(**listed["夜 soft"]["settings"]) == SOFT
    assert listed["夜 soft"]["help"] == "Your own."
    validated = here.post("/freeu/v1/validate", settings={"preset": "夜 soft"}).json()
    assert Settings(**validated["settings"]) == SOFT


def test_a_pictures_values_have_its_name(playground):
    assert presets.name_of(SOFT) == "夜 soft"
    assert presets.name_of(SOFT.replace(enabled=False)) == "夜 soft"
    assert presets.name_of(SOFT.replace(b1=1.16)) == "Custom"
    presets.OWN.save("twin", Settings())
    assert presets.name_of(Settings()) == "SDXL"
    assert presets.name_of(Settings(), shown="twin") == "twin"


# Other tools' presets


def test_other_tools_presets_are_offered_with_the_tools_name(here, tools):
    listed = here.get("/freeu/v1/presets").json()["presets"]
    theirs = ["mine (ljleb)", "plain (ljleb)", "mine (Forge)", "late (Forge)"]
    assert list(listed) == [*built_in.BUILTIN, "夜 soft", *theirs]
    assert listed["mine (ljleb)"]["help"] == "From ljleb's presets."
    drawn = here.draw({"preset": "late (Forge)"})
    assert pixels(drawn) == pixels(here.draw({"b1": 1.1, "b2": 1.2, "s1": 0.6, "s2": 0.4, "start": 0.5}))


def test_ones_own_goes_before_another_tools_of_the_same_name(tools, store):
    store.save("mine (ljleb)", SOFT)
    assert presets.named()["mine (ljleb)"] == SOFT


def test_other_tools_files_are_read_anew_and_a_broken_one_is_no_harm(tools, caplog):
    theirs, forge = tools
    (theirs / "presets.json").write_text("{")
    (forge / "freeu_presets.py").write_text("presets_custom = [('new', 1.1, 1.2, 0.6, 9, 0, 1)]")
    assert list(presets.named()) == [*built_in.BUILTIN, "夜 soft"]
    assert "it is no JSON" in caplog.text
    assert "s2: 9 is not allowed" in caplog.text
    (forge / "freeu_presets.py").unlink()
    assert list(presets.named()) == [*built_in.BUILTIN, "夜 soft"]
    assert (theirs / "presets.json").read_text() == "{"


# The WebUI's settings


def test_they_are_on_the_settings_page(playground):
    from modules import shared

    chosen, enabled = (shared.opts.data_labels[key] for key in ("freeu_default_preset", "freeu_start_enabled"))
    assert (chosen.default, enabled.default) == ("SDXL", False)
    assert chosen.section == enabled.section == ("freeu", "FreeU")
    assert chosen.component_args() == {"choices": ["Automatic", *built_in.BUILTIN, "夜 soft"]}
    assert chosen.component(**chosen.component_args()).get_config()
    chosen.refresh()


def test_a_chosen_preset_that_is_gone_can_still_be_shown(opts):
    opts("freeu_default_preset", "gone")
    assert options._choices()[-1] == "gone"


def test_they_change_nothing_for_the_api(here, opts, playground):
    """A job there has FreeU where it asks for it, and what it leaves out is what it was."""
    before = here.get("/sdapi/v1/script-info").json()
    off, listed = pixels(here.draw()), pixels(here.draw(True, "1"))
    opts("freeu_default_preset", "夜 soft")
    opts("freeu_start_enabled", True)
    playground.reload_ui()
    assert here.get("/sdapi/v1/script-info").json() == before
    plain = here.draw()
    assert "FreeU" not in plain.info["infotexts"][0]
    assert pixels(plain) == off
    assert pixels(here.draw(True, "1")) == listed
    assert pixels(here.draw({})) == pixels(here.draw(Settings().to_dict()))
    assert "FreeU" not in json.dumps(here.draw({"enabled": False}).info)
