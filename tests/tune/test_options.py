"""What the options mean for a WebUI whose model they change, and options that are refused."""

import json
import sys

import pytest

from freeu.tune.client import Client
from freeu.tune.main import _run_parser, main
from freeu.tune.options import make_plan
from freeu.tune.study import GP_PACKAGES
from tests.support.faulty import FaultyWebUI
from tests.support.studies import CONTRAST, make, plan

MODEL = {"sd_model_checkpoint": "sdxl"}


class TwoModels(FaultyWebUI):
    """Its model is for SD 1.4 until a job has loaded another one."""

    def answer(self, path, body):
        if path == "/freeu/v1/presets":
            loaded = any(job.get("override_settings") == MODEL for job in self.jobs)
            return 200, json.dumps({"automatic": "SDXL" if loaded else "SD1.4"}).encode()
        return super().answer(path, body)


@pytest.mark.parametrize("way", ["--model", "--payload", "none"])
def test_the_preset_is_the_one_for_the_model_that_draws(tmp_path, way):
    (tmp_path / "job.json").write_text(json.dumps({"override_settings": MODEL}))
    ways = {"--model": ["--model", "sdxl"], "--payload": ["--payload", str(tmp_path / "job.json")], "none": []}
    webui = TwoModels()
    options = _run_parser().parse_args(["--url", webui.url, "--prompt", "red apple", *ways[way]])
    made = make_plan(options, Client(webui.url))
    webui.close()
    if way == "none":
        assert (made.preset, webui.jobs) == ("SD1.4", [])
    else:
        assert made.preset == "SDXL"
        assert len(webui.jobs) == 1
        assert made.payload["override_settings"] == MODEL
        assert made.payload["override_settings_restore_afterwards"] is False


@pytest.mark.parametrize("name", ["alwayson_scripts", "override_settings"])
def test_a_payload_with_a_text_in_place_of_an_object(tmp_path, name, webui, capsys):
    (tmp_path / "job.json").write_text(json.dumps({name: "text"}))
    with pytest.raises(SystemExit):
        main(["--url", webui.url, "--prompt", "red apple", "--payload", str(tmp_path / "job.json")])
    assert f"--payload must hold an object in {name}" in capsys.readouterr().err


@pytest.mark.parametrize("package", GP_PACKAGES)
def test_a_sampler_whose_packages_are_missing_is_refused(tmp_path, package, webui, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(SystemExit):
        main(["--url", webui.url, "--prompt", "red apple", "--score", CONTRAST, "--sampler", "gp"])
    assert "Install them: pip install scipy torch" in capsys.readouterr().err
    assert not list(tmp_path.iterdir()), "the study must not be created"


def test_a_worker_without_the_packages_of_the_sampler_is_refused(tmp_path, webui, capsys, monkeypatch):
    url = f"sqlite:///{tmp_path}/study.db"
    make(url, tmp_path, plan("gp"))
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(SystemExit):
        main(["worker", "--url", webui.url, "--storage", url, "--images", str(tmp_path)])
    assert "--sampler must be a sampler whose packages are installed, got 'gp'" in capsys.readouterr().err
    assert webui.jobs == []
