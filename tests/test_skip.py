"""scale_skip_ against Fourier transforms in float64."""

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from freeu import SettingsError, scale_skip_
from tests.reference import filter_skip, rounding

sizes = st.integers(1, 40)
factors = st.floats(-1, 3)
masks = st.sampled_from(["box", "disc"])
cutoffs = st.one_of(st.just(0.0), st.floats(0, 1))
HALVES = [torch.float16, torch.bfloat16]


def planes(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """Noise with a mean, as features have."""
    return (torch.randn(shape, generator=torch.Generator().manual_seed(seed)) + 0.5).to(dtype)


def largest(x: torch.Tensor) -> torch.Tensor:
    """The largest magnitude of each plane."""
    return x.double().abs().amax(dim=(-2, -1), keepdim=True)


def assert_within_float32(skip: torch.Tensor, out: torch.Tensor, expected: torch.Tensor) -> None:
    error = ((out.double() - expected).abs() / largest(skip)).max().item()
    assert error <= 2e-6, error


@given(sizes, sizes, factors, factors, cutoffs, masks, st.integers(0, 99))
def test_equals_the_definition(height, width, s, high, cutoff, mask, seed):
    skip = planes(2, 3, height, width, seed=seed)
    expected = filter_skip(skip, s, high, cutoff, mask)
    out = scale_skip_(skip.clone(), s, high=high, cutoff=cutoff, mask=mask)
    assert_within_float32(skip, out, expected)


@pytest.mark.parametrize(("height", "width"), [(64, 64), (128, 128), (96, 152), (127, 61), (256, 8), (1, 200), (2, 3)])
@pytest.mark.parametrize("mask", ["box", "disc"])
@pytest.mark.parametrize("cutoff", [0.0, 0.3, 1.0])
def test_equals_the_definition_at_the_sizes_of_models(height, width, mask, cutoff):
    skip = planes(1, 4, height, width)
    expected = filter_skip(skip, 0.2, 1.0, cutoff, mask)
    assert_within_float32(skip, scale_skip_(skip.clone(), 0.2, cutoff=cutoff, mask=mask), expected)


@given(sizes, sizes, factors, cutoffs, masks, st.sampled_from(HALVES), st.floats(-4, 4))
def test_half_types_are_rounded_once(height, width, s, cutoff, mask, dtype, scale):
    """The bound is rounding the output once, plus float32's own error."""
    skip = (planes(2, 3, height, width) * 10**scale).to(dtype)
    expected = filter_skip(skip, s, 1.0, cutoff, mask)
    assume(expected.abs().max() < torch.finfo(dtype).max)
    out = scale_skip_(skip.clone(), s, cutoff=cutoff, mask=mask)
    bound = rounding(expected, dtype) + 2e-6 * largest(skip)
    assert out.dtype == dtype
    assert ((out.double() - expected).abs() <= bound).all()


@given(sizes, sizes, cutoffs, masks, st.booleans())
def test_edits_a_view_in_place_and_nothing_else(height, width, cutoff, mask, channels_last):
    joined = planes(2, 7, height, width)
    if channels_last:
        joined = joined.contiguous(memory_format=torch.channels_last)
    before = joined.clone()
    skip = joined[:, 4:]
    out = scale_skip_(skip, 0.3, cutoff=cutoff, mask=mask)
    assert out is skip
    assert joined[:, :4].equal(before[:, :4])
    assert_within_float32(before[:, 4:], joined[:, 4:], filter_skip(before[:, 4:], 0.3, 1.0, cutoff, mask))


def test_edits_a_layout_that_cannot_be_flattened():
    skip = planes(2, 3, 8, 6).transpose(2, 3)
    expected = filter_skip(skip, 0.3)
    assert_within_float32(skip.clone(), scale_skip_(skip, 0.3), expected)


@pytest.mark.parametrize("mask", ["box", "disc"])
@pytest.mark.parametrize("cutoff", [0.0, 0.5])
def test_factors_of_one_change_no_bit(mask, cutoff):
    skip = planes(2, 3, 9, 8)
    assert scale_skip_(skip.clone(), 1.0, cutoff=cutoff, mask=mask).equal(skip)


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize(("cutoff", "mask"), [(0.0, "box"), (0.4, "box"), (0.4, "disc")])
@pytest.mark.parametrize("feature", [torch.float32, torch.bfloat16])
def test_autocast_does_not_lower_the_sums(dtype, cutoff, mask, feature):
    skip = planes(2, 3, 16, 16, dtype=feature)
    plain = scale_skip_(skip.clone(), 0.2, cutoff=cutoff, mask=mask)
    with torch.autocast("cpu", dtype):
        assert scale_skip_(skip.clone(), 0.2, cutoff=cutoff, mask=mask).equal(plain)


@pytest.mark.parametrize(("cutoff", "mask"), [(0.0, "box"), (0.4, "box"), (0.4, "disc")])
def test_a_basis_made_in_inference_mode_serves_gradients_later(cutoff, mask):
    size = 11 if mask == "box" else 13
    with torch.inference_mode():
        scale_skip_(planes(1, 2, size, size), 0.2, cutoff=cutoff, mask=mask)
    skip = planes(1, 2, size, size).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: scale_skip_(x.clone(), 0.2, cutoff=cutoff, mask=mask), skip)
    single = planes(1, 2, size, size).requires_grad_()
    scale_skip_(single.clone(), 0.2, cutoff=cutoff, mask=mask).sum().backward()
    assert single.grad is not None


@pytest.mark.parametrize(("cutoff", "mask"), [(0.0, "box"), (0.0, "disc"), (0.4, "box"), (0.4, "disc")])
def test_each_picture_is_as_it_would_be_alone(cutoff, mask):
    skip = planes(3, 4, 12, 20)
    alone = torch.cat([scale_skip_(skip[i : i + 1].clone(), 0.2, cutoff=cutoff, mask=mask) for i in range(3)])
    torch.testing.assert_close(scale_skip_(skip.clone(), 0.2, cutoff=cutoff, mask=mask), alone, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("height", "width", "rows"), [(8, 8, 7), (5, 9, 7), (1, 8, 3), (2, 8, 6), (1, 1, 1), (2, 2, 4)]
)
def test_the_lowest_box_has_seven_rows_or_fewer(height, width, rows):
    """Bins that coincide or are their own mirror count once: that is what sizes 1 and 2 are about."""
    a = lowest(height, width, "box", torch.device("cpu"), torch.float64)
    assert a.shape[1] == height * width
    assert a.any(1).sum() == rows


def test_a_picture_of_nothing_but_low_frequencies_is_scaled_whole():
    flat = torch.full((1, 1, 8, 8), 3.0)
    torch.testing.assert_close(scale_skip_(flat.clone(), 0.2), 0.2 * flat)
    torch.testing.assert_close(scale_skip_(flat.clone(), 0.2, mask="disc"), 0.2 * flat)


@pytest.mark.parametrize("mask", ["circle", ""])
def test_another_mask_is_refused(mask):
    with pytest.raises(SettingsError, match=r"mask: .* it is one of box, disc"):
        scale_skip_(planes(1, 1, 4, 4), 0.5, mask=mask)
