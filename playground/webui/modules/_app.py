"""The FastAPI application: errors as JSON, and JavaScript and style sheets in the head of the page."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

from fastapi import HTTPException, Request
from fastapi.responses import JSONResponse
from starlette.middleware import Middleware
from starlette.responses import FileResponse, HTMLResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from modules import scripts, shared

log = logging.getLogger(__name__)

_FILE_PREFIX = "/webui-file/"


def app_options() -> dict[str, Any]:
    """Return the arguments of FastAPI, or of gradio's application."""
    return {
        "middleware": [Middleware(_HeadMiddleware), Middleware(_JsonErrorMiddleware)],
        "exception_handlers": {HTTPException: _handle_http_error},
    }


class _JsonErrorMiddleware:
    """Answer a request that raised an error with the error's name and message as JSON."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self.app(scope, receive, send)
        except Exception as error:
            if scope["type"] != "http":
                raise
            log.exception("%s failed", scope["path"])
            await _error_response(error)(scope, receive, send)


async def _handle_http_error(request: Request, error: Exception) -> JSONResponse:
    return _error_response(error)


def _error_response(error: Exception) -> JSONResponse:
    fields = vars(error)
    body = {"error": type(error).__name__, "detail": fields.get("detail", ""), "body": "", "errors": str(error)}
    return JSONResponse(body, fields.get("status_code", 500), fields.get("headers"))


class _HeadMiddleware:
    """Add the tags of scripts and style sheets to the page's head, and serve these files."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if scope["type"] == "http" and path.startswith(_FILE_PREFIX):
            await _file_response(path)(scope, receive, send)
        elif scope["type"] == "http" and path == "/" and scope["method"] == "GET":
            await _send_page(self.app, scope, receive, send)
        else:
            await self.app(scope, receive, send)


def _file_response(path: str) -> Response:
    file = f"/{path.removeprefix(_FILE_PREFIX)}"
    allowed = [*_javascript_files(), *_style_files()]
    return FileResponse(file) if file in allowed else PlainTextResponse("no such file", 404)


async def _send_page(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Collect the page from `app`, uncompressed, and send it with the tags in its head."""
    messages: list[Message] = []

    async def collect(message: Message) -> None:
        messages.append(message)

    headers = [pair for pair in scope["headers"] if pair[0] != b"accept-encoding"]
    await app({**scope, "headers": headers}, receive, collect)
    body = b"".join(message.get("body", b"") for message in messages)
    response = HTMLResponse(body.replace(b"</head>", f"{_head_tags()}</head>".encode(), 1), messages[0]["status"])
    await response(scope, receive, send)


def _head_tags() -> str:
    blocks = shared.demo.blocks.values() if shared.demo else []
    tooltips = {b.elem_id or f"component-{b._id}": b.webui_tooltip for b in blocks if hasattr(b, "webui_tooltip")}
    tags = [f"<script>window.webuiTooltips = {json.dumps(tooltips).replace('<', '&lt;')}</script>"]
    tags += [f'<script src="{_url(file)}"></script>' for file in _javascript_files()]
    tags += [f'<link rel="stylesheet" href="{_url(file)}">' for file in _style_files()]
    return "\n".join([*tags, ""])


def _javascript_files() -> list[str]:
    return [file.path for file in scripts.list_scripts("javascript", ".js")]


def _style_files() -> list[str]:
    return scripts.list_files_with_name("style.css")


def _url(file: str) -> str:
    """Return the URL of a file, with its modification time so that the browser loads changed files again."""
    return f"{_FILE_PREFIX}{file.lstrip('/')}?{Path(file).stat().st_mtime}"
