"""The README's examples run, and what it names exists."""

import re
from pathlib import Path

import pytest

from freeu.settings.parameter import format_number
from freeu.settings.settings import TABLE

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda text: text.splitlines()[0])
def test_examples_run(example):
    exec(compile(example, "README.md", "exec"), {})


def test_there_is_an_example():
    assert EXAMPLES


def test_commands_are_targets_of_the_makefile():
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    named = set(re.findall(r"\bmake (\w+)", README))
    assert {"demo", "test"} <= named <= targets


def test_pictures_and_linked_files_exist():
    links = ["".join(found) for found in re.findall(r"\]\(([^)#]+)[^)]*\)|src=\"(.*?)\"", README)]
    links = [link for link in links if "://" not in link]
    assert len(links) > 10
    assert [link for link in links if not (ROOT / link).exists()] == []


def parameter_rows():
    """Name, default and range of every parameter in the README's table, with {n} written out."""
    for line in README.partition("## The parameters")[2].splitlines():
        cells = [cell.strip().replace("−", "-") for cell in line.strip("|").split("|")]
        names = re.findall(r"`([a-z_{}]+)`", cells[0])
        if not names or len(cells) != 4:
            continue
        defaults = cells[1].split(", ")
        for position, name in enumerate(names):
            for n in (1, 2, 3) if "{n}" in name else (0,):
                place = position if len(names) > 1 else max(n - 1, 0)
                yield name.replace("{n}", str(n)), defaults[min(place, len(defaults) - 1)], cells[2]


def test_the_table_of_parameters_is_the_table():
    rows = {name: (default, allowed) for name, default, allowed in parameter_rows()}
    assert set(rows) == set(TABLE)
    for name, param in TABLE.items():
        default = format_number(param.default) if param.kind == "number" else str(param.default).lower()
        allowed = {
            "choice": ", ".join(param.choices),
            "number": f"{format_number(param.low)} to {format_number(param.high)}",
            "curve": "text",
        }
        assert rows[name] == (default, allowed.get(param.kind, ""))
