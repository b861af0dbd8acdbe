"""The tables: their columns, their targets, and how a row is measured.

A speedup "official / extension" is the time of the official algorithm divided by the time of this extension in the
same round. "contrast kept / extension" is the cost of `keep_contrast`: the time with 1 divided by the time with 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch

from benchmarks.baselines import IMPLEMENTATIONS
from benchmarks.measure import Function, Spread, ratio, spread, time_interleaved
from benchmarks.unet_step import time_in_unet
from benchmarks.workloads import Features, Workload, decoder_features
from tests.support.memory import peak_memory

Row = Mapping[str, Spread]
"""Measurements by the name of their column."""

DEFAULT_SPEEDUP = "official / extension, version 2"
SPEEDUPS = ("official / extension, version 1", "diffusers / extension, version 1", DEFAULT_SPEEDUP)
COSTS = ("contrast kept / extension, version 1", "contrast kept / extension, version 2")


@dataclass(frozen=True)
class Column:
    """A measurement, and its target if it has one."""

    name: str
    unit: str = ""
    at_least: float | None = None
    at_most: float | None = None

    @property
    def target(self) -> str:
        """The target in words, or an empty text."""
        if self.at_least is not None:
            return f"at least {self.at_least:g}{self.unit}"
        return "" if self.at_most is None else f"at most {self.at_most:g}{self.unit}"

    def misses_target(self, value: Spread) -> bool:
        """Return True if the median of `value` does not meet the target."""
        too_low = self.at_least is not None and value.median < self.at_least
        too_high = self.at_most is not None and value.median > self.at_most
        return too_low or too_high


@dataclass(frozen=True)
class Table:
    """A table of the report; each row is a workload."""

    title: str
    columns: Sequence[Column]


TABLES: Mapping[str, Table] = {
    "quiet": Table(
        "Decoder blocks, quiet machine",
        (
            *(Column(name, at_least=5) for name in SPEEDUPS),
            *(Column(name) for name in COSTS),
            Column("extension, version 2", " ms"),
            *(Column(f"memory, version {version}", " %", at_most=30) for version in "12"),
        ),
    ),
    "busy": Table(
        "Decoder blocks, busy machine",
        (*(Column(name, at_least=2.5) for name in SPEEDUPS), Column("extension, version 2", " ms")),
    ),
    "unet_step": Table(
        "Share of a UNet step",
        (
            Column("extension, version 1", " %"),
            Column("extension, version 2", " %"),
            Column("contrast kept, version 2", " %"),
            Column("official, version 2", " %"),
            Column("step", " s"),
        ),
    ),
}


def measure_blocks(workload: Workload, device: torch.device, rounds: int) -> Row:
    """Measure the speedups and costs: every decoder block that FreeU edits, one after the other."""
    features = decoder_features(workload, device)
    functions = {name: partial(_edit_all, name, features) for name in IMPLEMENTATIONS}
    seconds = time_interleaved(functions, rounds, device, str(workload))
    row = {}
    for name in (*SPEEDUPS, *COSTS):
        pair, version = name.split(", ")
        numerator, denominator = (f"{implementation}, {version}" for implementation in pair.split(" / "))
        row[name] = ratio(seconds[numerator], seconds[denominator])
    row["extension, version 2"] = spread([1000 * s for s in seconds["extension, version 2"]])
    return row


def measure_memory(workload: Workload, device: torch.device) -> Row:
    """Measure the peak memory in the block with the largest skip features, as a percentage of the official one."""
    largest = max(decoder_features(workload, device), key=lambda features: features.skip.numel())
    row = {}
    for version in "12":
        functions: list[Function] = [
            partial(_edit_all, f"{name}, version {version}", [largest]) for name in ("extension", "official")
        ]
        extension, official = (peak_memory(function, device) for function in functions)
        row[f"memory, version {version}"] = spread([100 * extension / official])
    return row


def measure_unet_step(workload: Workload, device: torch.device, rounds: int) -> Row:
    """Measure the share of a UNet step, in percent."""
    results = time_in_unet(workload, device, rounds)
    return {name: spread([v * (1 if name == "step" else 100) for v in values]) for name, values in results.items()}


def _edit_all(implementation: str, blocks: Sequence[Features]) -> None:
    with torch.inference_mode():
        for features in blocks:
            IMPLEMENTATIONS[implementation](features)
