"""Folders of the stand-in WebUI."""

from __future__ import annotations

import tempfile
from pathlib import Path

script_path = str(Path(__file__).parent.parent)
"""The folder of its scripts, JavaScript and style sheet."""

_data = tempfile.TemporaryDirectory(prefix="freeu-playground-")

data_path = _data.name
"""The folder of params.txt and outputs; deleted when the process ends."""
