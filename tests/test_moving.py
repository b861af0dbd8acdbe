"""docs/moving.md: its commands print what it shows, and its values are those of tests/test_other_tools.py."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from freeu import Settings
from tests.files import FACTORS, LEVELS, WRITTEN, png_with
from tests.support.other_tools import LjlebStage, exact_window
from tests.support.waiting import SECONDS

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "moving.md").read_text("utf-8")
COMMANDS = re.findall(r"^```sh\n(.*?)\n```\n\n(?:```(?:text|json)\n(.*?)^```)?", PAGE, re.DOTALL | re.MULTILINE)
WIDTHS = {f"width{n}": exact_window(LjlebStage(), channels)[1] for n, channels in ((1, 1280), (2, 640), (3, 320))}
TWO_WIDTHS = {name: WIDTHS[name] for name in ("width1", "width2")}
PLAIN = Settings(**FACTORS)
SECTIONS = {
    "ljleb's sd-webui-freeu": [PLAIN.replace(**WIDTHS), PLAIN.replace(stop=0.5), PLAIN.replace(passes="first")],
    "Forge": [WRITTEN["Forge"][2]],
    "reForge": [WRITTEN["Forge"][2]],
    "SD.Next": [WRITTEN["SD.Next"][2], PLAIN.replace(version="1", **TWO_WIDTHS)],
    "Fooocus": [WRITTEN["Fooocus, a1111"][2]],
    "ComfyUI": [WRITTEN["ComfyUI FreeU_V2"][2]],
    "diffusers": [LEVELS],
    "InvokeAI": [WRITTEN["InvokeAI"][2]],
}


@pytest.mark.parametrize(("command", "output"), COMMANDS)
def test_commands_print_what_the_page_shows(tmp_path, command, output):
    (tmp_path / "comfyui.png").write_bytes(png_with(WRITTEN["ComfyUI FreeU_V2"][0]))
    (tmp_path / "enable_freeu.json").write_text(json.dumps(FACTORS))
    python, *rest = shlex.split(command)
    assert python == "python"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    result = subprocess.run(
        [sys.executable, *rest],
        check=True,
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert result.stdout == output or not output
    assert result.stdout


def test_page_has_commands():
    assert len(COMMANDS) >= 3


def test_every_tool_has_a_section_with_tested_values():
    sections = dict(re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE))
    examples = {title: re.findall(r"^ *(\{\"version.*\})$", text, re.MULTILINE) for title, text in sections.items()}
    parsed = {title: [Settings.parse(json.loads(v)) for v in found] for title, found in examples.items() if found}
    assert parsed == SECTIONS
