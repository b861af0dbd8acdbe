"""What pictures say of themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from playground.files import replacing


def read_info_from_image(image: Image.Image) -> tuple[str | None, dict[str, Any]]:
    """A picture's infotext, if any, and its other texts."""
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
    """Save a picture under the next number in a folder, with its infotext. Only scripts ask for this here."""
    folder = Path(path)
    number = len(list(folder.glob(f"*.{extension}")))
    file = folder / f"{basename}{number:05}-{seed}{suffix}.{extension}"
    texts = PngInfo()
    if info:
        texts.add_text("parameters", info)
    with replacing(file) as unfinished:
        image.save(unfinished, extension, pnginfo=texts)
    return str(file), None
