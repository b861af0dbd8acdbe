"""The page of a study: optuna-dashboard, served by a thread of this process."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

from optuna_dashboard import wsgi

from freeu.settings.parameter import SettingsError
from freeu.tune.study import Study

LOOPBACK = "127.0.0.1"


class _QuietHandler(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Print nothing: the terminal shows the progress."""


@contextmanager
def serve(study: Study, host: str, port: int) -> Iterator[str]:
    """Serve the page until the block ends, and yield its address. Port 0 is any free one. Raises SettingsError.

    The page has no login: everyone who reaches it can see and change the study.
    """
    app = wsgi(study.storage, artifact_store=study.images)
    try:
        server = make_server(host, port, app, handler_class=_QuietHandler)
    except OSError as error:
        raise SettingsError("--page", f"{host}:{port}", "must be a free port of this machine") from error
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://{host}:{server.server_port}/dashboard/studies/{study.id}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
