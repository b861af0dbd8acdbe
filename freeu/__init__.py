"""FreeU: better images from a diffusion U-Net, without training (https://arxiv.org/abs/2309.11497).

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

Needs torch, numpy and filelock.
"""

from freeu.compat.detect import from_infotext
from freeu.core.backbone import scale_backbone_
from freeu.core.hooks import Session, attach
from freeu.core.schedule import strength
from freeu.core.skip import scale_skip_
from freeu.core.unet import UnsupportedUNetError
from freeu.diagnostics.recorder import Recorder
from freeu.settings import presets
from freeu.settings.infotext import to_infotext
from freeu.settings.parameter import SettingsError
from freeu.settings.settings import Settings, json_schema

__all__ = [
    "Recorder",
    "Session",
    "Settings",
    "SettingsError",
    "UnsupportedUNetError",
    "attach",
    "from_infotext",
    "json_schema",
    "presets",
    "scale_backbone_",
    "scale_skip_",
    "strength",
    "to_infotext",
]
