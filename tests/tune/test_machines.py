"""Several machines: PostgreSQL, two playgrounds as WebUIs, three workers, one of which is killed. All are processes."""

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack

import httpx
import pytest
from optuna.trial import TrialState

from freeu.tune.study import TAKEN
from tests.support.studies import ROOT, attempts, check_all_drawn_once, command, load, make, plan

TRIALS = 60
STEPS = 60  # so that a trial takes about half a second

pytestmark = pytest.mark.slow


class Playground:
    """A playground on one port, in a process that can be stopped and started again."""

    def __init__(self, folder):
        self.folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.start()

    def start(self):
        args = [sys.executable, "-m", "playground", "serve", "--nowebui", "--port", str(self.port)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            args, cwd=self.folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def wait(self):
        wait_until(self._answers, 60)

    def stop(self):
        self.process.kill()
        self.process.wait()

    def _answers(self):
        try:
            return httpx.get(f"{self.url}/freeu/v1/presets", trust_env=False).is_success
        except httpx.TransportError:
            return False


def wait_until(condition, seconds):
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, condition
        time.sleep(0.1)
    return found


def kill_in_mid_trial(worker, study):
    """Kill a worker while it draws, and return the trial. A stopped process is the only one whose trial stays.

    A trial without a heartbeat is not drawn yet: test_study.py tests the loss of its worker, which takes longer.
    """
    while True:
        worker.send_signal(signal.SIGSTOP)
        running = {one.number for one in study.trials(TrialState.RUNNING) if one.user_attrs.get(TAKEN) == one.number}
        drawn = len(study.trials(TrialState.COMPLETE))
        wait_until(lambda drawn=drawn: len(study.trials(TrialState.COMPLETE)) >= drawn + 4, 60)
        if left := running & {trial.number for trial in study.trials(TrialState.RUNNING)}:
            (lost,) = left
            worker.kill()
            worker.wait()
            return lost
        worker.send_signal(signal.SIGCONT)
        time.sleep(0.3)


@pytest.fixture
def playgrounds(tmp_path):
    both = [Playground(tmp_path), Playground(tmp_path)]
    for playground in both:
        playground.wait()
    yield both
    for playground in both:
        playground.stop()


def test_a_killed_worker_and_a_webui_that_is_started_again(server, playgrounds, tmp_path):
    storage_url, images = server.create_database(), tmp_path / "images"
    payload = {"steps": STEPS, "width": 32, "height": 32, "seed": 1, "sampler_name": "Euler"}
    study = make(storage_url, images, plan(payload=payload, prompts=["red apple", "tiger face"]), TRIALS)
    first, second = playgrounds

    def start_worker(playground):
        options = ("--storage", storage_url, "--study", "freeu", "--images", images, "--url", playground.url)
        return subprocess.Popen(**command(tmp_path, "worker", *options), stderr=subprocess.PIPE)

    with ExitStack() as stack:
        workers = [start_worker(playground) for playground in (first, second, second)]
        for worker in workers:
            stack.callback(worker.kill)
        wait_until(lambda: len(study.trials(TrialState.COMPLETE)) >= 3, 120)
        lost = kill_in_mid_trial(workers[2], study)
        first.stop()
        wait_until(lambda: any(first.url in trial.user_attrs.get("error", "") for trial in study.trials()), 60)
        first.start()
        outputs = [worker.communicate(timeout=300)[1] for worker in workers[:2]]
    assert [worker.returncode for worker in workers] == [0, 0, -signal.SIGKILL], outputs
    check_all_drawn_once(load(storage_url, images), TRIALS)
    failed = {trial.number for tries in attempts(study) for trial in tries[:-1]}
    assert lost in failed
    assert len(failed) == 2, "one for the killed worker, one for the WebUI that was stopped"
    assert f"{first.url}: no connection" in outputs[0]
    assert "is queued again" in outputs[0]
