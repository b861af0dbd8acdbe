"""The command with a stand-in WebUI: Ctrl-C, and a login that is wrong."""

import signal
import subprocess

import pytest
from optuna.trial import TrialState

from freeu.settings.parameter import SettingsError
from tests.support import faulty
from tests.support.faulty import JOB, SCHEMA
from tests.support.studies import CONTRAST, check_all_drawn_once, command, load, run
from tests.support.waiting import SECONDS, running, wait_until


def open_study(folder):
    return load(f"sqlite:///{folder}/freeu-tune/study.db", folder / "freeu-tune" / "images")


def a_trial_is_running(folder):
    if not (folder / "freeu-tune" / "study.db").exists():
        return False
    try:
        return bool(open_study(folder).trials(TrialState.RUNNING))
    except SettingsError:  # the study is being made
        return False


def test_ctrl_c_leaves_a_study_that_the_same_command_continues(webui, tmp_path):
    options = ("--url", webui.url, "--score", CONTRAST, "--trials", 6, "--page", 0, "--prompt", "red apple")
    webui.seconds = 2
    with running(**command(tmp_path, *options), stderr=subprocess.PIPE) as first:
        wait_until(lambda: a_trial_is_running(tmp_path))
        first.send_signal(signal.SIGINT)
        errors = first.communicate(timeout=SECONDS)[1]
    assert first.returncode == 0, errors
    assert "Stopped." in errors
    assert "Traceback" not in errors
    study = open_study(tmp_path)
    assert not study.trials(TrialState.RUNNING)
    assert study.trials(TrialState.WAITING)
    webui.seconds = 0
    second = run(tmp_path, *options)
    assert second.returncode == 0, second.stderr
    check_all_drawn_once(study, 6)


def test_ctrl_c_while_no_webui_answers(webui, tmp_path):
    webui.close()
    options = ("--url", webui.url, "--score", CONTRAST, "--prompt", "red apple")
    with running(**command(tmp_path, *options), stderr=subprocess.PIPE) as process:
        assert "no connection" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        errors = process.communicate(timeout=SECONDS)[1]
    assert process.returncode == 130
    assert "Traceback" not in errors


@pytest.mark.parametrize("place", ["address", "environment"])
def test_a_wrong_login_is_reported_without_the_password(webui, tmp_path, place):
    address = webui.url.replace("://", "://someone:pass-word@") if place == "address" else webui.url
    login = {} if place == "address" else {"FREEU_API_AUTH": "someone:pass-word"}
    options = ("--url", address, "--score", CONTRAST, "--trials", 4, "--page", 0, "--prompt", "red apple")
    webui.always[SCHEMA] = faulty.WRONG_LOGIN
    refused = run(tmp_path, *options, **login)
    webui.always.clear()
    webui.faults[JOB] = [faulty.WRONG_LOGIN] * 3  # changed while the command runs
    changed = run(tmp_path, *options, **login)
    webui.always[SCHEMA] = faulty.WRONG_LOGIN
    worker = run(tmp_path, "worker", "--url", address, **login)
    for found in (refused, changed, worker):
        assert found.returncode == 2
        assert f"{webui.url}/" in found.stderr
        assert "401 Incorrect username or password (give the login of --api-auth" in found.stderr
        assert "pass-word" not in found.stdout + found.stderr
    assert len(open_study(tmp_path).trials(TrialState.WAITING)) == 1
