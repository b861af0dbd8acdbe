"""The extra outputs of a job: in a script's arguments, in an object, and in an X/Y/Z plot."""

import pytest

from freeu import SettingsError
from freeu.compat.request import fill_up
from freeu.settings.extra_outputs import SHORTEST_LIST, ExtraOutputs, parse_extra_outputs, without_extra_outputs


@pytest.mark.parametrize(
    ("args", "overrides", "expected"),
    [
        ([], {}, ExtraOutputs()),
        (fill_up([]), {}, ExtraOutputs()),
        ([*[None] * SHORTEST_LIST, True, False], {}, ExtraOutputs(plot=True)),
        ([*[None] * SHORTEST_LIST, None, True, 0.5], {}, ExtraOutputs(compare=True)),
        ([True], {}, ExtraOutputs()),
        ([{"plot": True}], {}, ExtraOutputs(plot=True)),
        ([{"plot": "true", "compare": True, "b1": 1.1}], {}, ExtraOutputs(plot=True, compare=True)),
        ([{"plot": True}], {"plot": False, "compare": True}, ExtraOutputs(compare=True)),
        ([{}], {"plot": "True", "b1": "1.1"}, ExtraOutputs(plot=True)),
    ],
)
def test_extra_outputs_of_arguments_and_overrides(args, overrides, expected):
    assert parse_extra_outputs(args, overrides) == expected


@pytest.mark.parametrize(("args", "overrides"), [([{"look": True}], {}), ([{}], {"look": "true"})])
def test_old_name_look_means_plot(args, overrides):
    assert parse_extra_outputs(args, overrides) == ExtraOutputs(plot=True)


def test_error_names_the_extra_output():
    with pytest.raises(SettingsError, match=r"^plot must be true or false, got 'perhaps'$"):
        parse_extra_outputs([{"plot": "perhaps"}], {})


def test_parameters_without_extra_outputs():
    assert without_extra_outputs({"b1": 1.1, "plot": True, "look": True, "compare": 1}) == {"b1": 1.1}
