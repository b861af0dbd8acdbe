"""`python -m freeu tune` with the playground as the WebUI: choices in a browser become a preset."""

import json
import re
import signal
import subprocess
from contextlib import contextmanager

import pytest
import requests

pytest.importorskip("optuna_dashboard", reason="the environment of Forge has no tune")

from tests.support.studies import command, run
from tests.support.waiting import SECONDS, running

pytestmark = pytest.mark.slow

JOB = (
    "--prompt",
    "red apple",
    "--prompt",
    "tiger face",
    "--size",
    "256x256",
    "--steps",
    "2",
    "--sampler-name",
    "Euler",
)
CHOICES = 3


@contextmanager
def serving(folder, *arguments):
    """Run the command until the block ends, then press Ctrl-C. Yields the page's address."""
    with running(**command(folder, *arguments), stderr=subprocess.PIPE) as process:
        yield next(found[0] for line in process.stderr if (found := re.search(r"http://[\d.:]+/dashboard\S+", line)))
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=SECONDS)
    assert process.returncode == 0


def choose_worst(page, times):
    """Press the button of a drawn image, and wait until it is gone and the next one is drawn."""
    buttons = page.get_by_role("button", name="Worst", exact=True)
    for _ in range(times):
        page.wait_for_function(
            "() => [...document.querySelectorAll('button')]"
            ".filter(b => b.textContent === 'Worst' && !b.disabled).length >= 4",
            timeout=120_000,
        )
        buttons.and_(page.locator(":enabled")).first.click()  # at first, FreeU off
        page.wait_for_timeout(500)


def test_choices_in_a_browser_become_a_preset(playground, browser, tmp_path):
    with serving(tmp_path, "--url", playground.url, "--page", "0", *JOB) as address:
        page = browser.new_page()
        page.goto(address)
        choose_worst(page, CHOICES)
        page.close()
    best = run(tmp_path, "best")
    assert best.returncode == 0, best.stderr
    assert f"choices: {CHOICES};" in best.stdout
    payload = json.loads(re.search(r"^API payload: (.*)$", best.stdout, re.MULTILINE)[1])
    settings = payload["alwayson_scripts"]["freeu"]["args"][0]
    saved = run(tmp_path, "best", "--save", "found", "--url", playground.url)
    assert saved.returncode == 0, saved.stderr
    assert "saved as the preset found" in saved.stdout
    presets = requests.get(f"{playground.url}/freeu/v1/presets", timeout=SECONDS).json()["presets"]
    assert settings.items() <= presets["found"]["settings"].items()
    again = run(tmp_path, "best", "--save", "found", "--url", playground.url)
    assert again.returncode == 2
    assert "found" in again.stderr
    report = run(tmp_path, "report")
    assert report.returncode == 0, report.stderr
    text = (tmp_path / "freeu-tune" / "report.html").read_text("utf-8")
    assert "Best values" in text
    assert text.count("data:image/png;base64,") >= 3


def test_freeu_off_can_be_the_best(playground, tmp_path):
    score = ("--score", "freeu.tune.scoring:few_clipped", "--trials", "3", "--page", "0", "--url", playground.url)
    assert run(tmp_path, *score, *JOB, "--over", "b1=2:3", "b2=2:3").returncode == 0
    best = run(tmp_path, "best")
    assert "trial 0: FreeU off\n" in best.stdout
    assert "infotext: none, because FreeU is off" in best.stdout
    assert '"args": [{"enabled": false' in best.stdout
    saved = run(tmp_path, "best", "--save", "nothing", "--url", playground.url)
    assert saved.returncode == 2
    assert "--save must be left out, because this trial is FreeU off, got 'nothing'" in saved.stderr


def test_of_several_best_trials_one_is_saved(playground, tmp_path):
    scores = ("--score", "freeu.tune.scoring:contrast", "--score", "freeu.tune.scoring:few_clipped")
    assert run(tmp_path, *scores, "--trials", "4", "--page", "0", "--url", playground.url, *JOB).returncode == 0
    best = run(tmp_path, "best")
    numbers = re.findall(r"^trial (\d+):", best.stdout, re.MULTILINE)
    assert len(numbers) > 1
    saved = run(tmp_path, "best", "--save", "one of several", "--url", playground.url)
    assert f"--save must come with --trial, because several are best: {', '.join(numbers)}" in saved.stderr
    last = ("best", "--trial", numbers[-1], "--save", "one of several", "--url", playground.url)
    assert run(tmp_path, *last).returncode == 0
    assert "one of several" in requests.get(f"{playground.url}/freeu/v1/presets", timeout=SECONDS).json()["presets"]
    missing = run(tmp_path, "best", "--trial", "99")
    assert "--trial must be the number of a finished trial, got 99" in missing.stderr


def test_scores_and_a_second_run_that_continues(playground, tmp_path):
    score = ("--score", "freeu.tune.scoring:contrast", "--url", playground.url, "--page", "0", *JOB)
    first = run(tmp_path, *score, "--trials", "4")
    assert first.returncode == 0, first.stderr
    second = run(tmp_path, *score, "--trials", "5")
    assert second.returncode == 0, second.stderr
    best = run(tmp_path, "best").stdout
    found = {name: float(value) for value, name in re.findall(r"([\d.]+) \((this|FreeU off)\)", best)}
    assert found["this"] > found["FreeU off"]
    other = run(tmp_path, *score, "--trials", "5", "--seed", "2")
    assert other.returncode == 2
    assert "payload must be as when the study was made" in other.stderr


def test_a_grid(playground, tmp_path):
    grid = ("--sampler", "grid", "--points", "2", "--over", "b1=1:1.5", "s1", "--url", playground.url, "--page", "0")
    assert run(tmp_path, *grid, *JOB).returncode == 0
    report = run(tmp_path, "report", "--out", "grid.html")
    assert report.returncode == 0, report.stderr
    text = (tmp_path / "grid.html").read_text("utf-8")
    assert re.findall(r"<th>([bs]1 [\d.]+)</th>", text) == ["s1 0", "s1 1", "b1 1", "b1 1.5"]
    assert "not drawn" not in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--over", "b9"), "--over must be one of b1,"),
        (("--over", "b1=0:9"), "--over must be b1=LOW:HIGH with -1 <= LOW < HIGH <= 3, got 'b1=0:9'"),
        (("--over", "start", "stop"), "--over must have ranges whose values are all accepted together (start must be"),
        (("--over", "start", "--set", "stop=0.5"), "--over must have ranges whose values are all accepted together"),
        (("--set", "b3=9"), "b3 must be between -1 and 3, got '9'"),
        (("--set", "b3=1", "--over", "b3"), "--set must not be searched by --over too, got 'b3'"),
        (("--set", "nothing=9"), "--set must be one of enabled,"),
        (("--seed", "-1"), "seed must be a whole number from 0"),
        (("--score", "no_such_module:score"), "--score must be module:function"),
        (("--sampler", "tpe"), "--sampler must be left out if a person chooses"),
    ],
)
def test_settings_that_the_webui_refuses(playground, tmp_path, monkeypatch, capsys, arguments, message):
    from freeu.tune.main import main  # only where its packages are installed

    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        main(["--url", playground.url, "--page", "0", *JOB, *arguments])
    assert end.value.code == 2
    assert message in capsys.readouterr().err
