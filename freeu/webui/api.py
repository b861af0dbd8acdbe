"""HTTP routes: what the API accepts, what a payload would do, and saving a preset. They generate no image."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Body, FastAPI
from fastapi.responses import JSONResponse
from starlette.convertors import PathConvertor, register_url_convertor

from freeu import arguments
from freeu.core.schedule import strengths
from freeu.settings.parameter import MAX_MESSAGE_LENGTH, SettingsError, format_value, readable
from freeu.settings.settings import Settings, json_schema, parameter_schema
from freeu.settings.stage import FACTORS, STAGES
from freeu.user_presets import ConflictError, describe_error
from freeu.webui import host
from freeu.webui.preset_catalog import AUTOMATIC, PresetCatalog, automatic_preset


class _AnyTextConvertor(PathConvertor):
    """A part of an address that may have line breaks, which `path` cuts off or does not match."""

    regex = "(?s:.*)"


def add_routes(catalog: PresetCatalog, demo: object, app: FastAPI) -> None:
    """Add the routes to the host's app. They need a login if the host's API does."""
    router = APIRouter(prefix="/freeu/v1", dependencies=host.api_dependencies(app))

    @router.get("/schema")
    def get_schema() -> dict[str, Any]:
        """Return a JSON schema of what `alwayson_scripts.freeu.args[0]` accepts."""
        catalog.reload_if_changed()
        schema = json_schema([AUTOMATIC, *catalog.presets])
        outputs = {name: parameter_schema(output) for name, output in arguments.EXTRA_OUTPUTS.items()}
        return {**schema, "properties": {**schema["properties"], **outputs}}

    @router.get("/presets")
    def get_presets() -> dict[str, Any]:
        """Return all presets, and which of them "Automatic" means for the loaded model."""
        catalog.reload_if_changed()
        presets = {name: {"settings": p.settings.to_dict(), "help": p.help} for name, p in catalog.presets.items()}
        return {"automatic": automatic_preset(), "presets": presets}

    @router.post("/validate")
    def validate(body: Any = Body(None)) -> Any:  # noqa: B008
        """Return the complete settings that a payload means, and what FreeU would do at each of `steps` steps.

        The body is an object with `settings`, an object or a list in any form that a job accepts, and `steps`, 20 if
        missing. Status 422 says what is wrong.
        """
        catalog.reload_if_changed()
        try:
            settings, steps = _parse_body(body, catalog)
        except SettingsError as error:
            return _refuse(error)
        return {
            "settings": settings.to_dict(),
            "schedule": _describe_schedule(settings, steps),
        }

    if host.has_api(app):
        _add_save_route(router, catalog)
    app.include_router(router)


def _add_save_route(router: APIRouter, catalog: PresetCatalog) -> None:
    """Add the route that changes the preset file. Only the host's API has a login that can protect it."""

    register_url_convertor("any_text", _AnyTextConvertor())

    @router.put("/presets/{name:any_text}")
    def save_preset(name: str, body: Any = Body(None)) -> Any:  # noqa: B008
        """Save a preset of the user's own. Return its stored name, its settings, and what the status line reports.

        The body is an object with `settings` and `steps` as for `validate`, and `overwrite`, false if missing. Status
        422 says what is wrong, 409 that the name is taken or that a later release wrote the file, 500 that the file
        cannot be written.
        """
        catalog.reload_if_changed()
        try:
            settings, _ = _parse_body(body, catalog)
            stored = catalog.own.save(_check_decoded(name), settings, overwrite=_parse_overwrite(body))
        except (SettingsError, OSError) as error:
            return _refuse(error)
        catalog.reload_if_changed()
        return {"name": stored, "settings": settings.replace(enabled=True).to_dict(), "problems": catalog.problems}


def _parse_body(body: Any, catalog: PresetCatalog) -> tuple[Settings, int]:
    """Return settings and steps. fastapi's own answer to a bad body fails if the body has a lone surrogate."""
    if not isinstance(body, dict) or "settings" not in body:
        raise SettingsError("body", body, "must be an object with settings")
    steps = body.get("steps", 20)
    if type(steps) is not int or not 1 <= steps <= arguments.MAX_STEPS:
        raise SettingsError("steps", steps, f"must be a whole number between 1 and {arguments.MAX_STEPS}")
    settings = body["settings"]
    args = settings if isinstance(settings, list) else [settings]
    return arguments.parse(args, catalog.available(), steps).settings, steps


def _parse_overwrite(body: dict[str, Any]) -> bool:
    overwrite = body.get("overwrite", False)
    if not isinstance(overwrite, bool):
        raise SettingsError("overwrite", overwrite, "must be true or false")
    return overwrite


def _check_decoded(name: str) -> str:
    """Return a name from an address. The server replaces bytes that are not UTF-8, so different names become equal."""
    if "\N{REPLACEMENT CHARACTER}" in name:
        raise SettingsError("preset name", name, "must be UTF-8 in the address")
    return name


def _refuse(error: SettingsError | OSError) -> JSONResponse:
    """Return the answer for an error. Its message is the one on the page."""
    if not isinstance(error, SettingsError):
        return JSONResponse({"message": readable(describe_error(error), MAX_MESSAGE_LENGTH)}, status_code=500)
    problem = {"field": error.field, "value": format_value(error.value), "allowed": error.rule}
    status = 409 if isinstance(error, ConflictError) else 422
    return JSONResponse({**problem, "message": str(error)}, status_code=status)


def _describe_schedule(settings: Settings, steps: int) -> list[dict[str, Any]]:
    """Return strength and factors at each step. With the clock "noise", steps are equal parts of the noise."""
    shares = strengths(settings, steps) if settings.enabled else [0.0] * steps
    return [
        {"step": step, "strength": share, "factors": _factors(settings, share)} for step, share in enumerate(shares)
    ]


def _factors(settings: Settings, share: float) -> dict[str, float]:
    stages = {n: settings.stage(n).at_strength(share) for n in STAGES}
    return {f"{name}{n}": getattr(stage, name) for n, stage in stages.items() for name in FACTORS}
