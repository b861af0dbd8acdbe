"""The playground's host for the extension's tests, or a WebUI that runs elsewhere."""

import os
from collections.abc import Iterator

import pytest

from tests.webui.client import Client


@pytest.fixture(scope="session")
def playground():
    """The small host with the extension, running in this process."""
    from playground import serve

    with serve.start() as server:
        yield server


@pytest.fixture(scope="session")
def client(request) -> Iterator[Client]:
    """A client of the WebUI at FREEU_URL, or of the playground."""
    url = os.environ.get("FREEU_URL") or request.getfixturevalue("playground").url
    return Client(url)
