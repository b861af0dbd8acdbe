"""The command with a stand-in WebUI: Ctrl-C, and a login that is wrong. Only Ctrl-C needs a process of its own."""

import signal
import subprocess

import pytest
from optuna.trial import TrialState

from freeu.settings.parameter import SettingsError
from freeu.tune import client
from freeu.tune.main import main
from tests.support import faulty
from tests.support.faulty import JOB, SCHEMA
from tests.support.studies import CONTRAST, check_all_drawn_once, command, load
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


def test_ctrl_c_leaves_a_study_that_the_same_command_continues(webui, tmp_path, monkeypatch):
    options = ["--url", webui.url, "--score", CONTRAST, "--trials", "4", "--page", "0", "--prompt", "red apple"]
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
    monkeypatch.chdir(tmp_path)
    main(options)
    check_all_drawn_once(study, 4)


def test_ctrl_c_while_no_webui_answers(webui, tmp_path, monkeypatch, capsys, caplog):
    def interrupted():
        yield 0
        raise KeyboardInterrupt

    monkeypatch.setattr(client, "pauses", interrupted)
    monkeypatch.chdir(tmp_path)
    webui.close()
    with pytest.raises(SystemExit) as end:
        main(["--url", webui.url, "--score", CONTRAST, "--prompt", "red apple"])
    assert end.value.code == 130
    assert "no connection" in caplog.text
    assert capsys.readouterr().err == "Stopped.\n"


@pytest.mark.parametrize("place", ["address", "environment"])
def test_a_wrong_login_is_reported_without_the_password(webui, tmp_path, monkeypatch, capfd, place):
    address = webui.url.replace("://", "://someone:pass-word@") if place == "address" else webui.url
    if place == "environment":
        monkeypatch.setenv("FREEU_API_AUTH", "someone:pass-word")
    monkeypatch.chdir(tmp_path)
    options = ["--url", address, "--score", CONTRAST, "--trials", "4", "--page", "0", "--prompt", "red apple"]

    def check_refused(*arguments):
        with pytest.raises(SystemExit) as end:
            main(arguments)
        assert end.value.code == 2
        printed = capfd.readouterr()
        assert f"{webui.url}/" in printed.err
        assert "401 Incorrect username or password (give the login of --api-auth" in printed.err
        assert "pass-word" not in printed.out + printed.err

    webui.always[SCHEMA] = faulty.WRONG_LOGIN
    check_refused(*options)
    webui.always.clear()
    webui.faults[JOB] = [faulty.WRONG_LOGIN] * 3  # changed while the command runs
    check_refused(*options)
    webui.always[SCHEMA] = faulty.WRONG_LOGIN
    check_refused("worker", "--url", address)
    assert len(open_study(tmp_path).trials(TrialState.WAITING)) == 1
