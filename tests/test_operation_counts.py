"""What FreeU costs, in counts and never in seconds: tensor operations, copies, graphs."""

import pytest
import torch

from benchmarks import rivals, work
from benchmarks.measure import Counting, peak_memory
from freeu import Settings, attach, scale_backbone_, scale_skip_
from tests.unets import build, inputs, shared

CPU = torch.device("cpu")
SMALL, LARGE = (8, 8), (24, 24)
"""Planes that are filtered whole, and along one direction at a time."""


def operations(dtype=torch.float32, pictures=1, size=SMALL, **settings):
    """What editing one decoder block computes."""
    joined = torch.randn(pictures, 96, *size).to(dtype)
    version = settings.pop("version", "2")
    with torch.no_grad(), Counting() as counting:
        scale_backbone_(joined[:, :64], 1.3, version=version)
        scale_skip_(joined[:, 64:], 0.7, **settings)
    return counting.counts


@pytest.mark.parametrize(
    ("settings", "most"),
    [
        ({"version": "1"}, 3),
        ({"version": "1", "size": LARGE}, 5),
        ({"version": "1", "size": LARGE, "pictures": 4}, 17),
        ({"version": "1", "cutoff": 0.5, "size": LARGE}, 4),
        ({"version": "1", "cutoff": 0.5, "mask": "disc", "size": LARGE}, 4),
        ({"version": "1", "cutoff": 1.0}, 2),
        ({"version": "1", "dtype": torch.bfloat16}, 5),
        ({"version": "2"}, 19),
        ({"version": "2", "size": LARGE}, 21),
        ({"version": "2", "pictures": 4}, 19),
        ({"version": "2", "dtype": torch.bfloat16}, 24),
    ],
    ids=str,
)
def test_operations_of_an_edited_block(settings, most):
    operations(**settings)  # the first call fills the cache
    counts = operations(**settings)
    assert 0 < sum(counts.values()) <= most, dict(counts)


@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize("settings", [{}, {"size": LARGE}, {"cutoff": 0.5}, {"mask": "disc"}, {"dtype": torch.float16}])
def test_no_fourier_transform_and_no_waiting_for_a_device(version, settings):
    counts = operations(version=version, **settings)
    assert not [name for name in counts if "fft" in name]
    assert not {"_local_scalar_dense", "item", "is_nonzero", "nonzero", "equal"} & set(counts)


def test_the_basis_is_made_once():
    size = (26, 22)
    first, second, third = (operations(size=size) for _ in range(3))
    assert sum(first.values()) > sum(second.values())
    assert second == third


def test_counting_sees_a_fourier_transform():
    """The check above can fail."""
    features = work.Features(torch.randn(1, 96, 8, 8), torch.randn(1, 64, 8, 8), torch.randn(1, 32, 8, 8))
    with Counting() as counting:
        rivals.official("2")(features)
    assert [name for name in counting.counts if "fft" in name]


@pytest.mark.parametrize(
    "settings",
    [Settings(enabled=False), Settings(b1=1, b2=1, s1=1, s2=1), Settings(start=0.5), Settings(curve="0:0, 1:1")],
    ids=["off", "neutral", "not yet", "strength 0"],
)
def test_off_computes_nothing(settings):
    unet = shared("SDXL")
    x, timesteps, context = inputs()

    def counted():
        with torch.no_grad(), Counting() as counting:
            unet(x, timesteps=timesteps, context=context)
        return counting.counts

    off = counted()
    with attach(unet, settings) as session:
        session.at(0, 20)
        assert counted() == off


@pytest.mark.parametrize("settings", [Settings(), Settings(enabled=False)], ids=["on", "off"])
def test_measuring_costs_nothing_where_nobody_looks(settings):
    """An observer that only looks on adds one copy for each block that is edited, and nothing else; none adds none."""
    unet = shared("SDXL")
    x, timesteps, context = inputs()

    def counted(**more):
        with attach(unet, settings, **more) as session, torch.no_grad(), Counting() as counting:
            unet(x, timesteps=timesteps, context=context)
        return counting.counts, session.calls

    counted()
    unseen, edited = counted()
    met = []
    seen, _ = counted(observe=lambda observation: met.append(observation.block.index))
    assert met == list(range(9))
    assert seen - unseen == ({"clone": edited} if edited else {})
    assert not unseen - seen


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize(("cutoff", "mask"), [(0.0, "box"), (0.3, "box"), (0.3, "disc")])
def test_memory_is_bounded(dtype, version, cutoff, mask):
    """Beside the features nothing is needed that grows with the number of channels, but pieces of them."""
    joined = torch.randn(2, 960, 64, 64).to(dtype)
    features = work.Features(joined, joined[:, :640], joined[:, 640:])
    with torch.inference_mode():
        needed = peak_memory(lambda: rivals.ours(version, cutoff, mask)(features), CPU)
    assert 0 < needed < 0.2 * joined.numel() * 4


@pytest.fixture(scope="module")
def unet():
    """One without attention, which takes long to compile and is not ours."""
    return build("SDXL", num_res_blocks=1, attention_resolutions=())


class TestCompiled:
    """A UNet under torch.compile."""

    @pytest.fixture
    def graphs(self):
        torch.compiler.reset()
        yield []
        torch.compiler.reset()

    def compiled(self, unet, graphs):
        def backend(graph, example_inputs):
            graphs.append(graph)
            return graph

        return torch.compile(unet, backend=backend, fullgraph=True)

    @torch.inference_mode()
    def test_compiled_while_attached(self, unet, graphs):
        """No graph break, no new graph a call, and the same picture; off again afterwards."""
        x, timesteps, context = inputs()
        off = unet(x, timesteps=timesteps, context=context)
        settings = Settings(cutoff2=0.5, high1=1.1)
        with attach(unet, settings):
            on = unet(x, timesteps=timesteps, context=context)
        compiled = self.compiled(unet, graphs)
        with attach(unet, settings) as session:
            for step in range(3):
                session.at(step, 3)
                assert compiled(x, timesteps=timesteps, context=context).equal(on)
            assert session.calls == 1
        assert len(graphs) == 1
        assert compiled(x, timesteps=timesteps, context=context).equal(off)

    @torch.inference_mode()
    def test_compiled_is_not_observed(self, unet, graphs):
        """Looking would break the graph."""
        x, timesteps, context = inputs()
        met = []
        with attach(unet, Settings(), met.append) as session:
            self.compiled(unet, graphs)(x, timesteps=timesteps, context=context)
        assert (len(graphs), session.calls, met) == (1, 1, [])

    @torch.inference_mode()
    def test_compiled_before_is_told(self, unet, graphs):
        """Such a UNet runs no hooks that come later. `calls` and `asked` say so."""
        x, timesteps, context = inputs()
        compiled = self.compiled(unet, graphs)
        compiled(x, timesteps=timesteps, context=context)
        with attach(unet, Settings()) as session:
            session.at(0, 3)
            compiled(x, timesteps=timesteps, context=context)
        assert session.was_active
        assert session.calls == 0
