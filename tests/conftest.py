"""Settings of hypothesis, and a UNet."""

import gc
import os

if "PYTEST_XDIST_WORKER" in os.environ:
    # Workers share the cores, so each computes in one thread, and so do the processes it starts. torch and numpy
    # read this when they are imported.
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "freeu",
    max_examples=100 if "CI" in os.environ else 25,  # 100 take half a minute more
    deadline=None,
    print_blob=True,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("freeu")


def pytest_collection_finish():
    """Let garbage collection skip what was imported, which is most of what it would look at in each test."""
    gc.freeze()


@pytest.fixture
def unet():
    """Yield a UNet; after the test, check that it has no hooks and computes what it did before."""
    # Only here, because torch is slow to import and not every test needs it.
    from tests.support.unets import call, hooks_on, inputs, shared

    unet = shared("SDXL")
    before = call(unet, *inputs())
    yield unet
    gc.collect()
    assert hooks_on(unet) == 0
    assert call(unet, *inputs()).equal(before)
