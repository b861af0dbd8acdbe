"""What enters the decoder blocks: amplitudes of backbone and skip, and mean feature maps (Fig. 7, 8, 14)."""

from __future__ import annotations

import torch
from PIL import Image
from torch import Tensor, nn

from freeu import Settings
from freeu.decoder import decoder_blocks
from freeu.params import STAGES
from freeu.recorder import PARTS, Recorder
from playground.figures import plots
from playground.figures.findings import Check, Finding
from playground.figures.lab import OFF, Lab
from playground.figures.measures import upper
from playground.figures.statistics import mean
from playground.pictures import to_image

SHOWN = 4
BACKGROUND = 0.94
"""What is as bright as this in every channel is the white behind an emoji."""


def stages(lab: Lab) -> Finding:
    """Fig. 7: relative log amplitudes of backbone, skip and both, by stage, with FreeU off."""
    recorder = Recorder()
    lab.draw(OFF, recorder)
    panels = {}
    for n in STAGES:
        found = {part: recorder.profile(part, stage=n) for part in PARTS}
        panels[f"stage {n}"] = {
            part: ((profile.frequencies / torch.pi).tolist(), profile.before.tolist())
            for part, profile in found.items()
        }
    picture = plots.curves(panels, "frequency / π", "relative log amplitude")
    return Finding(picture, [_richer(recorder, n) for n in STAGES])


def _richer(recorder: Recorder, n: int) -> Check:
    def height(part: str, step: int) -> float:
        return float(upper(recorder.profile(part, stage=n, step=step).before))

    more = [height("skip", step) - height("backbone", step) for step in recorder.steps]
    return Check(
        f"Skip features have more of the high frequencies than the backbone (stage {n}).",
        "The upper half of the profile is {mean:+.2f} higher, and higher in {higher} of {steps} steps",
        {"mean": sum(more) / len(more), "higher": sum(one > 0 for one in more), "steps": len(more)},
        all(one > 0 for one in more),
    )


def maps(lab: Lab) -> Finding:
    """Fig. 8: mean maps of the backbone and the skip of one decoder block, in the middle of a run."""
    pictures, recorder = _recorded(lab, OFF)
    block, step = last_of_stage(lab.model.unet, 2), lab.steps // 2
    found = {part: _prompted(recorder.maps(part, block, step).before) for part in ("backbone", "skip")}
    own, other = (likeness(found["backbone"], silhouettes(p)) for p in (pictures, pictures.roll(1, 0)))
    apart = mean(own - other)
    return Finding(
        _maps_sheet(pictures, found),
        [
            Check(
                "The mean of the backbone's features shows the structure of the picture.",
                "It correlates with the picture's own silhouette by {own} (without sign), with another's by {other}",
                {"own": mean(own), "other": mean(other), "apart": apart},
                apart.above_zero,
            )
        ],
    )


def maps_with_freeu(lab: Lab) -> Finding:
    """Fig. 14: the same maps, as the block gets them, with FreeU off and on."""
    block, step = last_of_stage(lab.model.unet, 2), lab.steps // 2
    runs = {name: _recorded(lab, settings) for name, settings in {"off": OFF, "on": Settings()}.items()}
    found = {name: _prompted(recorder.maps("backbone", block, step).after) for name, (_, recorder) in runs.items()}
    like = {name: likeness(found[name], silhouettes(pictures)) for name, (pictures, _) in runs.items()}
    more = mean(like["on"] - like["off"])
    return Finding(
        _maps_sheet(runs["on"][0], found),
        [
            Check(
                "With FreeU, features show more of the structure.",
                "The map's correlation with the picture's silhouette (without sign) is {off} off and {on} with FreeU: "
                "a change by {change}",
                {"off": mean(like["off"]), "on": mean(like["on"]), "change": more},
                more.above_zero,
            )
        ],
    )


def last_of_stage(unet: nn.Module, stage: int) -> int:
    """The number of the stage's last decoder block, whose planes are its largest."""
    return max(block.index for block in decoder_blocks(unet) if block.stage == stage)


def silhouettes(pictures: Tensor) -> Tensor:
    """1 where there is no white background, shape (pictures, height, width)."""
    return (pictures < BACKGROUND).any(1).float()


def likeness(planes: Tensor, others: Tensor) -> Tensor:
    """The correlation of two sets of planes of one size, without its sign; shape (planes,)."""
    a, b = (x.flatten(1) - x.flatten(1).mean(1, keepdim=True) for x in (planes, others))
    return torch.nn.functional.cosine_similarity(a, b).abs()


def _recorded(lab: Lab, settings: Settings) -> tuple[Tensor, Recorder]:
    recorder = Recorder(maps_at=(lab.steps // 2,))
    return lab.draw(settings, recorder), recorder


def _prompted(planes: Tensor) -> Tensor:
    """Of guidance's two halves of the batch, the one with prompts."""
    return planes.chunk(2)[1]


def _maps_sheet(pictures: Tensor, found: dict[str, Tensor]) -> Image.Image:
    rows = [[to_image(picture) for picture in pictures[:SHOWN]]]
    rows += [[plots.heat(plane) for plane in planes[:SHOWN]] for planes in found.values()]
    return plots.sheet(rows, labels=["picture", *found])
