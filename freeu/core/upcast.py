"""float32 sums for half types, also under autocast."""

from __future__ import annotations

import torch
from torch import Tensor


def upcast_dtype(dtype: torch.dtype) -> torch.dtype:
    """Return the dtype for sums of values of `dtype`: float32, or float64 for float64."""
    return torch.float64 if dtype == torch.float64 else torch.float32


def matmul(a: Tensor, b: Tensor) -> Tensor:
    """Return `a @ b` for a of shape (B, M, K) and b of shape (B, K, N), in their own dtype.

    Autocast lowers the dtype of `torch.bmm`, but not that of an in-place operation.
    """
    return a.new_empty(len(a), a.shape[1], b.shape[2]).baddbmm_(a, b, beta=0)
