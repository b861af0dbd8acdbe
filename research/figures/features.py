"""Input of the decoder blocks: amplitudes of backbone and skip features, and mean feature maps (Fig. 7, 8, 14)."""

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
from playground.images import to_image
from research.figures import plots
from research.figures.experiment import OFF, Experiment
from research.figures.metrics import upper_half_mean
from research.figures.results import Claim, FigureResult
from research.figures.statistics import mean

SHOWN_PROMPTS = 4


def spectrum_by_stage(experiment: Experiment) -> FigureResult:
    """Fig. 7: relative log amplitudes of backbone, skip and joined features by stage, with FreeU off."""
    recorder = Recorder()
    experiment.generate(OFF, recorder)
    panels = {}
    for n in STAGES:
        profiles = {part: recorder.profile(part, stage=n) for part in PARTS}
        panels[f"stage {n}"] = {
            part: ((profile.frequencies / torch.pi).tolist(), profile.before.tolist())
            for part, profile in profiles.items()
        }
    plot = plots.curves(panels, "frequency / π", "relative log amplitude")
    return FigureResult(plot, [_compare_skip_with_backbone(recorder, n) for n in STAGES])


def _compare_skip_with_backbone(recorder: Recorder, stage: int) -> Claim:
    def upper(part: str, step: int) -> float:
        return float(upper_half_mean(recorder.profile(part, stage=stage, step=step).before))

    differences = [upper("skip", step) - upper("backbone", step) for step in recorder.steps]
    return Claim(
        f"Skip features have more high frequencies than backbone features (stage {stage}).",
        "The upper half of the profile is {mean:+.2f} higher on average, and higher in {higher} of {steps} steps",
        {
            "mean": sum(differences) / len(differences),
            "higher": sum(difference > 0 for difference in differences),
            "steps": len(differences),
        },
        all(difference > 0 for difference in differences),
    )


def maps(experiment: Experiment) -> FigureResult:
    """Fig. 8: mean maps of the backbone and skip features of one decoder block, halfway through a run."""
    images, feature_maps = _mean_maps(experiment, OFF)
    backbone, skip = (explained_variance(feature_maps[part], images) for part in ("backbone", "skip"))
    other = explained_variance(feature_maps["backbone"], images.roll(1, 0))
    own_difference, skip_difference = mean(backbone - other), mean(backbone - skip)
    return FigureResult(
        _maps_sheet(images, feature_maps),
        [
            Claim(
                "The mean backbone features show the structure of the image.",
                "The image's colors explain {own} of the map's variance, another image's colors {other}",
                {"own": mean(backbone), "other": mean(other), "difference": own_difference},
                own_difference.above_zero,
            ),
            Claim(
                "The mean backbone features show more structure than the mean skip features.",
                "The colors explain {backbone} of the backbone map and {skip} of the skip map",
                {"backbone": mean(backbone), "skip": mean(skip), "difference": skip_difference},
                skip_difference.above_zero,
            ),
        ],
    )


def maps_with_freeu(experiment: Experiment) -> FigureResult:
    """Fig. 14: the mean map of the backbone features that a block receives, with FreeU off and on."""
    runs = {name: _mean_maps(experiment, settings) for name, settings in {"off": OFF, "on": Settings()}.items()}
    backbone = {name: feature_maps["backbone"] for name, (_, feature_maps) in runs.items()}
    share = {name: explained_variance(backbone[name], images) for name, (images, _) in runs.items()}
    difference = mean(share["on"] - share["off"])
    return FigureResult(
        _maps_sheet(runs["on"][0], backbone),
        [
            Claim(
                "With FreeU, features show more structure.",
                "The image's colors explain {off} of the map's variance with FreeU off and {on} with FreeU on: "
                "a change of {change}",
                {"off": mean(share["off"]), "on": mean(share["on"]), "change": difference},
                difference.above_zero,
            )
        ],
    )


def last_block_of_stage(unet: nn.Module, stage: int) -> int:
    """Return the index of the stage's last decoder block, which has its largest feature maps."""
    return max(block.index for block in decoder_blocks(unet) if block.stage == stage)


def explained_variance(maps: Tensor, images: Tensor) -> Tensor:
    """Return the share (B,) of each map's variance that a linear function of its image's colors explains.

    maps: (B, H, W). images: (B, 3, H, W).
    """
    target = maps.flatten(1) - maps.flatten(1).mean(1, keepdim=True)
    colors = images.flatten(2) - images.flatten(2).mean(2, keepdim=True)
    weights = torch.linalg.lstsq(colors.mT.double(), target[..., None].double(), driver="gelsd").solution
    residual = target - (colors.mT.double() @ weights)[..., 0]
    share: Tensor = 1 - residual.square().sum(1) / target.square().sum(1)
    return share


def _mean_maps(experiment: Experiment, settings: Settings) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the images, and the mean maps of backbone and skip in the last block of stage 2, halfway."""
    index, feature_maps = last_block_of_stage(experiment.model.unet, 2), dict[str, Tensor]()

    def observe(observation: Observation) -> None:
        if observation.block.index == index and observation.step == experiment.steps // 2:
            backbone, skip = torch.tensor_split(observation.after, [observation.block.backbone], dim=1)
            for name, features in {"backbone": backbone, "skip": skip}.items():
                # The first half of the batch is the unconditional one of classifier-free guidance.
                feature_maps[name] = mean_map(features).chunk(2)[1]

    return experiment.generate(settings, observe), feature_maps


def _maps_sheet(images: Tensor, feature_maps: Mapping[str, Tensor]) -> Image.Image:
    rows = [[to_image(rgb) for rgb in images[:SHOWN_PROMPTS]]]
    rows += [[plots.heat_map(values) for values in maps[:SHOWN_PROMPTS]] for maps in feature_maps.values()]
    return plots.sheet(rows, row_labels=["image", *feature_maps])
