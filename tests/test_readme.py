"""README.md: it is short and its commands exist. test_guides.py checks its links and values."""

import re
from pathlib import Path

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
