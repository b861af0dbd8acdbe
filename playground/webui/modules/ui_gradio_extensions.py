"""What the host adds to gradio's page: the JavaScript and style of its own and of all extensions."""

from __future__ import annotations

import json
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from modules import scripts, shared

_PREFIX = "/webui-file/"


def webpath(fn: str) -> str:
    """Where the browser finds a file; it asks again when the file changed."""
    return f"{_PREFIX}{fn.lstrip('/')}?{Path(fn).stat().st_mtime}"


def javascript_html() -> str:
    """Script tags, in the order in which scripts are loaded."""
    files = scripts.list_scripts("javascript", ".js")
    return "".join(f'<script src="{webpath(file.path)}"></script>\n' for file in files)


def css_html() -> str:
    """Style sheets, the host's first."""
    files = scripts.list_files_with_name("style.css")
    return "".join(f'<link rel="stylesheet" href="{webpath(file)}">\n' for file in files)


def _tooltips_html() -> str:
    """The `webui_tooltip` of each control that has one, by its id in the page."""
    blocks = shared.demo.blocks.values() if shared.demo else []
    tips = {b.elem_id or f"component-{b._id}": b.webui_tooltip for b in blocks if hasattr(b, "webui_tooltip")}
    return f"<script>window.webuiTooltips = {json.dumps(tips).replace('<', '&lt;')}</script>\n"


class _PageAdditions:
    """Middleware that writes our tags into the head of the page, and serves the files that they name."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if scope["type"] == "http" and path.startswith(_PREFIX):
            await _file(path)(scope, receive, send)
        elif scope["type"] == "http" and path == "/" and Request(scope).method == "GET":
            await _with_tags(self.app, scope, receive, send)
        else:
            await self.app(scope, receive, send)


def _file(path: str) -> Response:
    served = [file.path for file in scripts.list_scripts("javascript", ".js")]
    served += scripts.list_files_with_name("style.css")
    wanted = f"/{path.removeprefix(_PREFIX)}"
    return FileResponse(wanted) if wanted in served else PlainTextResponse("no such file", 404)


async def _with_tags(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """The page's answer, whole, with our tags in its head."""
    started: list[Message] = []
    body = b""

    async def collect(message: Message) -> None:
        nonlocal body
        if message["type"] == "http.response.start":
            started.append(message)
        else:
            body += message.get("body", b"")

    plain = {**scope, "headers": [pair for pair in scope["headers"] if pair[0] != b"accept-encoding"]}
    await app(plain, receive, collect)
    tags = f"{_tooltips_html()}{javascript_html()}{css_html()}</head>".encode()
    response = HTMLResponse(body.replace(b"</head>", tags, 1), started[0]["status"])
    await response(scope, receive, send)
