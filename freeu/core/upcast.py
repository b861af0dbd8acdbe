"""float32 sums for half types, also under autocast."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch


def upcast_dtype(dtype: torch.dtype) -> torch.dtype:
    """Return the dtype for sums of values of `dtype`: float32, or float64 for float64."""
    return torch.float64 if dtype == torch.float64 else torch.float32


def without_autocast(device: torch.device) -> AbstractContextManager[object]:
    """Return a context in which matrix products on `device` keep their operands' dtype."""
    # torch 2.1 cannot tell which devices have autocast. DirectML ("privateuseone") has none and raises an error.
    if hasattr(torch.amp, "is_autocast_available"):
        available = device.type != "privateuseone" and torch.amp.is_autocast_available(device.type)
    else:
        available = device.type in ("cpu", "cuda")
    return torch.autocast(device.type, enabled=False) if available else nullcontext()
