"""`python -m benchmarks.tuning_scaling`: trials a minute of `python -m freeu tune` with several workers.

Each worker is a process with a stand-in WebUI of its own, which answers after a fixed time.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from datetime import date
from importlib.metadata import version
from multiprocessing.synchronize import Barrier
from pathlib import Path

import matplotlib as mpl
import optuna
from matplotlib.figure import Figure
from optuna.trial import TrialState
from tqdm import tqdm

from benchmarks.measure import Spread, processor, spread
from benchmarks.report import FOLDER, Results, fill_readme, format_number, markdown_table, to_json
from freeu.atomic_file import replace_file
from freeu.settings.settings import Settings
from freeu.tune import database
from freeu.tune import study as studies
from freeu.tune.client import Client
from freeu.tune.plan import Plan
from freeu.tune.scoring import load_score
from freeu.tune.study import Study
from freeu.tune.worker import Worker
from tests.support import postgres
from tests.support.stand_in import StandIn

WORKERS = 1, 2, 4
JOB_SECONDS = 0.5, 0.0
TRIALS, FIRST_TRIALS = 20, 3
"""Trials for each worker, and how many of them are not measured, because a process starts slowly."""

ROUNDS = 3
STUDY = "scaling"
SCORE = "freeu.tune.scoring:contrast"
RESULTS = FOLDER / "results" / "tuning" / "machines.json"
CHART = FOLDER.parent / "docs" / "tune-scaling.webp"
BEGIN, END = "<!-- machines: begin -->", "<!-- machines: end -->"
COLOURS = {"SQLite": "#2a9d5c", "PostgreSQL": "#3b6fb6"}

Row = Mapping[str, Spread]
"""Trials a minute by the number of workers."""


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser("benchmarks.tuning_scaling", description=__doc__.partition("\n")[0])
    parser.add_argument("--save", action="store_true", help="update benchmarks/README.md, results/ and the chart")
    options = parser.parse_args()
    if (programs := postgres.find_programs()) is None:
        parser.error("needs a PostgreSQL server (Debian: apt install postgresql)")
    _quiet()
    os.environ["OMP_NUM_THREADS"] = "1"  # of the workers, which share the cores
    with postgres.Server(programs) as server:
        results = Results(_environment(server), measure(server))
    sys.stdout.write(f"\n{to_markdown(results)}\n")
    if options.save:
        RESULTS.parent.mkdir(exist_ok=True)
        with replace_file(RESULTS) as temporary:
            temporary.write_text(to_json(results), "utf-8")
        fill_readme(BEGIN, END, to_markdown(results))
        save_chart(results)


def measure(server: postgres.Server) -> dict[str, dict[str, Row]]:
    """Return trials a minute by the seconds of a job, the database and the number of workers."""
    configurations = [(seconds, name, workers) for seconds in JOB_SECONDS for name in COLOURS for workers in WORKERS]
    rates: dict[tuple[float, str, int], list[float]] = {configuration: [] for configuration in configurations}
    for _ in tqdm(range(ROUNDS), unit="round"):
        for seconds, name, workers in tqdm(configurations, leave=False, unit="study"):
            with _database(server, name) as url:
                rates[seconds, name, workers].append(measure_rate(url, workers, seconds))
    return {
        str(seconds): {name: {str(n): spread(rates[seconds, name, n]) for n in WORKERS} for name in COLOURS}
        for seconds in JOB_SECONDS
    }


def measure_rate(url: str, workers: int, seconds: float) -> float:
    """Return trials a minute of a new study, without the first ones."""
    plan = Plan(
        payload={"steps": 1, "seed": 1},
        prompts=["any"],
        settings=Settings().to_dict(),
        preset=None,
        ranges={"b1": [1.0, 1.6], "b2": [1.0, 1.6], "s1": [0.0, 1.0], "s2": [0.0, 1.0]},
        scores=[SCORE],
        sampler="tpe",
        points=2,
    )
    storage = database.open_storage(url)
    studies.create(storage, STUDY, plan, TRIALS * workers, workers)
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(workers)
    with tempfile.TemporaryDirectory() as images, ExitStack() as stack:
        webuis = [stack.enter_context(closing(StandIn(seconds))) for _ in range(workers)]
        processes = [context.Process(target=_work, args=(url, images, webui.url, start)) for webui in webuis]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
        trials = Study(storage, STUDY, database.open_artifacts(images)).trials(TrialState.COMPLETE)
    storage.engine.dispose()
    assert len(trials) == TRIALS * workers
    ends = sorted(trial.datetime_complete.timestamp() for trial in trials if trial.datetime_complete)
    measured = ends[FIRST_TRIALS * workers - 1 :]
    return 60 * (len(measured) - 1) / (measured[-1] - measured[0])


def to_markdown(results: Results) -> str:
    """Return a table for each duration of a job."""
    machine_name, day, versions = (results.environment[key] for key in ("machine", "date", "versions"))
    blocks = [f"{machine_name}, {day}, with {versions}."]
    for seconds, rows in results.tables.items():
        head = [f"jobs of {float(seconds):g} s", *(f"{workers} worker{'s'[: workers > 1]}" for workers in WORKERS)]
        blocks.append(markdown_table(head, [[name, *map(_cell, row.values())] for name, row in rows.items()]))
    return "\n\n".join(blocks)


def save_chart(results: Results) -> None:
    """Draw trials a minute against workers: a panel for each duration of a job."""
    with mpl.rc_context({"font.size": 14, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(8, 4.4), layout="constrained", dpi=120)
        for axes, (seconds, rows) in zip(figure.subplots(1, len(results.tables)), results.tables.items(), strict=True):
            if float(seconds):
                ideal = [60 * workers / float(seconds) for workers in WORKERS]
                axes.plot(WORKERS, ideal, color="#8a8f98", linestyle="--", label="WebUIs alone")
            for name, row in rows.items():
                medians = [value.median for value in row.values()]
                errors = [[v.median - v.low for v in row.values()], [v.high - v.median for v in row.values()]]
                axes.errorbar(WORKERS, medians, errors, color=COLOURS[name], marker="o", capsize=4, label=name)
            axes.set_title(f"jobs of {float(seconds):g} s", fontsize=14)
            axes.set_xticks(WORKERS)
            axes.set_xlabel("workers")
            axes.set_ylim(bottom=0)
        figure.axes[0].set_ylabel("trials a minute")
        handles, labels = figure.axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=3, frameon=False)
        with replace_file(CHART) as temporary:
            figure.savefig(temporary, format="webp")


def _work(url: str, images: str, webui: str, start: Barrier) -> None:
    _quiet()
    study = Study(database.open_storage(url), STUDY, database.open_artifacts(images))
    worker = Worker(study, Client(webui), [load_score(SCORE)], threading.Event())
    start.wait()
    worker.run()


@contextmanager
def _database(server: postgres.Server, name: str) -> Iterator[str]:
    """Yield the address of a new, empty database."""
    with tempfile.TemporaryDirectory() as folder:
        yield f"sqlite:///{Path(folder) / 'study.db'}" if name == "SQLite" else server.create_database()


def _environment(server: postgres.Server) -> dict[str, str]:
    versions = ", ".join(f"{package} {version(package)}" for package in ("optuna", "sqlalchemy", "psycopg"))
    return {
        "machine": f"{processor()}, {os.cpu_count()} cores",
        "date": date.today().isoformat(),
        "versions": f"{versions}, {server.version}",
    }


def _quiet() -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)


def _cell(value: Spread) -> str:
    return f"{format_number(value.median)} ({format_number(value.low)}–{format_number(value.high)})"


if __name__ == "__main__":
    main()
