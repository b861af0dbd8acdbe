"""The page in Chromium, with the stand-in host and real gradio."""

import pytest
import requests
from playwright.sync_api import expect

from tests.support.page import INFOTEXT, Tab, choose, small
from tests.support.waiting import SECONDS


@pytest.mark.walk
def test_the_switch_turns_freeu_on_and_off(page, tab):
    small(page)
    assert "FreeU" not in tab.generate(1)
    off = tab.image()
    tab.open()
    expect(tab.status).to_contain_text("b1, s1 on 3 blocks, b2, s2 on 2 blocks; steps 1 to 4 of 4")
    tab.set("b1", "1.5")
    assert "FreeU s1: 0.9" in tab.generate(1, expected="FreeU b1: 1.5")
    on = tab.image()
    assert "FreeU b1: 1.5" in on.info["parameters"]
    assert on.tobytes() != off.tobytes()
    tab.switch.click()
    assert "FreeU" not in tab.generate(2)
    assert "FreeU" not in tab.generate(1)
    assert tab.image().tobytes() == off.tobytes()


def test_a_preset_sets_the_controls_and_other_values_are_shown_as_custom(page, tab):
    tab.open()
    tab.choose_preset("SD1.5")
    expect(tab.number("b2")).to_have_value("1.6")
    expect(tab.preset).to_have_value("SD1.5")
    tab.slider("b2").focus()
    tab.slider("b2").press("ArrowRight")
    tab.set("b2", "1.61")
    expect(tab.preset).to_have_value("Custom")
    tab.set("b2", "1.6")
    expect(tab.preset).to_have_value("SD1.5")
    tab.choose_preset("Automatic")
    expect(tab.number("b2")).to_have_value("1.4")
    expect(tab.preset).to_have_value("SDXL")


def test_dragging_a_slider_updates_the_preset(page, tab):
    tab.open()
    handle = tab.slider("b1").bounding_box()
    page.mouse.move(handle["x"] + handle["width"] * 0.575, handle["y"] + handle["height"] / 2)
    page.mouse.down()
    page.mouse.move(handle["x"] + handle["width"] * 0.9, handle["y"] + handle["height"] / 2, steps=5)
    page.mouse.up()
    expect(tab.preset).to_have_value("Custom")
    assert float(tab.number("b1").input_value()) > 2


def test_the_keyboard_updates_preset_and_status(page, tab):
    tab.open()
    tab.slider("b1").focus()
    tab.slider("b1").press("ArrowRight")
    expect(tab.preset).to_have_value("Custom")
    tab.number("b1").fill("1")
    tab.number("b1").press("Enter")
    expect(tab.status).to_contain_text("SDXL: s1 on 3 blocks")


def test_an_empty_box_for_steps_is_no_error(page, tab):
    tab.open()
    page.locator("#txt2img_steps input[type=number]").fill("")
    page.locator("#txt2img_steps input[type=number]").fill("12")
    expect(tab.status).to_contain_text("of 12")


def test_the_status_line_follows_all_kinds_of_controls_and_the_steps(page, tab):
    tab.open()
    expect(tab.status).to_contain_text("steps 1 to 20 of 20")
    tab.open("schedule")
    tab.set("start", "0.5")
    expect(tab.status).to_contain_text("steps 11 to 20 of 20")
    steps = page.locator("#txt2img_steps input[type=number]")
    steps.fill("10")
    steps.press("Tab")
    expect(tab.status).to_contain_text("steps 6 to 10 of 10")
    page.locator("#script_txt2img_freeu_passes label", has_text="first").click()
    expect(tab.status).to_contain_text("not in the hires. fix pass")
    tab.curve.fill("0:1, 0.1:1, 0.2:0")
    expect(tab.status).to_contain_text("steps 1 to 2 of 10")


def test_an_invalid_curve_is_shown_at_once_and_the_job_is_refused(page, tab):
    small(page)
    tab.open()
    tab.open("schedule")
    tab.curve.fill("0:0, 2:1")
    expect(tab.status).to_contain_text("curve must be empty or points progress:strength")
    expect(tab.status).to_contain_text("got '0:0, 2:1'")
    assert "SettingsError: curve must be empty or points progress:strength" in tab.generate(1, expected="SettingsError")
    tab.curve.fill("")
    expect(tab.status).to_contain_text("steps 1 to 4 of 4")
    assert "FreeU b1: 1.3" in tab.generate(1)


def test_pasting_restores_the_controls_and_an_image_without_freeu_turns_it_off(page, tab):
    tab.paste(
        f'{INFOTEXT}, FreeU version: 1, FreeU b1: 1.2, FreeU s1: 0.6, FreeU curve: "0:0, 1:1", FreeU width2: 0.25'
    )
    expect(tab.switch).to_be_checked()
    expect(tab.number("b1")).to_have_value("1.2")
    expect(tab.number("s1")).to_have_value("0.6")
    expect(tab.curve).to_have_value("0:0, 1:1")
    expect(page.locator("#script_txt2img_freeu_version input:checked")).to_have_value("1")
    expect(tab.status).to_contain_text("steps 2 to 10 of 10")
    expect(tab.preset).to_have_value("Custom")
    tab.open("advanced")
    expect(tab.number("width2")).to_have_value("0.25")
    tab.paste(INFOTEXT)
    expect(tab.switch).not_to_be_checked()
    expect(tab.number("b1")).to_have_value("1.2")


def test_pasting_an_image_of_another_tool(page, tab):
    tab.paste(f"{INFOTEXT}, freeu_enabled: True, freeu_b1: 1.1, freeu_b2: 1.2, freeu_s1: 0.6, freeu_s2: 0.4")
    expect(tab.switch).to_be_checked()
    expect(tab.number("b1")).to_have_value("1.1")
    expect(tab.preset).to_have_value("SDXL gentle")


def test_pasting_invalid_values_shows_an_error_and_changes_nothing(page, tab):
    tab.open()
    tab.set("b1", "1.7")
    tab.paste(f"{INFOTEXT}, FreeU b1: 17, FreeU s1: 0.1")
    expect(page.locator(".toast-body, .toast-wrap").first).to_contain_text("b1 must be between -1 and 3")
    expect(tab.switch).to_be_checked()
    expect(tab.number("b1")).to_have_value("1.7")
    expect(tab.number("s1")).to_have_value("0.9")


def test_the_box_of_an_error_shows_the_text_of_an_image_as_it_is(page, tab):
    tab.paste(f"{INFOTEXT}, FreeU version: <i>3</i> & 4")
    expect(page.locator(".toast-body, .toast-wrap").first).to_contain_text("got '< i>3< /i> & 4'")


def test_send_to_img2img_copies_freeu(page, tab):
    small(page)
    tab.open()
    tab.choose_preset("SDXL gentle")
    expect(tab.number("s1")).to_have_value("0.6")
    tab.generate(1)
    page.locator("#txt2img_results button", has_text="Send to img2img").click()
    other = Tab(page, "img2img")
    expect(other.switch).to_be_checked()
    expect(other.number("s1")).to_have_value("0.6")
    expect(other.preset).to_have_value("SDXL gentle")
    assert "FreeU s1: 0.6" in other.generate(2)


def test_png_info_sends_the_settings_of_an_image(page, tab, tmp_path):
    small(page)
    tab.open()
    tab.set("b1", "1.23")
    tab.generate(1)
    path = tmp_path / "image.png"
    path.write_bytes(
        requests.get(page.locator("#txt2img_gallery img").first.get_attribute("src"), timeout=SECONDS).content
    )
    page.reload()
    page.wait_for_selector("#script_txt2img_freeu_enabled-visible-checkbox")
    page.locator("#tabs > .tab-nav button", has_text="PNG Info").click()
    page.locator("#pnginfo_image input[type=file]").set_input_files(path)
    expect(page.locator("#tab_pnginfo")).to_contain_text("FreeU b1: 1.23")
    page.locator("#tab_pnginfo #txt2img_tab").click()
    expect(tab.switch).to_be_checked()
    expect(tab.number("b1")).to_have_value("1.23")


def test_img2img_shows_its_steps_in_percent(page):
    """The number of its steps depends on the denoising strength."""
    tab = Tab(page, "img2img")
    page.locator("#tabs > .tab-nav button", has_text="img2img").click()
    tab.open()
    tab.open("schedule")
    tab.set("start", "0.25")
    expect(tab.status).to_contain_text("from 25 % to 100 % of the run")


def test_an_xyz_grid(page, tab):
    small(page)
    choose(page, "#script_list", "X/Y/Z plot")
    choose(page, "#script_txt2img_xyz_plot_x_type", "[FreeU] b1")
    page.locator("#script_txt2img_xyz_plot_x_values textarea, #script_txt2img_xyz_plot_x_values input").first.fill(
        "1, 1.6"
    )
    text = tab.generate(1, expected="X Type: [FreeU] b1")
    assert 'X Values: "1, 1.6"' in text
    grid = tab.image()
    assert grid.width >= 2 * 64


def test_ids_are_unique_and_controls_have_help(page):
    ids = page.evaluate("[...document.querySelectorAll('[id*=freeu]')].map(element => element.id)")
    assert len(ids) > 2 * 30
    assert sorted(set(ids)) == sorted(ids)
    for name in ("b1", "width3", "stage_map", "preset"):
        assert len(page.locator(f"#script_txt2img_freeu_{name}").get_attribute("title")) > 20
