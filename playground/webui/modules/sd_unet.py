"""A replacement for the loaded model's UNet, such as an engine compiled for one graphics card. None here."""

from __future__ import annotations

from typing import Any

current_unet: Any = None
