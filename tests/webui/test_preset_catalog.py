"""The user's own presets and those of other tools: in the API, in plots, on the page; and the options of the page."""

import html
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import jsonschema
import pytest
from fastapi import FastAPI

from freeu import Settings
from freeu import presets as built_in
from freeu.user_presets import UserPresets
from freeu.webui import api, host, options, preset_catalog
from freeu.webui.callbacks import Callbacks
from freeu.webui.script import FreeU
from tests.files import FORGE, LJLEB
from tests.support.client import SMALL, Client, pixels, reason

SOFT = Settings(version="1", b1=1.15, s1=0.95, curve="0:0, 1:1")


@pytest.fixture(autouse=True)
def own(empty_presets):
    """The user's preset file, with one preset."""
    empty_presets.save("夜 soft", SOFT)
    FreeU.catalog.reload_if_changed()
    return empty_presets


@pytest.fixture
def catalog():
    return FreeU.catalog


@pytest.fixture
def local_client(playground):
    """A client of the playground only, since these tests write to its preset file."""
    return Client(playground.url)


@pytest.fixture
def opts(playground, monkeypatch):
    """Return a function that sets an option of the WebUI until the test ends."""
    from modules import shared

    return lambda key, value: monkeypatch.setitem(shared.opts.data, key, value)


@pytest.fixture
def other_extensions(tmp_path, monkeypatch):
    """Other FreeU extensions with preset files; return their folders."""
    from modules import extensions

    ljleb, forge = tmp_path / "sd-webui-freeu", tmp_path / "sd_forge_freeu"
    (ljleb / "lib_free_u").mkdir(parents=True)
    (ljleb / "presets.json").write_text(LJLEB)
    forge.mkdir()
    (forge / "freeu_presets.py").write_text(FORGE)
    (tmp_path / "another").mkdir()
    (tmp_path / "another" / "presets.json").write_text("{}")
    folders = [tmp_path / "another", ljleb, forge, tmp_path / "gone"]
    found = [*extensions.extensions, *(extensions.Extension(path.name, str(path)) for path in folders)]
    monkeypatch.setattr(extensions, "extensions", found)
    return ljleb, forge


def test_a_job_can_use_an_own_preset(local_client):
    result = local_client.txt2img({"preset": "夜 soft", "b2": 1.2})
    assert pixels(result) == pixels(local_client.txt2img(SOFT.replace(b2=1.2).to_dict()))
    assert "FreeU b1: 1.15" in result.info["infotexts"][0]


def test_a_job_with_a_deleted_preset_is_refused_by_name(local_client, own):
    own.delete("夜 soft")
    freeu = {"freeu": {"args": [{"preset": "夜 soft"}]}}
    answer = local_client.post("/sdapi/v1/txt2img", **SMALL, alwayson_scripts=freeu)
    assert answer.status_code == 422
    assert reason(answer).startswith("preset must be one of Automatic, SD1.4")
    assert "got '夜 soft'" in reason(answer)


def test_the_axis_has_the_own_preset_as_a_choice(local_client):
    axis = _axis("[FreeU] preset")
    assert axis.choices() == ["Automatic", *built_in.BUILTIN, "夜 soft"]
    plot = local_client.plot(("[FreeU] preset", "夜 soft, SDXL gentle"), typed=True)
    singles = [pixels(local_client.txt2img({"preset": name}))[0] for name in ("夜 soft", "SDXL gentle")]
    assert pixels(plot)[1:] == singles


def _axis(label):
    from modules import scripts

    plot = next(data.module for data in scripts.scripts_data if data.path.endswith("xyz_grid.py"))
    return next(axis for axis in plot.axis_options if axis.label == label)


def test_the_routes_have_the_own_preset(local_client):
    schema = local_client.get("/freeu/v1/schema").json()
    jsonschema.validate({"preset": "夜 soft"}, schema)
    listed = local_client.get("/freeu/v1/presets").json()["presets"]
    assert list(listed) == [*built_in.BUILTIN, "夜 soft"]
    assert Settings(**listed["夜 soft"]["settings"]) == SOFT
    assert listed["夜 soft"]["help"] == "Your own."
    validated = local_client.post("/freeu/v1/validate", settings={"preset": "夜 soft"}).json()
    assert Settings(**validated["settings"]) == SOFT


# Saving through the API


@pytest.fixture
def catalog_callbacks(playground, catalog):
    return Callbacks(catalog, is_img2img=False)


def test_the_page_offers_a_preset_saved_through_the_api(local_client, catalog_callbacks):
    """In the list that is opened after the request, and with its values."""
    assert local_client.save_preset("new", settings={"b1": 1.7}).json()["name"] == "new"
    catalog_callbacks.open_presets()
    assert _choices(catalog_callbacks.close_presets("Custom"))[-2:] == ["夜 soft", "new"]
    assert catalog_callbacks.fill("new", 20, *Settings().to_dict().values())[3] == 1.7
    assert catalog_callbacks.refresh("Custom", 20, *Settings(b1=1.7).to_dict().values())[0]["value"] == "new"


def test_settings_can_be_based_on_the_preset_that_they_overwrite(local_client, own):
    body = {"settings": {"preset": "夜 soft", "b2": 1.2}, "overwrite": True}
    assert local_client.save_preset("夜 soft", **body).status_code == 200
    assert own.read().presets == {"夜 soft": SOFT.replace(b2=1.2)}


def test_names_of_other_presets_through_the_api(local_client, own, other_extensions):
    """A name with another spelling is the same name; that of another tool's preset is free."""
    assert local_client.save_preset("夜\u3000soft", settings={}).status_code == 409
    answer = local_client.save_preset("mine (ljleb)", settings={"b1": 1.7})
    assert answer.json()["name"] == "mine (ljleb)"
    assert own.read().presets == {"夜 soft": SOFT, "mine (ljleb)": Settings(b1=1.7)}


def test_two_clients_that_save_at_once_lose_nothing(local_client, own):
    names = [f"{client} {number}" for number in range(10) for client in "ab"]

    def save(name):
        shared = local_client.save_preset("shared", settings={"b1": 1.5})
        return shared.status_code, local_client.save_preset(name, settings={"b2": 1.2}).status_code

    with ThreadPoolExecutor(2) as clients:
        statuses = list(clients.map(save, names))
    assert sorted(shared for shared, _ in statuses) == [200, *[409] * 19]
    assert {status for _, status in statuses} == {200}
    assert own.read().presets.keys() == {"夜 soft", "shared", *names}
    assert {"shared", *names} < local_client.get("/freeu/v1/presets").json()["presets"].keys()


def test_what_was_read_first_is_not_stored_last(playground, catalog, own, monkeypatch):
    """One thread reads the file, another one changes it and reads it, and then the first one goes on."""
    was_read, go_on = threading.Event(), threading.Event()
    read = own.read

    def read_slowly():
        parsed = read()
        was_read.set()
        go_on.wait(0.3)
        return parsed

    own.save("old", Settings(b1=1.6))
    with ThreadPoolExecutor(1) as pool:
        monkeypatch.setattr(own, "read", read_slowly)
        slow = pool.submit(catalog.reload_if_changed)
        assert was_read.wait(60)
        monkeypatch.setattr(own, "read", read)
        own.save("new", Settings(b1=1.7))
        catalog.reload_if_changed()
        go_on.set()
        slow.result(60)
    assert "new" in catalog.presets


def test_a_broken_file_is_kept_and_reported_to_who_saves(local_client, own, tmp_path, catalog_callbacks):
    broken = b'{"version": 1, "presets": {"one": {}, "one": {"b1": 1.2}}}'
    own.path.write_bytes(broken)
    answer = local_client.save_preset("new", settings={"b1": 1.7})
    assert answer.status_code == 200
    [kept] = tmp_path.glob("presets.broken-*.json")
    assert kept.read_bytes() == broken
    [problem] = answer.json()["problems"]
    assert problem.startswith("presets.json could not be read (a preset file must be JSON: ")
    assert problem.endswith(f"it was kept as {kept.name}")
    assert html.escape(problem) in catalog_callbacks.status(Settings(), 20)
    assert own.read().presets == {"new": Settings(b1=1.7)}


def test_an_entry_that_cannot_be_used_stays_and_is_reported_to_who_saves(local_client, own):
    own.path.write_text('{"version": 1, "presets": {"bad": {"b1": 9}}}')
    answer = local_client.save_preset("new", settings={})
    assert answer.json()["problems"] == ["bad cannot be used: b1 must be between -1 and 3, got 9"]
    assert list(json.loads(own.path.read_text())["presets"]) == ["bad", "new"]
    assert local_client.save_preset("bad", settings={}).status_code == 409


def test_a_file_of_a_later_release_is_not_changed_through_the_api(local_client, own):
    own.path.write_text(later := '{"version": 2, "presets": {}}')
    answer = local_client.save_preset("new", settings={})
    assert answer.status_code == 409
    assert answer.json()["message"] == "version must be 1 in this release, got 2. Update the extension"
    assert own.path.read_text() == later


def test_a_file_that_cannot_be_written_is_an_error_without_its_folder(local_client, own, tmp_path):
    own.path.unlink()
    own.path.mkdir()
    answer = local_client.save_preset("new", settings={})
    assert answer.status_code == 500
    assert answer.json() == {"message": "Is a directory (presets.json)"}
    assert own.path.is_dir()


@pytest.mark.usefixtures("playground")
@pytest.mark.parametrize("has_api", [True, False])
def test_presets_can_be_saved_only_with_the_api_of_the_host(catalog, has_api):
    """Since no other login could protect the route."""
    app = FastAPI()
    if has_api:
        app.post("/sdapi/v1/txt2img")(lambda: None)
    api.add_routes(catalog, None, app)
    methods = {method for route in app.routes if route.path.startswith("/freeu/") for method in route.methods}
    assert methods == {"GET", "POST", *(["PUT"] if has_api else [])}


def test_the_name_of_values(playground, catalog, own):
    assert catalog.name_of(SOFT) == "夜 soft"
    assert catalog.name_of(SOFT.replace(enabled=False)) == "夜 soft"
    assert catalog.name_of(SOFT.replace(b1=1.16), "夜 soft") == "Custom"
    assert catalog.name_of(SOFT, "gone") == "夜 soft"
    own.save("twin", Settings())
    catalog.reload_if_changed()
    assert catalog.name_of(Settings()) == "SDXL"
    assert catalog.name_of(Settings(), "twin") == "twin"


# Reading the files


@pytest.fixture
def reads(monkeypatch):
    """The names of the functions that read a file or scan a folder, as they are called."""
    calls = []

    def record(owner, name):
        function = getattr(owner, name)

        def called(*args):
            calls.append(name)
            return function(*args)

        monkeypatch.setattr(owner, name, called)

    record(UserPresets, "read")
    record(host, "other_preset_files")
    record(preset_catalog, "read_preset_file")
    return calls


@pytest.mark.usefixtures("playground", "other_extensions")
def test_moving_a_slider_reads_no_file_and_scans_no_folder(catalog, reads):
    callbacks = Callbacks(catalog, is_img2img=False)
    for number in (1.15, 1.2, 9):
        values = SOFT.to_dict() | {"b1": number}
        callbacks.refresh("夜 soft", 20, *values.values())
        callbacks.refresh_steps("Custom", 20, *values.values())
    assert reads == []


@pytest.mark.usefixtures("playground", "other_extensions")
def test_choosing_a_preset_and_pasting_an_image_read_no_file(catalog, reads):
    callbacks = Callbacks(catalog, is_img2img=False)
    assert callbacks.fill("夜 soft", 20, *Settings().to_dict().values())[3] == 1.15
    callbacks.paste_preset({"FreeU b1": "1.15"})
    callbacks.paste_status({"FreeU b1": "1.15"})
    assert reads == []


@pytest.mark.usefixtures("playground", "other_extensions")
def test_opening_the_list_reads_the_files_only_if_one_has_changed(catalog, own, reads):
    callbacks = Callbacks(catalog, is_img2img=False)
    callbacks.open_presets()
    assert reads.count("read") == 1
    reads.clear()
    callbacks.open_presets()
    assert "read" not in reads
    assert "read_preset_file" not in reads
    own.save("new", Settings(b1=1.7))
    reads.clear()
    callbacks.open_presets()
    assert reads.count("read") == 1
    assert reads.count("read_preset_file") == 2
    reads.clear()
    assert "new" in _choices(callbacks.close_presets("Custom"))
    assert callbacks.fill("new", 20, *Settings().to_dict().values())[3] == 1.7
    assert reads == []


def _choices(update):
    """Return the names in an update of the dropdown; gradio 4 has pairs of label and value."""
    return [choice if isinstance(choice, str) else choice[0] for choice in update["choices"]]


@pytest.mark.usefixtures("playground")
def test_each_change_of_the_file_is_read(catalog, own):
    """Also two in a row that leave its size."""
    own.save("one", SOFT)
    for old, new in [("one", "two"), ("two", "one"), ("one", "six")]:
        own.rename(old, new)
        catalog.reload_if_changed()
        assert list(catalog.settings)[-1] == new
    own.path.unlink()
    catalog.reload_if_changed()
    assert catalog.own_names == []


@pytest.mark.usefixtures("playground")
def test_a_job_reads_the_files_only_if_one_has_changed(local_client, own, catalog, reads):
    local_client.txt2img({"preset": "夜 soft"}, steps=1)
    reads.clear()
    local_client.txt2img({"preset": "夜 soft"}, steps=1)
    assert "read" not in reads
    UserPresets(own.path).save("new", Settings(b1=1.7))
    reads.clear()
    local_client.txt2img({"preset": "new"}, steps=1)
    assert reads.count("read") == 1


def test_the_choices_include_a_chosen_preset_that_no_longer_exists(playground, catalog, own):
    callbacks = Callbacks(catalog, is_img2img=False)
    own.delete("夜 soft")
    callbacks.open_presets()
    update = callbacks.close_presets("夜 soft")
    assert _choices(update) == ["Custom", "Automatic", *built_in.BUILTIN, "夜 soft"]
    assert "value" not in update


# Presets of other tools


def test_presets_of_other_tools_have_the_name_of_the_tool(local_client, other_extensions):
    listed = local_client.get("/freeu/v1/presets").json()["presets"]
    others = ["mine (ljleb)", "plain (ljleb)", "mine (Forge)", "late (Forge)"]
    assert list(listed) == [*built_in.BUILTIN, "夜 soft", *others]
    assert listed["mine (ljleb)"]["help"] == "From the presets of ljleb."
    result = local_client.txt2img({"preset": "late (Forge)"})
    assert pixels(result) == pixels(local_client.txt2img({"b1": 1.1, "b2": 1.2, "s1": 0.6, "s2": 0.4, "start": 0.5}))


def test_an_own_preset_replaces_that_of_another_tool_with_the_same_name(other_extensions, catalog, own):
    own.save("mine (ljleb)", SOFT)
    catalog.reload_if_changed()
    assert catalog.presets["mine (ljleb)"].settings == SOFT


def test_changed_files_of_other_tools_are_read_again_and_a_broken_one_is_left_out(other_extensions, catalog, caplog):
    ljleb, forge = other_extensions
    catalog.reload_if_changed()
    assert "late (Forge)" in catalog.presets
    (ljleb / "presets.json").write_text("{")
    (forge / "freeu_presets.py").write_text("presets_custom = [('new', 1.1, 1.2, 0.6, 9, 0, 1)]")
    catalog.reload_if_changed()
    assert list(catalog.presets) == [*built_in.BUILTIN, "夜 soft"]
    assert "a preset file must be JSON" in caplog.text
    assert "s2 must be between -1 and 3, got '9'" in caplog.text
    (forge / "freeu_presets.py").unlink()
    caplog.clear()
    catalog.reload_if_changed()
    catalog.reload_if_changed()
    assert len(caplog.records) == 1
    assert list(catalog.presets) == [*built_in.BUILTIN, "夜 soft"]
    assert (ljleb / "presets.json").read_text() == "{"


def test_problems_of_presets_are_short(catalog, own, caplog, other_extensions):
    bad = {f"bad \x1b\ud800 {index}": {"stage_infos": [{"\ud800": 1}]} for index in range(500)}
    (other_extensions[0] / "presets.json").write_text(json.dumps(bad))
    own.path.write_text(json.dumps({"version": 1, "presets": bad}))
    catalog.reload_if_changed()
    assert len(catalog.problems) == 11
    assert catalog.problems[0].startswith(r"bad \x1b\ud800 0 cannot be used: preset name must have 1 to 60 visible ")
    assert catalog.problems[-1] == "490 more"
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == 11
    assert all(message.isprintable() for message in [*messages, *catalog.problems])


def test_equal_names_of_other_tools_hide_no_preset(other_extensions, catalog):
    ljleb, forge = other_extensions
    names = ["a<b", "a>b", "e\u0301", "\u00e9", "x" * 80, "x" * 81, "\u200b", "\u200b\u200b"]
    (ljleb / "presets.json").write_text(json.dumps({name: {"stage_infos": []} for name in names}))
    (forge / "freeu_presets.py").write_text(f"presets_custom = {[('same', 1, 1, 1, 1, 0, 1)] * 3}")
    catalog.reload_if_changed()
    others = list(catalog.presets)[len(built_in.BUILTIN) + 1 :]
    assert len(others) == len(names) + 3
    assert others[-3:] == ["same (Forge)", "same 2 (Forge)", "same 3 (Forge)"]


@pytest.mark.parametrize("path", ["gone/freeu_presets.py", "x" * 300, "."])
def test_file_of_another_tool_that_cannot_be_read_is_left_out(playground, tmp_path, monkeypatch, catalog, path):
    """Such as one that is deleted after the search, or a path that is too long."""
    monkeypatch.setattr(host, "other_preset_files", lambda: iter([("Forge", tmp_path / path)]))
    catalog.reload_if_changed()
    assert list(catalog.presets) == [*built_in.BUILTIN, "夜 soft"]


def test_extension_whose_folder_cannot_be_read_is_left_out(playground, monkeypatch, tmp_path, catalog):
    from modules import extensions

    monkeypatch.setattr(extensions, "extensions", [SimpleNamespace(path=tmp_path / ("x" * 300))])
    catalog.reload_if_changed()
    assert list(catalog.presets) == [*built_in.BUILTIN, "夜 soft"]


# The WebUI's settings


def test_the_options_are_on_the_settings_page(playground, own):
    from modules import shared

    chosen, enabled = (shared.opts.data_labels[key] for key in ("freeu_default_preset", "freeu_start_enabled"))
    assert (chosen.default, enabled.default) == ("SDXL", False)
    assert chosen.section == enabled.section == ("freeu", "FreeU")
    assert chosen.component_args() == {"choices": ["Automatic", *built_in.BUILTIN, "夜 soft"]}
    assert chosen.component(**chosen.component_args()).get_config()
    own.save("new", SOFT)
    chosen.refresh()
    assert chosen.component_args()["choices"][-1] == "new"


def test_the_option_keeps_a_preset_that_no_longer_exists(opts, catalog):
    opts("freeu_default_preset", "gone")
    assert options._choices(catalog)[-1] == "gone"


def test_the_options_change_nothing_in_the_api(local_client, opts, playground):
    """A job of the API uses FreeU only if it says so, and missing values keep their meaning."""
    before = local_client.get("/sdapi/v1/script-info").json()
    off = pixels(local_client.txt2img())
    opts("freeu_default_preset", "夜 soft")
    opts("freeu_start_enabled", True)
    playground.reload_ui()
    assert local_client.get("/sdapi/v1/script-info").json() == before
    plain = local_client.txt2img()
    assert "FreeU" not in plain.info["infotexts"][0]
    assert pixels(plain) == off
    assert pixels(local_client.txt2img({})) == pixels(local_client.txt2img(Settings().to_dict()))
    assert "FreeU" not in json.dumps(local_client.txt2img({"enabled": False}).info)
