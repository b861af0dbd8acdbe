"""What enters the decoder blocks: amplitudes of backbone and skip, and mean feature maps (Fig. 7, 8, 14)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from PIL import Image
from torch import Tensor, nn

from freeu import Settings
from freeu.core.hooks import Observation
from freeu.core.unet import decoder_blocks
from freeu.diagnostics.recorder import PARTS, Recorder
from freeu.diagnostics.spectrum import mean_map
from freeu.settings.stage import STAGES
from playground.figures import plots
from playground.figures.findings import Check, Finding
from playground.figures.lab import OFF, Lab
from playground.figures.measures import upper
from playground.figures.statistics import mean
from playground.pictures import to_image

SHOWN = 4


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
    pictures, found = _mapped(lab, OFF)
    backbone, skip = (explained(found[part], pictures) for part in ("backbone", "skip"))
    other = explained(found["backbone"], pictures.roll(1, 0))
    own_more, backbone_more = mean(backbone - other), mean(backbone - skip)
    return Finding(
        _maps_sheet(pictures, found),
        [
            Check(
                "The mean of the backbone's features shows the structure of the picture.",
                "The picture's colours explain {own} of the map's variance, those of another picture {other}",
                {"own": mean(backbone), "other": mean(other), "change": own_more},
                own_more.above_zero,
            ),
            Check(
                "It shows more of it than the skip's.",
                "They explain {backbone} of the backbone's map, and {skip} of the skip's",
                {"backbone": mean(backbone), "skip": mean(skip), "change": backbone_more},
                backbone_more.above_zero,
            ),
        ],
    )


def maps_with_freeu(lab: Lab) -> Finding:
    """Fig. 14: the backbone's map as the block gets it, with FreeU off and on."""
    runs = {name: _mapped(lab, settings) for name, settings in {"off": OFF, "on": Settings()}.items()}
    found = {name: maps["backbone"] for name, (_, maps) in runs.items()}
    share = {name: explained(found[name], pictures) for name, (pictures, _) in runs.items()}
    more = mean(share["on"] - share["off"])
    return Finding(
        _maps_sheet(runs["on"][0], found),
        [
            Check(
                "With FreeU, features show more of the structure.",
                "The picture's colours explain {off} of the map's variance off, {on} with FreeU: a change by {change}",
                {"off": mean(share["off"]), "on": mean(share["on"]), "change": more},
                more.above_zero,
            )
        ],
    )


def last_of_stage(unet: nn.Module, stage: int) -> int:
    """The number of the stage's last decoder block, whose planes are its largest."""
    return max(block.index for block in decoder_blocks(unet) if block.stage == stage)


def explained(planes: Tensor, pictures: Tensor) -> Tensor:
    """The share of each plane's variance that a linear mixture of its picture's colours explains, shape (planes,)."""
    wanted = planes.flatten(1) - planes.flatten(1).mean(1, keepdim=True)
    colours = pictures.flatten(2) - pictures.flatten(2).mean(2, keepdim=True)
    mixture = torch.linalg.lstsq(colours.mT.double(), wanted[..., None].double(), driver="gelsd").solution
    left = wanted - (colours.mT.double() @ mixture)[..., 0]
    share: Tensor = 1 - left.square().sum(1) / wanted.square().sum(1)
    return share


def _mapped(lab: Lab, settings: Settings) -> tuple[Tensor, dict[str, Tensor]]:
    """The pictures, and the mean maps of backbone and skip as the last block of stage 2 gets them half way."""
    block, found = last_of_stage(lab.model.unet, 2), dict[str, Tensor]()

    def look(met: Observation) -> None:
        if met.block.index == block and met.step == lab.steps // 2:
            features = torch.tensor_split(met.after, [met.block.backbone], dim=1)
            # Of guidance's two halves of the batch, the one with prompts.
            found.update(zip(("backbone", "skip"), (mean_map(part).chunk(2)[1] for part in features), strict=True))

    return lab.draw(settings, look), found


def _maps_sheet(pictures: Tensor, found: Mapping[str, Tensor]) -> Image.Image:
    rows = [[to_image(picture) for picture in pictures[:SHOWN]]]
    rows += [[plots.heat(plane) for plane in planes[:SHOWN]] for planes in found.values()]
    return plots.sheet(rows, labels=["picture", *found])
