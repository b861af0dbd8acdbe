"""float32 sums for half types, also under autocast."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch


def upcast_dtype(dtype: torch.dtype) -> torch.dtype:
    """Return the dtype for sums of values of `dtype`: float32, or float64 for float64."""
    return torch.float64 if dtype == torch.float64 else torch.float32


# Not asked of each device: DirectML's raises an error. torch 2.1 cannot be asked.
_is_available = getattr(torch.amp, "is_autocast_available", ("cpu", "cuda").__contains__)
AUTOCAST_DEVICES = frozenset(filter(_is_available, ("cpu", "cuda", "mps", "xpu")))
"""Types of devices that have autocast."""


def without_autocast(device: torch.device) -> AbstractContextManager[object]:
    """Return a context in which matrix products on `device` keep their operands' dtype."""
    return torch.autocast(device.type, enabled=False) if device.type in AUTOCAST_DEVICES else nullcontext()
