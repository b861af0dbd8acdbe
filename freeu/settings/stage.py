"""The parameters of one decoder stage."""

from __future__ import annotations

from typing import NamedTuple

STAGES = (1, 2, 3)
"""The decoder stages, from the deepest blocks to the shallowest."""


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
        return (self.b == 1 or self.width == 0) and self.s == self.high == 1

    def at_strength(self, strength: float) -> Stage:
        """Return the stage with each factor at a strength of 0..1: `1 + strength * (factor - 1)`."""

        # In this form, strengths 0 and 1 give exactly 1 and the factor.
        def scale(factor: float) -> float:
            return strength * factor + (1 - strength)

        return self._replace(b=scale(self.b), s=scale(self.s), high=scale(self.high))
