"""The axes of the X/Y/Z plot: their values on a cell's `p`, and checks before the first cell."""

import copy
import itertools
import json
import re
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freeu import Settings, SettingsError, arguments
from freeu.settings.settings import TABLE
from freeu.webui import host, xyz
from freeu.webui.script import FreeU
from tests.support.client import SMALL, Client

THIRD_ARGUMENT = "must have at least one value, got \\[\\]. Through the API, send them as the axis' third argument"


class AxisOption:
    """The arguments of the host's class, as attributes."""

    def __init__(self, label, value_type, apply, **options):
        self.label, self.type, self.apply = label, value_type, apply
        self.choices, self.prepare = options.get("choices"), options.get("prepare")


@pytest.fixture
def plot(monkeypatch):
    """A plot with our axes, without a host. `plot.cells` are those that were checked."""
    plot = SimpleNamespace(AxisOption=AxisOption, axis_options=[], cells=[], p=SimpleNamespace(), plotted=[])
    monkeypatch.setattr(host, "xyz_grids", lambda: [plot])
    monkeypatch.setattr(host, "grid_axes", lambda p: plot.plotted)
    xyz.add_axes(FreeU.catalog, lambda p, values: plot.cells.append(values))
    plot.axes = {axis.label.removeprefix("[FreeU] "): axis for axis in plot.axis_options}
    return plot


def test_axes_are_added_once(plot):
    names = ["preset", *TABLE, "plot"]
    assert list(plot.axes) == names
    xyz.add_axes(FreeU.catalog, lambda p, values: None)
    assert [axis.label for axis in plot.axis_options] == [f"[FreeU] {name}" for name in names]


def test_a_cell_has_overrides_of_its_own(plot):
    cell, other = copy.copy(plot.p), copy.copy(plot.p)
    plot.axes["b1"].apply(cell, 0.1 + 0.2, [])
    plot.axes["clock"].apply(cell, "noise", [])
    plot.axes["b1"].apply(other, 1.2, [])
    assert cell.freeu_overrides == {"b1": 0.3, "clock": "noise"}
    assert other.freeu_overrides == {"b1": 1.2}
    assert not hasattr(plot.p, "freeu_overrides")


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("b1", [1.2, 9.0], "must be between -1 and 3, got 9"),
        ("mask", ["box", "ring"], "must be one of box, disc, got 'ring'"),
        ("preset", ["SDXL", "gone"], "must be one of .*, got 'gone'"),
        ("plot", ["yes"], "must be true or false, got 'yes'"),
        ("b1", [], "must have at least one value, got \\[\\]"),  # "1.0-1.2 [0]", "2-1 (+0.1)"
        *((name, [], THIRD_ARGUMENT) for name in ("version", "preset", "enabled")),
        ("enabled", [*"True, False"], "must be true or false, got 'T'"),  # an API client's text in place of a list
    ],
)
def test_the_values_of_an_axis_are_checked_one_by_one(plot, name, values, message):
    plot.plotted = [f"[FreeU] {name}", "[FreeU] start"]
    with pytest.raises(SettingsError, match=rf"^\[FreeU\] {name} {message}"):
        plot.axes[name].confirm(plot.p, values)
    assert plot.cells == []


def test_combinations_are_checked_when_all_axes_are_confirmed(plot):
    plot.plotted = ["Seed", "[FreeU] start", "[FreeU] stop"]
    plot.axes["start"].confirm(plot.p, [0.0, 0.6])
    assert plot.cells == []
    plot.axes["stop"].confirm(plot.p, [0.5])
    assert plot.cells == [{"start": 0.6, "stop": 0.5}]


def test_a_million_cells_are_checked_by_a_few(plot):
    plot.plotted = ["[FreeU] start", "[FreeU] preset", "[FreeU] stop"]
    plot.axes["start"].confirm(plot.p, [i / 1000 for i in range(1000)])
    plot.axes["preset"].confirm(plot.p, ["SDXL", "SD1.5"] * 500)
    plot.axes["stop"].confirm(plot.p, [i / 1000 for i in range(1000)])
    assert plot.cells == [{"start": 0.999, "preset": preset, "stop": 0.0} for preset in ("SDXL", "SD1.5")]


AXES = {
    "start": st.floats(0, 1),
    "stop": st.floats(0, 1),
    "preset": st.sampled_from(["SDXL", "late"]),
    "b1": st.just(1),
}


@given(
    st.fixed_dictionaries(
        {}, optional={name: st.lists(values, min_size=1, max_size=3) for name, values in AXES.items()}
    ),
    st.sampled_from([(0.0, 1.0), (0.3, 0.6)]),
)
def test_the_cells_that_are_checked_stand_for_all(axes, window):
    """If any cell of a plot is invalid, one of those that are checked is."""
    known = {"SDXL": Settings(), "late": Settings(start=0.4, stop=0.7)}

    def is_valid(cell):
        try:
            arguments.parse([{"start": window[0], "stop": window[1]}], known, 20, cell)
        except SettingsError:
            return False
        return True

    cells = [dict(zip(axes, cell, strict=True)) for cell in itertools.product(*axes.values())]
    assert all(map(is_valid, xyz._critical_cells(axes))) == all(map(is_valid, cells))


NOT_NUMBERS = ["much", "1; 2", "1.0 1.2", "1..2", "1-", "-", "- 1", "nan", "1_3", "1:5-2", "1e-05", "0--1", "-1--0.5"]
NOT_RANGES = ["1.0-1.2 (0.1)", "1-2 (+0)", "1-2 (+0.0)", "1-2 (+0.1", "1-2 [x]", "1-2 [2.5]", "1-2-3", "1\t-2"]
PASTED = ["1.0\t1.2", "1.0–1.6", "１．２", "\ufeff1.0", "b1=1.2", "1.2;", "0.2-1,0 (+0.2)"]  # from elsewhere


@pytest.mark.parametrize("value", NOT_NUMBERS + NOT_RANGES + PASTED)
def test_a_text_that_is_no_number_names_the_axis(plot, value):
    with pytest.raises(SettingsError, match=r"^\[FreeU\] b1 must be between -1 and 3, got ") as error:
        plot.axes["b1"].prepare(f"1.2, {value}")
    assert error.value.value == value.rpartition(",")[2]


@given(st.from_regex(xyz._NUMBERS, fullmatch=True))
def test_the_host_reads_every_number_and_range_that_is_accepted(text):
    """AUTOMATIC1111's patterns, and what it does with their groups."""
    number = r"\s*([+-]?\s*\d+(?:.\d*)?)\s*"
    by_step = re.fullmatch(rf"{number}-{number}(?:\s*\(([+-]\d+(?:.\d*)?)\s*\))?\s*", text)
    by_count = re.fullmatch(rf"{number}-{number}(?:\s*\[(\d+(?:.\d*)?)\s*])?\s*", text)
    if by_step:
        float(by_step[1]), float(by_step[2])
        assert float(by_step[3] or 1) != 0
    elif by_count:
        float(by_count[1]), float(by_count[2]), int(by_count[3] or 1)
    else:
        float(text)


SEPARATED = [
    ("b1", "1.0\n1.2", ["1.0", "1.2"]),
    ("b1", "1.0, 1.1\r\n 1.2 \n\n", ["1.0", "1.1", "1.2"]),
    ("b1", '"1.0", 1.2', ["1.0", "1.2"]),
    ("b1", "1-2 (+0.2)\n1-2 [6]", ["1-2 (+0.2)", "1-2 [6]"]),
    ("curve", '"0:0, 1:1"\n"0:1, 1:0"', ["0:0, 1:1", "0:1, 1:0"]),
    ("curve", '"0:0,\n1:1"', ["0:0,\n1:1"]),
    ("b1", "", []),
]


@pytest.mark.parametrize(("name", "text", "values"), SEPARATED)
def test_values_are_separated_as_on_the_hosts_own_axes(plot, name, text, values):
    assert plot.axes[name].prepare(text) == values


@pytest.mark.parametrize("name", ["b1", "curve"])
@pytest.mark.parametrize("text", ["1.0\r1.2", "1" * 200_000, 1.2], ids=["carriage return", "long", "number"])
def test_a_text_that_cannot_be_split_names_the_axis(plot, name, text):
    with pytest.raises(SettingsError, match=rf"^\[FreeU\] {name} must be values between commas or on lines, got "):
        plot.axes[name].prepare(text)


def test_curves_need_quotes(plot):
    assert plot.axes["curve"].prepare('"0:0, 1:1", "0:1, 1:0"') == ["0:0, 1:1", "0:1, 1:0"]
    with pytest.raises(SettingsError, match=r"^\[FreeU\] curve must have quotes around each curve"):
        plot.axes["curve"].prepare("0:0, 1:1")


@pytest.fixture
def steps(playground):
    """The steps that are sampled."""
    from modules import script_callbacks

    steps = []
    script_callbacks.on_cfg_denoiser(lambda params: steps.append(params.denoiser.step))
    yield steps
    playground.reload_ui()


@pytest.mark.parametrize(
    "axes",
    [
        [("[FreeU] b1", "1.2, 9")],
        [("[FreeU] start", "0, 0.6"), ("[FreeU] stop", "0.5, 1")],
        [("Seed", "1, 2"), ("[FreeU] stop", "0.5, 1"), ("[FreeU] start", "0, 0.6")],
    ],
)
def test_a_refused_plot_generates_no_cell(playground, steps, axes):
    client = Client(playground.url)
    with pytest.raises(RuntimeError, match="must be"):
        client.plot(*axes)
    assert steps == []
    client.plot(("[FreeU] start", "0.5"), ("[FreeU] stop", "0.5, 1"))
    assert steps != []


@pytest.mark.parametrize(
    "axes", [[("Seed", "1, 2")], [("[FreeU] preset", "SDXL")], [("CFG Scale", "3"), ("Seed", "1")]]
)
@pytest.mark.parametrize("freeu", [{"b1": 9}, {"preset": "gone"}, {"start": 0.5, "stop": 0.2}], ids=str)
def test_a_plot_of_a_job_with_invalid_settings_is_refused_in_the_api(playground, steps, axes, freeu):
    with pytest.raises(RuntimeError, match="must be") as error:
        Client(playground.url).plot(*axes, freeu=(freeu,))
    status, text = error.value.args
    assert status == 422
    assert json.loads(text)["error"] == "FreeUSettingsError"
    assert steps == []


def test_a_plot_of_a_job_with_invalid_settings_is_refused_on_the_page(playground, steps):
    from modules import processing, scripts, ui

    runner = scripts.scripts_txt2img
    values = [0, *(control.value for control in runner.inputs[1:])]
    plot = next(script for script in runner.selectable_scripts if script.title() == "X/Y/Z plot")
    labels = [axis.label for axis in plot.current_axis_options]
    values[0] = 1 + runner.selectable_scripts.index(plot)
    values[plot.args_from : plot.args_from + 9] = [labels.index("Seed"), "1, 2", [], 0, "", [], 0, "", []]
    ours = next(script for script in runner.alwayson_scripts if isinstance(script, FreeU))
    values[ours.args_from + list(TABLE).index("start")] = 0.8
    values[ours.args_from + list(TABLE).index("stop")] = 0.2
    with pytest.raises(SettingsError, match=r"^start must be at most stop, which is 0.2, got 0.8$"):
        ui._run_job(runner, processing.StableDiffusionProcessingTxt2Img, list(SMALL), *SMALL.values(), *values)
    assert steps == []
