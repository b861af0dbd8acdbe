"""A job's extra outputs: a plot of what FreeU did, and the same images without FreeU.

Both are added to the job's gallery. The job's `extra_generation_params` say which image belongs to which, under
DIAGNOSTICS_KEY, for API clients and for javascript/freeu_compare.js.
"""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import torch

from freeu.arguments import ExtraOutputs
from freeu.diagnostics.spectrum import ColorStats, color_stats
from freeu.settings.infotext import DIAGNOSTICS_KEY
from freeu.settings.parameter import MAX_MESSAGE_LENGTH, readable
from freeu.settings.settings import Settings
from freeu.settings.stage import STAGES
from freeu.webui import host
from freeu.webui.job import Job
from freeu.webui.options import SAVE_DIAGNOSTICS

log = logging.getLogger(__name__)

OFF = "without FreeU"
"""Value of DIAGNOSTICS_KEY in the infotext of an image without FreeU."""

MAX_CLIPPED = 0.1
"""Above this share of clipped pixels, a comment says what to change. With a comparison, FreeU must have added it."""

_NO_FREEU = {"enabled": False, **ExtraOutputs()._asdict()}


def add_extra_outputs(p: Any, processed: Any, job: Job) -> None:
    """Add the extra outputs of `job` to its images. A script's job has room for one image: the plot replaces it."""
    generated = _generated_images(processed)
    if not generated:
        return
    off = _generate_without_freeu(p, processed) if job.outputs.compare else []
    on_colors = _mean_color_stats([processed.images[index] for index in generated])
    off_colors = _mean_color_stats([image for image, _ in off]) if off else None
    if job.calls:
        processed.comments += describe_clipping(job.settings, on_colors, off_colors)
    charts = _draw_charts(job, processed, on_colors, off_colors) if job.outputs.plot else []
    if host.runs_script(p):
        _replace_first_image(processed, charts)
        return
    first = len(processed.images)
    for index, (image, infotext) in zip(generated, off, strict=False):
        _append(processed, image, infotext, like=index)
    for chart in charts:
        _append(processed, chart, processed.infotexts[generated[0]], like=generated[0])
        if host.option(SAVE_DIAGNOSTICS, False):
            host.save_image(p, chart, processed.infotexts[generated[0]], "-freeu-plot")
    pairs = [[index, first + i] for i, index in enumerate(generated[: len(off)])]
    indices = {"pairs": pairs, "plots": list(range(first + len(off), len(processed.images)))}
    processed.extra_generation_params = {**processed.extra_generation_params, DIAGNOSTICS_KEY: indices}


def describe_clipping(settings: Settings, on: ColorStats, off: ColorStats | None) -> str:
    """Return a comment if too many pixels are clipped in images with FreeU, else an empty text.

    It names the factors to lower, the one closest to the image first: that one clips most.
    """
    share, share_off = on.clipped.item(), off.clipped.item() if off else 0.0
    if share - share_off <= MAX_CLIPPED:
        return ""
    compared = f" ({share_off:.1%} with FreeU off)" if off else ""
    stages = {f"b{n}": settings.stage(n) for n in reversed(STAGES)}
    enlarging = [name for name, stage in stages.items() if stage.b > 1 and "b" in stage.changed()]
    advice = f"lower {' or '.join(enlarging) or 'the CFG scale'}"
    if enlarging and settings.keep_contrast < 1:
        advice = f"raise keep_contrast, or {advice}"
    return f"FreeU: {share:.1%} of the pixels are clipped{compared}. To clip fewer, {advice}.\n"


def _generated_images(processed: Any) -> list[int]:
    """Return the indices of the generated images among grids and masks.

    Generated images have an infotext, unless the user has turned that off.
    """
    first = processed.index_of_first_image
    indices = range(first, len(processed.images))
    with_infotext = [index for index in indices if "parameters" in processed.images[index].info]
    return with_infotext or list(indices[: len(processed.infotexts) - first])


def _generate_without_freeu(p: Any, processed: Any) -> list[tuple[Any, str]]:
    """Return the job's images without FreeU, with their infotexts; none if the user stopped the job."""
    if host.was_stopped():
        return []
    save = host.option(SAVE_DIAGNOSTICS, False)
    try:
        other = host.generate_again(p, save=save, infotext={DIAGNOSTICS_KEY: OFF}, freeu_overrides=_NO_FREEU)
    except Exception as error:
        log.exception("the images without FreeU could not be generated")
        reason = readable(f"{type(error).__name__}: {error}", MAX_MESSAGE_LENGTH)
        processed.comments += f"FreeU: the images without FreeU could not be generated: {reason}\n"
        return []
    if host.was_stopped():
        return []
    return [(other.images[index], other.infotexts[index]) for index in _generated_images(other)]


def _draw_charts(job: Job, processed: Any, on: ColorStats, off: ColorStats | None) -> list[Any]:
    """Return the charts of each pass that used FreeU. A recorder is empty if the pass ran none of the hooks."""
    recorders = {name: recorder for name, recorder in job.recorders.items() if recorder.steps}
    if not recorders:
        processed.comments += "FreeU: there is nothing to plot, because FreeU found no decoder block.\n"
        return []
    from freeu.diagnostics.charts import draw_charts  # matplotlib takes a second to import

    return [draw_charts(job.settings, name, recorder, on, off) for name, recorder in recorders.items()]


def _mean_color_stats(images: list[Any]) -> ColorStats:
    arrays = (np.array(image.convert("RGB")) for image in images)
    stats = [color_stats(torch.from_numpy(array).permute(2, 0, 1)[None] / 255) for array in arrays]
    return ColorStats(*(torch.cat(values).mean() for values in zip(*stats, strict=True)))


def _replace_first_image(processed: Any, charts: list[Any]) -> None:
    if charts:
        from freeu.diagnostics.charts import fit_to  # matplotlib takes a second to import

        processed.images[0] = fit_to(charts[0], processed.images[0])


def _append(processed: Any, image: Any, infotext: str, like: int) -> None:
    """Append an image, with the prompts and seeds of the image at index `like`.

    The host's buttons read several lists by an image's index, so all of them grow.
    """
    processed.infotexts += [processed.info] * (len(processed.images) - len(processed.infotexts))
    if "parameters" in processed.images[like].info:
        image.info["parameters"] = infotext
    processed.images.append(image)
    processed.infotexts.append(infotext)
    count = len(processed.images) - processed.index_of_first_image
    for name in host.PER_IMAGE:
        values = list(getattr(processed, name))
        same = values[min(like - processed.index_of_first_image, len(values) - 1)]
        setattr(processed, name, [*values, *[same] * (count - len(values))])
