"""FreeU: scales backbone and skip features in a diffusion U-Net, without training (https://arxiv.org/abs/2309.11497).

arguments.py       what a job asks for: the script's arguments, read
settings/          what a user can set: the table of parameters, presets, infotext
core/              the mathematics and the hooks
compat/            reading FreeU settings of other tools
diagnostics/       measuring what FreeU does
user_presets.py    the user's own presets
preset_file.py     the format of a preset file
atomic_file.py     atomic writing of files
cli/               python -m freeu: read, convert
tune/              python -m freeu tune: find the values for a model
webui/             the extension: the only package that imports gradio and the WebUI

`import freeu` is fast: a name that needs torch, numpy or filelock is imported when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from freeu.compat.detect import from_infotext
from freeu.settings import presets
from freeu.settings.infotext import to_infotext
from freeu.settings.parameter import SettingsError
from freeu.settings.settings import Settings, json_schema

if TYPE_CHECKING:
    from freeu import diagnostics, user_presets
    from freeu.core.backbone import scale_backbone_
    from freeu.core.hooks import Session, attach
    from freeu.core.schedule import strength
    from freeu.core.skip import scale_skip_
    from freeu.core.unet import UnsupportedUNetError
    from freeu.diagnostics.recorder import Recorder

__all__ = [
    "Recorder",
    "Session",
    "Settings",
    "SettingsError",
    "UnsupportedUNetError",
    "attach",
    "diagnostics",
    "from_infotext",
    "json_schema",
    "presets",
    "scale_backbone_",
    "scale_skip_",
    "strength",
    "to_infotext",
    "user_presets",
]


_HOMES = {
    "Recorder": "freeu.diagnostics.recorder",
    "Session": "freeu.core.hooks",
    "UnsupportedUNetError": "freeu.core.unet",
    "attach": "freeu.core.hooks",
    "scale_backbone_": "freeu.core.backbone",
    "scale_skip_": "freeu.core.skip",
    "strength": "freeu.core.schedule",
}
"""The modules of the names that need torch or numpy."""

_SUBMODULES = ("diagnostics", "user_presets")
"""The modules with public names of their own that need torch or filelock."""


def __getattr__(name: str) -> Any:
    """Import a name of `_HOMES` or `_SUBMODULES`. Raises ImportError that says which package to install."""
    try:
        if name in _HOMES:
            return getattr(import_module(_HOMES[name]), name)
        if name in _SUBMODULES:
            return import_module(f"freeu.{name}")
    except ModuleNotFoundError as error:
        raise ImportError(
            f"freeu.{name} needs {error.name}, which is not installed: pip install {error.name}"
        ) from error
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
