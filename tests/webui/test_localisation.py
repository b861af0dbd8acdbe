"""The translations in localizations/: all that the page says, and nothing that it does not."""

import json
import re
from pathlib import Path

import gradio as gr
import pytest
from playwright.sync_api import expect

from freeu.settings.presets import PRESETS
from freeu.settings.settings import TABLE
from tests.webui.test_browser import Tab, page  # noqa: F401  (a fixture)

FOLDER = Path(__file__).parent.parent.parent / "localizations"
FILES = {path.stem: json.loads(path.read_text("utf-8")) for path in FOLDER.glob("*.json")}

CHOICES = {choice for param in TABLE.values() for choice in param.choices}
NAMES = {"FreeU", "Custom", "Automatic", *TABLE, *CHOICES}
"""What infotexts, the API and X/Y/Z plots know by this name. A file's words hold for the whole page, and "both" or
"first" of another extension's are not ours to translate."""

NOT_ON_THE_PAGE = {"Overwrite", *(preset.help for preset in PRESETS)}
"""Texts of ours that are translated although no control of the page has them."""

EDITOR = (Path(__file__).parent.parent.parent / "javascript" / "freeu.js").read_text("utf-8")

OF_GRADIO = {"▼", "Clear", "Number"}
"""What gradio itself puts into an accordion."""

SAID = ("label", "info", "placeholder", "webui_tooltip")

TRANSLATE = """(words) => {
    // As the hosts do: text nodes and titles that are a key, without the spaces around them.
    const ours = document.querySelector('#script_txt2img_freeu_enabled');
    const nodes = document.createTreeWalker(ours, NodeFilter.SHOW_TEXT);
    const left = new Set();
    for (let node = nodes.nextNode(); node; node = nodes.nextNode()) {
        const text = node.textContent.trim();
        if (words[text] !== undefined) {
            node.textContent = words[text];
        } else if (text && !/^[.\\d]+$/.test(text) && !node.parentElement.closest('.freeu-status, .progress-text')) {
            left.add(text);
        }
    }
    for (const name of ['title', 'placeholder']) {
        for (const element of [ours, ...ours.querySelectorAll(`[${name}]`)]) {
            if (words[element[name]] !== undefined) {
                element[name] = words[element[name]];
            } else if (element[name]) {
                left.add(element[name]);
            }
        }
    }
    return [...left];
}"""
"""Translates the accordion, and returns what is left in English."""


def within(block):
    """A block of the page, and all that is in it."""
    yield block
    for child in getattr(block, "children", []):
        yield from within(child)


@pytest.fixture(scope="module")
def said(playground):
    """Every text of our controls, on both tabs."""
    ours = [
        block
        for block in playground.demo.blocks.values()
        if re.fullmatch(r"script_(txt|img)2img_freeu_enabled", block.elem_id or "")
    ]
    assert len(ours) == 2
    parts = [part for block in ours for part in within(block)]
    texts = {getattr(part, name, None) for part in parts for name in SAID}
    texts |= {part.value for part in parts if isinstance(part, gr.Button)}
    return {text for text in texts if text and not re.fullmatch(r"[.\d]+", text)} - NAMES


def test_there_is_japanese():
    assert "ja_JP" in FILES


@pytest.mark.parametrize("language", FILES)
def test_all_that_the_page_says_is_translated_and_nothing_else(said, language):
    assert "Strengthens the backbone in stage 1 (the deepest blocks)." in said
    of_editor = {text for text in FILES[language] if f'"{text}"' in EDITOR}
    assert said | NOT_ON_THE_PAGE | of_editor == set(FILES[language])


@pytest.mark.parametrize("language", FILES)
def test_what_the_curve_editor_composes_is_translated(language):
    """Words that no element of the page has as they are, so that the test below cannot find them missing."""
    composed = re.findall(r'(?:step|percent|timestep): "([^"]+)"|(?:say\(|TITLE = )"([^"]+)"', EDITOR)
    assert len(composed) == 8
    assert {a or b for a, b in composed} <= set(FILES[language])


@pytest.mark.parametrize("language", FILES)
def test_translations_name_the_same_numbers_and_values(language):
    for text, translated in FILES[language].items():
        assert translated.strip() == translated != text
        assert set(re.findall(r"\d+(?:\.\d+)?", text)) == set(re.findall(r"\d+(?:\.\d+)?", translated)), text
        for choice in CHOICES & set(re.findall(r"\b(\w+): ", text)):
            assert f"{choice}: " in translated, text


def test_the_page_in_japanese(page):  # noqa: F811
    tab = Tab(page)
    for accordion in ("enabled", "schedule", "advanced"):
        tab.open(accordion)
    left = set(page.evaluate(TRANSLATE, FILES["ja_JP"]))
    assert left <= NAMES | OF_GRADIO
    expect(tab.accordion).to_contain_text("ステージ1（最も深いブロック）のバックボーンを強めます。")
    expect(tab.accordion).to_contain_text("進行の基準")
    tab.set("b1", "1.7")
    expect(tab.preset).to_have_value("Custom")
    expect(tab.accordion).to_contain_text("スケジュール")
