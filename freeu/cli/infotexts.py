"""A WebUI's infotext: the text under a picture, whose last line is `Key: value, Key: "a value, quoted"`."""

from __future__ import annotations

import json
import re

_PAIR = re.compile(r'(?P<key>\w[\w \-/]*): *(?P<value>"(?:\\.|[^"\\])*"|[^,]*)(?:,|$)')


def parse(text: str) -> dict[str, str]:
    """The keys and values of the last line; values in quotes are JSON strings."""
    last = text.strip().rpartition("\n")[2]
    return {pair["key"]: _unquoted(pair["value"].strip()) for pair in _PAIR.finditer(last)}


def _unquoted(value: str) -> str:
    if not value.startswith('"'):
        return value
    try:
        return str(json.loads(value))
    except ValueError:
        return value
