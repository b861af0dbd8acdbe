"""A worker whose WebUI fails: trials are tried again, and only what cannot succeed is given up."""

import sys
import threading
import time

import boto3
import pytest
from optuna.exceptions import StorageInternalError
from optuna.trial import TrialState

from freeu.tune import client, database
from freeu.tune import study as studies
from freeu.tune import worker as workers
from freeu.tune.client import Client, RefusedError
from freeu.tune.scoring import load_score
from freeu.tune.study import ERROR, Study
from freeu.tune.worker import Worker
from tests.support import faulty
from tests.support.faulty import JOB, SCHEMA, VALIDATE, FaultyWebUI
from tests.support.studies import CONTRAST, attempts, check_all_drawn_once, make, plan
from tests.support.waiting import SECONDS, wait_until


@pytest.fixture
def study(tmp_path):
    return make(f"sqlite:///{tmp_path}/study.db", tmp_path / "images", plan())


@pytest.fixture(autouse=True)
def short_waits(monkeypatch):
    for module in (client, workers):
        monkeypatch.setattr(module, "FIRST_DELAY", 0.05)
    monkeypatch.setattr(workers, "POLL_SECONDS", 0.05)


def start(study, webui, seconds=30):
    scores = [load_score(name) for name in study.plan.scores]
    worker = Worker(study.copy(), Client(webui.url, seconds=seconds), scores, threading.Event())
    worker.start()
    return worker


def draw(study, webui, seconds=30):
    """Draw until the worker ends, and return its error."""
    worker = start(study, webui, seconds)
    worker.join(SECONDS)
    assert not worker.is_alive()
    return worker.error


def errors(study):
    return [trial.user_attrs[ERROR] for trial in study.trials(TrialState.FAIL)]


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (faulty.OUT_OF_MEMORY, "500 CUDA out of memory"),
        (faulty.NOT_JSON, "the answer is not JSON"),
        (faulty.NO_IMAGES, "the answer has no images"),
        (faulty.BROKEN_IMAGE, "the answer has no images that can be read"),
    ],
)
@pytest.mark.parametrize("times", [pytest.param(1, marks=pytest.mark.slow), 3])
def test_a_trial_is_tried_again_after_a_failure_of_the_webui(study, webui, fault, message, times):
    webui.faults[JOB] = [fault] * times
    assert draw(study, webui) is None
    check_all_drawn_once(study, 6)
    assert len(errors(study)) == times
    assert all(message in error and webui.url in error for error in errors(study))


def test_a_webui_that_is_too_slow_once(study, webui):
    webui.seconds = 1
    worker = start(study, webui, seconds=0.4)
    wait_until(lambda: study.trials(TrialState.FAIL))
    webui.seconds = 0
    worker.join(SECONDS)
    check_all_drawn_once(study, 6)
    assert "no answer in time" in errors(study)[0]


def test_a_webui_that_is_gone_and_comes_back(study, webui):
    webui.seconds = 0.2
    worker = start(study, webui)
    wait_until(lambda: len(webui.jobs) >= 2)
    webui.close()
    wait_until(lambda: study.trials(TrialState.FAIL))
    assert len(study.trials(TrialState.FAIL)) == 1, "no trial is taken for a WebUI that does not answer"
    again = FaultyWebUI(port=webui.port)
    worker.join(SECONDS)
    again.close()
    assert again.jobs
    check_all_drawn_once(study, 6)


def test_a_webui_that_always_fails_does_not_use_up_the_retries(study, webui):
    """The other WebUI draws all trials, though it needs longer for one than the first one for its failures."""
    broken = FaultyWebUI()
    broken.always[JOB] = faulty.OUT_OF_MEMORY
    webui.seconds = 0.1
    both = [start(study, broken), start(study, webui)]
    for worker in both:
        worker.join(SECONDS)
    broken.close()
    check_all_drawn_once(study, 6)
    assert errors(study)


def test_a_study_ends_when_its_only_webui_always_fails(study, webui, monkeypatch):
    webui.always[JOB] = faulty.OUT_OF_MEMORY
    monkeypatch.setattr(client, "LONGEST_DELAY", 0.05)
    assert draw(study, webui) is None
    assert [len(tries) for tries in attempts(study)] == [1 + database.MAX_RETRIES] * 6
    assert len(study.failed()) == 6


@pytest.mark.parametrize(
    ("path", "fault", "message"),
    [(VALIDATE, faulty.REFUSED_SETTING, "b1 must be at most 1.4"), (JOB, faulty.REFUSED_JOB, "422 Sampler not found")],
)
def test_what_the_webui_refuses_fails_by_name_and_the_study_goes_on(study, webui, path, fault, message):
    webui.faults[path] = [fault, fault]
    assert draw(study, webui) is None
    failed = study.failed()
    assert [trial.number for trial in failed] == [0, 1]
    assert all(message in trial.user_attrs[ERROR] for trial in failed)
    assert len(study.trials(TrialState.COMPLETE)) == 4
    assert study.finished


def test_three_refusals_in_a_row_end_the_worker(study, webui):
    webui.always[VALIDATE] = faulty.REFUSED_SETTING
    error = draw(study, webui)
    assert isinstance(error, RefusedError)
    assert "3 trials in a row failed; the last one: b1 must be at most 1.4" in str(error)
    assert len(study.trials(TrialState.FAIL)) == 3
    assert len(study.trials(TrialState.WAITING)) == 3


def test_a_worker_with_a_wrong_login_takes_no_trial(study, webui):
    webui.always[SCHEMA] = faulty.WRONG_LOGIN
    error = draw(study, webui)
    assert "401 Incorrect username or password (give the login of --api-auth" in str(error)
    assert len(study.trials(TrialState.WAITING)) == 6


def test_a_webui_that_refuses_after_a_failure_ends_the_worker(study, webui):
    """It was started again with another login. Its trial is left to other workers."""
    webui.faults[JOB] = [faulty.OUT_OF_MEMORY]
    webui.faults[SCHEMA] = [(200, b"{}"), faulty.WRONG_LOGIN]
    assert "401 Incorrect username or password" in str(draw(study, webui))
    assert len(study.trials(TrialState.WAITING)) == 6


def test_a_trial_whose_image_cannot_be_stored_is_tried_again(study, webui, monkeypatch):
    write, failures = study.images.write, [OSError(28, "No space left on device")] * 2

    def fail_first(*arguments):
        if failures:
            raise failures.pop()
        write(*arguments)

    monkeypatch.setattr(study.images, "write", fail_first)
    assert draw(study, webui) is None
    check_all_drawn_once(study, 6)
    assert errors(study) == ["the images cannot be stored: [Errno 28] No space left on device"] * 2


@pytest.mark.parametrize("result", ["raise ValueError('no')", "return float('nan')"])
def test_a_score_that_fails_for_all_images_ends_the_worker(tmp_path, webui, monkeypatch, result):
    (tmp_path / "broken_score.py").write_text(f"def score(images, prompts):\n    {result}\n")
    monkeypatch.syspath_prepend(tmp_path)
    study = make(f"sqlite:///{tmp_path}/study.db", tmp_path, plan(scores=["broken_score:score"]))
    assert "broken_score:score" in str(draw(study, webui))
    monkeypatch.delitem(sys.modules, "broken_score")


def test_a_trial_of_another_worker_is_left_to_it(study, webui):
    """The worker was asleep, and its trial was given away. It draws the others."""
    webui.seconds = 0.3
    worker = start(study, webui)
    running = wait_until(lambda: study.trials(TrialState.RUNNING))
    study.storage.set_trial_state_values(running[0]._trial_id, TrialState.FAIL)
    database.RETRY(study.optuna, study.storage.get_trial(running[0]._trial_id))
    worker.join(SECONDS)
    assert worker.error is None
    check_all_drawn_once(study, 6)


def test_a_trial_is_given_back_while_its_values_are_chosen(study, webui, monkeypatch):
    """Ctrl-C: `give_back` waits for the sampler, so that no trial is left running."""
    asking = threading.Event()
    take = Study.take

    def take_slowly(self):
        trial = take(self)
        asking.set()
        time.sleep(0.5)
        return trial

    monkeypatch.setattr(Study, "take", take_slowly)
    worker = start(study, webui)
    assert asking.wait(SECONDS)
    worker.stop.set()
    worker.give_back()
    assert not study.trials(TrialState.RUNNING)
    worker.join(SECONDS)
    monkeypatch.undo()
    assert draw(study, webui) is None
    check_all_drawn_once(study, 6)


def test_heartbeats_go_on_after_the_database_failed(study, monkeypatch):
    monkeypatch.setattr(database, "HEARTBEAT_SECONDS", 0.05)
    beats = []

    def record(trial_id):
        beats.append(trial_id)
        if len(beats) == 2:
            raise StorageInternalError("the database is gone")

    monkeypatch.setattr(study.storage, "record_heartbeat", record)
    with study.heartbeat(study.take()):
        wait_until(lambda: len(beats) >= 4)


@pytest.fixture
def bucket(monkeypatch):
    """A bucket of a server that speaks S3, found through AWS's environment variables."""
    from moto.server import ThreadedMotoServer  # slow to import, also by workers that do not run this test

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://{host}:{port}")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    boto3.client("s3").create_bucket(Bucket="images")
    yield "s3://images"
    server.stop()


def test_images_in_s3(bucket, webui, tmp_path):
    storage = database.open_storage(f"sqlite:///{tmp_path}/study.db")
    studies.create(storage, "freeu", plan(scores=[CONTRAST]), 4, 1)
    study = Study(storage, "freeu", database.open_artifacts(bucket))
    assert draw(study, webui) is None
    check_all_drawn_once(study, 4)
    assert boto3.client("s3").list_objects_v2(Bucket="images")["KeyCount"] == 4
