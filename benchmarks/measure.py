"""Interleaved timing, medians and quartiles."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import quantiles
from typing import NamedTuple

import torch
from tqdm import tqdm

Function = Callable[[], object]


class Spread(NamedTuple):
    """The lower quartile, the median and the upper quartile of a measurement."""

    low: float
    median: float
    high: float


def spread(values: Sequence[float]) -> Spread:
    """Return median and quartiles of `values`."""
    low, median, high = quantiles(values, n=4, method="inclusive") if len(values) > 1 else [*values] * 3
    return Spread(low, median, high)


def ratio(numerators: Sequence[float], denominators: Sequence[float]) -> Spread:
    """Return median and quartiles of the ratios of measurements that were taken in the same rounds."""
    return spread([a / b for a, b in zip(numerators, denominators, strict=True)])


def time_interleaved(
    functions: Mapping[str, Function], rounds: int, device: torch.device, description: str
) -> dict[str, list[float]]:
    """Run every function once per round, and return the seconds of each.

    Each function runs twice in a row, and the second run is timed. Otherwise it would pay for memory that the
    function before it left to be freed.
    """
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    for _ in tqdm(range(rounds), description, leave=False, unit="round"):
        for name, function in functions.items():
            function()
            seconds[name].append(elapsed(function, device))
    return seconds


def elapsed(function: Function, device: torch.device) -> float:
    """Return the seconds that `function` takes, on a GPU by CUDA events."""
    if device.type != "cuda":
        start = time.perf_counter()
        function()
        return time.perf_counter() - start
    begin, end = cuda_event(), cuda_event()
    begin.record()
    function()
    end.record()
    end.synchronize()
    return float(begin.elapsed_time(end)) / 1000


def cuda_event() -> torch.cuda.Event:
    """Return an event that records a time on the GPU."""
    return torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]


def machine(device: torch.device) -> str:
    """Return the name of the GPU, or of the CPU with its number of threads."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{processor()}, {torch.get_num_threads()} threads"


def processor() -> str:
    """Return the name of the CPU."""
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = cpuinfo.read_text("utf-8").splitlines()
        name = next((line.partition(": ")[2] for line in lines if line.startswith("model name")), name)
    return name
