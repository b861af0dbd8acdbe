"""How the host's app is made: what a route raises becomes JSON, and the page gets our scripts and style."""

from __future__ import annotations

import logging
from typing import Any

from fastapi import HTTPException, Request
from fastapi.responses import JSONResponse
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send

from modules.ui_gradio_extensions import _PageAdditions

log = logging.getLogger(__name__)


def app_options() -> dict[str, Any]:
    """Arguments for FastAPI, or for gradio's app, which is one."""
    return {
        "middleware": [Middleware(_PageAdditions), Middleware(_ErrorsAsJson)],
        "exception_handlers": {HTTPException: _http_error},
    }


class _ErrorsAsJson:
    """Middleware that answers with the name and message of what a route raised."""

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


async def _http_error(request: Request, error: Exception) -> JSONResponse:
    return _error_response(error)


def _error_response(error: Exception) -> JSONResponse:
    found = vars(error)
    body = {"error": type(error).__name__, "detail": found.get("detail", ""), "body": "", "errors": str(error)}
    return JSONResponse(body, found.get("status_code", 500), found.get("headers"))
