"""`python -m benchmarks`: measure FreeU against the baselines and print the tables."""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import nullcontext

import torch
from tqdm import tqdm

from benchmarks.busy import busy_cores
from benchmarks.report import Results, current_environment, save, to_markdown
from benchmarks.tables import Row, measure_blocks, measure_memory, measure_unet_step
from benchmarks.workloads import SIZES, Workload

ROUNDS, FEW_ROUNDS, STEP_ROUNDS = 11, 3, 5
"""Rounds of a complete run on a quiet machine, of a quick or busy one, and of the UNet step."""


def main() -> None:
    """Run the command."""
    parser = _parser()
    options = parser.parse_args()
    if options.quick and options.save:
        parser.error("--save needs a complete run; remove --quick")
    if options.device == "cuda" and not torch.cuda.is_available():
        parser.error("--device cuda needs a GPU and a version of torch with CUDA")
    # At a lower level, the profiler of some versions of torch reports every start and stop on stderr.
    os.environ.setdefault("KINETO_LOG_LEVEL", "6")
    device = torch.device(options.device)
    with busy_cores() if options.busy else nullcontext():
        tables = _measure(device, options.quick, options.busy)
    results = Results(current_environment(device), tables)
    sys.stdout.write(f"\n{to_markdown(results)}\n")
    if options.save:
        save(results, device)


def _measure(device: torch.device, quick: bool, busy: bool) -> dict[str, dict[str, Row]]:
    """Return the rows of each table, by table and workload."""
    rounds = FEW_ROUNDS if quick or busy else ROUNDS
    dtypes = (torch.float16,) if device.type == "cuda" else (torch.float32, torch.bfloat16)
    workloads = [Workload(*size, dtype) for dtype in dtypes for size in (SIZES[:1] if quick else SIZES)]
    blocks: dict[str, Row] = {}
    for workload in tqdm(workloads, "Decoder blocks", unit="workload"):
        blocks[str(workload)] = {
            **measure_blocks(workload, device, rounds),
            **({} if busy else measure_memory(workload, device)),
        }
    if busy:
        return {"busy": blocks}
    if quick:
        return {"quiet": blocks}
    return {"quiet": blocks, "unet_step": {str(workloads[0]): measure_unet_step(workloads[0], device, STEP_ROUNDS)}}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "benchmarks", description="Time and memory of FreeU, compared with the authors' algorithm and diffusers."
    )
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--quick", action="store_true", help="smallest size and few rounds: less than a minute")
    parser.add_argument("--busy", action="store_true", help="keep every core busy with other processes")
    parser.add_argument("--save", action="store_true", help="update benchmarks/README.md, results/ and the chart")
    return parser


if __name__ == "__main__":
    main()
