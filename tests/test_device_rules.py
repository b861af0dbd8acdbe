"""The rules that keep FreeU right on devices that the tests do not have, checked on every ATen operation of the core.

On Apple's GPUs (MPS), two kinds of matrix products are silently wrong: one that writes into a strided tensor before
macOS 15 (https://github.com/pytorch/pytorch/issues/104832), and one that reads an operand with a stride of 0, from
macOS 15 on (https://github.com/pytorch/pytorch/issues/180201, mended in `mm` only by pull request 180236).
"""

from itertools import product

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from freeu import scale_backbone_, scale_skip_

PRODUCTS = {"addbmm", "addmm", "addmv", "addr", "baddbmm", "bmm", "dot", "linear", "matmul", "mm", "mv", "vdot"}

OPERATIONS = {
    "reads two matrices": {"mm"},
    "writes in place": {"add_", "copy_", "div_", "mul_"},
    "writes a new tensor": {
        *("_to_copy", "add", "amax", "amin", "clamp", "clone", "div", "eq", "exp2", "flip", "floor", "le"),
        *("linalg_vector_norm", "log2", "masked_fill", "mul", "nan_to_num", "sub", "sum"),
    },
    "computes nothing": {"_unsafe_view", "alias", "detach", "select", "slice", "t", "transpose", "view"},
}
"""Every ATen operation of the core. A new one needs a line in the table of docs/performance.md: is it on MPS?"""


class DeviceRules(TorchDispatchMode):
    """A context that fails at an operation that breaks a rule, and collects the names of all operations."""

    def __init__(self):
        super().__init__()
        self.names = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        self.names.add(name)
        if name.rstrip("_") in PRODUCTS:
            assert not func._schema.is_mutable, f"{name} writes into a tensor that it was given"
            for operand in args:
                assert is_dense(operand), f"{name} reads an operand with strides {operand.stride()}"
        elif func._schema.is_mutable:
            assert name in OPERATIONS["writes in place"], f"{name} is in place and not pointwise"
        return func(*args, **(kwargs or {}))


def is_dense(operand):
    """Return True if a matrix, or its transpose, lies in memory without gaps and without a stride of 0."""
    repeated = any(size > 1 and stride == 0 for size, stride in zip(operand.shape, operand.stride(), strict=True))
    return not repeated and (operand.is_contiguous() or operand.transpose(-1, -2).is_contiguous())


LAYOUTS = {
    "contiguous": lambda joined, channels: joined[:, channels].contiguous(),
    "view of joined features": lambda joined, channels: joined[:, channels],
    "channels_last": lambda joined, channels: joined[:, channels].contiguous(memory_format=torch.channels_last),
    "view of joined channels_last": lambda joined, channels: joined.contiguous(memory_format=torch.channels_last)[
        :, channels
    ],
    "gaps": lambda joined, channels: joined.repeat_interleave(2, dim=3)[..., ::2][:, channels],
}
SKIP, BACKBONE = slice(8, None), slice(0, 8)

layouts = pytest.mark.parametrize("layout", LAYOUTS)
batches = pytest.mark.parametrize("batch", [1, 2, 5])
dtypes = pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16], ids=str)


def features(layout, channels, batch, dtype, size=(9, 12)):
    joined = torch.randn(batch, 14, *size, generator=torch.Generator().manual_seed(batch)).to(dtype)
    return LAYOUTS[layout](joined, channels)


@torch.no_grad()
def names_of_operations(edit):
    """Return the names of the operations. In inference mode, a composite operation would count as one."""
    with DeviceRules() as rules:
        edit()
    return rules.names


def skip_operations(layout, batch, dtype, **options):
    skip = features(layout, SKIP, batch, dtype)
    return names_of_operations(lambda: scale_skip_(skip, 0.3, **options))


def backbone_operations(layout, batch, dtype, **options):
    backbone = features(layout, BACKBONE, batch, dtype)
    return names_of_operations(lambda: scale_backbone_(backbone, 1.3, **options))


@layouts
@batches
@dtypes
def test_skip_products_read_dense_operands_and_write_new_tensors(layout, batch, dtype):
    for mask, cutoff, high in product(["box", "disc"], [0.0, 0.4, 0.9], [1.0, 1.1]):
        assert "mm" in skip_operations(layout, batch, dtype, mask=mask, cutoff=cutoff, high=high)


@layouts
@batches
@dtypes
def test_backbone_is_edited_without_products(layout, batch, dtype):
    for version, keep in product(["1", "2"], [0.0, 1.0]):
        names = backbone_operations(layout, batch, dtype, version=version, keep_contrast=keep, offset=0.7)
        assert not names & PRODUCTS


def test_the_core_uses_exactly_these_operations():
    used = set()
    for layout in LAYOUTS:
        for dtype in (torch.float32, torch.bfloat16):
            for mask in ("box", "disc"):
                for cutoff in (0.0, 0.4):
                    used |= skip_operations(layout, 2, dtype, mask=mask, cutoff=cutoff, high=1.1)
            for version in ("1", "2"):
                used |= backbone_operations(layout, 2, dtype, version=version, keep_contrast=1.0)
    assert used == set().union(*OPERATIONS.values())


@pytest.mark.parametrize(
    "edit",
    [
        lambda x: x.baddbmm_(x, x),
        lambda x: torch.bmm(x, x[:1].expand(3, -1, -1)),
        lambda x: torch.bmm(x[..., ::2, ::2], x[..., ::2, ::2]),
        lambda x: torch.mm(x[0], x[0], out=x[1]),
        lambda x: x.cumsum_(0),
    ],
    ids=["in place", "stride 0", "gaps", "out", "not pointwise"],
)
def test_the_rules_can_be_broken(edit):
    with pytest.raises(AssertionError):
        names_of_operations(lambda: edit(torch.randn(3, 4, 4)))
