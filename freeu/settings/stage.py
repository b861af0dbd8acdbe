"""The parameters of one decoder stage."""

from __future__ import annotations

from typing import NamedTuple

STAGES = (1, 2, 3)
"""The decoder stages, from the deepest blocks to the shallowest."""

FACTORS = ("b", "s", "high")
"""The parameters of a stage that multiply features. 1 changes nothing."""


class Stage(NamedTuple):
    """The parameters of one stage, named as in the table without their number."""

    b: float
    s: float
    high: float
    offset: float
    width: float
    cutoff: float

    @property
    def neutral(self) -> bool:
        """True if these values change no feature."""
        return not self.changed()

    def changed(self) -> list[str]:
        """Return the names of the factors that change features. Without channels to scale, b changes none."""
        return [name for name in FACTORS if getattr(self, name) != 1 and (name != "b" or self.width > 0)]

    def at_strength(self, strength: float) -> Stage:
        """Return the stage with each factor at a strength of 0..1: `1 + strength * (factor - 1)`."""

        # In this form, strengths 0 and 1 give exactly 1 and the factor.
        def scale(factor: float) -> float:
            return strength * factor + (1 - strength)

        return self._replace(**{name: scale(getattr(self, name)) for name in FACTORS})
