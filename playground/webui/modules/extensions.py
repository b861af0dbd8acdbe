"""The extensions that are loaded with the host's own scripts."""

from __future__ import annotations


class Extension:
    """A folder with `scripts`, `javascript` and `style.css`, each of them optional."""

    def __init__(self, name: str, path: str) -> None:
        self.name = name
        self.path = path


extensions: list[Extension] = []


def active() -> list[Extension]:
    """The extensions that are on: here, all of them."""
    return list(extensions)
