"""One's own presets in Chromium: what a user saves, loses only when asked, and finds on both tabs."""

import json
import time

import gradio as gr
import pytest
from playwright.sync_api import expect

from freeu import Settings
from freeu.user_presets import UserPresets
from freeu.webui import presets
from tests.test_otherpresets import FORGE, LJLEB
from tests.webui import test_browser
from tests.webui.test_browser import Tab

page, tab = test_browser.page, test_browser.tab

SOFT = Settings(b1=1.15, s1=0.95, curve="0:0, 1:1", width2=0.25, clock="noise")


@pytest.fixture(autouse=True)
def store(tmp_path, monkeypatch):
    """The user's file, which has one preset."""
    monkeypatch.setattr(presets, "OWN", UserPresets(tmp_path / "presets.json"))
    presets.OWN.save("soft", SOFT)
    return presets.OWN


@pytest.fixture
def mine(page, store):
    return Mine(page)


class Mine(Tab):
    """A tab with My presets open."""

    def __init__(self, page, name="txt2img"):
        super().__init__(page, name)
        page.locator("#tabs > .tab-nav button", has_text=name).click()
        expect(self.status).not_to_have_text("")  # the page has started: what it starts with has come
        self.open()
        self.open("presets")
        self.name_box = self._text("preset_name")
        self.new_name = self._text("preset_new_name")
        self.question = self._of("preset_question")
        self.message = self.accordion.locator(".freeu-presets-message").first

    def _text(self, name):
        return self._of(name).locator("input, textarea").first

    def press(self, button):
        self._of(f"preset_{button}").click()

    def answer(self, label):
        """Press the question's first button, which says `label`."""
        expect(self._of("preset_yes")).to_have_text(label)
        self.press("yes")

    def wait_until_last_offered(self, *names):
        """Open the dropdown until these are its last presets: an open list cannot be told of new ones."""
        end = time.monotonic() + test_browser.SHORT / 1000
        while (offered := self.offered()[-len(names) :]) != list(names):
            assert time.monotonic() < end, offered

    def offered(self):
        """What the dropdown offers, opened anew."""
        self.preset.click()
        options = self.page.locator("ul.options li")
        options.first.wait_for()
        names = [text.removeprefix("✓").strip() for text in options.all_inner_texts()]
        self.preset.press("Escape")
        self.name_box.click()
        return names


def test_a_preset_is_saved_and_shown_on_both_tabs(mine, store):
    mine.set("b1", "1.23")
    expect(mine.preset).to_have_value("Custom")
    mine.name_box.fill("  夜の街 ")
    mine.press("save")
    expect(mine.message).to_have_text("Saved 夜の街.")
    expect(mine.preset).to_have_value("夜の街")
    assert store.presets["夜の街"] == Settings(b1=1.23)
    mine.wait_until_last_offered("soft", "夜の街")
    other = Mine(mine.page, "img2img")
    other.wait_until_last_offered("soft", "夜の街")
    other.choose_preset("夜の街")
    expect(other.number("b1")).to_have_value("1.23")
    expect(other.preset).to_have_value("夜の街")


def test_what_is_saved_in_img2img_is_shown_in_txt2img(page, store):
    other = Mine(page, "img2img")
    other.set("b1", "1.23")
    other.name_box.fill("new")
    other.press("save")
    expect(other.preset).to_have_value("new")
    mine = Mine(page, "txt2img")
    mine.wait_until_last_offered("soft", "new")
    mine.choose_preset("new")
    expect(mine.number("b1")).to_have_value("1.23")


def test_every_value_of_a_preset_fills_its_control(mine):
    mine.choose_preset("soft")
    expect(mine.number("b1")).to_have_value("1.15")
    expect(mine.number("width2")).to_have_value("0.25")
    expect(mine.curve).to_have_value("0:0, 1:1")
    expect(mine.page.locator("#script_txt2img_freeu_clock input:checked")).to_have_value("noise")
    expect(mine.preset).to_have_value("soft")
    expect(mine.name_box).to_have_value("soft")


def test_overwriting_asks_first(mine, store):
    mine.choose_preset("soft")
    expect(mine.name_box).to_have_value("soft")
    expect(mine.number("b1")).to_have_value("1.15")
    mine.set("b1", "1.5")
    expect(mine.preset).to_have_value("Custom")
    mine.press("save")
    expect(mine.question).to_contain_text("Overwrite soft?")
    assert store.presets == {"soft": SOFT}
    mine.press("no")
    expect(mine.question).to_be_hidden()
    assert store.presets == {"soft": SOFT}
    mine.press("save")
    mine.answer("Overwrite")
    expect(mine.message).to_have_text("Saved soft.")
    expect(mine.preset).to_have_value("soft")
    assert store.presets == {"soft": SOFT.replace(b1=1.5)}


def test_renaming(mine, store):
    mine.choose_preset("soft")
    expect(mine.name_box).to_have_value("soft")
    mine.press("rename")
    expect(mine.new_name).to_have_value("soft")
    mine.new_name.fill("SDXL")
    mine.answer("Rename")
    expect(mine.message).to_contain_text("preset: 'SDXL' is not allowed; a name has 1 to 60 characters")
    mine.new_name.fill("softer")
    mine.answer("Rename")
    expect(mine.message).to_have_text("Renamed soft to softer.")
    expect(mine.preset).to_have_value("softer")
    expect(mine.name_box).to_have_value("softer")
    assert store.presets == {"softer": SOFT}


def test_deleting_asks_first(mine, store):
    mine.choose_preset("soft")
    expect(mine.name_box).to_have_value("soft")
    mine.press("delete")
    expect(mine.question).to_contain_text("Delete soft?")
    assert store.presets == {"soft": SOFT}
    mine.answer("Delete")
    expect(mine.message).to_have_text("Deleted soft.")
    expect(mine.preset).to_have_value("Custom")
    expect(mine.number("b1")).to_have_value("1.15")
    assert store.presets == {}
    mine.wait_until_last_offered("Forge default")
    Mine(mine.page, "img2img").wait_until_last_offered("Forge default")
    mine.page.locator("#tabs > .tab-nav button", has_text="txt2img").click()
    mine.name_box.fill("soft")
    mine.press("delete")
    expect(mine.message).to_contain_text("presets of your own are: none yet")


def test_a_tab_that_shows_a_preset_that_the_other_deletes_goes_on(mine):
    mine.choose_preset("soft")
    expect(mine.number("b1")).to_have_value("1.15")
    mine.name_box.click()  # gradio 3.41 may leave the list open after its last entry was chosen
    other = Mine(mine.page, "img2img")
    other.choose_preset("soft")
    expect(other.number("b1")).to_have_value("1.15")
    other.press("delete")
    other.answer("Delete")
    expect(other.preset).to_have_value("Custom")
    expect(mine.preset).to_have_value("Custom")
    mine.page.locator("#tabs > .tab-nav button", has_text="txt2img").click()
    mine.set("b1", "1.3")
    mine.set("s1", "0.8")
    expect(mine.status).to_contain_text("b1, s1 on 3 blocks")
    expect(mine.page.locator(".toast-body, .toast-wrap .error")).to_have_count(0)


@pytest.mark.parametrize("name", ["", "sdxl", "a, b", "x" * 61])
def test_a_name_that_is_not_allowed_is_told_and_nothing_saved(mine, store, name):
    mine.name_box.fill(name)
    mine.press("save")
    expect(mine.message).to_contain_text("is not allowed; a name has 1 to 60 characters")
    assert store.presets == {"soft": SOFT}


def test_wrong_values_are_not_saved(mine, store):
    mine.open("schedule")
    mine.curve.fill("0:0, 2:1")
    mine.name_box.fill("wrong")
    mine.press("save")
    expect(mine.message).to_contain_text("curve: '0:0, 2:1' is not allowed")
    assert store.presets == {"soft": SOFT}


def test_sending_to_the_other_tab_takes_a_new_preset_along(mine):
    test_browser.small(mine.page)
    mine.set("b1", "1.23")
    mine.name_box.fill("new")
    mine.press("save")
    expect(mine.preset).to_have_value("new")
    mine.generate(1)
    mine.page.locator("#txt2img_results button", has_text="Send to img2img").click()
    other = Tab(mine.page, "img2img")
    expect(other.number("b1")).to_have_value("1.23")
    expect(other.preset).to_have_value("new")


def test_pasting_a_picture_shows_the_preset_that_made_it(mine, store):
    store.save("elsewhere", Settings(b1=1.31))
    mine.paste(f"{test_browser.INFOTEXT}, FreeU version: 2, FreeU b1: 1.31")
    expect(mine.preset).to_have_value("elsewhere")


def test_a_page_that_is_open_learns_of_a_preset_that_was_saved_elsewhere(mine, store):
    UserPresets(store.path).save("elsewhere", Settings(b1=1.7))
    mine.wait_until_last_offered("soft", "elsewhere")


def test_choosing_a_preset_that_was_deleted_elsewhere_is_told(mine, store):
    UserPresets(store.path).delete("soft")
    mine.choose_preset("soft")
    expect(mine.status).to_have_text("There is no preset soft any more.")
    expect(mine.preset).to_have_value("Custom")


# Import and export


def test_export_and_import(mine, store, tmp_path):
    mine.press("export")
    expect(mine.message).to_have_text("1 preset to download:")
    with mine.page.expect_download() as download:
        mine._of("preset_file").locator("a").first.click()
    assert download.value.suggested_filename == "freeu-presets.json"
    file = tmp_path / "exported.json"
    download.value.save_as(file)
    assert set(json.loads(file.read_text("utf-8"))["presets"]) == {"soft"}
    store.delete("soft")
    mine._of("preset_import").locator("xpath=..").locator("input[type=file]").set_input_files(file)
    expect(mine.message).to_have_text("Imported: soft.")
    assert store.presets == {"soft": SOFT}
    mine.wait_until_last_offered("Forge default", "soft")


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("presets.json", LJLEB.replace("mine", "soft"), "Imported: soft (2), plain. soft is now soft (2)."),
        ("freeu_presets.py", FORGE, "Imported: mine, late."),
        ("freeu_presets.py", FORGE.replace("1.2, 1.4", "9, 1.4"), "Imported: late. mine was left out: b1: 9 is not"),
        ("presets.json", "{", "it is no JSON"),
        ("presets.json", '{"version": 9, "presets": {}}', "update the extension"),
    ],
)
def test_importing_other_files(mine, store, tmp_path, name, text, told):
    file = tmp_path / "upload" / name
    file.parent.mkdir()
    file.write_text(text)
    mine._of("preset_import").locator("xpath=..").locator("input[type=file]").set_input_files(file)
    expect(mine.message).to_contain_text(told)
    assert store.presets["soft"] == SOFT


# What is wrong with the file


def test_a_broken_file_is_told_on_the_page_and_the_built_in_presets_work(page, store):
    store.path.write_text('{"version": 1, "pres')
    mine = Mine(page)
    expect(mine.status).to_contain_text("presets.json could not be read (it is no JSON: ")
    [broken] = store.path.parent.glob("presets.broken-*.json")
    expect(mine.status).to_contain_text(f"it is kept as {broken.name}")
    mine.choose_preset("SD1.5")
    expect(mine.number("b2")).to_have_value("1.6")
    mine.name_box.fill("again")
    mine.press("save")
    expect(mine.message).to_have_text("Saved again.")
    expect(mine.preset).to_have_value("again")


def test_a_bad_preset_is_told_by_name_and_the_others_are_offered(mine, store):
    document = json.loads(store.path.read_text())
    document["presets"]["bad"] = {"b1": 9}
    store.path.write_text(json.dumps(document))
    mine.choose_preset("soft")
    expect(mine.number("b1")).to_have_value("1.15")
    expect(mine.status).to_contain_text("bad cannot be used: b1: 9 is not allowed")
    mine.name_box.fill("bad")
    mine.press("save")
    mine.answer("Overwrite")
    expect(mine.status).not_to_contain_text("bad")
    assert store.presets == {"soft": SOFT, "bad": SOFT}


# What the page starts with


@pytest.fixture
def opts(playground, monkeypatch):
    """The WebUI's settings; what is set is taken back."""
    from modules import shared

    return lambda key, value: monkeypatch.setitem(shared.opts.data, key, value)


def reopened(page):
    page.reload()
    page.wait_for_selector("#script_txt2img_freeu_enabled-visible-checkbox")
    return Tab(page)


@pytest.mark.parametrize("enabled", [False, True])
def test_the_page_starts_with_the_chosen_preset(page, opts, enabled):
    opts("freeu_default_preset", "soft")
    opts("freeu_start_enabled", enabled)
    tab = reopened(page)
    expect(tab.preset).to_have_value("soft")
    expect(tab.number("b1")).to_have_value("1.15")
    expect(tab.switch).to_be_checked(checked=enabled)
    other = Tab(page, "img2img")
    expect(other.preset).to_have_value("soft")
    expect(other.switch).to_be_checked(checked=enabled)


def test_starting_enabled_draws_with_freeu_at_once(page, opts):
    opts("freeu_start_enabled", True)
    tab = reopened(page)
    expect(tab.switch).to_be_checked()
    expect(tab.status).to_contain_text("steps 1 to 20 of 20")
    test_browser.small(page)
    assert "FreeU b1: 1.3" in tab.generate(1)
    tab.switch.click()
    assert "FreeU" not in tab.generate(2)


def test_automatic_is_the_loaded_models(page, opts):
    opts("freeu_default_preset", "Automatic")
    tab = reopened(page)
    expect(tab.preset).to_have_value("SDXL")


def test_a_preset_to_start_with_that_is_gone_is_told(page, opts):
    opts("freeu_default_preset", "gone")
    tab = reopened(page)
    mine = Mine(page)
    expect(mine.message).to_have_text("There is no preset gone any more.")
    expect(tab.number("b1")).to_have_value("1.3")


@pytest.fixture
def built_as_in_a_webui(playground):
    """A page as AUTOMATIC1111 and Forge make it: each tab in Blocks of its own, rendered into the page later."""
    from modules import scripts
    from modules._app import app_options

    tabs = {}
    for name, runner in (("txt2img", scripts.scripts_txt2img), ("img2img", scripts.scripts_img2img)):
        with gr.Blocks() as tabs[name]:
            gr.Textbox(elem_id=f"{name}_prompt")
            gr.Button(name).click(lambda: None, [], []).then(lambda: None, [], [])
            runner.initialize_scripts(name == "img2img")
            runner.prepare_ui()
            runner.setup_ui()
    with gr.Blocks() as demo, gr.Tabs(elem_id="tabs"):
        for name, interface in tabs.items():
            with gr.Tab(name):
                interface.render()
    with gr.Blocks():  # the API asks for initial values in the same way
        for script in scripts.scripts_txt2img.scripts:
            script.ui(False)
    launched = {"server_name": "127.0.0.1", "prevent_thread_lock": True, "quiet": True, "app_kwargs": app_options()}
    demo.queue().launch(**launched)
    yield demo.local_url
    demo.close(verbose=False)
    playground.reload_ui()


def test_tabs_that_are_made_one_by_one_share_the_presets_too(browser, opts, store, built_as_in_a_webui):
    opts("freeu_default_preset", "soft")
    opts("freeu_start_enabled", True)
    page = browser.new_context(viewport={"width": 1400, "height": 1400}).new_page()
    page.goto(built_as_in_a_webui)
    tabs = [Tab(page), Tab(page, "img2img")]
    for tab in tabs:
        expect(tab.preset).to_have_value("soft")
        expect(tab.switch).to_be_checked()
    tabs[0].open("presets")
    tabs[0].set("b1", "1.23")
    expect(tabs[0].preset).to_have_value("Custom")
    page.locator("#script_txt2img_freeu_preset_name").locator("input, textarea").first.fill("new")
    page.locator("#script_txt2img_freeu_preset_save").click()
    expect(tabs[0].preset).to_have_value("new")
    page.locator("#tabs > .tab-nav button", has_text="img2img").click()
    time.sleep(1)  # an open list cannot be told
    tabs[1].choose_preset("new")
    expect(tabs[1].number("b1")).to_have_value("1.23")
    page.context.close()
