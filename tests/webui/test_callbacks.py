"""What the page's events answer to inputs of any size and content."""

import math
import os
from html.parser import HTMLParser
from types import SimpleNamespace

import gradio as gr
import pytest

from freeu import Settings
from freeu.user_presets import MAX_BYTES, ImportResult
from freeu.webui.callbacks import Callbacks
from freeu.webui.preset_panel import PresetPanel, _describe
from freeu.webui.script import FreeU

pytestmark = pytest.mark.usefixtures("playground")


@pytest.fixture
def callbacks():
    return Callbacks(FreeU.catalog, is_img2img=False)


def status_line(callbacks, steps=20, **changes):
    values = Settings().to_dict() | changes
    return callbacks.refresh("SDXL", steps, *values.values())[1]


@pytest.mark.parametrize("steps", [1_000_000, math.inf, math.nan, -5])
def test_the_answer_to_any_number_of_steps_is_short(callbacks, steps):
    line = status_line(callbacks, steps)
    assert "from 0 % to 100 % of the run" in line
    assert len(line) < 2000


def test_a_curve_of_many_points_is_an_error_that_says_how_many_are_allowed(callbacks):
    curve = ", ".join(f"{index / 10_000}:1" for index in range(10_000))
    assert "at most 200 points" in status_line(callbacks, curve=curve)


@pytest.mark.parametrize("name", ["\ud800", "a\n\x1b[31m\u202e", "x" * 10_000])
def test_a_name_or_a_value_is_escaped_and_shortened(callbacks, name):
    lines = [status_line(callbacks, curve=name), callbacks.fill(name, 20, *Settings().to_dict().values())[1]]
    assert all(line.isprintable() and len(line) < 500 for line in lines)


@pytest.mark.parametrize("value", ["<img src=x onerror=alert(1)>", "<<b>", "</p>", "&lt;b>", "a < b"])
def test_a_box_shows_the_text_of_a_strangers_image_and_no_tag(callbacks, monkeypatch, value):
    """gradio 3 shows the text of a box as it is, gradio 4 renders it as HTML."""
    shown, tags = [], []
    monkeypatch.setattr(gr, "Warning", shown.append)
    callbacks.paste_status({"FreeU version": value})
    parser = HTMLParser()
    parser.handle_starttag = parser.handle_startendtag = parser.handle_endtag = lambda *tag: tags.append(tag)
    parser.feed(shown[0])
    parser.close()
    assert tags == []
    assert value in shown[0].replace("< ", "<").replace("a <b", "a < b")


@pytest.mark.parametrize("make", [lambda path: None, os.mkdir, lambda path: path.write_bytes(bytes(MAX_BYTES + 1))])
def test_a_file_that_cannot_be_imported_is_named_without_its_folder(tmp_path, make):
    path = tmp_path / "presets.json"
    make(path)
    panel = SimpleNamespace(message="message")
    message = PresetPanel._import(panel, SimpleNamespace(name=str(path)))["message"]
    assert "presets.json" in message
    assert str(tmp_path) not in message


def test_the_answer_to_an_import_is_short():
    names = {f"\ud800{'x' * 10_000}{index}": f"{index:060}" for index in range(1000)}
    message = _describe(ImportResult(names, names))
    assert message.startswith(f"Imported: {0:060}, ")
    assert f"{9:060}, 990 more. \\ud800xxx" in message
    assert message.isprintable()
    assert len(message) < 4000
