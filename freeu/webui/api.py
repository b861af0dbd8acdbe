"""FreeU's routes: what the API takes, and what it would make of a payload. No picture is drawn here."""

from __future__ import annotations

from collections.abc import Sequence
from secrets import compare_digest
from typing import Any

from fastapi import APIRouter, Body, Depends, FastAPI, HTTPException
from fastapi.responses import JSONResponse
from fastapi.security import HTTPBasic, HTTPBasicCredentials

from freeu.params import STAGES, Settings, json_schema, parameter_schema
from freeu.schedule import strength
from freeu.values import SettingsError, quoted
from freeu.webui import arguments, host, presets, wishes

MOST_STEPS = 1000


def add_routes(demo: object, app: FastAPI) -> None:
    """The host's on_app_started. The routes ask for a password where the host's own do."""
    users = host.api_users()
    router = APIRouter(prefix="/freeu/v1", dependencies=[Depends(_login(users))] if users else [])
    router.add_api_route("/schema", schema, methods=["GET"])
    router.add_api_route("/presets", list_presets, methods=["GET"])
    router.add_api_route("/validate", validate, methods=["POST"])
    app.include_router(router)


def schema() -> dict[str, Any]:
    """A JSON schema of what `alwayson_scripts.freeu.args[0]` takes."""
    known = json_schema([presets.AUTOMATIC, *presets.named()])
    seen = {name: parameter_schema(wish) for name, wish in wishes.NAMES.items()}
    return {**known, "properties": {**known["properties"], **seen}}


def list_presets() -> dict[str, Any]:
    """All presets, and which of them is "Automatic" for the loaded model."""
    return {
        "automatic": presets.FOR_FAMILY.get(host.model_family()),
        "presets": {p.name: {"settings": p.settings.to_dict(), "help": p.help} for p in presets.every()},
    }


def validate(settings: Any = Body(...), steps: Any = Body(20)) -> Any:  # noqa: B008
    """The complete settings that a payload means, and what FreeU would do at each of `steps` steps.

    `settings` is an object or a list, in any shape that a job takes. Status 422 names what is wrong.
    """
    try:
        args = _as_arguments(settings)
        wishes.of(args)
        read = arguments.read(args, presets.available(), _count(steps))
    except SettingsError as error:
        wrong = {"field": error.field, "value": quoted(error.value), "allowed": error.allowed, "message": str(error)}
        return JSONResponse(wrong, status_code=422)
    return {"settings": read.to_dict(), "schedule": [_at(read, step, steps) for step in range(steps)]}


def _as_arguments(settings: Any) -> Sequence[Any]:
    return arguments.filled_up(settings if isinstance(settings, list) else [settings])


def _count(steps: Any) -> int:
    if type(steps) is not int or not 1 <= steps <= MOST_STEPS:
        raise SettingsError("steps", steps, f"it is a whole number from 1 to {MOST_STEPS}")
    return steps


def _at(settings: Settings, step: int, steps: int) -> dict[str, Any]:
    """Strength and factors at a step. With clock "noise", steps stand for equal parts of the noise."""
    share = strength(settings, step, steps) if settings.enabled else 0.0
    stages = {n: settings.stage(n).at(share) for n in STAGES}
    return {
        "step": step,
        "strength": share,
        "factors": {f"{name}{n}": getattr(stage, name) for n, stage in stages.items() for name in ("b", "s", "high")},
    }


def _login(users: dict[str, str]) -> Any:
    """A dependency that lets in who gives a known name and password."""

    def check(given: HTTPBasicCredentials = Depends(HTTPBasic())) -> None:  # noqa: B008
        password = users.get(given.username)
        if password is None or not compare_digest(password.encode(), given.password.encode()):
            raise HTTPException(401, "Another name or password is asked for", {"WWW-Authenticate": "Basic"})

    return check
