"""Measuring what FreeU does to features and images."""

from freeu.diagnostics import recorder, spectrum

__all__ = ["recorder", "spectrum"]
