"""The panel "My presets" in Chromium: saving, renaming, deleting, importing and exporting, on both tabs."""

import json
import time

import gradio as gr
import pytest
from playwright.sync_api import expect

from freeu import Settings
from freeu.user_presets import UserPresets
from freeu.webui.preset_panel import PresetPanel
from freeu.webui.script import FreeU
from tests.files import FORGE, LJLEB
from tests.support.client import Client
from tests.support.page import INFOTEXT, SHORT, Tab, small

SOFT = Settings(b1=1.15, s1=0.95, curve="0:0, 1:1", width2=0.25, clock="noise")


@pytest.fixture(autouse=True)
def own(empty_presets):
    """The user's preset file, with one preset."""
    empty_presets.save("soft", SOFT)
    FreeU.catalog.reload_if_changed()
    return empty_presets


@pytest.fixture
def panel(page, own):
    return Panel(page)


class Panel(Tab):
    """A tab with the panel "My presets" open."""

    def __init__(self, page, name="txt2img"):
        super().__init__(page, name)
        page.locator("#tabs > .tab-nav button", has_text=name).click()
        expect(self.status).not_to_have_text("")  # the page has got its initial values
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

    def confirm(self, label):
        """Press the first button of the question, which has this label."""
        expect(self._of("preset_yes")).to_have_text(label)
        self.press("yes")

    def wait_for_last_choices(self, *names):
        """Open the dropdown until these are its last choices."""
        end = time.monotonic() + SHORT / 1000
        while (choices := self.choices()[-len(names) :]) != list(names):
            assert time.monotonic() < end, choices

    def choices(self):
        """Open the dropdown and return its choices."""
        self.preset.click()
        self.page.locator("ul.options li").first.wait_for()
        names = self.shown_choices()
        self.close_list()
        return names

    def shown_choices(self):
        """Return the choices in the open list."""
        texts = self.page.locator("ul.options li").all_inner_texts()
        return [text.removeprefix("✓").strip() for text in texts]

    def close_list(self):
        """Close the dropdown and wait for its new choices, which gradio 4 would apply to a list opened again."""
        with self.page.expect_response(_answers_blur):
            self.preset.press("Escape")
            self.name_box.click()
        self.page.wait_for_timeout(100)


def _answers_blur(response):
    """Return True for the answer to `blur`, the only event of closing the dropdown whose single input is text."""
    data = response.request.post_data_json["data"] if "/run/" in response.url else []
    return len(data) == 1 and isinstance(data[0], str)


def presets_in(own):
    return own.read().presets


@pytest.mark.usefixtures("playground")
def test_the_panel_asks_before_it_overwrites_or_deletes(own):
    """Without a browser. Another process saves a preset that this one has not read."""
    with gr.Blocks():
        panel = PresetPanel(FreeU.catalog, str, gr.Dropdown([]))
    values = list(Settings(b1=1.5).to_dict().values())
    UserPresets(own.path).save("new", SOFT)
    questions = [panel._save(" new ", *values), panel._ask_own("rename", " new"), panel._ask_own("delete", "new")]
    for question, action in zip(questions, ("overwrite", "rename", "delete"), strict=True):
        assert question[panel.pending] == (action, "new")
        assert question[panel.question_text] == f"<p>{action.capitalize()} new?</p>"
        assert presets_in(own) == {"soft": SOFT, "new": SOFT}
    assert panel._confirm(("overwrite", "new"), "", *values)[panel.message] == "<p>Saved new.</p>"
    taken = panel._confirm(("rename", "new"), "soft", *values)
    assert "preset name must not be the name of an existing preset" in taken[panel.message]
    assert panel.pending not in taken, "the question stays open"
    assert panel._confirm(("rename", "new"), "newer", *values)[panel.message] == "<p>Renamed new to newer.</p>"
    assert presets_in(own) == {"soft": SOFT, "newer": Settings(b1=1.5)}
    assert panel._confirm(("delete", "newer"), "", *values)[panel.message] == "<p>Deleted newer.</p>"
    assert presets_in(own) == {"soft": SOFT}


def test_a_saved_preset_is_shown_on_both_tabs(panel, own):
    panel.set("b1", "1.23")
    expect(panel.preset).to_have_value("Custom")
    panel.name_box.fill("  夜の街 ")
    panel.press("save")
    expect(panel.message).to_have_text("Saved 夜の街.")
    expect(panel.preset).to_have_value("夜の街")
    assert presets_in(own)["夜の街"] == Settings(b1=1.23)
    panel.wait_for_last_choices("soft", "夜の街")
    other = Panel(panel.page, "img2img")
    other.wait_for_last_choices("soft", "夜の街")
    other.choose_preset("夜の街")
    expect(other.number("b1")).to_have_value("1.23")
    expect(other.preset).to_have_value("夜の街")


def test_a_preset_saved_in_img2img_is_shown_in_txt2img(page, own):
    other = Panel(page, "img2img")
    other.set("b1", "1.23")
    other.name_box.fill("new")
    other.press("save")
    expect(other.preset).to_have_value("new")
    panel = Panel(page, "txt2img")
    panel.wait_for_last_choices("soft", "new")
    panel.choose_preset("new")
    expect(panel.number("b1")).to_have_value("1.23")


def test_choosing_a_preset_sets_all_controls(panel):
    panel.choose_preset("soft")
    expect(panel.number("b1")).to_have_value("1.15")
    expect(panel.number("width2")).to_have_value("0.25")
    expect(panel.curve).to_have_value("0:0, 1:1")
    expect(panel.page.locator("#script_txt2img_freeu_clock input:checked")).to_have_value("noise")
    expect(panel.preset).to_have_value("soft")
    expect(panel.name_box).to_have_value("soft")


def test_overwriting_asks_first(panel, own):
    panel.choose_preset("soft")
    expect(panel.name_box).to_have_value("soft")
    expect(panel.number("b1")).to_have_value("1.15")
    panel.set("b1", "1.5")
    expect(panel.preset).to_have_value("Custom")
    panel.press("save")
    expect(panel.question).to_contain_text("Overwrite soft?")
    assert presets_in(own) == {"soft": SOFT}
    panel.press("no")
    expect(panel.question).to_be_hidden()
    assert presets_in(own) == {"soft": SOFT}
    panel.press("save")
    panel.confirm("Overwrite")
    expect(panel.message).to_have_text("Saved soft.")
    expect(panel.preset).to_have_value("soft")
    assert presets_in(own) == {"soft": SOFT.replace(b1=1.5)}


def test_renaming(panel, own):
    panel.choose_preset("soft")
    expect(panel.name_box).to_have_value("soft")
    panel.press("rename")
    expect(panel.new_name).to_have_value("soft")
    panel.new_name.fill("SDXL")
    panel.confirm("Rename")
    expect(panel.message).to_contain_text("preset name must have 1 to 60 visible characters")
    panel.new_name.fill("softer")
    panel.confirm("Rename")
    expect(panel.message).to_have_text("Renamed soft to softer.")
    expect(panel.preset).to_have_value("softer")
    expect(panel.name_box).to_have_value("softer")
    assert presets_in(own) == {"softer": SOFT}


def test_deleting_asks_first(panel, own):
    panel.choose_preset("soft")
    expect(panel.name_box).to_have_value("soft")
    panel.press("delete")
    expect(panel.question).to_contain_text("Delete soft?")
    assert presets_in(own) == {"soft": SOFT}
    panel.confirm("Delete")
    expect(panel.message).to_have_text("Deleted soft.")
    expect(panel.preset).to_have_value("Custom")
    expect(panel.number("b1")).to_have_value("1.15")
    assert presets_in(own) == {}
    panel.wait_for_last_choices("Forge default")
    Panel(panel.page, "img2img").wait_for_last_choices("Forge default")
    panel.page.locator("#tabs > .tab-nav button", has_text="txt2img").click()
    panel.name_box.fill("soft")
    panel.press("delete")
    expect(panel.message).to_contain_text("preset must be one of your own presets: none yet, got 'soft'")


def test_deleting_a_preset_that_the_other_tab_shows(panel):
    panel.choose_preset("soft")
    expect(panel.number("b1")).to_have_value("1.15")
    panel.name_box.click()  # gradio 3.41 may leave the list open after its last entry was chosen
    other = Panel(panel.page, "img2img")
    other.choose_preset("soft")
    expect(other.number("b1")).to_have_value("1.15")
    other.press("delete")
    other.confirm("Delete")
    expect(other.preset).to_have_value("Custom")
    expect(panel.preset).to_have_value("Custom")
    panel.page.locator("#tabs > .tab-nav button", has_text="txt2img").click()
    panel.set("b1", "1.3")
    panel.set("s1", "0.8")
    expect(panel.status).to_contain_text("b1, s1 on 3 blocks")
    expect(panel.page.locator(".toast-body, .toast-wrap .error")).to_have_count(0)


def test_an_invalid_name_shows_an_error_and_saves_nothing(panel, own):
    panel.name_box.fill("sdxl")
    panel.press("save")
    expect(panel.message).to_contain_text("preset name must have 1 to 60 visible characters")
    assert presets_in(own) == {"soft": SOFT}


def test_invalid_values_are_not_saved(panel, own):
    panel.open("schedule")
    panel.curve.fill("0:0, 2:1")
    panel.name_box.fill("wrong")
    panel.press("save")
    expect(panel.message).to_contain_text("curve must be empty or points progress:strength")
    assert presets_in(own) == {"soft": SOFT}


def test_send_to_img2img_shows_a_new_preset_there(panel):
    small(panel.page)
    panel.set("b1", "1.23")
    panel.name_box.fill("new")
    panel.press("save")
    expect(panel.preset).to_have_value("new")
    panel.generate(1)
    panel.page.locator("#txt2img_results button", has_text="Send to img2img").click()
    other = Tab(panel.page, "img2img")
    expect(other.number("b1")).to_have_value("1.23")
    expect(other.preset).to_have_value("new")


def test_pasting_an_image_shows_its_preset(panel, own):
    own.save("elsewhere", Settings(b1=1.31))
    panel.choices()  # reads the changed file
    panel.paste(f"{INFOTEXT}, FreeU version: 2, FreeU b1: 1.31")
    expect(panel.preset).to_have_value("elsewhere")


def test_opening_the_list_shows_a_preset_that_another_process_saved(panel, own):
    UserPresets(own.path).save("elsewhere", Settings(b1=1.7))
    panel.wait_for_last_choices("soft", "elsewhere")


def test_opening_the_list_shows_a_preset_saved_through_the_api(panel, playground):
    Client(playground.url).save_preset("elsewhere", settings={"b1": 1.7})
    panel.wait_for_last_choices("soft", "elsewhere")
    panel.choose_preset("elsewhere")
    expect(panel.number("b1")).to_have_value("1.7")


def test_an_open_list_keeps_all_choices_while_the_files_are_read(panel, own):
    """gradio 4 filters an open list by the text in the box when it gets new choices."""
    UserPresets(own.path).save("elsewhere", Settings(b1=1.7))
    for last in ("soft", "elsewhere"):
        panel.preset.click()
        panel.page.wait_for_timeout(1000)  # for the answer to the event
        names = panel.shown_choices()
        assert names[:2] == ["Custom", "Automatic"]
        assert names[-1] == last
        panel.close_list()
    panel.choose_preset("elsewhere")
    expect(panel.number("b1")).to_have_value("1.7")


def test_choosing_a_preset_that_another_process_deleted(panel, own):
    UserPresets(own.path).delete("soft")
    panel.choose_preset("soft")
    expect(panel.status).to_have_text("There is no preset soft.")
    expect(panel.preset).to_have_value("Custom")


# Import and export


def test_export_and_import(panel, own, tmp_path):
    panel.press("export")
    expect(panel.message).to_have_text("1 preset to download:")
    with panel.page.expect_download() as download:
        panel._of("preset_file").locator("a").first.click()
    assert download.value.suggested_filename == "freeu-presets.json"
    file = tmp_path / "exported.json"
    download.value.save_as(file)
    assert set(json.loads(file.read_text("utf-8"))["presets"]) == {"soft"}
    own.delete("soft")
    panel._of("preset_import").locator("xpath=..").locator("input[type=file]").set_input_files(file)
    expect(panel.message).to_have_text("Imported: soft.")
    assert presets_in(own) == {"soft": SOFT}
    panel.wait_for_last_choices("Forge default", "soft")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("presets.json", LJLEB.replace("mine", "soft"), "Imported: soft 2, plain. soft is now soft 2."),
        ("freeu_presets.py", FORGE, "Imported: mine, late."),
        (
            "freeu_presets.py",
            FORGE.replace("1.2, 1.4", "9, 1.4"),
            "Imported: late. mine was left out: b1 must be between -1 and 3, got '9'",
        ),
        ("presets.json", "{", "a preset file must be JSON"),
        (
            "presets.json",
            '{"version": 9, "presets": {}}',
            "version must be 1 in this release, got 9. Update the extension",
        ),
    ],
)
def test_importing_files_of_other_tools_and_broken_files(panel, own, tmp_path, name, text, message):
    file = tmp_path / "upload" / name
    file.parent.mkdir()
    file.write_text(text)
    panel._of("preset_import").locator("xpath=..").locator("input[type=file]").set_input_files(file)
    expect(panel.message).to_contain_text(message)
    assert presets_in(own)["soft"] == SOFT


# Problems of the file


def test_a_broken_file_is_kept_under_another_name_and_the_built_in_presets_work(page, own):
    own.path.write_text('{"version": 1, "pres')
    reload_page(page)
    panel = Panel(page)
    expect(panel.status).to_contain_text("presets.json could not be read (a preset file must be JSON: ")
    [broken] = own.path.parent.glob("presets.broken-*.json")
    expect(panel.status).to_contain_text(f"it was kept as {broken.name}")
    panel.choose_preset("SD1.5")
    expect(panel.number("b2")).to_have_value("1.6")
    panel.name_box.fill("again")
    panel.press("save")
    expect(panel.message).to_have_text("Saved again.")
    expect(panel.preset).to_have_value("again")


def test_an_invalid_preset_is_reported_by_name_and_the_others_work(panel, own):
    document = json.loads(own.path.read_text())
    document["presets"]["bad"] = {"b1": 9}
    own.path.write_text(json.dumps(document))
    panel.choose_preset("soft")
    expect(panel.number("b1")).to_have_value("1.15")
    expect(panel.name_box).to_have_value("soft")
    expect(panel.status).to_contain_text("bad cannot be used: b1 must be between -1 and 3, got 9")
    panel.name_box.fill("bad")
    panel.press("save")
    panel.confirm("Overwrite")
    expect(panel.status).not_to_contain_text("bad")
    assert presets_in(own) == {"soft": SOFT, "bad": SOFT}


# Options


@pytest.fixture
def opts(playground, monkeypatch):
    """Return a function that sets an option of the WebUI until the test ends."""
    from modules import shared

    return lambda key, value: monkeypatch.setitem(shared.opts.data, key, value)


def reload_page(page):
    page.reload()
    page.wait_for_selector("#script_txt2img_freeu_enabled-visible-checkbox")
    return Tab(page)


@pytest.mark.parametrize("enabled", [False, True])
def test_the_page_starts_with_the_chosen_preset(page, opts, enabled):
    opts("freeu_default_preset", "soft")
    opts("freeu_start_enabled", enabled)
    tab = reload_page(page)
    expect(tab.preset).to_have_value("soft")
    expect(tab.number("b1")).to_have_value("1.15")
    expect(tab.switch).to_be_checked(checked=enabled)
    other = Tab(page, "img2img")
    expect(other.preset).to_have_value("soft")
    expect(other.switch).to_be_checked(checked=enabled)


def test_with_the_option_on_at_start_the_first_job_uses_freeu(page, opts):
    opts("freeu_start_enabled", True)
    tab = reload_page(page)
    expect(tab.switch).to_be_checked()
    expect(tab.status).to_contain_text("steps 1 to 20 of 20")
    small(page)
    assert "FreeU b1: 1.3" in tab.generate(1)
    tab.switch.click()
    assert "FreeU" not in tab.generate(2)


def test_automatic_at_start_is_the_preset_for_the_loaded_model(page, opts):
    opts("freeu_default_preset", "Automatic")
    tab = reload_page(page)
    expect(tab.preset).to_have_value("SDXL")


def test_a_missing_preset_at_start_shows_an_error(page, opts):
    opts("freeu_default_preset", "gone")
    tab = reload_page(page)
    panel = Panel(page)
    expect(panel.message).to_have_text("There is no preset gone.")
    expect(tab.number("b1")).to_have_value("1.3")


@pytest.fixture
def page_with_separate_tabs(playground):
    """The address of a page made as in AUTOMATIC1111 and Forge: each tab is a gr.Blocks, rendered into the page."""
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
    with gr.Blocks():  # the API reads the initial values in this way
        for script in scripts.scripts_txt2img.scripts:
            script.ui(False)
    launched = {"server_name": "127.0.0.1", "prevent_thread_lock": True, "quiet": True, "app_kwargs": app_options()}
    demo.queue().launch(**launched)
    yield demo.local_url
    demo.close(verbose=False)
    playground.reload_ui()


def test_separate_tabs_share_the_presets(browser, opts, own, page_with_separate_tabs):
    opts("freeu_default_preset", "soft")
    opts("freeu_start_enabled", True)
    page = browser.new_context(viewport={"width": 1400, "height": 1400}).new_page()
    page.goto(page_with_separate_tabs)
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
    time.sleep(1)  # for the new choices: gradio 4 filters an open list when they arrive
    tabs[1].choose_preset("new")
    expect(tabs[1].number("b1")).to_have_value("1.23")
    page.context.close()
