"""Entry point of the extension: the WebUI loads every file in this folder as a script."""

from freeu.webui.script import FreeU, register

__all__ = ["FreeU"]

register()
