"""What the README and the guides tell a newcomer is so: presets, recipes, and the commands that made their pictures."""

import json
import re
import shlex
from pathlib import Path

import pytest
from PIL import Image

from freeu import Settings, strength
from freeu.settings.presets import BUILTIN
from playground import __main__ as playground
from playground import demo, model, sampling

ROOT = Path(__file__).parent.parent
PAGES = {path.name: path.read_text("utf-8") for folder in (ROOT, ROOT / "docs") for path in folder.glob("*.md")}
RECIPES = re.findall(r"^\| (.*?) \| `(\{.*?\})` \| ([\d. ]+) \|$", PAGES["recipes.md"], re.MULTILINE)
COMMANDS = [
    (page, command)
    for page, text in PAGES.items()
    for command in re.findall(r"^\.venv/bin/python -m playground (demo .*--out docs/.*\.png)$", text, re.MULTILINE)
]


def test_the_table_of_values_is_that_of_the_presets():
    table = PAGES["README.md"].partition("## Which values")[2].partition("\n## ")[0]
    rows = re.findall(
        r"^\| (SD[\w. ]*?)(?: \(.*?\))? \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|$", table, re.MULTILINE
    )
    shown = {name: tuple(map(float, values)) for name, *values in rows}
    of_models = {name: settings for name, settings in BUILTIN.items() if name.startswith("SD")}
    assert shown == {name: (s.b1, s.b2, s.s1, s.s2) for name, s in of_models.items()}


def test_the_plots_to_paste_are_recipes_that_are_drawn():
    """tests/webui/test_docs.py draws those of docs/xyz.md."""
    cells = re.findall(r"^\| \d\. .*? \| (`.*) \|$", PAGES["README.md"], re.MULTILINE)
    assert len(cells) == 3
    assert all(row in PAGES["xyz.md"] for row in cells)


def test_there_are_recipes_and_commands():
    assert len(RECIPES) >= 10
    assert {Path(shlex.split(command)[-1]).name for _, command in COMMANDS} == {"effect.png", "when.png"}


@pytest.mark.parametrize(("what", "values", "shown"), RECIPES, ids=[recipe[0] for recipe in RECIPES])
def test_recipes(what, values, shown):
    settings = Settings.parse(json.loads(values))
    assert settings != Settings()
    expected = [strength(settings, step, 10) for step in range(10)]
    assert [float(height) for height in shown.split()] == pytest.approx(expected, abs=0.051)


@pytest.mark.parametrize(("page", "command"), COMMANDS, ids=[page for page, _ in COMMANDS])
def test_commands_that_made_the_pictures(tmp_path, page, command):
    *options, out = shlex.split(command)
    playground.main([*options, str(tmp_path / "new.png"), "--steps", "1"])
    assert Image.open(tmp_path / "new.png").size == Image.open(ROOT / out).size


@pytest.mark.slow
def test_how_much_b2_burns():
    """Shares of colour values that are 0, in per cent, off and at b2 = 1, 1.4 and 2."""
    off, *rest = re.search(
        r"prompts (\d+) % of all.*? is\s+(\d+), (\d+) and (\d+) % at b2 = 1, 1.4 and 2 .*? (\d+), (\d+) and (\d+) %",
        PAGES["README.md"],
        re.DOTALL,
    ).groups()
    shipped = model.load()
    ways = [Settings(enabled=False), *(Settings(version=version, b2=b2) for version in "21" for b2 in (1, 1.4, 2))]
    pictures = [sampling.sample(shipped, sampling.Job(demo.PROMPTS), settings).pictures for settings in ways]
    measured = [100 * (drawn == 0).float().mean().item() for drawn in pictures]
    assert measured == pytest.approx([float(share) for share in (off, *rest)], abs=0.7)


@pytest.mark.parametrize("page", PAGES)
def test_linked_pages_and_headings_exist(page):
    folder = ROOT if (ROOT / page).exists() else ROOT / "docs"
    for target, _, heading in re.findall(r"\]\(([^)#:]*)(#?)([^):]*)\)", PAGES[page]):
        assert (folder / target).exists(), target
        text = PAGES[Path(target).name if target else page] if heading else ""
        assert not heading or heading in {anchor(title) for title in re.findall(r"^#+ (.*)$", text, re.MULTILINE)}


def anchor(title):
    """What GitHub makes of a heading."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
