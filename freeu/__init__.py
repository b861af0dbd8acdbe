"""FreeU: better pictures from a diffusion U-Net at no cost (Si et al., CVPR 2024).

values.py     what a value may be
params.py     the table of parameters; Settings
schedule.py   how strong FreeU is at a point of the run
backbone.py   what b does
skip.py       what s does
basis.py      the low frequencies as small real matrices
pieces.py     large tensors a piece at a time
decoder.py    reading a UNet
session.py    attach(): the context manager that owns the hooks
spectrum.py   measuring: frequencies, energy, burnt pixels
recorder.py   what FreeU does to a run's features, in small numbers
presets.py    known-good values
infotext.py   picture metadata: ours and other tools'
cli/          python -m freeu: settings out of pictures
webui/        the extension

Needs torch and numpy. Knows nothing of any host.
"""

from freeu import presets
from freeu.backbone import scale_backbone_
from freeu.decoder import UnsupportedUNetError
from freeu.infotext import from_infotext, to_infotext
from freeu.params import Settings, json_schema
from freeu.recorder import Recorder
from freeu.schedule import strength
from freeu.session import Session, attach
from freeu.skip import scale_skip_
from freeu.values import SettingsError

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
