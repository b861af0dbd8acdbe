"""The playground's host for the extension's tests, or a WebUI that runs elsewhere."""

import functools
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from freeu.user_presets import UserPresets
from playground import serve
from tests.support.client import Client
from tests.support.jobs import make_job
from tests.support.page import LONG, SHORT, Tab

serve.enter()  # the host's modules are to be found from here on


def pytest_itemcollected(item):
    """Mark a test that opens a page, and as slow too unless it is the walk."""
    if "browser" in item.fixturenames:
        item.add_marker("browser")
        if not item.get_closest_marker("walk"):
            item.add_marker("slow")


@pytest.fixture(scope="session", autouse=True)
def own_presets(tmp_path_factory):
    """The tests' own preset file, in place of the developer's."""
    with use_preset_file(tmp_path_factory.mktemp("own") / "presets.json") as own:
        yield own


@pytest.fixture
def empty_presets(tmp_path):
    """A preset file of one test, which does not exist yet."""
    with use_preset_file(tmp_path / "presets.json") as own:
        yield own


@contextmanager
def use_preset_file(path: Path) -> Iterator[UserPresets]:
    """Make the extension use the user presets in another file."""
    from freeu.webui.script import FreeU

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FreeU.catalog, "own", UserPresets(path))
        FreeU.catalog.reload_if_changed()
        yield FreeU.catalog.own
    FreeU.catalog.reload_if_changed()


@pytest.fixture(scope="session")
def playground(own_presets):
    """The small host with the extension, running in this process."""
    with serve.start() as server:
        yield server


@pytest.fixture
def host(playground) -> ModuleType:
    """The host's modules."""
    import modules.api.api
    import modules.processing
    import modules.script_callbacks
    import modules.scripts
    import modules.sd_models
    import modules.sd_unet
    import modules.shared

    return modules


@pytest.fixture
def job(host) -> Callable[..., Any]:
    """A function that makes a job."""
    return functools.partial(make_job, host)


# Without these, Chromium asks for things that a test has no use for.
CHROMIUM = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium, as the system has it. Where it must not be missing, FREEU_BROWSER is "required"."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        message = "no Chromium on this machine, so the page is not tested (Debian: apt install chromium)"
        pytest.fail(message) if os.environ.get("FREEU_BROWSER") == "required" else pytest.skip(message)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM)
        yield browser
        browser.close()


@pytest.fixture
def page(browser, playground) -> Iterator[Page]:
    """The playground's page, which must raise no error."""
    expect.set_options(timeout=SHORT)
    context = browser.new_context(viewport={"width": 1400, "height": 1400})
    page = context.new_page()
    page.set_default_timeout(SHORT)
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(playground.url, timeout=LONG)
    page.wait_for_selector("#script_txt2img_freeu_enabled-visible-checkbox", timeout=LONG)
    yield page
    context.close()
    assert errors == []


@pytest.fixture
def tab(page) -> Tab:
    """FreeU on the page's tab txt2img."""
    return Tab(page)


@pytest.fixture(scope="session")
def client(request) -> Iterator[Client]:
    """A client of the WebUI at FREEU_URL, or of the playground."""
    url = os.environ.get("FREEU_URL") or request.getfixturevalue("playground").url
    return Client(url)
