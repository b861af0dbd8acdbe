"""FreeU's door into the WebUI, which loads every file of this folder as a script."""

from freeu.webui.script import FreeU, register

__all__ = ["FreeU"]

register()
