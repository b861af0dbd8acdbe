"""The small host, built and served: the project's extension on the playground's model, with no WebUI.

The page is at http://127.0.0.1:PORT/, the API at /sdapi/v1/ there, as in AUTOMATIC1111's WebUI.
"""

from __future__ import annotations

import logging
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import uvicorn

ROOT = Path(__file__).parent.parent
WEBUI = Path(__file__).parent / "webui"
ADDRESS = "127.0.0.1"
POLL_SECONDS = 0.01

log = logging.getLogger(__name__)


def enter() -> None:
    """Make the host's `modules` importable, as they are in a WebUI, and the project its extension."""
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    if str(WEBUI) in sys.path:
        return
    sys.path.insert(0, str(WEBUI))
    from modules import extensions

    extensions.extensions.append(extensions.Extension(ROOT.name, str(ROOT)))


class Host:
    """A running host. `url` is where; `app` its FastAPI; `demo` its page, or None with the API only."""

    def __init__(self, port: int | None = None, api_auth: str | None = None, api_only: bool = False) -> None:
        enter()
        self.port = port or _free_port()
        self.api_auth = api_auth
        self.api_only = api_only
        self.demo: Any = None
        self.app: Any = None
        self._end: Callable[[], object] = lambda: None
        self._begin()

    @property
    def url(self) -> str:
        """Without a slash at its end."""
        return f"http://{ADDRESS}:{self.port}"

    def reload_ui(self) -> None:
        """What the button "Reload UI" of a WebUI does: scripts, page and server anew, at the same address."""
        from modules import script_callbacks

        self.close()
        script_callbacks.script_unloaded_callback()
        self._begin()

    def close(self) -> None:
        """Stop serving."""
        self._end()

    def _begin(self) -> None:
        from modules import script_callbacks, scripts, shared

        shared.cmd_opts.api_auth = self.api_auth
        scripts.load_scripts()
        if self.api_only:
            self._serve_api()
        else:
            self._serve_page()
        shared.demo = self.demo
        script_callbacks.app_started_callback(self.demo, self.app)

    def _serve_page(self) -> None:
        """The page, and the API on its app: made in the order of the real host."""
        from modules import script_callbacks, ui
        from modules._app import app_options
        from modules.api.api import Api
        from modules.call_queue import queue_lock

        script_callbacks.before_ui_callback()
        self.demo = ui.create_ui()
        self.app, _, _ = self.demo.queue().launch(
            server_name=ADDRESS, server_port=self.port, prevent_thread_lock=True, quiet=True, app_kwargs=app_options()
        )
        self._end = partial(self.demo.close, verbose=False)
        Api(self.app, queue_lock)

    def _serve_api(self) -> None:
        """The API alone. The real host makes it before it calls before_ui, and so do we."""
        from fastapi import FastAPI
        from modules import script_callbacks
        from modules._app import app_options
        from modules.api.api import Api
        from modules.call_queue import queue_lock

        self.app = FastAPI(**app_options())
        Api(self.app, queue_lock)
        script_callbacks.before_ui_callback()
        self._end = _serve(self.app, self.port)


@contextmanager
def start(port: int | None = None, api_auth: str | None = None, api_only: bool = False) -> Iterator[Host]:
    """A host that runs in a thread, by default on any free port, until the block ends."""
    host = Host(port, api_auth, api_only)
    try:
        yield host
    finally:
        host.close()


def run(port: int, api_auth: str | None = None, api_only: bool = False) -> None:
    """Serve until Ctrl-C. `api_auth` is name:password."""
    with start(port, api_auth, api_only) as host:
        log.info("serving on %s", host.url)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            log.info("stopped")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((ADDRESS, 0))
        return int(probe.getsockname()[1])


def _serve(app: Any, port: int) -> Callable[[], None]:
    """Serve in a thread; returns what ends it. Raises OSError where the port is taken."""
    server = uvicorn.Server(uvicorn.Config(app, host=ADDRESS, port=port, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        if not thread.is_alive():
            raise OSError(f"no server on {ADDRESS}, port {port}")
        time.sleep(POLL_SECONDS)

    def end() -> None:
        server.should_exit = True
        thread.join()

    return end
