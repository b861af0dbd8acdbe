"""scale_backbone_, compared with the definition in float64."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from freeu import scale_backbone_
from freeu.core.backbone import channel_window, structure_map
from tests.reference import rounding, scale_backbone

channels = st.integers(1, 40)
sizes = st.integers(1, 20)
factors = st.floats(-1, 3)
shares = st.floats(0, 1)
versions = st.sampled_from(["1", "2"])
dtypes = st.sampled_from([torch.float32, torch.float16, torch.bfloat16])


def features(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)) + 0.2


@given(channels, sizes, sizes, factors, versions, shares, shares, dtypes, st.integers(0, 99))
def test_equals_the_definition(count, height, width, b, version, offset, share, dtype, seed):
    """The bound: one rounding of the output, plus float32's error in the mean, magnified by the map's range."""
    h = features(2, count, height, width, seed=seed).to(dtype)
    expected = scale_backbone(h, b, version, offset, share)
    out = scale_backbone_(h.clone(), b, version=version, offset=offset, width=share)
    mean = h.double().mean(1, keepdim=True)
    spread = (mean.amax((2, 3), keepdim=True) - mean.amin((2, 3), keepdim=True)).clamp_min(1e-30)
    magnified = torch.where(spread > 1e-20, mean.abs().amax((2, 3), keepdim=True) / spread, 0.0)
    bound = rounding(expected, dtype) + 1e-6 * (1 + magnified) * (1 + abs(b - 1)) * h.double().abs()
    assert out.dtype == dtype
    assert ((out.double() - expected).abs() <= bound).all()


@given(st.integers(1, 2000), shares, shares)
def test_window_has_its_share_of_channels_and_wraps(count, offset, width):
    marked = torch.zeros(count, dtype=torch.int)
    for window in channel_window(count, offset, width):
        marked[window] += 1
    begin = round(offset * count)
    expected = {(begin + i) % count for i in range(round(width * count))}
    assert set(marked.nonzero().flatten().tolist()) == expected
    assert marked.max() <= 1


@pytest.mark.parametrize("count", [1280, 640, 320, 1536, 768, 384])
def test_default_window_is_exactly_half_the_channels(count):
    """ljleb's extension takes one channel too many (641 of 1280)."""
    assert channel_window(count, 0.0, 0.5) == [slice(0, count // 2)]


@given(channels, sizes, sizes, factors, dtypes)
def test_flat_map_gives_factor_one(count, height, width, b, dtype):
    """Each channel has one value everywhere."""
    h = features(2, count, 1, 1).to(dtype).expand(2, count, height, width).clone()
    assert scale_backbone_(h.clone(), b, width=1.0).equal(h)


@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize(("b", "width"), [(1.0, 0.5), (1.5, 0.0)])
def test_factor_one_and_width_zero_are_bit_identical(version, b, width):
    h = features(2, 8, 6, 6)
    assert scale_backbone_(h.clone(), b, version=version, width=width).equal(h)


def test_edits_only_the_view_and_in_place():
    joined = features(2, 12, 6, 5)
    before = joined.clone()
    h = joined[:, :8]
    assert scale_backbone_(h, 1.5) is h
    assert joined[:, 4:].equal(before[:, 4:])
    assert not joined[:, :4].equal(before[:, :4])


@given(st.integers(2, 40), st.integers(2, 20), st.integers(2, 20))
def test_structure_map_spans_zero_to_one_for_each_batch_item(count, height, width):
    structure = structure_map(features(3, count, height, width))
    assert structure.amin((1, 2, 3)).tolist() == [0.0] * 3
    assert structure.amax((1, 2, 3)).tolist() == [1.0] * 3


def test_batch_items_are_independent():
    h = features(3, 8, 7, 9) * torch.tensor([1.0, 5.0, 0.1]).view(3, 1, 1, 1)
    alone = torch.cat([scale_backbone_(h[i : i + 1].clone(), 1.5) for i in range(3)])
    torch.testing.assert_close(scale_backbone_(h.clone(), 1.5), alone, rtol=0, atol=1e-6)


@pytest.mark.parametrize("version", ["1", "2"])
def test_gradients_are_correct(version):
    h = features(1, 4, 3, 3).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: scale_backbone_(x.clone(), 1.5, version=version), h)


def test_gradients_through_a_flat_map_are_finite():
    h = torch.ones(1, 4, 3, 3).requires_grad_()
    scale_backbone_(h.clone(), 1.5).sum().backward()
    assert h.grad.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_autocast_changes_nothing(dtype):
    h = features(2, 64, 9, 9).to(dtype)
    plain = scale_backbone_(h.clone(), 1.5)
    with torch.autocast("cpu", torch.bfloat16):
        assert scale_backbone_(h.clone(), 1.5).equal(plain)


@pytest.mark.parametrize("version", [1, 2])
def test_version_may_be_a_number(version):
    h = features(1, 4, 3, 3)
    by_number = scale_backbone_(h.clone(), 1.5, version=version)
    assert by_number.equal(scale_backbone_(h.clone(), 1.5, version=str(version)))


@pytest.mark.parametrize("version", [3, "v2", "", None])
@pytest.mark.parametrize("b", [1.0, 1.5])
def test_unknown_version_is_a_value_error(version, b):
    h = features(1, 4, 3, 3)
    before = h.clone()
    with pytest.raises(ValueError, match=r"^version must be 1 or 2, got "):
        scale_backbone_(h, b, version=version)
    assert h.equal(before)
