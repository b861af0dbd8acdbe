"""The comparisons. Each gives figures: ratios with their quartiles, and the mark that they are to meet."""

from __future__ import annotations

import operator
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median
from types import SimpleNamespace

import torch
from freeu.webui.run import Turns
from torch import nn

from benchmarks import rivals, work
from benchmarks.instep import InStep
from benchmarks.measure import Counting, Ratio, Work, elapsed, interleaved, peak_memory, ratio
from benchmarks.work import Features, Size
from freeu import Settings, attach

VERSIONS = ("1", "2")
CUTOFFS = ((0.3, "box"), (1.0, "box"), (0.0, "disc"), (0.3, "disc"), (1.0, "disc"))
RIVALS: Mapping[str, Callable[[str], rivals.Edit]] = {
    "ours": rivals.ours,
    "official": rivals.official,
    "diffusers": rivals.diffusers,
    "floor": rivals.floor,
}


@dataclass(frozen=True)
class Figure:
    """One measured number. `mark` is what it is to meet, in words, and `met` whether it does."""

    part: str
    work: str
    what: str
    value: Ratio
    unit: str = "×"
    mark: str = ""
    met: bool | None = None

    def at_least(self, limit: float) -> Figure:
        """The same, held against a mark."""
        return self._held(f"at least {limit:g}", operator.ge, limit)

    def at_most(self, limit: float) -> Figure:
        """The same, held against a mark."""
        return self._held(f"at most {limit:g}", operator.le, limit)

    def _held(self, mark: str, compare: Callable[[float, float], bool], limit: float) -> Figure:
        met = compare(self.value.median, limit)
        return Figure(self.part, self.work, self.what, self.value, self.unit, mark, met)


@dataclass(frozen=True)
class Plan:
    """What to measure on, and how often."""

    device: torch.device
    dtypes: tuple[torch.dtype, ...]
    sizes: tuple[Size, ...]
    cutoff_sizes: tuple[Size, ...]
    step_sizes: tuple[Size, ...]
    rounds: int
    step_rounds: int

    @property
    def ticks(self) -> int:
        """How many times `tick` is called in all, for a progress bar."""
        blocks = len(self.dtypes) * len(self.sizes) * len(VERSIONS) * len(RIVALS) * self.rounds
        cutoffs = len(self.cutoff_sizes) * len(CUTOFFS) * 2 * self.rounds
        return blocks + cutoffs + len(self.step_sizes) * len(_in_step()) * self.step_rounds


def all_figures(plan: Plan, tick: Work) -> Iterator[Figure]:
    """Everything, in the order of the report."""
    for dtype in plan.dtypes:
        for size in plan.sizes:
            yield from decoder_blocks(plan, size, dtype, tick)
    for size in plan.cutoff_sizes:
        yield from larger_cutoffs(plan, size, tick)
    for size in plan.step_sizes:
        yield from step(plan, size, tick)
    yield start_up()


def decoder_blocks(plan: Plan, size: Size, dtype: torch.dtype, tick: Work) -> Iterator[Figure]:
    """All blocks that FreeU edits, one after the other; the memory of the largest; operations a block."""
    blocks = work.features(size, plan.device, dtype)
    largest = max(blocks, key=lambda features: features.skip.numel())
    for version in VERSIONS:
        where = f"{size}, {_name(dtype)}, version {version}"
        edits = {name: make(version) for name, make in RIVALS.items()}
        seconds = interleaved(_works(edits, blocks), plan.rounds, plan.device, tick)
        figure = partial(Figure, "decoder blocks", where)
        yield figure("official / ours", ratio(seconds["official"], seconds["ours"])).at_least(10)
        yield figure("diffusers / ours", ratio(seconds["diffusers"], seconds["ours"])).at_least(10)
        yield figure("ours / floor", ratio(seconds["ours"], seconds["floor"])).at_most(2)
        yield figure("ours", _spread([1000 * s for s in seconds["ours"]]), "ms")
        mine, theirs = (peak_memory(partial(edits[name], largest), plan.device) for name in ("ours", "official"))
        yield Figure("memory", where, "ours / official", _spread([100 * mine / theirs]), "%").at_most(5)
        for name, edit in edits.items():
            counts = [_operations(partial(edit, block)) for block in blocks]
            yield Figure("operations a block", where, name, _spread(counts), "")


def larger_cutoffs(plan: Plan, size: Size, tick: Work) -> Iterator[Figure]:
    """Larger boxes and discs, version 2, against the official algorithm with the same mask."""
    dtype = plan.dtypes[0]
    blocks = work.features(size, plan.device, dtype)
    for cutoff, mask in CUTOFFS:
        edits = {"ours": rivals.ours("2", cutoff, mask), "official": rivals.official("2", cutoff, mask)}
        seconds = interleaved(_works(edits, blocks), plan.rounds, plan.device, tick)
        value = ratio(seconds["official"], seconds["ours"])
        yield Figure(
            "larger cutoffs, official / ours", f"{size}, {_name(dtype)}", f"{mask} {cutoff:g}", value
        ).at_least(3)


def step(plan: Plan, size: Size, tick: Work) -> Iterator[Figure]:
    """The share of a whole UNet's step, timed where it happens."""
    on_gpu = plan.device.type == "cuda"
    dtype = torch.float16 if on_gpu else torch.float32
    unet = work.build(size.model, plan.device, dtype)
    editing: dict[str, list[float]] = {name: [] for name in _in_step()}
    plain: list[float] = []
    with torch.inference_mode():
        work.call(unet, size)
        for _ in range(plan.step_rounds):
            plain.append(elapsed(partial(work.call, unet, size), plan.device))
            for name, freeu in _in_step().items():
                with freeu.on(unet, plan.device) as seconds:
                    work.call(unet, size)
                editing[name].append(seconds())
                tick()
    figure = partial(Figure, "share of a UNet's step", f"{size}, {_name(dtype)}")
    for name, spent in editing.items():
        share = figure(name, ratio([100 * s for s in spent], plain), "%")
        yield share.at_most(1 if on_gpu else 0.5) if name.startswith("ours") else share
    yield figure("installed but off", _spread([100 * _off_call() / s for s in plain]), "%")
    if on_gpu:
        yield figure("official / ours", ratio(editing["official, version 2"], editing["ours, version 2"])).at_least(5)
    yield figure("a step", _spread(plain), "s")


def start_up() -> Figure:
    """Importing FreeU, beside importing torch."""
    code = "import time as t; a = t.perf_counter(); import torch, numpy; b = t.perf_counter(); import freeu; "
    code += "print(b - a, t.perf_counter() - b)"
    runs = [subprocess.check_output([sys.executable, "-c", code], text=True).split() for _ in range(7)]
    seconds = [(float(torch), float(freeu)) for torch, freeu in runs]
    shares = [100 * freeu / torch for torch, freeu in seconds]
    milliseconds = 1000 * median(freeu for _, freeu in seconds)
    return Figure("start-up", f"import freeu: {milliseconds:.0f} ms", "beside import torch", _spread(shares), "%")


def _in_step() -> Mapping[str, InStep]:
    ours = {f"ours, version {v}": InStep(partial(attach, settings=Settings(version=v))) for v in VERSIONS}
    return {**ours, "official, version 2": InStep(None)}


def _works(edits: Mapping[str, rivals.Edit], blocks: Sequence[Features]) -> dict[str, Work]:
    def over_all(edit: rivals.Edit) -> None:
        with torch.inference_mode():
            for features in blocks:
                edit(features)

    return {name: partial(over_all, edit) for name, edit in edits.items()}


def _operations(edit: Work) -> int:
    with torch.no_grad(), Counting() as counting:
        edit()
    return sum(counting.counts.values())


def _off_call() -> float:
    """Seconds of what the extension does before a model call of a job without FreeU."""
    params = SimpleNamespace(denoiser=SimpleNamespace(p=SimpleNamespace(freeu_run=None)))
    before_call, times = Turns(nn.Module).before_call, 10_000

    def calls() -> None:
        for _ in range(times):
            before_call(params)

    return elapsed(calls, torch.device("cpu")) / times


def _spread(values: Sequence[float]) -> Ratio:
    return ratio(list(values), [1.0] * len(values))


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
