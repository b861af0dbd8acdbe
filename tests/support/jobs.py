"""Jobs in the playground's host, in this process."""

from __future__ import annotations

from contextlib import closing
from types import ModuleType
from typing import Any

import torch

from tests.support.client import SMALL


def make_job(host: ModuleType, freeu: Any, **fields: Any) -> Any:
    """Return a small txt2img job whose script of FreeU gets the argument `freeu`."""
    p = host.processing.StableDiffusionProcessingTxt2Img(sd_model=host.shared.sd_model, **{**SMALL, **fields})
    p.scripts = host.scripts.scripts_txt2img
    args = [0, *(control.value for control in p.scripts.inputs[1:])]
    args[our_script(p.scripts).args_from] = freeu
    p.script_args = args
    return p


def our_script(runner: Any) -> Any:
    """Return FreeU's script among those of a tab."""
    return next(script for script in runner.alwayson_scripts if script.title() == "FreeU")


def run(host: ModuleType, p: Any) -> Any:
    """Run a job and close it."""
    with closing(p):
        return host.processing.process_images(p)


class Engine(torch.nn.Module):
    """A replacement for a UNet, with the same output and without its blocks."""

    def __init__(self, unet):
        super().__init__()
        self.forward = unet.forward
