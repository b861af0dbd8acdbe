"""The curve editor's arithmetic, by node's own test runner; and that it reads curves as the core does."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freeu.settings.parameter import parse_curve

ROOT = Path(__file__).parent.parent
TESTS = [str(path) for path in sorted((ROOT / "tests" / "javascript").glob("*.test.js"))]
PARSE = """
const {parse} = require("./javascript/freeu.js");
console.log(JSON.stringify(JSON.parse(require("fs").readFileSync(0, "utf8")).map(parse)));
"""


@pytest.fixture(scope="module")
def node() -> str:
    """Node, as the system has it. Where it must not be missing, FREEU_NODE is "required"."""
    path = shutil.which("node")
    if path is None:
        message = "no node on this machine, so the JavaScript is not tested (Debian: apt install nodejs)"
        pytest.fail(message) if os.environ.get("FREEU_NODE") == "required" else pytest.skip(message)
    return path


def test_by_nodes_own_runner(node):
    assert TESTS
    done = subprocess.run([node, "--test", *TESTS], cwd=ROOT, capture_output=True, check=False, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


pieces = st.sampled_from([*"0123456789.:,-+ eE_x", "0:0, ", "0.5:1, ", "1:0", "0.25:0.5, "])
texts = st.lists(pieces, max_size=8).map("".join)


@settings(max_examples=10)
@given(st.lists(texts, min_size=200, max_size=300))
def test_the_page_reads_curves_as_the_core_does(node, curves):
    """One call of node reads many, since it takes a while to start."""
    known = ["", "0:0, 1:1", "1:0, 0:1", "0.5:0, .5:1", "0:0:0", "1_0:1", " 1e-1 : .5 ,", "0:1,,1:+1", "-0:1", "0:-0"]
    asked = [*known, *curves]
    told = subprocess.check_output([node, "-e", PARSE], cwd=ROOT, input=json.dumps(asked), text=True)
    for text, points in zip(asked, json.loads(told), strict=True):
        assert points == core(text), text


def core(text):
    """What the core reads; None where it refuses."""
    try:
        return [list(point) for point in parse_curve(text)]
    except ValueError:
        return None
