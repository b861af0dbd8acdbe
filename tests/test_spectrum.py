"""Measurements of images and features, compared with an FFT in float64."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from freeu.diagnostics.spectrum import (
    LOG_OFFSET,
    color_stats,
    energy,
    frequencies,
    mean_map,
    relative_log_amplitude,
    split_frequencies,
)

sizes = st.integers(2, 40)
seeds = st.integers(0, 99)
shares = st.floats(0, 1)
close = torch.testing.assert_close


def noise(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def paper_profile(x):
    """Return the profile of square planes by the paper's recipe."""
    size = x.shape[-1]
    spectrum = torch.fft.fftshift((torch.fft.fft2(x.double()).abs() + LOG_OFFSET).log(), dim=(-2, -1))
    diagonal = spectrum.mean((0, 1)).diagonal()[size // 2 :]
    return diagonal - diagonal[0]


@given(sizes, seeds)
def test_profile_equals_that_of_the_paper(size, seed):
    x = noise(2, 3, size, size, seed=seed, dtype=torch.float64)
    close(relative_log_amplitude(x), paper_profile(x), rtol=0, atol=1e-9)


@pytest.mark.parametrize("size", [8, 15, 64, 128])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_profile_of_every_type(size, dtype):
    x = (noise(2, 64, size, size) + 0.5).to(dtype)
    profile = relative_log_amplitude(x)
    assert profile.dtype == torch.float32
    close(profile.double(), paper_profile(x), rtol=0, atol=1e-3)


@given(sizes, sizes, seeds)
def test_profile_of_planes_that_are_not_square(height, width, seed):
    """Each frequency has the value of the closest bins; transposed planes have the same profile."""
    x = noise(1, 2, height, width, seed=seed, dtype=torch.float64)
    profile = relative_log_amplitude(x)
    assert profile.shape == frequencies(height, width).shape == (math.ceil(min(height, width) / 2),)
    spectrum = (torch.fft.fft2(x).abs() + LOG_OFFSET).log().mean((0, 1))
    for frequency, value in zip(frequencies(height, width).tolist(), profile.tolist(), strict=True):
        row, column = (frequency / (2 * math.pi) * size for size in (height, width))
        bins = [(r, c) for r in _nearest(row) for c in _nearest(column)]
        assert min(abs(value - (spectrum[r, c] - spectrum[0, 0]).item()) for r, c in bins) < 1e-9
    close(relative_log_amplitude(x.transpose(2, 3)), profile, rtol=0, atol=1e-9)


def _nearest(bin_number: float) -> set[int]:
    """Return the closest bins: two if it is half-way between them."""
    return {n for n in (math.floor(bin_number), math.ceil(bin_number)) if abs(n - bin_number) <= 0.5 + 1e-6}


def test_profile_of_a_view():
    x = noise(2, 300, 48, 48)
    close(relative_log_amplitude(x[:, 100:]).double(), paper_profile(x[:, 100:]), rtol=0, atol=1e-4)


@pytest.mark.parametrize("size", [(32, 32), (31, 31), (24, 40)])
def test_profile_of_white_noise_is_flat(size):
    """Except the bin of the mean. It is real, and the mean of log |N(0, 1)| is 0.35 lower than of complex values."""
    x = noise(8, 256, *size)
    profile = relative_log_amplitude(x)
    inner = profile[1:]
    assert profile[0] == 0
    assert (inner - inner.mean()).abs().max() < 0.1
    assert 0.2 < inner.mean() < 0.5


def test_blur_lowers_the_high_frequencies():
    x = noise(4, 16, 32, 32)
    blurred = torch.nn.functional.avg_pool2d(x, 3, stride=1, padding=1)
    assert relative_log_amplitude(blurred)[-1] < relative_log_amplitude(x)[-1] - 1


@given(sizes, seeds, st.floats(0.1, 100))
def test_profile_does_not_depend_on_brightness(size, seed, factor):
    """Except for the offset in the logarithm."""
    x = noise(1, 4, size, size, seed=seed, dtype=torch.float64)
    close(relative_log_amplitude(factor * x), relative_log_amplitude(x), rtol=0, atol=0.01)


@given(sizes, sizes, shares, seeds)
def test_low_and_high_frequencies_sum_to_the_input(height, width, radius, seed):
    x = noise(2, 3, height, width, seed=seed)
    before = x.clone()
    low, high = split_frequencies(x, radius)
    assert x.equal(before)
    close(low + high, x, rtol=0, atol=1e-5)


@given(sizes, sizes, shares, seeds)
def test_low_and_high_frequencies_have_nothing_in_common(height, width, radius, seed):
    """A second split does not change them, and their energies sum to that of the input."""
    x = noise(1, 2, height, width, seed=seed, dtype=torch.float64)
    low, high = split_frequencies(x, radius)
    close(split_frequencies(low, radius)[0], low, rtol=0, atol=1e-9)
    close(split_frequencies(high, radius)[0], torch.zeros_like(x), rtol=0, atol=1e-9)
    close(energy(low) + energy(high), energy(x))


def test_smallest_radius_gives_the_mean():
    x = noise(1, 2, 8, 8)
    close(split_frequencies(x, 0)[0], x.mean((2, 3), keepdim=True).expand_as(x), rtol=0, atol=1e-6)


@given(sizes, sizes, seeds)
def test_mean_map_spans_0_to_1(height, width, seed):
    x = noise(2, 3, height, width, seed=seed, dtype=torch.float64)
    mean = x.mean(1)
    low, high = mean.amin((1, 2), keepdim=True), mean.amax((1, 2), keepdim=True)
    close(mean_map(x), (mean - low) / (high - low))


def test_color_stats():
    red, grey, black, white = ([1.0, 0.0, 0.0], [0.5, 0.5, 0.5], [0.0, 0.0, 0.0], [1.0, 1.0, 1.0])
    pale = [0.8, 0.6, 0.4]
    images = torch.tensor([[red, grey], [black, pale], [white, white]]).permute(0, 2, 1)[:, :, None]
    close(color_stats(images).clipped, torch.tensor([0.5, 0.5, 1.0]))
    close(color_stats(images).saturation, torch.tensor([0.5, 0.25, 0.0]))
