"""Refusing a job: the error is raised where sampling starts, and can be undone."""

import logging

import pytest

from freeu import SettingsError
from freeu.webui.refusal import FreeUSettingsError, refuse, refuse_grid, withdraw

ERROR = SettingsError("b1", 9, "must be between -1 and 3")


class Processing:
    """The part of the host's `p` that a refusal changes."""

    def __init__(self):
        self.comments = []
        self.comment = self.comments.append

    def sample(self, **kwargs):
        return "samples"


def test_a_refused_job_ends_when_sampling_starts(caplog):
    p = Processing()
    with caplog.at_level(logging.ERROR):
        refuse(p, ERROR)
    assert p.comments == ["FreeU: b1 must be between -1 and 3, got 9"]
    assert "FreeU refuses this job: b1 must be between -1 and 3, got 9" in caplog.text
    with pytest.raises(FreeUSettingsError, match=f"^{ERROR}$") as error:
        p.sample(conditioning=None)
    assert (error.value.status_code, error.value.detail) == (422, str(ERROR))
    assert Processing().sample() == "samples"


def test_an_error_of_freeu_itself_is_raised_as_it_is():
    p, error = Processing(), ZeroDivisionError("a")
    refuse(p, error)
    with pytest.raises(ZeroDivisionError) as caught:
        p.sample()
    assert caught.value is error


def test_the_message_of_any_error_is_escaped_and_shortened(caplog):
    p = Processing()
    refuse(p, ValueError("a\n\x1b[31m\ud800" + "x" * 10_000))
    [comment], [record] = p.comments, caplog.records
    for text in (comment, record.getMessage()):
        assert r"a\n\x1b[31m\ud800xxx" in text
        assert text.isprintable()
        assert len(text) < 1100


def test_a_refused_plot_ends_when_it_copies_the_styles_for_a_cell():
    p = Processing()
    p.styles = ["sharp"]
    refuse_grid(p, ERROR)
    assert list(p.styles) == ["sharp"]
    assert p.sample() == "samples"
    with pytest.raises(FreeUSettingsError, match=f"^{ERROR}$"):
        p.styles[:]


def test_a_withdrawn_refusal_restores_sampling():
    p = Processing()
    refuse(p, ERROR)
    refuse(p, ERROR)
    withdraw(p)
    assert p.sample() == "samples"
    withdraw(p)
    assert p.sample() == "samples"


def test_withdrawing_keeps_what_another_extension_put_in_place_of_sample():
    p = Processing()
    p.sample = lambda: "samples of another extension"
    withdraw(p)
    assert p.sample() == "samples of another extension"
