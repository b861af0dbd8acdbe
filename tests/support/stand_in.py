"""A WebUI that draws nothing: it answers each job after a fixed time. The routes are those that `freeu.tune` uses."""

from __future__ import annotations

import base64
import io
import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from PIL import Image

from freeu.settings.parameter import SettingsError
from freeu.settings.settings import Settings, json_schema

Answer = tuple[int, bytes]
"""Status and body."""


class StandIn:
    """A stand-in WebUI on a free port, or on `port`, until `close` is called.

    It runs one job at a time, like a WebUI. `jobs` are the payloads that were drawn.
    """

    def __init__(self, seconds: float = 0.0, port: int = 0) -> None:
        self.seconds = seconds
        self.jobs: list[dict[str, Any]] = []
        self._one_job = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", port), _handler(self))
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def port(self) -> int:
        """The port of its address."""
        return self._server.server_port

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        """Stop the server."""
        self._server.shutdown()
        self._server.server_close()

    def answer(self, path: str, body: Any) -> Answer:
        """Return the answer to a request."""
        routes: dict[str, Callable[[], dict[str, Any]]] = {
            "/freeu/v1/schema": lambda: json_schema([]),
            "/freeu/v1/presets": lambda: {"automatic": None},
            "/freeu/v1/validate": lambda: {"settings": Settings.parse(body["settings"]).to_dict()},
            "/sdapi/v1/txt2img": lambda: {"images": [self._draw(body)]},
        }
        try:
            return 200, json.dumps(routes[path]()).encode()
        except SettingsError as error:
            return 422, json.dumps({"field": error.field, "allowed": error.rule}).encode()

    def _draw(self, payload: dict[str, Any]) -> str:
        """Return an image whose contrast depends on FreeU's settings."""
        settings = Settings.parse(payload["alwayson_scripts"]["freeu"]["args"][0])
        with self._one_job:
            time.sleep(self.seconds)
            self.jobs.append(payload)
        image = Image.new("L", (32, 32))
        image.paste(int(100 * settings.b1), (0, 0, 16, 32))
        file = io.BytesIO()
        image.save(file, "PNG")
        return base64.b64encode(file.getvalue()).decode()


def _handler(webui: StandIn) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._respond(None)

        def do_POST(self) -> None:
            self._respond(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def _respond(self, body: Any) -> None:
            status, answer = webui.answer(self.path, body)
            self.send_response(status)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Print nothing."""

    return Handler
