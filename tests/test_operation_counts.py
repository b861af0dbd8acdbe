"""What FreeU computes, counted in tensor operations, copies and graphs, which do not depend on the machine."""

from collections import Counter
from contextlib import nullcontext

import pytest
import torch
import torch._dynamo
from torch.utils._python_dispatch import TorchDispatchMode

from freeu import Settings, attach, scale_backbone_, scale_skip_
from freeu.core.hooks import Session, guard_hooks
from tests.support.memory import peak_memory
from tests.support.reference import filter_skip
from tests.support.torch_versions import TORCH_2_1
from tests.support.unets import build, hooks_on, inputs, shared

CPU = torch.device("cpu")
SMALL, LARGE = (8, 8), (64, 64)
LARGER_MASKS = [{"cutoff": 0.5}, {"cutoff": 0.5, "mask": "disc"}]
"""Masks that are not filtered by the low-rank matrix."""


NO_WORK = ("empty", "new_empty", "detach", "_reshape_alias", "_unsafe_view")
"""Operations that compute nothing; views do not count either."""


class OperationCounter(TorchDispatchMode):
    """A context that counts tensor operations by name. In inference mode, it would count composite ones as one."""

    def __init__(self):
        super().__init__()
        self.counts = Counter()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        if not func.is_view and name not in NO_WORK:
            self.counts[name] += 1
        return func(*args, **(kwargs or {}))


def count_operations(edit):
    with torch.no_grad(), OperationCounter() as counter:
        edit()
    return counter.counts


def backbone_operations(version, dtype=torch.float32, batch=1, size=SMALL, keep=0.0):
    backbone = torch.randn(batch, 96, *size).to(dtype)[:, :64]
    return count_operations(lambda: scale_backbone_(backbone, 1.3, version=version, keep_contrast=keep))


def skip_operations(dtype=torch.float32, batch=1, channels=32, size=SMALL, **options):
    skip = torch.randn(batch, 64 + channels, *size).to(dtype)[:, 64:]
    scale_skip_(skip, 0.7, **options)  # the first call makes the matrices
    return count_operations(lambda: scale_skip_(skip, 0.7, **options))


@pytest.mark.parametrize(("version", "count"), [("1", 1), ("2", 14)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("shape", [{}, {"batch": 4}, {"size": LARGE}], ids=str)
def test_operations_of_the_backbone(version, count, dtype, shape):
    """Version 2 converts half types to float32 and back once."""
    counts = backbone_operations(version, dtype, **shape)
    conversions = 2 if version == "2" and dtype == torch.bfloat16 else 0
    assert sum(counts.values()) == count + conversions, dict(counts)


@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_keeping_contrast_is_three_norms_a_division_and_a_multiplication_more(version, dtype):
    """The other operations are on one number per image. Half types are converted once in version 1 too."""
    more = backbone_operations(version, dtype, batch=4, keep=1.0) - backbone_operations(version, dtype, batch=4)
    small = {"add": 1, "div": 1, "eq": 1, "masked_fill": 1, "mul": 2, "clamp": 2, "nan_to_num": 2}
    power_of_two = {"log2": 1, "floor": 1, "exp2": 1}
    conversions = {"_to_copy": 1, "copy_": 1} if version == "1" and dtype == torch.bfloat16 else {}
    assert more == {"linalg_vector_norm": 3, "div_": 1, "mul_": 1, **small, **power_of_two, **conversions}


SHAPES = pytest.mark.parametrize("shape", [{}, {"batch": 4}, {"size": LARGE}, {"channels": 320}], ids=str)


@SHAPES
@pytest.mark.parametrize("options", [{}, {"mask": "disc"}], ids=str)
def test_smallest_masks_are_two_products_per_image(options, shape):
    images = shape.get("batch", 1)
    assert skip_operations(**options, **shape) == {"mm": 2 * images, "add_": images}


@SHAPES
@pytest.mark.parametrize("options", LARGER_MASKS, ids=str)
def test_larger_masks_are_four_products_per_image(options, shape):
    """Those in between are on the low part of the spectrum. Two copies transpose it."""
    images = shape.get("batch", 1)
    between = {"clone": 2, "flip": 1, "mul": 2, "add": 1}
    expected = {name: count * images for name, count in {"mm": 4, "add_": 1, **between}.items()}
    assert skip_operations(**options, **shape) == expected


@pytest.mark.parametrize("options", [{}, *LARGER_MASKS], ids=str)
def test_scaling_high_frequencies_is_one_multiplication_more(options):
    assert skip_operations(**options, high=1.1) - skip_operations(**options) == {"mul_": 1}


@pytest.mark.parametrize("options", [{}, *LARGER_MASKS], ids=str)
def test_half_types_need_two_copies_more(options):
    copies = skip_operations(torch.bfloat16, **options) - skip_operations(**options)
    assert copies == {"_to_copy": 1, "copy_": 1}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("options", [{"cutoff": 1.0}, {"high": 0.7}], ids=str)
def test_equal_factors_are_one_multiplication(dtype, options):
    assert skip_operations(dtype, **options) == {"mul_": 1}


@pytest.mark.parametrize("options", [{}, {"size": LARGE}, *LARGER_MASKS, {"mask": "disc"}], ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16], ids=str)
def test_no_fft_and_no_synchronization_with_a_gpu(dtype, options):
    names = set(skip_operations(dtype, **options)) | set(backbone_operations("2", dtype, keep=1.0))
    assert not [name for name in names if "fft" in name]
    assert not {"_local_scalar_dense", "item", "is_nonzero", "nonzero", "equal"} & names


def test_counting_sees_an_fft():
    """The test above can fail."""
    counts = count_operations(lambda: filter_skip(torch.randn(1, 4, 8, 8), 0.7))
    assert [name for name in counts if "fft" in name]


@pytest.mark.parametrize("options", [{}, *LARGER_MASKS], ids=str)
def test_matrices_are_made_once_per_size(options):
    """Also with hires. fix, whose passes have the skip features of four resolutions each."""
    skips = [torch.randn(1, 2, height, 10) for height in range(50, 58)]  # sizes that no other test has cached

    def edit():
        for skip in skips:
            scale_skip_(skip, 0.7, **options)

    first, second, third = (count_operations(edit) for _ in range(3))
    assert sum(first.values()) > sum(second.values())
    assert second == third


def count_call(unet, settings, observe=None):
    """Return the operations of one call of the UNet, and how many decoder blocks were edited."""
    x, timesteps, context = inputs()
    with attach(unet, settings, observe) as session:
        session.at(0, 20)
        counts = count_operations(lambda: unet(x, timesteps=timesteps, context=context))
    return counts, session.calls


@pytest.mark.parametrize(
    "settings",
    [
        Settings(enabled=False),
        Settings(b1=1, b2=1, s1=1, s2=1, keep_contrast=1),
        Settings(width1=0, width2=0, s1=1, s2=1, keep_contrast=1),
        Settings(start=0.5),
        Settings(curve="0:0, 1:1"),
    ],
    ids=["off", "factors of 1", "no channels", "before start", "strength 0"],
)
def test_nothing_runs_while_freeu_is_off_or_neutral(settings):
    unet = shared("SDXL")
    x, timesteps, context = inputs()
    off = count_operations(lambda: unet(x, timesteps=timesteps, context=context))
    assert count_call(unet, settings) == (off, 0)


@pytest.mark.parametrize(
    "settings", [Settings(enabled=False), Settings(b1=1, b2=1, s1=1, s2=1, keep_contrast=1)], ids=["off", "neutral"]
)
def test_neutral_settings_add_no_hook_and_no_work_per_step(settings, monkeypatch):
    unet = shared("SDXL")
    edited = []
    monkeypatch.setattr(Session, "edit_", lambda *args: edited.append(args))
    with attach(unet, settings) as session:
        assert hooks_on(unet) == 0
        for step in range(20):
            assert count_operations(lambda step=step: session.at(step, 20)) == {}
        unet(*inputs())
    assert edited == []


@pytest.mark.parametrize("settings", [Settings(), Settings(curve="0:0, 1:1", clock="step")], ids=["window", "curve"])
def test_setting_the_step_needs_no_tensor(settings):
    with attach(shared("SDXL"), settings) as session:
        assert count_operations(lambda: session.at(7, 20)) == {}


@pytest.mark.parametrize("settings", [Settings(), Settings(enabled=False)], ids=["on", "off"])
def test_only_an_observer_costs_a_copy_per_edited_block(settings):
    unet = shared("SDXL")
    count_call(unet, settings)  # makes the matrices
    without, edited = count_call(unet, settings)
    blocks = []
    observed, _ = count_call(unet, settings, lambda observation: blocks.append(observation.block.index))
    assert blocks == list(range(9))
    assert observed - without == ({"clone": edited} if edited else {})
    assert not without - observed


def official_edit(joined, backbone, s=0.7, b=1.3):
    """Edit features as the authors' code does, version 2, in float32."""
    h, skip = joined[:, :backbone], joined[:, backbone:]
    mean = h.mean(1, keepdim=True)
    low, high = mean.amin((2, 3), keepdim=True), mean.amax((2, 3), keepdim=True)
    h[:, : backbone // 2] = h[:, : backbone // 2] * ((b - 1) * (mean - low) / (high - low) + 1)
    spectrum = torch.fft.fftshift(torch.fft.fftn(skip.float(), dim=(-2, -1)), dim=(-2, -1))
    row, column = skip.shape[2] // 2, skip.shape[3] // 2
    mask = torch.ones_like(skip, dtype=torch.float32)
    mask[..., row - 1 : row + 1, column - 1 : column + 1] = s
    spectrum = torch.fft.ifftshift(spectrum * mask, dim=(-2, -1))
    return h, torch.fft.ifftn(spectrum, dim=(-2, -1)).real.to(skip.dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize("options", [{}, *LARGER_MASKS], ids=str)
@pytest.mark.parametrize("keep", [0.0, 1.0])
def test_peak_memory_is_at_most_30_percent_of_the_official_algorithm(dtype, version, options, keep):
    """One image's skip is filtered at a time. Half types need a float32 copy of it or, on a CPU, of the backbone."""
    joined = torch.randn(2, 960, 64, 64).to(dtype)

    def edit():
        scale_backbone_(joined[:, :640], 1.3, version=version, keep_contrast=keep)
        scale_skip_(joined[:, 640:], 0.7, **options)

    with torch.inference_mode():
        needed = peak_memory(edit, CPU)
        official = peak_memory(lambda: official_edit(joined, 640), CPU)
    assert 0 < needed <= 0.3 * official


@pytest.fixture(scope="module")
def unet():
    """Build a UNet with one decoder block of stage 3 and one of stage 1, without attention: few layers to compile."""
    return build("SDXL", channel_mult=(1, 4), num_res_blocks=0, attention_resolutions=())


class TestCompiled:
    """A UNet under torch.compile. That of torch 2.1 makes several graphs of ldm's, and FreeU runs between graphs."""

    @pytest.fixture
    def graphs(self):
        torch.compiler.reset()
        with torch._dynamo.config.patch(skip_nnmodule_hook_guards=True):
            yield []
        torch.compiler.reset()

    def compiled(self, unet, graphs, **options):
        def backend(graph, example_inputs):
            graphs.append(graph)
            return graph

        return torch.compile(unet, backend=backend, fullgraph=not TORCH_2_1, **options)

    @pytest.mark.slow
    @pytest.mark.parametrize("keep", [0.0, 1.0])
    @torch.inference_mode()
    def test_compiled_while_attached(self, unet, graphs, keep):
        """The same result, and off again after closing. FreeU breaks no graph, or with torch 2.1 one for each edit."""
        x, timesteps, context = inputs()
        off = self.compiled(unet, graphs)(x, timesteps=timesteps, context=context)
        graphs_when_off = len(graphs)
        torch.compiler.reset()
        settings = Settings(b3=1.2, s3=0.5, cutoff3=0.5, high1=1.1, keep_contrast=keep)
        with attach(unet, settings) as session:
            on = unet(x, timesteps=timesteps, context=context)
            edited = session.calls
        compiled = self.compiled(unet, graphs)
        with attach(unet, settings) as session:
            for step in range(3):
                session.at(step, 3)
                output = compiled(x, timesteps=timesteps, context=context)
                torch.testing.assert_close(output, on, rtol=0, atol=1e-5)  # in torch 2.11, some sums differ by rounding
            assert session.calls == (3 * edited if TORCH_2_1 else 1)
        assert len(graphs) - graphs_when_off <= graphs_when_off + (2 * edited if TORCH_2_1 else 0)
        assert compiled(x, timesteps=timesteps, context=context).equal(off)

    @pytest.mark.slow
    @pytest.mark.skipif(TORCH_2_1, reason="no hook is in a graph")
    @torch.inference_mode()
    def test_observer_is_not_called_in_a_graph(self, unet, graphs):
        """A call of it would break the graph."""
        x, timesteps, context = inputs()
        observations = []
        with attach(unet, Settings(), observations.append) as session:
            self.compiled(unet, graphs)(x, timesteps=timesteps, context=context)
        assert (len(graphs), session.calls, observations) == (1, 1, [])

    @pytest.mark.slow
    @torch.inference_mode()
    def test_unet_compiled_before_attach_is_reported(self, unet, graphs):
        """Such a UNet runs no hooks that are added later; `was_active` and `calls` show it."""
        x, timesteps, context = inputs()
        compiled = self.compiled(unet, graphs)
        compiled(x, timesteps=timesteps, context=context)
        with attach(unet, Settings()) as session:
            session.at(0, 3)
            compiled(x, timesteps=timesteps, context=context)
        assert session.was_active
        assert session.calls == 0

    @pytest.mark.parametrize("dynamic", [None, pytest.param(True, marks=pytest.mark.slow)])
    @torch.inference_mode()
    def test_compiled_unet_sees_hooks_that_come_and_go(self, graphs, dynamic):
        """Compiled anew for each call, as Forge Neo does."""
        first = Settings()
        other = Settings(version="1", b1=1.1, s2=0.6, cutoff1=0.9, cutoff2=0.5, mask="disc", keep_contrast=0.5)
        unet, x = SmallUNet(), torch.randn(2, 4, 12, 12)
        guard_hooks()
        for settings in (first, None, other, None, first):
            compiled = self.compiled(unet, graphs, dynamic=dynamic)
            with attach(unet, settings) if settings else nullcontext():
                torch.testing.assert_close(compiled(x), unet(x), rtol=0, atol=1e-5)


class SmallResBlock(torch.nn.Conv2d):
    """A convolution with the attributes that FreeU reads of an ldm ResBlock."""

    def __init__(self, channels, out_channels):
        super().__init__(channels, out_channels, 1)
        self.channels, self.emb_channels = channels, 4


class SmallUNet(torch.nn.Module):
    """The least that FreeU can edit, so that compiling it takes no time."""

    model_channels, channel_mult, num_res_blocks = 4, (1, 2, 4), 1

    def __init__(self):
        super().__init__()
        self.input_blocks = torch.nn.ModuleList([SmallResBlock(4, 8)])
        self.middle_block = SmallResBlock(8, 16)
        self.output_blocks = torch.nn.ModuleList([SmallResBlock(24, 8), SmallResBlock(16, 4)])

    def forward(self, x):
        skip = self.input_blocks[0](x)
        h = self.middle_block(skip)
        for block in self.output_blocks:
            h = block(torch.cat([h, skip], 1))
        return h
