"""Run a study: one worker for each WebUI, in threads of this process, and a progress bar."""

from __future__ import annotations

import argparse
import sys
import threading
from collections.abc import Sequence

from optuna.trial import TrialState
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from freeu.tune.client import Client, wait_for_answer
from freeu.tune.database import open_storage
from freeu.tune.options import connect, make_plan, open_study
from freeu.tune.page import serve
from freeu.tune.plan import PERSON
from freeu.tune.scoring import load_score
from freeu.tune.study import Study, check_sampler, create
from freeu.tune.worker import Worker

REFRESH_SECONDS = 0.5


def run(options: argparse.Namespace) -> None:
    """Make or continue a study, serve its page, and draw until it is finished or the user presses Ctrl-C."""
    clients = [connect(url, options) for url in options.url]
    answering = wait_for_answer(clients, threading.Event())
    assert answering  # the event is never set
    plan = make_plan(options, answering)
    check_sampler(plan.sampler)
    create(open_storage(options.storage), options.study, plan, options.trials, len(clients))
    study = open_study(options)
    with serve(study, *options.page) as address:
        task = "Choose the worst image again and again" if plan.sampler == PERSON else "See the results"
        sys.stderr.write(f"{task}: {address}\nCtrl-C stops. The same command continues.\n")
        draw(study, clients)


def run_worker(options: argparse.Namespace) -> None:
    """Draw for a study that was made elsewhere, until it is finished or the user presses Ctrl-C."""
    study = open_study(options)
    check_sampler(study.plan.sampler)
    draw(study, [connect(url, options) for url in options.url])


def draw(study: Study, clients: Sequence[Client]) -> None:
    """Draw with all WebUIs, and show the progress. Raises RefusedError if none of them accepts the jobs."""
    scores, stop = [load_score(name) for name in study.plan.scores], threading.Event()
    workers = [Worker(study.copy(), client, scores, stop) for client in clients]
    for worker in workers:
        worker.start()
    try:
        _show_progress(study, workers)
    except KeyboardInterrupt:
        sys.stderr.write("Stopped.\n")
    finally:
        stop.set()
        for worker in workers:
            worker.give_back()
    errors = [worker.error for worker in workers if worker.error]
    if len(errors) == len(workers):
        raise errors[0]


def _show_progress(study: Study, workers: Sequence[Worker]) -> None:
    """Return when no worker is left."""
    with logging_redirect_tqdm(), tqdm(unit="trial", total=study.size, dynamic_ncols=True) as bar:
        while True:
            running = any(worker.is_alive() for worker in workers)
            bar.n = len(study.trials(TrialState.COMPLETE))
            if study.plan.sampler == PERSON:
                bar.set_postfix_str(f"{study.choices} choices, {len(study.shown)} images to compare")
            bar.refresh()
            if not running:
                return
            workers[0].join(REFRESH_SECONDS)
