"""Client for the API of one WebUI."""

from __future__ import annotations

import base64
import io
import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import httpx
from PIL import Image

from freeu.arguments import to_script
from freeu.settings.parameter import SettingsError, readable

log = logging.getLogger(__name__)

CONNECT_SECONDS = 10
FIRST_DELAY, LONGEST_DELAY = 1.0, 60.0
"""Seconds until the next request to a WebUI that did not answer. Each wait is twice as long as the one before."""


class UnavailableError(Exception):
    """A WebUI did not answer or had an error of its own, or images were not stored. A later attempt may succeed."""


class RefusedError(Exception):
    """The WebUI does not accept the request. The same request would be refused again."""


class Client:
    """A WebUI with the FreeU extension, started with `--api`.

    url: may contain the login of `--api-auth`, as in http://name:password@127.0.0.1:7860. The attribute does not.
    login: name:password for a `url` without one.
    seconds: how long a request may take.

    All methods raise UnavailableError and RefusedError.
    """

    def __init__(self, url: str, login: str | None = None, seconds: float = 600) -> None:
        parsed = _parse_url(url)
        name, _, password = (login or "").partition(":")
        auth = (parsed.username, parsed.password) if parsed.userinfo else (name, password) if login else None
        self.url = str(parsed.copy_with(userinfo=b"")).rstrip("/")
        timeout = httpx.Timeout(seconds, connect=CONNECT_SECONDS)
        self._client = httpx.Client(base_url=self.url, auth=auth, timeout=timeout, trust_env=False)

    def schema(self) -> dict[str, Any]:
        """Return the JSON schema of FreeU's settings."""
        schema: dict[str, Any] = self._request("GET", "/freeu/v1/schema")
        return schema

    def automatic_preset(self) -> str | None:
        """Return the name of the preset for the loaded model; None for an unknown model."""
        name: str | None = self._request("GET", "/freeu/v1/presets")["automatic"]
        return name

    def validate(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Return all settings that `settings` means. Raises SettingsError if the WebUI does not accept them."""
        response = self._send("POST", "/freeu/v1/validate", {"settings": dict(settings)})
        if response.status_code == httpx.codes.UNPROCESSABLE_ENTITY:
            problem = response.json()
            raise SettingsError(problem["field"], settings.get(problem["field"]), problem["allowed"])
        values: dict[str, Any] = self._read(response)["settings"]
        return values

    def generate(self, payload: Mapping[str, Any]) -> list[Image.Image]:
        """Run a txt2img job and return its images."""
        answer = self._request("POST", "/sdapi/v1/txt2img", payload)
        try:
            images = [Image.open(io.BytesIO(base64.b64decode(image))).convert("RGB") for image in answer["images"]]
        except (KeyError, TypeError, ValueError, OSError) as error:
            raise UnavailableError(f"{self.url}: the answer has no images that can be read") from error
        if not images:
            raise UnavailableError(f"{self.url}: the answer has no images")
        return images

    def load_model(self, override_settings: Mapping[str, Any]) -> None:
        """Load a checkpoint with a small job. The presets are for the loaded one."""
        job = {"prompt": "", "steps": 1, "width": 64, "height": 64, "override_settings": dict(override_settings)}
        self.generate({**job, "override_settings_restore_afterwards": False, **to_script({"enabled": False})})

    def save_preset(self, name: str, settings: Mapping[str, Any], *, overwrite: bool = False) -> str:
        """Save one of the user's own presets, and return its name as stored."""
        body = {"settings": dict(settings), "overwrite": overwrite}
        stored: str = self._request("PUT", f"/freeu/v1/presets/{quote(name, safe='')}", body)["name"]
        return stored

    def _request(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        return self._read(self._send(method, path, body))

    def _send(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> httpx.Response:
        try:
            return self._client.request(method, path, json=body)
        except httpx.TransportError as error:
            raise UnavailableError(f"{self.url}: {_describe(error)}") from error

    def _read(self, response: httpx.Response) -> Any:
        """Return the JSON of an answer. The WebUI answers 500 to errors of its own, such as too little memory."""
        if response.is_success:
            try:
                return response.json()
            except ValueError as error:
                raise UnavailableError(f"{self.url}: the answer is not JSON") from error
        message = f"{self.url}{response.request.url.path}: {response.status_code} {_error_text(response)}".rstrip()
        if response.status_code == httpx.codes.NOT_FOUND:
            message += " (is the WebUI started with --api, and is this extension installed and enabled there?)"
        if response.status_code == httpx.codes.UNAUTHORIZED:
            message += " (give the login of --api-auth in the URL or in FREEU_API_AUTH)"
        raise (UnavailableError if response.is_server_error else RefusedError)(message)


def wait_for_answer(clients: Sequence[Client], stop: threading.Event) -> Client | None:
    """Return the first WebUI that answers; None if `stop` is set before. Raises RefusedError."""
    for delay in pauses():
        if stop.is_set():
            break
        for client in clients:
            try:
                client.schema()
            except UnavailableError as error:
                log.warning("%s; next attempt in %.0f s", error, delay)
            else:
                return client
        stop.wait(delay)
    return None


def pauses() -> Iterator[float]:
    """Yield the seconds to wait after each failure in a row."""
    delay = FIRST_DELAY
    while True:
        yield delay
        delay = min(2 * delay, LONGEST_DELAY)


def _parse_url(url: str) -> httpx.URL:
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        parsed = httpx.URL("")
    if parsed.scheme not in ("http", "https") or not parsed.host:
        # The text may contain a password.
        raise SettingsError("--url", "another text", "must be the address of a WebUI such as http://127.0.0.1:7860")
    return parsed


def _describe(error: httpx.TransportError) -> str:
    kind = "no answer in time" if isinstance(error, httpx.TimeoutException) else "no connection"
    return f"{kind} ({readable(str(error))})" if str(error) else kind


def _error_text(response: httpx.Response) -> str:
    """Return the message in an error's answer: the names of its field differ between WebUIs and kinds of errors."""
    try:
        found = response.json()
    except ValueError:
        return ""
    values = [found[name] for name in ("message", "errors", "detail") if found.get(name)] if type(found) is dict else []
    return readable(str(values[0]), 300) if values else ""
