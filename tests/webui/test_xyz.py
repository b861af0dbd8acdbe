"""The axes of the X/Y/Z plot: their values on a cell's `p`, and checks before the first cell."""

import copy
import json
from types import SimpleNamespace

import pytest

from freeu import SettingsError
from freeu.settings.settings import TABLE
from freeu.webui import host, xyz
from freeu.webui.script import FreeU
from tests.webui.client import SMALL, Client


class AxisOption:
    """The arguments of the host's class, as attributes."""

    def __init__(self, label, value_type, apply, **options):
        self.label, self.type, self.apply = label, value_type, apply
        self.choices, self.prepare = options.get("choices"), options.get("prepare")


@pytest.fixture
def plot(monkeypatch):
    """A plot with our axes, without a host. `plot.cells` are those that were checked."""
    plot = SimpleNamespace(AxisOption=AxisOption, axis_options=[], cells=[], p=SimpleNamespace(), plotted=[])
    monkeypatch.setattr(host, "xyz_plots", lambda: [plot])
    monkeypatch.setattr(host, "plotted_axes", lambda p: plot.plotted)
    xyz.add_axes(FreeU.catalog, lambda p, values: plot.cells.append(values))
    plot.axes = {axis.label.removeprefix("[FreeU] "): axis for axis in plot.axis_options}
    return plot


def test_axes_are_added_once(plot):
    names = ["preset", *TABLE, "plot", "look"]
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
        ("b1", [1.2, 9.0], "b1 must be between -1 and 3, got 9"),
        ("mask", ["box", "ring"], "mask must be one of box, disc, got 'ring'"),
        ("preset", ["SDXL", "gone"], "preset must be one of .*, got 'gone'"),
        ("plot", ["yes"], "plot must be true or false, got 'yes'"),
        ("look", ["yes"], "plot must be true or false, got 'yes'"),
    ],
)
def test_the_values_of_an_axis_are_checked_one_by_one(plot, name, values, message):
    plot.plotted = [f"[FreeU] {name}", "[FreeU] start"]
    with pytest.raises(SettingsError, match=message):
        plot.axes[name].confirm(plot.p, values)
    assert plot.cells == []


def test_combinations_are_checked_when_all_axes_are_confirmed(plot):
    plot.plotted = ["Seed", "[FreeU] start", "[FreeU] stop"]
    plot.axes["start"].confirm(plot.p, [0.0, 0.6])
    assert plot.cells == []
    plot.axes["stop"].confirm(plot.p, [0.5])
    assert plot.cells == [{"start": 0.0, "stop": 0.5}, {"start": 0.6, "stop": 0.5}]


@pytest.mark.parametrize("text", ["1, much", "1; 2"])
def test_a_text_that_is_no_number_names_the_axis(plot, text):
    with pytest.raises(SettingsError, match="b1 must be between -1 and 3, got '"):
        plot.axes["b1"].prepare(text)


def test_curves_need_quotes(plot):
    assert plot.axes["curve"].prepare('"0:0, 1:1", "0:1, 1:0"') == ["0:0, 1:1", "0:1, 1:0"]
    with pytest.raises(SettingsError, match="curve must have quotes around each curve"):
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
    assert status == 500
    assert json.loads(text)["error"] == "SettingsError"
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
