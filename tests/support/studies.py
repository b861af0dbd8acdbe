"""Studies for tests, and the account of their trials."""

import os
import subprocess
import sys
from pathlib import Path

from optuna.storages import RetryHeartbeatStaleTrialCallback
from optuna.trial import TrialState
from PIL import Image

from freeu import Settings
from freeu.tune import database
from freeu.tune import study as studies
from freeu.tune.plan import GRID, PERSON, Plan
from freeu.tune.study import IMAGES, Study
from tests.support.waiting import SECONDS

ROOT = Path(__file__).parent.parent.parent
CONTRAST = "freeu.tune.scoring:contrast"
history = RetryHeartbeatStaleTrialCallback.retry_history


def plan(sampler="tpe", **changes):
    fields = {
        "payload": {"steps": 2, "width": 32, "height": 32, "seed": 1},
        "prompts": ["red apple"],
        "settings": Settings().to_dict(),
        "preset": None,
        "ranges": {"b1": [1.0, 1.6], "s1": [0.0, 1.0]},
        "scores": [] if sampler in (PERSON, GRID) else [CONTRAST],
        "sampler": sampler,
        "points": 2,
    }
    return Plan(**{**fields, **changes})


def make(url, folder, plan, trials=6):
    """Create a study named "freeu", whose images are in a folder."""
    storage = database.open_storage(url)
    studies.create(storage, "freeu", plan, trials, 1)
    return load(url, folder)


def load(url, folder):
    """Open the study like another process."""
    return Study(database.open_storage(url), "freeu", database.open_artifacts(str(folder)))


RUN = """
import runpy, signal
signal.signal(signal.SIGINT, signal.default_int_handler)
runpy.run_module("freeu", run_name="__main__", alter_sys=True)
"""
"""Like `python -m freeu`, and Ctrl-C works. A shell that runs the tests in the background lets processes ignore it."""


def command(folder, *arguments):
    """Return the arguments of `subprocess` for `python -m freeu tune` that runs in `folder`."""
    args = [sys.executable, "-W", "ignore", "-c", RUN, "tune", *map(str, arguments)]
    return {"args": args, "cwd": folder, "env": {**os.environ, "PYTHONPATH": str(ROOT)}}


def run(folder, *arguments, **env):
    """Run the command until it ends."""
    options = command(folder, *arguments)
    return subprocess.run(
        **{**options, "env": {**options["env"], **env}}, text=True, capture_output=True, timeout=SECONDS, check=False
    )


def attempts(study):
    """Return the attempts of each planned trial, the first one first."""
    found = {}
    for trial in study.trials():
        if "fixed_params" in trial.system_attrs:  # others were started too late, and given up
            first, *_ = [*history(trial), trial.number]
            found.setdefault(first, []).append(trial)
    return list(found.values())


def check_all_drawn_once(study, trials):
    """Check that each planned trial is drawn exactly once, after any number of failed attempts."""
    assert not study.trials(TrialState.WAITING, TrialState.RUNNING)
    planned = attempts(study)
    assert len(planned) == trials
    for tries in planned:
        assert [trial.state for trial in tries] == [TrialState.FAIL] * (len(tries) - 1) + [TrialState.COMPLETE]
        assert history(tries[-1]) == [trial.number for trial in tries[:-1]]
    drawn = study.trials(TrialState.COMPLETE)
    assert len({trial.user_attrs[IMAGES] for trial in drawn}) == len(drawn) == trials
    for trial in drawn:
        with study.images.open_reader(trial.user_attrs[IMAGES]) as file:
            Image.open(file).load()
    assert not study.failed()
