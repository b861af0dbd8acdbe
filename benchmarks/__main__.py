"""`python -m benchmarks`: measure, and write the table, the JSON and the chart."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch
from tqdm import tqdm

from benchmarks import report, tables
from benchmarks.work import SIZES, Size


def main() -> None:
    """Measure everything on one device."""
    options = _parser().parse_args()
    plan = _plan(torch.device(options.device), options.rounds, options.quick)
    with tqdm(total=plan.ticks, unit="run") as bar:
        figures = list(tables.all_figures(plan, bar.update))
    about = report.heading(plan.device)
    text = f"{about['machine']}, {about['date']}, {about['versions']}\n\n{report.table(figures)}"
    sys.stdout.write(f"\n{text}\n")
    report.save_json(figures, about, options.out / f"{plan.device.type}.json")
    report.save_chart(figures, about, options.out / f"{plan.device.type}.png")
    sys.stdout.write(f"{options.out}\n")


def _plan(device: torch.device, rounds: int, quick: bool) -> tables.Plan:
    on_gpu = device.type == "cuda"
    smallest, largest = Size("SD 1.5", 512, 512), Size("SDXL", 1024, 1024)
    steps = (smallest, largest) if on_gpu else (smallest,)
    return tables.Plan(
        device=device,
        dtypes=(torch.float16,) if on_gpu else (torch.float32, torch.bfloat16),
        sizes=(smallest,) if quick else SIZES,
        cutoff_sizes=(smallest,) if quick else (smallest, largest),
        step_sizes=() if quick else steps,
        rounds=rounds,
        step_rounds=20 if on_gpu else 3,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("benchmarks", description="What FreeU costs, beside the others.")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", choices=["cpu", "cuda"])
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--quick", action="store_true", help="the smallest size alone, and no UNet")
    parser.add_argument("--out", type=Path, default=Path("out/bench"), metavar="FOLDER")
    return parser


if __name__ == "__main__":
    main()
