"""The time that FreeU takes within a UNet's step: where features are as warm or cold as they are in a picture's run."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.measure import gpu_mark
from benchmarks.rivals import official_edit
from benchmarks.work import edited_blocks
from freeu import Session
from freeu.core.unet import DecoderBlock

Seconds = Callable[[], float]


class InStep:
    """FreeU on a UNet with a stopwatch around it: ours if `attach` puts it there, else the official algorithm."""

    def __init__(self, attach: Callable[[nn.Module], Session] | None) -> None:
        self.attach = attach

    @contextmanager
    def on(self, unet: nn.Module, device: torch.device) -> Iterator[Seconds]:
        """Put it on a UNet; what it gives tells the seconds so far."""
        watch = _Watch(device)
        with ExitStack() as stack:
            blocks = edited_blocks(unet)
            if self.attach is None:
                for block in blocks:
                    hook = _official(block, watch)
                    stack.callback(block.first_layer.register_forward_pre_hook(hook).remove)
            else:
                # Hooks run in the order in which they came.
                for block in blocks:
                    stack.callback(block.first_layer.register_forward_pre_hook(watch.start).remove)
                stack.enter_context(self.attach(unet))
                for block in blocks:
                    stack.callback(block.first_layer.register_forward_pre_hook(watch.stop).remove)
            yield watch.seconds


class _Watch:
    """Sums up what is between start and stop; on a GPU by its own events."""

    def __init__(self, device: torch.device) -> None:
        self.cuda = device.type == "cuda"
        self.marks: list[Any] = []

    def start(self, *args: object) -> None:
        if self.cuda:
            event = gpu_mark()
            event.record()
            self.marks.append(event)
        else:
            self.marks.append(time.perf_counter())

    stop = start

    def seconds(self) -> float:
        spans = zip(self.marks[::2], self.marks[1::2], strict=True)
        if not self.cuda:
            return float(sum(end - begin for begin, end in spans))
        torch.cuda.synchronize()
        return float(sum(begin.elapsed_time(end) for begin, end in spans)) / 1000


def _official(block: DecoderBlock, watch: _Watch) -> Callable[[nn.Module, tuple[Tensor, Any]], None]:
    """The official edit comes before backbone and skip are joined, so parting them again is not its time."""

    def hook(layer: nn.Module, args: tuple[Tensor, Any]) -> None:
        joined = args[0]
        backbone, skip = joined[:, : block.backbone].clone(), joined[:, block.backbone :].clone()
        watch.start()
        filtered = official_edit(backbone, skip, "2", 0.0, "box")
        watch.stop()
        joined.copy_(torch.cat([backbone, filtered], 1))

    return hook
