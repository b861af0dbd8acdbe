"""scale_backbone_, compared with the definition in float64."""

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from freeu import scale_backbone_
from freeu.core.backbone import channel_window, structure_map
from tests.support.reference import rms, rounding, scale_backbone

channels = st.integers(1, 40)
sizes = st.integers(1, 20)
factors = st.floats(-1, 3)
shares = st.floats(0, 1)
keeps = st.sampled_from([0.5, 1.0]) | shares
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


@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize("keep", [0.0, 0.7])
def test_float64_is_computed_in_float64(version, keep):
    h = features(2, 8, 6, 5).double()
    expected = scale_backbone(h, 1.3, version, keep_contrast=keep)
    out = scale_backbone_(h.clone(), 1.3, version=version, keep_contrast=keep)
    torch.testing.assert_close(out, expected, rtol=0, atol=1e-14)


@given(channels, sizes, sizes, factors, versions, shares, keeps, dtypes, st.integers(0, 99))
def test_keeping_contrast_scales_each_image_by_one_factor(count, height, width, b, version, share, keep, dtype, seed):
    """The bound: one rounding of the output, plus float32's error in the root mean squares."""
    assume(b == 0 or abs(b) > 1e-9)  # float32 has no squares of smaller features
    h = (features(3, count, height, width, seed=seed) * torch.tensor([1.0, 30.0, 0.1]).view(3, 1, 1, 1)).to(dtype)
    options = {"version": version, "width": share}
    edited = scale_backbone_(h.float().clone(), b, **options).double()
    after = [rms(image) for image in edited]
    kept = [1 - keep + keep * rms(image) / size if size else 1.0 for image, size in zip(h, after, strict=True)]
    expected = edited * torch.tensor(kept, dtype=torch.double).view(3, 1, 1, 1)
    out = scale_backbone_(h.clone(), b, **options, keep_contrast=keep)
    assert out.dtype == dtype
    assert ((out.double() - expected).abs() <= rounding(expected, dtype) + 1e-6 * expected.abs()).all()
    if keep == 1:
        unchanged = [rms(image) for image, size in zip(h, after, strict=True) if size]
        result = [rms(image) for image, size in zip(out, after, strict=True) if size]
        assert result == pytest.approx(unchanged, rel=torch.finfo(dtype).eps + 1e-6)


@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16], ids=str)
@pytest.mark.parametrize(
    "h", [torch.zeros(2, 8, 5, 6), torch.full((2, 8, 5, 6), 3.0), torch.ones(2, 8, 1, 1)], ids=["zero", "flat", "pixel"]
)
@pytest.mark.parametrize("b", [0.0, 1.5])
def test_keeping_the_contrast_of_flat_features_is_finite(h, version, b, dtype):
    out = scale_backbone_(h.to(dtype, copy=True), b, version=version, width=1.0, keep_contrast=1.0)
    assert out.isfinite().all()
    if b or version == "2":
        assert [rms(image) for image in out] == pytest.approx([rms(image) for image in h], rel=1e-3)


@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize("magnitude", [1e-35, 1e-24, 1e19, 1e36])
def test_contrast_of_features_whose_squares_float32_lacks_is_kept(version, magnitude):
    h = features(2, 8, 5, 6) * magnitude
    out = scale_backbone_(h.clone(), 1.5, version=version, keep_contrast=1.0)
    assert [rms(image) for image in out] == pytest.approx([rms(image) for image in h], rel=1e-6)


@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize("b", [0.1, 1.5])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=str)
def test_keeping_the_contrast_of_the_largest_features_gives_no_nan(version, b, dtype):
    h = features(2, 8, 5, 6).sign().to(dtype) * torch.finfo(dtype).max
    h[:, :, 0] = 0
    assert not scale_backbone_(h.clone(), b, version=version, keep_contrast=1.0).isnan().any()


@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16], ids=str)
def test_an_infinity_changes_only_its_pixel(version, dtype):
    h = features(2, 8, 5, 6).to(dtype)
    h[0, 1, 2, 3] = torch.inf
    out = scale_backbone_(h.clone(), 1.5, version=version, keep_contrast=1.0)
    infinite = torch.zeros(2, 8, 5, 6, dtype=torch.bool)
    infinite[0, :, 2, 3] = True
    assert out[~infinite].isfinite().all()


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
@pytest.mark.parametrize("keep", [0.0, 1.0])
def test_factor_one_and_width_zero_are_bit_identical(version, b, width, keep):
    h = features(2, 8, 6, 6)
    assert scale_backbone_(h.clone(), b, version=version, width=width, keep_contrast=keep).equal(h)


@pytest.mark.parametrize(("keep", "unchanged"), [(0.0, 4), (1.0, 8)])
def test_edits_only_the_view_and_in_place(keep, unchanged):
    joined = features(2, 12, 6, 5)
    before = joined.clone()
    h = joined[:, :8]
    assert scale_backbone_(h, 1.5, keep_contrast=keep) is h
    assert joined[:, unchanged:].equal(before[:, unchanged:])
    assert not joined[:, :4].equal(before[:, :4])


@given(st.integers(2, 40), st.integers(2, 20), st.integers(2, 20))
def test_structure_map_spans_zero_to_one_for_each_batch_item(count, height, width):
    structure = structure_map(features(3, count, height, width))
    assert structure.amin((1, 2, 3)).tolist() == [0.0] * 3
    assert structure.amax((1, 2, 3)).tolist() == [1.0] * 3


@pytest.mark.parametrize("keep", [0.0, 1.0])
def test_batch_items_are_independent(keep):
    h = features(3, 8, 7, 9) * torch.tensor([1.0, 5.0, 0.1]).view(3, 1, 1, 1)
    alone = torch.cat([scale_backbone_(h[i : i + 1].clone(), 1.5, keep_contrast=keep) for i in range(3)])
    torch.testing.assert_close(scale_backbone_(h.clone(), 1.5, keep_contrast=keep), alone, rtol=0, atol=2e-6)


@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize("keep", [0.0, 0.4, 1.0])
def test_gradients_are_correct(version, keep):
    h = features(2, 4, 3, 3).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: scale_backbone_(x.clone(), 1.5, version=version, keep_contrast=keep), h)


@pytest.mark.parametrize("value", [0.0, 1.0])
@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize("keep", [0.0, 1.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_gradients_through_flat_features_are_finite(value, version, keep, dtype):
    h = torch.full((1, 4, 3, 3), value, dtype=dtype).requires_grad_()
    scale_backbone_(h.clone(), 1.5, version=version, keep_contrast=keep).sum().backward()
    assert h.grad.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
@pytest.mark.parametrize("keep", [0.0, 1.0])
def test_autocast_changes_nothing(dtype, keep):
    h = features(2, 64, 9, 9).to(dtype)
    plain = scale_backbone_(h.clone(), 1.5, keep_contrast=keep)
    with torch.autocast("cpu", torch.bfloat16):
        assert scale_backbone_(h.clone(), 1.5, keep_contrast=keep).equal(plain)


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
