"""A study in a database: trials are handed out once, and those of lost workers are found."""

import itertools
import multiprocessing
import subprocess
from contextlib import ExitStack
from datetime import timedelta

import pytest
from optuna.storages._rdb.models import TrialHeartbeatModel
from optuna.trial import TrialState
from PIL import Image
from sqlalchemy.orm import Session

from freeu.settings.parameter import SettingsError
from freeu.tune import database
from freeu.tune import study as studies
from freeu.tune.main import main
from freeu.tune.plan import PERSON
from freeu.tune.result import rank
from freeu.tune.sampler import APART
from tests.support.studies import CONTRAST, attempts, check_all_drawn_once, command, history, load, make, plan
from tests.support.waiting import SECONDS, running, wait_until

IMAGE = Image.new("RGB", (8, 8))
PROCESSES = multiprocessing.get_context("spawn")


def numbers(study, state):
    return [trial.number for trial in study.trials(state)]


def make_heartbeat_old(study):
    """Move the only heartbeat so far into the past, as if the worker were lost. Return its new time."""
    with Session(study.storage.engine) as session:
        beat = session.query(TrialHeartbeatModel).one()
        beat.heartbeat -= timedelta(seconds=database.GRACE_SECONDS + 10)
        session.commit()
        return beat.heartbeat


def last_heartbeat(study):
    with Session(study.storage.engine) as session:
        return session.query(TrialHeartbeatModel).one().heartbeat


@pytest.mark.parametrize("sampler", ["tpe", PERSON])
def test_a_trial_whose_heartbeats_stop_is_queued_again(storage_url, tmp_path, monkeypatch, sampler):
    study, other = make(storage_url, tmp_path, plan(sampler)), load(storage_url, tmp_path)
    monkeypatch.setattr(database, "HEARTBEAT_SECONDS", 0.05)
    lost = study.take()
    with study.heartbeat(lost):
        old = make_heartbeat_old(study)
        wait_until(lambda: last_heartbeat(study) > old)
        assert other.take().number != lost.number
        assert lost.number in numbers(study, TrialState.RUNNING)
    make_heartbeat_old(study)
    other.take()
    assert numbers(study, TrialState.FAIL) == [lost.number]
    copy = next(trial for trial in study.trials() if history(trial) == [lost.number])
    assert copy.params == lost.params
    assert copy.state in (TrialState.WAITING, TrialState.RUNNING)
    assert not study.finish(lost, IMAGE, [1.0]), "the lost worker comes back too late"
    assert numbers(study, TrialState.COMPLETE) == []


@pytest.mark.parametrize("sampler", ["tpe", PERSON])
def test_a_trial_that_is_lost_before_its_first_heartbeat_is_queued_again(storage_url, tmp_path, monkeypatch, sampler):
    study = make(storage_url, tmp_path, plan(sampler))
    lost = study.take()
    study.take()
    assert numbers(study, TrialState.FAIL) == [], "the sampler may need long"
    monkeypatch.setattr(studies, "ASK_SECONDS", 0)
    with study.heartbeat(drawing := study.take()):
        study.take()
        assert lost.number in numbers(study, TrialState.FAIL)
        assert drawing.number in numbers(study, TrialState.RUNNING)
    assert [lost.number] in [history(trial) for trial in study.trials()]


def test_a_trial_that_is_lost_during_its_first_heartbeat_is_queued_again(storage_url, tmp_path, monkeypatch):
    study = make(storage_url, tmp_path, plan())
    lost = study.take()
    with monkeypatch.context() as patch:
        patch.setattr(study.storage, "record_heartbeat", lambda trial_id: 1 / 0)
        with pytest.raises(ZeroDivisionError), study.heartbeat(lost):
            pass
    monkeypatch.setattr(studies, "ASK_SECONDS", 0)
    study.take()
    assert numbers(study, TrialState.FAIL) == [lost.number]


@pytest.mark.parametrize(
    ("ranges", "apart"),
    [
        ({"keep_contrast": [0.0, 1.0]}, True),
        ({"b1": [0.5, 1.5]}, True),
        ({name: [1.2, 1.6] for name in ("b1", "b2", "s1", "s2")}, True),
        ({name: [0.0, 1.6] for name in ("b1", "b2", "s1", "s2")}, False),
    ],
)
def test_freeu_off_has_its_own_utility_unless_searched_values_are_off_too(tmp_path, ranges, apart):
    """Or else choices between FreeU off and settings that look the same would say nothing."""
    study = make(f"sqlite:///{tmp_path}/study.db", tmp_path, plan(PERSON, ranges=ranges))
    for _ in range(2):
        study.finish(study.take(), IMAGE, [])
    off, preset = study.trials(TrialState.COMPLETE)
    for _ in range(5):
        study.preferential.report_preference(preset, off)
    assert rank(study).best.trial == preset.number
    assert off.user_attrs[APART] == apart
    suggested = study.take()
    assert all(low <= suggested.params[name] <= high for name, (low, high) in ranges.items())


def test_a_trial_of_ones_own_needs_no_choice(tmp_path, capsys):
    url = f"sqlite:///{tmp_path}/study.db"
    study = make(url, tmp_path, plan(PERSON))
    study.finish(study.take(), IMAGE, [])
    best = ["best", "--storage", url, "--images", str(tmp_path)]
    main([*best, "--trial", "0"])
    assert "trial 0: FreeU off\n" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(best)
    assert "--study must have a choice" in capsys.readouterr().err


def test_retries_are_bounded(tmp_path):
    study = make(f"sqlite:///{tmp_path}/study.db", tmp_path, plan(), trials=1)
    tries = []
    while trial := study.take():
        study.fail(trial, "no luck", retry=True)
        tries.append(trial.number)
    first = [trial.number for trial in attempts(study)[0]]
    assert len(first) == 1 + database.MAX_RETRIES
    assert len(study.failed()) == len(attempts(study))
    assert study.finished


def test_interruptions_are_not_bounded(tmp_path):
    study = make(f"sqlite:///{tmp_path}/study.db", tmp_path, plan(), trials=1)
    for _ in range(database.MAX_RETRIES + 5):
        study.give_back(study.take())
    _take_all(f"sqlite:///{tmp_path}/study.db", tmp_path)
    check_all_drawn_once(study, len(attempts(study)))


def _take_all(url, folder):
    study = load(url, folder)
    taken = []
    while trial := study.take():
        study.finish(trial, IMAGE, [0.5])
        taken.append(trial.number)
    return taken


@pytest.mark.slow
def test_processes_never_take_the_same_trial(storage_url, tmp_path):
    study = make(storage_url, tmp_path, plan(), trials=30)
    with PROCESSES.Pool(3) as pool:
        taken = list(itertools.chain(*pool.starmap_async(_take_all, [(storage_url, tmp_path)] * 3).get(SECONDS)))
    assert sorted(taken) == sorted(set(taken))
    check_all_drawn_once(study, 30)


@pytest.mark.slow
def test_a_study_that_three_terminals_create_at_once_is_created_once(storage_url, tmp_path):
    """Its database has no tables before."""
    with PROCESSES.Pool(3) as pool:
        pool.starmap_async(make, [(storage_url, tmp_path, plan(), 30)] * 3).get(SECONDS)
    assert len(attempts(load(storage_url, tmp_path))) == 30


@pytest.mark.parametrize(
    ("field", "other"),
    {
        "payload": {"steps": 3, "seed": 1},
        "prompts": ["frog face"],
        "ranges": {"b1": [1.0, 1.5], "s1": [0.0, 1.0]},
        "scores": ["freeu.tune.scoring:few_clipped"],
        "sampler": "gp",
    }.items(),
)
def test_another_plan_is_refused(tmp_path, field, other):
    url = f"sqlite:///{tmp_path}/study.db"
    make(url, tmp_path, plan())
    with pytest.raises(SettingsError, match=f"{field} must be as when the study was made .* Choose another --study"):
        make(url, tmp_path, plan(**{field: other}))


def test_more_trials_continue_a_study(tmp_path, monkeypatch):
    url = f"sqlite:///{tmp_path}/study.db"
    study = make(url, tmp_path, plan(), trials=4)
    _take_all(url, tmp_path)
    # Another worker takes the last one between the two requests.
    monkeypatch.setattr(study, "trials", lambda *states: [study] if TrialState.WAITING in states else [])
    assert study.take() is None
    monkeypatch.undo()
    make(url, tmp_path, plan(), trials=6)
    _take_all(url, tmp_path)
    check_all_drawn_once(study, 6)
    assert study.size == 6


def test_no_password_of_a_database_is_printed(monkeypatch, capsys):
    monkeypatch.setattr(database, "OPEN_PAUSES", ())
    url = "postgresql://someone:secret@127.0.0.1:9/study"
    with pytest.raises(SystemExit) as end:
        main(["worker", "--storage", url, "--url", "http://127.0.0.1:9"])
    assert end.value.code == 2
    printed = "".join(capsys.readouterr())
    assert "--storage must be the URL of a database that can be opened" in printed
    assert "secret" not in printed


@pytest.mark.slow
def test_one_study_from_two_terminals(webui, tmp_path):
    """Both make the study in the same SQLite file, and draw with the same WebUI."""
    webui.seconds = 0.05
    options = ("--url", webui.url, "--score", CONTRAST, "--trials", 30, "--page", 0, "--prompt", "red apple")
    with ExitStack() as stack:
        started = [running(**command(tmp_path, *options), stderr=subprocess.PIPE) for _ in range(2)]
        terminals = [stack.enter_context(one) for one in started]
        outputs = [terminal.communicate(timeout=SECONDS)[1] for terminal in terminals]
    assert [terminal.returncode for terminal in terminals] == [0, 0], outputs
    folder = tmp_path / "freeu-tune"
    check_all_drawn_once(load(f"sqlite:///{folder}/study.db", folder / "images"), 30)
    assert len(webui.jobs) == 30
