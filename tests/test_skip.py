"""scale_skip_, compared with the definition by an FFT in float64."""

import tracemalloc
from functools import partial

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from freeu import scale_skip_
from freeu.core.lowpass import low_rank_basis, spectral_weights, wave_basis
from freeu.core.skip import reach
from tests.support.reference import filter_skip, low_mask, rounding
from tests.support.torch_versions import AUTOCAST_TYPES

sizes = st.integers(1, 40)
factors = st.floats(-1, 3)
masks = st.sampled_from(["box", "disc"])
cutoffs = st.one_of(st.just(0.0), st.floats(0, 1))
HALF_TYPES = [torch.float16, torch.bfloat16]
CPU = torch.device("cpu")

FILTERS = pytest.mark.parametrize(
    ("cutoff", "mask"), [(0.0, "box"), (0.0, "disc"), (0.4, "box"), (0.4, "disc")], ids=str
)
"""The smallest box and disc are filtered by a low-rank matrix, the larger ones in the low part of the spectrum."""


def planes(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """Return noise with a mean that is not 0, as in features."""
    return (torch.randn(shape, generator=torch.Generator().manual_seed(seed)) + 0.5).to(dtype)


def plane_maximum(x: torch.Tensor) -> torch.Tensor:
    """Return the largest magnitude of each plane."""
    return x.double().abs().amax(dim=(-2, -1), keepdim=True)


def assert_within_float32(skip: torch.Tensor, out: torch.Tensor, expected: torch.Tensor) -> None:
    error = ((out.double() - expected).abs() / plane_maximum(skip)).max().item()
    assert error <= 2e-6, error


def assert_rounded_once(skip: torch.Tensor, out: torch.Tensor, expected: torch.Tensor) -> None:
    """At most half a unit of the output, plus the error of sums in float32, or in float64 for float64."""
    assert out.dtype == skip.dtype
    bound = rounding(expected, skip.dtype) + (1e-14 if skip.dtype == torch.float64 else 2e-6) * plane_maximum(skip)
    assert ((out.double() - expected).abs() <= bound).all()


@given(sizes, sizes, factors, factors, cutoffs, masks, st.integers(0, 99))
def test_equals_the_definition(height, width, s, high, cutoff, mask, seed):
    skip = planes(2, 3, height, width, seed=seed)
    expected = filter_skip(skip, s, high, cutoff, mask)
    out = scale_skip_(skip.clone(), s, high=high, cutoff=cutoff, mask=mask)
    assert_within_float32(skip, out, expected)


@pytest.mark.parametrize(("height", "width"), [(64, 64), (128, 128), (96, 152), (127, 61), (256, 8), (1, 200), (2, 3)])
@pytest.mark.parametrize("mask", ["box", "disc"])
@pytest.mark.parametrize("cutoff", [0.0, 0.3, 1.0])
def test_equals_the_definition_at_sizes_of_real_models(height, width, mask, cutoff):
    skip = planes(1, 4, height, width)
    expected = filter_skip(skip, 0.2, 1.0, cutoff, mask)
    assert_within_float32(skip, scale_skip_(skip.clone(), 0.2, cutoff=cutoff, mask=mask), expected)


@FILTERS
@pytest.mark.parametrize("channels", [1, 7, 64, 320])
def test_number_of_channels_does_not_matter(channels, cutoff, mask):
    skip = planes(2, channels, 6, 9)
    out = scale_skip_(skip.clone(), 0.3, high=1.2, cutoff=cutoff, mask=mask)
    assert_within_float32(skip, out, filter_skip(skip, 0.3, 1.2, cutoff, mask))


@given(sizes, sizes, factors, factors, cutoffs, masks, st.sampled_from(HALF_TYPES), st.floats(-4, 4))
def test_half_types_are_rounded_once(height, width, s, high, cutoff, mask, dtype, scale):
    skip = (planes(2, 3, height, width) * 10**scale).to(dtype)
    expected = filter_skip(skip, s, high, cutoff, mask)
    assume(expected.abs().max() < torch.finfo(dtype).max)
    assert_rounded_once(skip, scale_skip_(skip.clone(), s, high=high, cutoff=cutoff, mask=mask), expected)


@FILTERS
@pytest.mark.parametrize("dtype", HALF_TYPES)
@pytest.mark.parametrize("size", [(64, 64), (40, 56)])
def test_half_types_are_rounded_once_at_sizes_of_real_models(size, dtype, cutoff, mask):
    skip = planes(2, 320, *size, dtype=dtype)
    out = scale_skip_(skip.clone(), 0.2, cutoff=cutoff, mask=mask)
    assert_rounded_once(skip, out, filter_skip(skip, 0.2, 1.0, cutoff, mask))


def transposed(x: torch.Tensor) -> torch.Tensor:
    """Return the same values with columns next to each other in memory."""
    return x.transpose(2, 3).contiguous().transpose(2, 3)


LAYOUTS = {
    "contiguous": torch.clone,
    "channels_last": lambda x: x.contiguous(memory_format=torch.channels_last),
    "transposed": transposed,
    "batch last": lambda x: x.permute(1, 2, 3, 0).contiguous().permute(3, 0, 1, 2),
    "every other column": lambda x: x.repeat_interleave(2, dim=3)[..., ::2],
}


@FILTERS
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, *HALF_TYPES])
def test_edits_only_the_view_and_in_place_in_any_layout(layout, cutoff, mask, dtype):
    joined = LAYOUTS[layout](planes(2, 7, 6, 10, dtype=dtype))
    before, strides = joined.clone(), joined.stride()
    skip = joined[:, 4:]
    assert scale_skip_(skip, 0.3, cutoff=cutoff, mask=mask) is skip
    assert joined.stride() == strides
    assert joined[:, :4].equal(before[:, :4])
    expected = filter_skip(before[:, 4:], 0.3, 1.0, cutoff, mask)
    assert_rounded_once(before[:, 4:], joined[:, 4:], expected)


@settings(max_examples=40)
@given(sizes, sizes, cutoffs, masks, st.sampled_from(sorted(LAYOUTS)))
def test_edits_in_place_at_any_size(height, width, cutoff, mask, layout):
    joined = LAYOUTS[layout](planes(2, 7, height, width))
    before = joined.clone()
    scale_skip_(joined[:, 4:], 0.3, cutoff=cutoff, mask=mask)
    assert joined[:, :4].equal(before[:, :4])
    assert_within_float32(before[:, 4:], joined[:, 4:], filter_skip(before[:, 4:], 0.3, 1.0, cutoff, mask))


@FILTERS
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_factors_of_one_are_bit_identical(cutoff, mask, dtype):
    skip = planes(2, 3, 9, 8, dtype=dtype)
    assert scale_skip_(skip.clone(), 1.0, cutoff=cutoff, mask=mask).equal(skip)


@pytest.mark.parametrize("dtype", [torch.float32, *HALF_TYPES])
def test_equal_factors_are_one_multiplication(dtype):
    skip = planes(2, 3, 9, 8, dtype=dtype)
    assert scale_skip_(skip.clone(), 0.3, high=0.3).equal(skip * 0.3)


@FILTERS
@pytest.mark.parametrize("autocast", AUTOCAST_TYPES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_autocast_changes_nothing(autocast, cutoff, mask, dtype):
    skip = planes(2, 3, 16, 16, dtype=dtype)
    plain = scale_skip_(skip.clone(), 0.2, cutoff=cutoff, mask=mask)
    with torch.autocast("cpu", autocast):
        assert scale_skip_(skip.clone(), 0.2, cutoff=cutoff, mask=mask).equal(plain)


@FILTERS
def test_matrices_made_in_inference_mode_allow_gradients_later(cutoff, mask):
    size = (5, 43)  # no other test has put this size into the cache
    with torch.inference_mode():
        scale_skip_(planes(1, 2, *size), 0.2, cutoff=cutoff, mask=mask)
        scale_skip_(planes(1, 2, *size).double(), 0.2, cutoff=cutoff, mask=mask)
    skip = planes(1, 2, *size).double().requires_grad_()
    edit = partial(scale_skip_, s=0.2, cutoff=cutoff, mask=mask)
    assert torch.autograd.gradcheck(lambda x: edit(x.clone()), skip, fast_mode=True)
    single = planes(1, 2, *size).requires_grad_()
    edit(single.clone()).sum().backward()
    assert single.grad is not None


@FILTERS
def test_batch_items_are_independent(cutoff, mask):
    skip = planes(3, 4, 12, 20)
    alone = torch.cat([scale_skip_(skip[i : i + 1].clone(), 0.2, cutoff=cutoff, mask=mask) for i in range(3)])
    torch.testing.assert_close(scale_skip_(skip.clone(), 0.2, cutoff=cutoff, mask=mask), alone, rtol=0, atol=1e-6)


def low_pass(height: int, width: int, mask: torch.Tensor) -> torch.Tensor:
    """Return the low-pass filter of a mask as a matrix, (H W, H W), by an FFT of each unit vector."""
    units = torch.eye(height * width, dtype=torch.float64).view(-1, height, width)
    spectrum = torch.fft.fftshift(torch.fft.fftn(units, dim=(-2, -1)), dim=(-2, -1)) * mask
    return torch.fft.ifftn(torch.fft.ifftshift(spectrum, dim=(-2, -1)), dim=(-2, -1)).real.flatten(1)


@pytest.mark.parametrize(
    ("height", "width", "rank"), [(8, 8, 7), (5, 9, 7), (1, 8, 3), (2, 8, 6), (1, 1, 1), (2, 2, 4)]
)
def test_low_rank_basis_of_the_smallest_box(height, width, rank):
    """L = A^T A, with a row less for each frequency that coincides with another or is its own mirror image."""
    basis = low_rank_basis(height, width, "box", CPU, torch.float64)
    assert basis.shape == (rank, height * width)
    torch.testing.assert_close(basis.T @ basis, low_pass(height, width, low_mask(height, width, 0.0, "box")))


@pytest.mark.parametrize(("height", "width"), [(8, 8), (5, 9), (1, 8), (2, 2), (1, 1)])
def test_low_rank_basis_of_the_smallest_disc_is_the_mean(height, width):
    basis = low_rank_basis(height, width, "disc", CPU, torch.float64)
    assert basis.shape == (1, height * width)
    torch.testing.assert_close(basis.T @ basis, torch.full((height * width,) * 2, 1 / (height * width)).double())


@settings(max_examples=40)
@given(sizes, sizes, cutoffs, masks)
def test_equals_the_definition_in_float64(height, width, cutoff, mask):
    skip = planes(1, 2, height, width, dtype=torch.float64)
    out = scale_skip_(skip.clone(), 0.2, high=1.1, cutoff=cutoff, mask=mask)
    torch.testing.assert_close(out, filter_skip(skip, 0.2, 1.1, cutoff, mask), rtol=0, atol=1e-13)


@given(sizes, st.integers(1, 20))
def test_waves_are_orthonormal(size, reach):
    """Or 0, where two of them would coincide or a sine is 0."""
    basis = wave_basis(size, reach, CPU, torch.float64)
    products = basis @ basis.T
    torch.testing.assert_close(products, torch.diag(products.diagonal().round()), rtol=0, atol=1e-13)
    assert products.diagonal().round().sum() == min(2 * reach + 1, size)


@pytest.mark.parametrize("mask", ["box", "disc"])
def test_matrices_of_a_large_mask_are_small(mask):
    """Building them needs at most three times their memory, which is less than that of one plane."""
    size, reach = 512, 25

    def build():
        basis = wave_basis(size, reach, CPU, torch.float32)
        return basis, spectral_weights(size, size, reach, reach, mask, CPU, torch.float32)

    kept = sum(matrix.numel() * matrix.element_size() for matrix in build())
    for cached in (wave_basis, spectral_weights):
        cached.__wrapped__.cache_clear()
    tracemalloc.start()
    build()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert 0 < peak <= 3 * kept
    assert kept < size * size * 4


@pytest.mark.parametrize(
    ("size", "cutoff", "expected"), [(64, 0, 1), (64, 0.03, 1), (64, 0.5, 16), (63, 1, 31), (1, 1, 1), (2, 1, 1)]
)
def test_reach_is_a_share_of_half_the_size_and_at_least_one(size, cutoff, expected):
    assert reach(size, cutoff) == expected


@FILTERS
def test_flat_planes_are_scaled_as_a_whole(cutoff, mask):
    flat = torch.full((1, 1, 8, 8), 3.0)
    torch.testing.assert_close(scale_skip_(flat.clone(), 0.2, cutoff=cutoff, mask=mask), 0.2 * flat)


@pytest.mark.parametrize("s", [0.5, 1.0])
@pytest.mark.parametrize("mask", ["circle", "Box", "", None])
def test_unknown_mask_is_a_value_error(mask, s):
    skip = planes(1, 1, 4, 4)
    before = skip.clone()
    with pytest.raises(ValueError, match=r"^mask must be box or disc, got "):
        scale_skip_(skip, s, mask=mask)
    assert skip.equal(before)
