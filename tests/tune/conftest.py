"""Stand-in WebUIs, and databases in SQLite and on a real PostgreSQL server."""

import os

import pytest

pytest.importorskip("optuna_dashboard", reason="the environment of Forge has no tune")

from tests.support import postgres
from tests.support.faulty import FaultyWebUI


@pytest.fixture(scope="session")
def server(request):
    """A PostgreSQL server. Where it must not be missing, FREEU_POSTGRES is "required"."""
    programs = postgres.find_programs()
    if programs is None:
        message = "no PostgreSQL server on this machine (Debian: apt install postgresql)"
        pytest.fail(message) if os.environ.get("FREEU_POSTGRES") == "required" else pytest.skip(message)
    with postgres.Server(programs) as server:
        yield server


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def storage_url(request, tmp_path):
    """The address of a new, empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/study.db"
    return request.getfixturevalue("server").create_database()


@pytest.fixture
def webui():
    """A stand-in WebUI that answers at once."""
    stand_in = FaultyWebUI()
    yield stand_in
    stand_in.close()
