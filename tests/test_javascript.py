"""The node tests of javascript/freeu_curve.js, and the equality of its parser with the Python one."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freeu.settings.parameter import MAX_CURVE_POINTS, parse_curve
from tests.support.waiting import SECONDS

ROOT = Path(__file__).parent.parent
TESTS = [str(path) for path in sorted((ROOT / "tests" / "javascript").glob("*.test.js"))]
PARSE = """
require("./javascript/freeu_curve.js");
console.log(JSON.stringify(JSON.parse(require("fs").readFileSync(0, "utf8")).map(freeuCurve.parse)));
"""


@pytest.fixture(scope="module")
def node() -> str:
    """Path of node. Skip the tests without it, or fail if the environment has FREEU_NODE=required."""
    path = shutil.which("node")
    if path is None:
        message = "node is not installed, so the JavaScript is not tested (Debian: apt install nodejs)"
        pytest.fail(message) if os.environ.get("FREEU_NODE") == "required" else pytest.skip(message)
    return path


def test_node_tests(node):
    assert TESTS
    result = subprocess.run(
        [node, "--test", *TESTS], cwd=ROOT, capture_output=True, check=False, text=True, timeout=SECONDS
    )
    assert result.returncode == 0, result.stdout + result.stderr


fragments = st.sampled_from([*"0123456789.:,-+ eE_x１٣²", "inf", "nan", "0:0, ", "0.5:1, ", "1:0", "0.25:0.5, "])
texts = st.lists(fragments, max_size=8).map("".join)


@settings(max_examples=10)
@given(st.lists(texts, min_size=200, max_size=300))
def test_page_and_python_parse_curves_alike(node, generated):
    # One process parses many curves, since node is slow to start.
    longest = ", ".join(f"{progress / 1000}:1" for progress in range(MAX_CURVE_POINTS))
    known = [
        "",
        "0:0, 1:1",
        "1:0, 0:1",
        "0.5:0, .5:1",
        "0:0:0",
        "1_0:1",
        " 1e-1 : .5 ,",
        "0:1,,1:+1",
        "-0:1",
        "0:-0",
        "０:１",
    ]
    known += [longest, f"{longest}, ", f"{longest}, 1:1"]
    curves = [*known, *generated]
    output = subprocess.check_output(
        [node, "-e", PARSE], cwd=ROOT, input=json.dumps(curves), text=True, timeout=SECONDS
    )
    for curve, points in zip(curves, json.loads(output), strict=True):
        assert points == parse_in_python(curve), curve


def parse_in_python(curve):
    """Return the points as lists, or None if the curve is invalid."""
    try:
        return [list(point) for point in parse_curve(curve)]
    except ValueError:
        return None
