"""README.md: it is short, its commands exist, and its table of values is that of the presets."""

import re
from pathlib import Path

from tests.test_guides import value_table

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
MAX_WORDS = 700


def test_it_is_short():
    assert len(README.split()) <= MAX_WORDS


def test_it_starts_with_a_title_and_a_picture():
    title, picture = README.split("\n\n")[:2]
    assert title.startswith("# ")
    assert re.fullmatch(r"!\[.+\]\(docs/demo\.webp\)", picture)


def test_commands_are_targets_of_the_makefile():
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    assert set(re.findall(r"^make ([\w-]+)$", README, re.MULTILINE)) == {"demo", "test"} <= targets


def test_it_has_the_values_of_the_presets():
    shown, presets = value_table(README)
    assert shown == presets
