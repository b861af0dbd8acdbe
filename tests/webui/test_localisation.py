"""The translations in localizations/: every text of the page, and no other."""

import json
import re
from pathlib import Path

import gradio as gr
import pytest
from playwright.sync_api import expect

from freeu.settings.presets import PRESETS
from freeu.settings.settings import TABLE
from tests.support.page import Tab

FOLDER = Path(__file__).parent.parent.parent / "localizations"
FILES = {path.stem: json.loads(path.read_text("utf-8")) for path in FOLDER.glob("*.json")}

CHOICES = {choice for parameter in TABLE.values() for choice in parameter.choices}
NAMES = {"FreeU", "Custom", "Automatic", *TABLE, *CHOICES}
"""Names in infotexts, the API and X/Y/Z plots, which are not translated. A translation applies to the whole page, so
"both" or "first" would be translated in other extensions too."""

NOT_ON_THE_PAGE = {"Overwrite", *(preset.help for preset in PRESETS)}
"""Translated texts that no control of the page has."""

EDITOR = (Path(__file__).parent.parent.parent / "javascript" / "freeu_curve_editor.js").read_text("utf-8")

GRADIO_TEXTS = {"▼", "Clear", "Number"}
"""Texts that gradio puts into an accordion."""

TEXT_ATTRIBUTES = ("label", "info", "placeholder", "webui_tooltip")

TRANSLATE = """(translations) => {
    // As the hosts do: text nodes and titles that equal a key, without the spaces around them.
    const ours = document.querySelector('#script_txt2img_freeu_enabled');
    const nodes = document.createTreeWalker(ours, NodeFilter.SHOW_TEXT);
    const untranslated = new Set();
    for (let node = nodes.nextNode(); node; node = nodes.nextNode()) {
        const text = node.textContent.trim();
        if (translations[text] !== undefined) {
            node.textContent = translations[text];
        } else if (text && !/^[.\\d]+$/.test(text) && !node.parentElement.closest('.freeu-status, .progress-text')) {
            untranslated.add(text);
        }
    }
    for (const name of ['title', 'placeholder']) {
        for (const element of [ours, ...ours.querySelectorAll(`[${name}]`)]) {
            if (translations[element[name]] !== undefined) {
                element[name] = translations[element[name]];
            } else if (element[name]) {
                untranslated.add(element[name]);
            }
        }
    }
    return [...untranslated];
}"""
"""Translates the accordion, and returns the texts that stay in English."""


def descendants(block):
    """Yield a block of the page and all blocks in it."""
    yield block
    for child in getattr(block, "children", []):
        yield from descendants(child)


@pytest.fixture(scope="module")
def page_texts(playground):
    """Every text of our controls, on both tabs."""
    ours = [
        block
        for block in playground.demo.blocks.values()
        if re.fullmatch(r"script_(txt|img)2img_freeu_enabled", block.elem_id or "")
    ]
    assert len(ours) == 2
    parts = [part for block in ours for part in descendants(block)]
    texts = {getattr(part, name, None) for part in parts for name in TEXT_ATTRIBUTES}
    texts |= {part.value for part in parts if isinstance(part, gr.Button)}
    return {text for text in texts if text and not re.fullmatch(r"[.\d]+", text)} - NAMES


def test_there_is_a_japanese_translation():
    assert "ja_JP" in FILES


@pytest.mark.parametrize("language", FILES)
def test_exactly_the_texts_of_the_page_are_translated(page_texts, language):
    assert "Scales the backbone in the deepest blocks." in page_texts
    editor_texts = {text for text in FILES[language] if f'"{text}"' in EDITOR}
    assert page_texts | NOT_ON_THE_PAGE | editor_texts == set(FILES[language])


@pytest.mark.parametrize("language", FILES)
def test_the_templates_of_the_curve_editor_are_translated(language):
    """No element of the page has them as they are, so the test of the page cannot find a missing one."""
    templates = re.findall(r'(?:step|percent|timestep): "([^"]+)"|(?:TITLE|HANDLE_LABEL) = "([^"]+)"', EDITOR)
    assert len(templates) == 8
    assert {a or b for a, b in templates} <= set(FILES[language])


@pytest.mark.parametrize("language", FILES)
def test_translations_have_the_same_numbers_and_choices(language):
    for text, translated in FILES[language].items():
        assert translated.strip() == translated != text
        assert set(re.findall(r"\d+(?:\.\d+)?", text)) == set(re.findall(r"\d+(?:\.\d+)?", translated)), text
        for choice in CHOICES & set(re.findall(r"\b(\w+): ", text)):
            assert f"{choice}: " in translated, text


def test_the_page_in_japanese(page):
    tab = Tab(page)
    for accordion in ("enabled", "schedule", "advanced", "presets", "diagnostics"):
        tab.open(accordion)
    untranslated = set(page.evaluate(TRANSLATE, FILES["ja_JP"]))
    assert untranslated <= NAMES | GRADIO_TEXTS
    expect(tab.accordion).to_contain_text("最も深いブロックのバックボーンの倍率。")
    expect(tab.accordion).to_contain_text("進行の基準")
    tab.set("b1", "1.7")
    expect(tab.preset).to_have_value("Custom")
    expect(tab.accordion).to_contain_text("スケジュール")
