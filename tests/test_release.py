"""What a release promises to later ones: the script's list of arguments only grows at its end, and an image that leaves
out a value keeps its meaning.
"""

from freeu.arguments import ARGUMENTS
from freeu.settings.settings import TABLE

ARGUMENTS_OF_RELEASES = {
    "1.0.0": [
        "enabled", "version", "b1", "s1", "b2", "s2", "start", "stop", "smoothness", "curve", "clock", "passes",
        "b3", "s3", "high1", "high2", "high3", "offset1", "offset2", "offset3", "width1", "width2", "width3",
        "cutoff1", "cutoff2", "cutoff3", "mask", "stage_map", "keep_contrast", "plot", "compare",
    ],
}  # fmt: skip
"""The script's arguments in each release. A new release adds a line here; no line is ever changed."""

INFOTEXT_DEFAULTS = {
    "enabled": True, "version": "2", "b1": 1.3, "s1": 0.9, "b2": 1.4, "s2": 0.2, "start": 0.0, "stop": 1.0,
    "smoothness": 0.0, "curve": "", "clock": "step", "passes": "both", "b3": 1.0, "s3": 1.0,
    "high1": 1.0, "high2": 1.0, "high3": 1.0, "offset1": 0.0, "offset2": 0.0, "offset3": 0.0,
    "width1": 0.5, "width2": 0.5, "width3": 0.5, "cutoff1": 0.0, "cutoff2": 0.0, "cutoff3": 0.0,
    "mask": "box", "stage_map": "channels", "keep_contrast": 0.0,
}  # fmt: skip
"""The value that an image without a key means. A new parameter adds a value here; no value is ever changed."""


def test_a_list_only_grows_at_its_end():
    for released in ARGUMENTS_OF_RELEASES.values():
        assert list(ARGUMENTS)[: len(released)] == released


def test_an_infotext_default_never_changes():
    assert {name: parameter.infotext_default for name, parameter in TABLE.items()} == INFOTEXT_DEFAULTS
