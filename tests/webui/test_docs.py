"""Every example and every recipe in docs/api.md, docs/diagnostics.md and docs/xyz.md runs."""

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parent.parent.parent / "docs"
RECIPES = re.findall(
    r"^\| ([A-Z].*?) \| `(.*?)` \| `(.*?)` \| (.*) \|$", (DOCS / "xyz.md").read_text("utf-8"), re.MULTILINE
)


@pytest.mark.usefixtures("empty_presets")
@pytest.mark.parametrize("page", ["api.md", "diagnostics.md", "xyz.md"])
def test_examples(client, page):
    text = (DOCS / page).read_text("utf-8")
    code = "\n".join(re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE))
    assert code.count("assert") >= 1
    exec(compile(code.replace("http://127.0.0.1:7860", client.url), page, "exec"), {})


def test_the_recipes_are_found():
    assert len(RECIPES) >= 6


@pytest.mark.parametrize(("name", "x", "x_values", "y"), RECIPES, ids=[recipe[0] for recipe in RECIPES])
def test_recipes(client, name, x, x_values, y):
    axes = [(x, x_values), *re.findall(r"`(.*?)` \| `(.*?)`", y)]
    plot = client.plot(*axes, typed=True, steps=2)
    assert len(plot.images) >= 1 + 2
    assert len({image.tobytes() for image in plot.images[1:]}) > 1
