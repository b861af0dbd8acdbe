import os

if "PYTEST_XDIST_WORKER" in os.environ:
    # Workers share the cores, so each computes in one thread, and so do the processes it starts. torch and numpy
    # read this when they are imported.
    os.environ.setdefault("OMP_NUM_THREADS", "1")

from hypothesis import HealthCheck, settings

settings.register_profile(
    "freeu", deadline=None, print_blob=True, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("freeu")
