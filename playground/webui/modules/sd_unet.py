"""The active replacement of the loaded model's UNet, such as a TensorRT engine. Tests set it."""

from __future__ import annotations

from typing import Any

current_unet: Any = None
