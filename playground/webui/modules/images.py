"""What pictures say of themselves."""

from __future__ import annotations

from typing import Any

from PIL import Image


def read_info_from_image(image: Image.Image) -> tuple[str | None, dict[str, Any]]:
    """A picture's infotext, if any, and its other texts."""
    items = {key: value for key, value in image.info.items() if isinstance(value, str)}
    return items.pop("parameters", None), items
