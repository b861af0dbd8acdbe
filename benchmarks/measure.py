"""How it is measured: interleaved timing, peak memory, and counting operations."""

from __future__ import annotations

import platform
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median, quantiles
from typing import Any, NamedTuple

import torch
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode

Work = Callable[[], object]
Samples = Mapping[str, list[float]]


class Ratio(NamedTuple):
    """The median of ratios taken round by round, and their quartiles."""

    median: float
    low: float
    high: float


def ratio(numerator: list[float], denominator: list[float]) -> Ratio:
    """How many times more, in rounds that ran next to each other."""
    ratios = [a / b for a, b in zip(numerator, denominator, strict=True)]
    low, _, high = quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
    return Ratio(median(ratios), low, high)


def interleaved(works: Mapping[str, Work], rounds: int, device: torch.device, tick: Work) -> Samples:
    """Seconds of each work in each round; `tick` is called after each.

    Each runs once unmeasured before it is measured: what one leaves behind, such as memory to be tidied away, is
    not to be the next one's time.
    """
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            work()
            seconds[name].append(elapsed(work, device))
            tick()
    return seconds


def elapsed(work: Work, device: torch.device) -> float:
    """Seconds that a work takes, on a GPU by its own events."""
    if device.type != "cuda":
        start = time.perf_counter()
        work()
        return time.perf_counter() - start
    begin, end = gpu_mark(), gpu_mark()
    begin.record()
    work()
    end.record()
    end.synchronize()
    return float(begin.elapsed_time(end)) / 1000


def gpu_mark() -> torch.cuda.Event:
    """A point in time on a GPU, to be recorded."""
    return torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]


def peak_memory(work: Work, device: torch.device) -> int:
    """Bytes that a work needs at its peak beside what is there before it. The second run counts: caches are filled."""
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        work()
        return torch.cuda.max_memory_allocated(device) - before
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recorded:
        work()
    held = peak = 0
    for event in recorded.profiler.kineto_results.events():
        if event.name() == "[memory]":
            held += event.nbytes()
            peak = max(peak, held)
    return peak


class Counting(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """A context that counts the tensor operations within, by name. Views do no work and do not count.

    Not for inference mode, in which operations that consist of others arrive whole.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.counts: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Count `func`, and run it."""
        name = func.overloadpacket.__name__
        if not func.is_view and name not in _NO_WORK:
            self.counts[name] += 1
        return func(*args, **(kwargs or {}))


_NO_WORK = ("empty", "new_empty", "detach", "_reshape_alias", "_unsafe_view")


def machine(device: torch.device) -> str:
    """What the figures were taken on."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    name = next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())
    return f"{name}, {torch.get_num_threads()} threads"
