"""Metadata and files of images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from freeu.atomic_file import replace_file


def read_info_from_image(image: Image.Image) -> tuple[str | None, dict[str, Any]]:
    """Return the infotext, or None, and the other text metadata of an image."""
    items = {key: value for key, value in image.info.items() if isinstance(value, str)}
    return items.pop("parameters", None), items


def save_image(
    image: Image.Image,
    path: str,
    basename: str,
    seed: int | None = None,
    prompt: str | None = None,
    extension: str = "png",
    info: str | None = None,
    *,
    p: Any = None,
    suffix: str = "",
) -> tuple[str, None]:
    """Save an image with its infotext under the next number in the folder `path`. Jobs are not saved by themselves."""
    folder = Path(path)
    number = len(list(folder.glob(f"*.{extension}")))
    file = folder / f"{basename}{number:05}-{seed}{suffix}.{extension}"
    metadata = PngInfo()
    if info:
        metadata.add_text("parameters", info)
    with replace_file(file) as temporary:
        image.save(temporary, extension, pnginfo=metadata)
    return str(file), None
