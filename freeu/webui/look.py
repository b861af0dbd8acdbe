"""Look: what a job adds to its pictures so that people see what FreeU did.

The plot is a picture in the gallery. The pictures without FreeU are too; which of them belong together stands in the
job's `extra_generation_params` as "FreeU look", for API clients and for javascript/freeu_compare.js.
"""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import torch

from freeu.spectrum import Burn, burn
from freeu.webui import host
from freeu.webui.run import Run

log = logging.getLogger(__name__)

KEY = "FreeU look"
OFF = "without FreeU"
"""What the infotext of a picture without FreeU says under that key."""

_SAVE = "freeu_save_look"
_BY_PLACE = ("all_prompts", "all_negative_prompts", "all_seeds", "all_subseeds")


def add_option() -> None:
    """The host's on_ui_settings."""
    host.add_option(_SAVE, False, "FreeU: save plots, and pictures to compare with, beside the others")


def show(p: Any, processed: Any, run: Run) -> None:
    """Add what the job of `run` asked to see. A script's job has room for one picture, which becomes the plot."""
    drawn = _pictures(processed)
    if not drawn:
        return
    off = _without_freeu(p, processed) if run.wishes.compare else []
    plots = _plots(run, processed, drawn, off) if run.wishes.look else []
    if host.runs_script(p):
        _replace_first(processed, plots)
        return
    first = len(processed.images)
    for place, (image, infotext) in zip(drawn, off, strict=False):
        _append(processed, image, infotext, like=place)
    for plot in plots:
        _append(processed, plot, processed.infotexts[drawn[0]], like=drawn[0])
        if host.option(_SAVE, False):
            host.save(p, plot, processed.infotexts[drawn[0]], "-freeu-look")
    pairs = [[place, first + i] for i, place in enumerate(drawn[: len(off)])]
    shown = {"pairs": pairs, "plots": list(range(first + len(off), len(processed.images)))}
    processed.extra_generation_params = {**processed.extra_generation_params, KEY: shown}


def _pictures(processed: Any) -> list[int]:
    """Where the drawn pictures are, among grids and masks: they say how they were made, unless that is switched off."""
    first = processed.index_of_first_image
    places = range(first, len(processed.images))
    telling = [place for place in places if "parameters" in processed.images[place].info]
    return telling or list(places[: len(processed.infotexts) - first])


def _without_freeu(p: Any, processed: Any) -> list[tuple[Any, str]]:
    """The job's pictures without FreeU, with their infotexts; none where the user stopped it."""
    if host.was_stopped():
        return []
    # Overrides are the last word on what a job is: it is off, and asks for nothing, hence for no third job.
    again = {"freeu_overrides": {"enabled": False, "look": False, "compare": False}}
    try:
        other = host.draw_again(p, save=host.option(_SAVE, False), noted={KEY: OFF}, **again)
    except Exception as error:
        log.exception("the pictures without FreeU could not be drawn")
        processed.comments += f"FreeU: the pictures without it could not be drawn: {type(error).__name__}: {error}\n"
        return []
    if host.was_stopped():
        return []
    return [(other.images[place], other.infotexts[place]) for place in _pictures(other)]


def _plots(run: Run, processed: Any, drawn: list[int], off: list[tuple[Any, str]]) -> list[Any]:
    """A plot for each pass that FreeU took part in."""
    if not run.recorders:
        processed.comments += "FreeU: there is nothing to plot, since it met no decoder block.\n"
        return []
    from freeu.webui import look_plot  # matplotlib takes its time to load

    on_burn = _burn([processed.images[place] for place in drawn])
    off_burn = _burn([image for image, _ in off]) if off else None
    return [look_plot.draw(run.settings, name, seen, on_burn, off_burn) for name, seen in run.recorders.items()]


def _burn(images: list[Any]) -> Burn:
    """The mean over pictures."""
    of_each = [burn(torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1)[None] / 255) for image in images]
    return Burn(*(torch.cat(values).mean() for values in zip(*of_each, strict=True)))


def _replace_first(processed: Any, plots: list[Any]) -> None:
    """In the place of the first picture, and as large."""
    if plots:
        from freeu.webui import look_plot

        processed.images[0] = look_plot.fitted(plots[0], processed.images[0])


def _append(processed: Any, image: Any, infotext: str, like: int) -> None:
    """Add a picture. The host's buttons read these lists by a picture's place, so all grow; `like` is one to copy."""
    processed.infotexts += [processed.info] * (len(processed.images) - len(processed.infotexts))
    if "parameters" in processed.images[like].info:
        image.info["parameters"] = infotext
    processed.images.append(image)
    processed.infotexts.append(infotext)
    count = len(processed.images) - processed.index_of_first_image
    for name in _BY_PLACE:
        values = list(getattr(processed, name))
        same = values[min(like - processed.index_of_first_image, len(values) - 1)]
        setattr(processed, name, [*values, *[same] * (count - len(values))])
