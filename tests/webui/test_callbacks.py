"""What the page's events answer to inputs of any size and content."""

import math

import pytest

from freeu import Settings
from freeu.webui.callbacks import Callbacks
from freeu.webui.script import FreeU

pytestmark = pytest.mark.usefixtures("playground")


@pytest.fixture
def callbacks():
    return Callbacks(FreeU.catalog, is_img2img=False)


def status_line(callbacks, steps=20, **changes):
    values = Settings().to_dict() | changes
    return callbacks.refresh("SDXL", steps, *values.values())[1]


@pytest.mark.parametrize("steps", [1_000_000, math.inf, math.nan, -5])
def test_the_answer_to_any_number_of_steps_is_short(callbacks, steps):
    line = status_line(callbacks, steps)
    assert "from 0 % to 100 % of the run" in line
    assert len(line) < 2000


def test_a_curve_of_many_points_is_an_error_that_says_how_many_are_allowed(callbacks):
    curve = ", ".join(f"{index / 10_000}:1" for index in range(10_000))
    assert "at most 200 points" in status_line(callbacks, curve=curve)
