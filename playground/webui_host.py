"""The stand-in WebUI's server: load scripts, build the page, serve it with the API, reload.

`playground.serve.enter` must have been called before this module is imported.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import uvicorn
from fastapi import FastAPI
from modules import _forge, script_callbacks, scripts, sd_models, shared, ui
from modules._app import app_options
from modules.api.api import Api
from modules.call_queue import queue_lock

ADDRESS = "127.0.0.1"
POLL_SECONDS = 0.01
LIMIT_SECONDS = 60


class Host:
    """A running server. `app` is its FastAPI application, `demo` its page or None with `api_only`.

    With `forge`, this process behaves like Forge Neo from now on, else like AUTOMATIC1111.
    """

    def __init__(
        self, port: int | None = None, api_auth: str | None = None, api_only: bool = False, forge: bool = False
    ) -> None:
        self.port = port or _free_port()
        self.api_auth = api_auth
        self.api_only = api_only
        if forge != shared.cmd_opts.forge:
            _forge.use(forge)
        self.demo: Any = None
        self.app: Any = None
        self._stop: Callable[[], object] = lambda: None
        self._start()

    @property
    def url(self) -> str:
        """Address of the page, without a slash at the end."""
        return f"http://{ADDRESS}:{self.port}"

    def reload_ui(self) -> None:
        """Reload scripts, page and server at the same address, like the WebUI's button "Reload UI"."""
        self.close()
        script_callbacks.script_unloaded_callback()
        self._start()

    def close(self) -> None:
        """Stop the server."""
        self._stop()

    def _start(self) -> None:
        shared.cmd_opts.api_auth = self.api_auth
        scripts.load_scripts()
        sd_models.model_data.get_sd_model()  # AUTOMATIC1111 loads the model at start, Forge does not
        if self.api_only:
            self._serve_api()
        else:
            self._serve_page()
        shared.demo = self.demo
        script_callbacks.app_started_callback(self.demo, self.app)

    def _serve_page(self) -> None:
        """Serve page and API with one application, built in the order of AUTOMATIC1111's `webui()`."""
        script_callbacks.before_ui_callback()
        self.demo = ui.create_ui()
        self.app, _, _ = self.demo.queue().launch(
            server_name=ADDRESS, server_port=self.port, prevent_thread_lock=True, quiet=True, app_kwargs=app_options()
        )
        self._stop = partial(self.demo.close, verbose=False)
        _forbid_other_sites(self.app)
        Api(self.app, queue_lock)

    def _serve_api(self) -> None:
        """Serve the API alone. As in AUTOMATIC1111, the API is created before `before_ui` is called."""
        self.app = FastAPI(**app_options())
        Api(self.app, queue_lock)
        script_callbacks.before_ui_callback()
        self._stop = _serve(self.app, self.port)


def _forbid_other_sites(app: Any) -> None:
    """Undo gradio's permission for the pages of every site to use the server, as the WebUI does."""
    app.user_middleware = [item for item in app.user_middleware if item.cls.__name__ != "CORSMiddleware"]
    app.middleware_stack = app.build_middleware_stack()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((ADDRESS, 0))
        return int(probe.getsockname()[1])


def _serve(app: FastAPI, port: int) -> Callable[[], None]:
    """Serve in a thread. Returns a function that stops it. Raises OSError if the port is in use."""
    server = uvicorn.Server(uvicorn.Config(app, host=ADDRESS, port=port, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    end = time.monotonic() + LIMIT_SECONDS
    while not server.started:
        if not thread.is_alive() or time.monotonic() > end:
            raise OSError(f"no server could be started on {ADDRESS}:{port}")
        time.sleep(POLL_SECONDS)

    def stop() -> None:
        server.should_exit = True
        thread.join(LIMIT_SECONDS)

    return stop
