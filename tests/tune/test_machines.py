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
from tests.support.waiting import SECONDS, running, wait_until

TRIALS = 40
STEPS = 40  # so that a worker can be stopped while it draws
ATTEMPTS = 20

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

    def wait_until_ready(self):
        wait_until(self._answers)

    def stop(self):
        self.process.kill()
        self.process.wait(SECONDS)

    def _answers(self):
        try:
            return httpx.get(f"{self.url}/freeu/v1/presets", trust_env=False).is_success
        except httpx.TransportError:
            return False


def kill_in_mid_trial(worker, study):
    """Kill a worker while it draws, and return the trial. A stopped process is the only one whose trial stays.

    A trial without a heartbeat is not drawn yet: test_study.py tests the loss of its worker, which takes longer.
    """
    for _ in range(ATTEMPTS):
        worker.send_signal(signal.SIGSTOP)
        running = {one.number for one in study.trials(TrialState.RUNNING) if one.user_attrs.get(TAKEN) == one.number}
        drawn = len(study.trials(TrialState.COMPLETE))
        wait_until(lambda drawn=drawn: len(study.trials(TrialState.COMPLETE)) >= drawn + 4)
        if left := running & {trial.number for trial in study.trials(TrialState.RUNNING)}:
            (lost,) = left
            worker.kill()
            worker.wait(SECONDS)
            return lost
        worker.send_signal(signal.SIGCONT)
        time.sleep(0.3)
    pytest.fail("the worker was never drawing when it was stopped")


@pytest.fixture
def playgrounds(tmp_path):
    with ExitStack() as stack:
        both = [Playground(tmp_path), Playground(tmp_path)]
        for playground in both:
            stack.callback(playground.stop)
        for playground in both:
            playground.wait_until_ready()
        yield both


def test_a_killed_worker_and_a_webui_that_is_started_again(server, playgrounds, tmp_path):
    storage_url, images = server.create_database(), tmp_path / "images"
    payload = {"steps": STEPS, "width": 32, "height": 32, "seed": 1, "sampler_name": "Euler"}
    study = make(storage_url, images, plan(payload=payload, prompts=["red apple", "tiger face"]), TRIALS)
    first, second = playgrounds

    def start_worker(playground):
        options = ("--storage", storage_url, "--study", "freeu", "--images", images, "--url", playground.url)
        return running(**command(tmp_path, "worker", *options), stderr=subprocess.PIPE)

    with ExitStack() as stack:
        workers = [stack.enter_context(start_worker(playground)) for playground in (first, second, second)]
        wait_until(lambda: len(study.trials(TrialState.COMPLETE)) >= 3)
        lost = kill_in_mid_trial(workers[2], study)
        first.stop()
        wait_until(lambda: any(first.url in trial.user_attrs.get("error", "") for trial in study.trials()))
        first.start()
        outputs = [worker.communicate(timeout=SECONDS)[1] for worker in workers[:2]]
    assert [worker.returncode for worker in workers] == [0, 0, -signal.SIGKILL], outputs
    check_all_drawn_once(load(storage_url, images), TRIALS)
    failed = {trial.number for tries in attempts(study) for trial in tries[:-1]}
    assert lost in failed
    assert len(failed) == 2, "one for the killed worker, one for the WebUI that was stopped"
    assert f"{first.url}: no connection" in outputs[0]
    assert "is queued again" in outputs[0]
