"""README and docs: links and images exist, tables agree with the code, examples and commands run."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import diffusers
import pytest
from PIL import Image

from freeu import Settings, strength
from freeu.settings.parameter import format_number
from freeu.settings.presets import BUILTIN
from freeu.settings.settings import TABLE
from playground import __main__ as playground
from playground import demo, model, sampling
from tests.support.diffusers_unets import RandomPipeline

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text("utf-8")
    for path in (*ROOT.glob("*.md"), *sorted(DOCS.glob("*.md")))
}
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGES["docs/python.md"], re.DOTALL)
RECIPES = re.findall(r"^\| (.*?) \| `(\{.*?\})` \| ([\d. ]+) \|$", PAGES["docs/recipes.md"], re.MULTILINE)
COMMANDS = [
    (page, command)
    for page, text in PAGES.items()
    for command in re.findall(r"^\.venv/bin/python -m playground (demo .*--out docs/.*\.webp)$", text, re.MULTILINE)
]
MAX_BYTES = 1_800_000
"""Size of docs/. Everyone who installs the extension clones it."""


# Links, images and size


@pytest.mark.parametrize("page", PAGES)
def test_links_images_and_headings_exist(page):
    for target in links(PAGES[page]):
        path, _, heading = target.partition("#")
        linked = (ROOT / page).parent / path if path else ROOT / page
        assert linked.exists(), target
        if heading:
            assert heading in anchors(linked.read_text("utf-8")), target


def test_the_index_links_every_page():
    assert {f"docs/{target}" for target in links(PAGES["docs/index.md"])} >= PAGES.keys() - {
        "README.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "docs/index.md",
    }


def test_the_readme_links_every_page():
    assert set(links(PAGES["README.md"])) >= {page for page in PAGES if page.startswith("docs/")}


def test_every_image_is_webp_and_shown():
    shown = {(DOCS / target).resolve() for page, text in PAGES.items() for target in _relative_to_docs(page, text)}
    images = {path.resolve() for path in DOCS.rglob("*") if path.suffix not in ("", ".md", ".json")}
    assert {path.suffix for path in images} == {".webp"}
    assert images <= shown


def test_docs_are_small():
    assert sum(path.stat().st_size for path in DOCS.rglob("*") if path.is_file()) <= MAX_BYTES


# Tables


def test_the_table_of_parameters_is_that_of_the_code():
    rows = {name: (default, values) for name, default, values in parameter_rows()}
    assert rows.keys() == TABLE.keys()
    for name, parameter in TABLE.items():
        default = parameter.default
        values = {
            "choice": ", ".join(parameter.choices),
            "number": f"{format_number(parameter.low)} to {format_number(parameter.high)}",
            "curve": "text",
        }
        expected = format_number(default) if parameter.kind == "number" else str(default).lower()
        assert rows[name] == (expected, values.get(parameter.kind, ""))


@pytest.mark.parametrize("page", ["README.md", "docs/values.md"])
def test_the_table_of_values_is_that_of_the_presets(page):
    shown, presets = value_table(PAGES[page])
    assert shown == presets


def test_the_plots_to_paste_are_recipes():
    """tests/webui/test_docs.py runs the recipes of docs/xyz.md."""
    cells = re.findall(r"^\| \d\. .*? \| (`.*) \|$", PAGES["docs/values.md"], re.MULTILINE)
    assert len(cells) == 3
    assert all(row in PAGES["docs/xyz.md"] for row in cells)


def test_the_names_in_tables_are_there_after_import_freeu():
    """In a new process, because other tests have imported more modules."""
    rows = [line for text in PAGES.values() for line in text.splitlines() if line.startswith("|")]
    names = sorted({name for row in rows for name in re.findall(r"\bfreeu(?:\.[A-Za-z]\w*)+", row)})
    assert {"freeu.attach", "freeu.diagnostics.spectrum", "freeu.user_presets.UserPresets"} <= set(names)
    code = f"import freeu; {'; '.join(names)}"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=120)


@pytest.mark.parametrize(("what", "values", "shown"), RECIPES, ids=[recipe[0] for recipe in RECIPES])
def test_recipes(what, values, shown):
    settings = Settings.parse(json.loads(values))
    assert settings != Settings()
    expected = [strength(settings, step, 10) for step in range(10)]
    assert [float(height) for height in shown.split()] == pytest.approx(expected, abs=0.051)


def test_there_are_recipes_commands_and_examples():
    assert len(RECIPES) >= 10
    assert {Path(shlex.split(command)[-1]).name for _, command in COMMANDS} == {"effect.webp", "when.webp"}
    assert len(EXAMPLES) >= 2


@pytest.mark.slow
def test_how_many_color_values_b2_clips():
    """Percentages of color values that are 0: with FreeU off, by version for b2 = 1, 1.4 and 2, with contrast kept."""
    text = PAGES["docs/values.md"]
    off = re.search(r"(\d+) % of all\s+color values are 0", text)[1]
    rows = dict(re.findall(r"^\| ([12]) \| (\d+ % \| \d+ % \| \d+ %) \|$", text, re.MULTILINE))
    kept = re.search(r"With \*Keep contrast\* at 1, b2 = 1\.4 clips (\d+) % in both versions", text)[1]
    shown = [float(number) for number in [off, *re.findall(r"\d+", f"{rows['1']} {rows['2']}"), kept, kept]]
    variants = [Settings(enabled=False), *(Settings(version=v, b2=b2) for v in "12" for b2 in (1, 1.4, 2))]
    variants += [Settings(version=v, keep_contrast=1) for v in "12"]
    shipped = model.load()
    results = [sampling.sample(shipped, sampling.Job(demo.PROMPTS), settings) for settings in variants]
    measured = [100 * (result.images == 0).float().mean().item() for result in results]
    assert measured == pytest.approx(shown, abs=0.7)


# Examples and commands


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_examples_run(monkeypatch, example):
    """The pipeline of diffusers has random weights."""
    monkeypatch.setattr(diffusers, "StableDiffusionXLPipeline", RandomPipeline)
    exec(compile(example, "python.md", "exec"), {})


@pytest.mark.parametrize(("page", "command"), COMMANDS, ids=[page for page, _ in COMMANDS])
def test_commands_that_made_the_images(tmp_path, page, command):
    *options, out = shlex.split(command)
    playground.main([*options, str(tmp_path / "new.webp"), "--steps", "1"])
    assert Image.open(tmp_path / "new.webp").size == Image.open(ROOT / out).size


def links(text):
    """Return the targets of links and images that are in this repository."""
    without_code = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    targets = re.findall(r"\]\(([^)\s]+)\)|src=\"(.*?)\"", without_code)
    return [target for target in map("".join, targets) if "://" not in target]


def anchors(text):
    """Return the anchors that GitHub gives to the headings of a page."""
    return {
        re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
        for title in re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    }


def value_table(text):
    """Return the values of a page's table of models, and those of the presets."""
    number = r" ([\d.]+) \|"
    rows = re.findall(rf"^\| (SD[\w. ]*?)(?: \(.*?\))? \|{number * 4}$", text, re.MULTILINE)
    models = {name: settings for name, settings in BUILTIN.items() if name.startswith("SD")}
    return (
        {name: tuple(map(float, values)) for name, *values in rows},
        {name: (s.b1, s.b2, s.s1, s.s2) for name, s in models.items()},
    )


def parameter_rows():
    """Yield name, default and range of every parameter in the table of docs/parameters.md, with {n} written out."""
    for line in PAGES["docs/parameters.md"].splitlines():
        cells = [cell.strip().replace("−", "-") for cell in line.strip("|").split("|")]
        names = re.findall(r"`([a-z_{}]+)`", cells[0])
        if not names or len(cells) != 4:
            continue
        defaults = cells[1].split(", ")
        for position, name in enumerate(names):
            for n in (1, 2, 3) if "{n}" in name else (0,):
                index = position if len(names) > 1 else max(n - 1, 0)
                yield name.replace("{n}", str(n)), defaults[min(index, len(defaults) - 1)], cells[2]


def _relative_to_docs(page, text):
    return [target if page.startswith("docs/") else target.removeprefix("docs/") for target in links(text)]
