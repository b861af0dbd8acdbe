"""Folders of the host."""

from __future__ import annotations

import tempfile
from pathlib import Path

script_path = str(Path(__file__).parent.parent)
"""Where the host's own scripts, JavaScript and style are."""

_data = tempfile.TemporaryDirectory(prefix="freeu-playground-")

data_path = _data.name
"""Where params.txt is written: a folder that goes away with the process."""
