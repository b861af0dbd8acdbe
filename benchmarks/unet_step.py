"""The share of a UNet step that FreeU takes, timed inside the step, where caches are as in real use."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from benchmarks.baselines import official
from benchmarks.measure import cuda_event, elapsed
from benchmarks.workloads import Features, Workload, edited_blocks, run_unet, unet_for
from freeu import Settings, attach
from freeu.core.unet import DecoderBlock


def time_in_unet(workload: Workload, device: torch.device, rounds: int) -> dict[str, list[float]]:
    """Return the seconds of a step under "step", and those of each implementation as a share of its own step."""
    unet = unet_for(workload, device)
    results: dict[str, list[float]] = {"step": [], **{name: [] for name in _IMPLEMENTATIONS}}
    with torch.inference_mode():
        run_unet(unet, workload)  # the first run allocates memory
        for _ in tqdm(range(rounds), "UNet step", leave=False, unit="round"):
            for name, timed in _IMPLEMENTATIONS.items():
                stopwatch = Stopwatch(device)
                with timed(unet, stopwatch):
                    step = elapsed(partial(run_unet, unet, workload), device)
                results[name].append(stopwatch.seconds() / step)
                results["step"].append(step)
    return results


class Stopwatch:
    """Sums the times between pairs of calls of `press`, which may be a forward pre-hook. On a GPU by CUDA events."""

    def __init__(self, device: torch.device) -> None:
        self.cuda = device.type == "cuda"
        self.times: list[Any] = []

    def press(self, *args: object) -> None:
        """Start or stop."""
        if self.cuda:
            self.times.append(cuda_event())
            self.times[-1].record()
        else:
            self.times.append(time.perf_counter())

    def seconds(self) -> float:
        """Return the sum so far."""
        pairs = zip(self.times[::2], self.times[1::2], strict=True)
        if not self.cuda:
            return float(sum(stop - start for start, stop in pairs))
        torch.cuda.synchronize()
        return float(sum(start.elapsed_time(stop) for start, stop in pairs)) / 1000


@contextmanager
def _timed_extension(unet: nn.Module, stopwatch: Stopwatch, version: str, keep_contrast: float = 0.0) -> Iterator[None]:
    """Attach this extension to `unet`, with a hook of the stopwatch before and after each of its hooks."""
    blocks = edited_blocks(unet)
    with ExitStack() as stack:
        stack.enter_context(attach(unet, Settings(version=version, keep_contrast=keep_contrast)))
        for block in blocks:
            for is_first in (True, False):
                handle = block.first_layer.register_forward_pre_hook(stopwatch.press, prepend=is_first)
                stack.callback(handle.remove)
        yield


@contextmanager
def _timed_official(unet: nn.Module, stopwatch: Stopwatch) -> Iterator[None]:
    """Apply the official algorithm, version 2, in `unet`."""
    with ExitStack() as stack:
        for block in edited_blocks(unet):
            hook = partial(_apply_official, block=block, stopwatch=stopwatch)
            stack.callback(block.first_layer.register_forward_pre_hook(hook).remove)
        yield


def _apply_official(layer: nn.Module, args: tuple[Tensor, Any], block: DecoderBlock, stopwatch: Stopwatch) -> None:
    """Forward pre-hook. The official code edits the features before they are joined, so splitting is not timed."""
    joined = args[0]
    backbone, skip = joined[:, : block.backbone].clone(), joined[:, block.backbone :].clone()
    stopwatch.press()
    filtered = official(Features(joined, backbone, skip), "2")
    stopwatch.press()
    joined.copy_(torch.cat([backbone, filtered], 1))


_IMPLEMENTATIONS: Mapping[str, Callable[[nn.Module, Stopwatch], Any]] = {
    "extension, version 1": partial(_timed_extension, version="1"),
    "extension, version 2": partial(_timed_extension, version="2"),
    "contrast kept, version 2": partial(_timed_extension, version="2", keep_contrast=1.0),
    "official, version 2": _timed_official,
}
