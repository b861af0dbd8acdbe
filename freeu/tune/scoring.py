"""Scores: functions that judge images instead of a person.

A score is a function from the images of a trial (PIL, RGB) and the prompt of each to a number; larger is better. It
runs in the process that draws. Name it as "module:function": `--score my_scores:sharpness`. docs/tune.md shows how to
wrap pyiqa, ImageReward and LAION's aesthetic model.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image

from freeu.settings.parameter import SettingsError

Score = Callable[[Sequence[Image.Image], Sequence[str]], float]

MIN_CONTRAST = 0.05


class ScoreError(Exception):
    """A score failed, or returned no number."""


def load_score(name: str) -> Score:
    """Import the score "module:function". Raises SettingsError if that fails."""
    module, colon, function = name.partition(":")
    rule = "must be module:function, importable from this folder, such as freeu.tune.scoring:few_clipped"
    try:
        score = getattr(importlib.import_module(module), function) if colon and module and function else None
    except Exception as error:
        raise SettingsError("--score", name, rule, f"{type(error).__name__}: {error}") from error
    if not callable(score):
        raise SettingsError("--score", name, rule)

    def checked(images: Sequence[Image.Image], prompts: Sequence[str]) -> float:
        try:
            value = float(score(images, prompts))
        except Exception as error:
            raise ScoreError(f"{name}: {type(error).__name__}: {error}") from error
        if not math.isfinite(value):
            raise ScoreError(f"{name} must return a finite number, got {value}")
        return value

    return checked


def few_clipped(images: Sequence[Image.Image], prompts: Sequence[str]) -> float:
    """Return minus the share of clipped pixels: those with a channel at 0 or 255.

    Gray images clip nothing, so images of little contrast count as all clipped. Use it together with a score that
    rewards change, such as `contrast`: alone, it prefers FreeU off.
    """
    return -float(np.mean([_clipped(image) for image in images]))


def contrast(images: Sequence[Image.Image], prompts: Sequence[str]) -> float:
    """Return the mean standard deviation of the images' color values, in 0..1."""
    return float(np.mean([_colors(image).std() for image in images]))


def _clipped(image: Image.Image) -> float:
    colors = _colors(image)
    return 1.0 if colors.std() < MIN_CONTRAST else float(((colors <= 0) | (colors >= 1)).any(-1).mean())


def _colors(image: Image.Image) -> npt.NDArray[np.float32]:
    """Return color values (H, W, 3) in 0..1."""
    return np.asarray(image.convert("RGB"), np.float32) / 255
