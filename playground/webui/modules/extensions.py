"""Installed extensions: this project."""

from __future__ import annotations

from pathlib import Path

_PROJECT = Path(__file__).parents[3]


class Extension:
    """A folder with `scripts`, `javascript` and `style.css`, each optional."""

    def __init__(self, name: str, path: str) -> None:
        self.name = name
        self.path = path


extensions: list[Extension] = [Extension(_PROJECT.name, str(_PROJECT))]


def active() -> list[Extension]:
    """Return the enabled extensions: all of them."""
    return list(extensions)
