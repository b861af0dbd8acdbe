"""HTTP routes: what the API accepts, and what a payload would do. They generate no image."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Body, FastAPI
from fastapi.responses import JSONResponse

from freeu.compat.request import fill_up, parse_arguments
from freeu.core.schedule import strength
from freeu.settings.extra_outputs import EXTRA_OUTPUTS, parse_extra_outputs
from freeu.settings.parameter import SettingsError, format_value
from freeu.settings.settings import Settings, json_schema, parameter_schema
from freeu.settings.stage import STAGES
from freeu.webui import host
from freeu.webui.preset_catalog import AUTOMATIC, BY_FAMILY, PresetCatalog

MAX_STEPS = 1000


def add_routes(catalog: PresetCatalog, demo: object, app: FastAPI) -> None:
    """Add the routes to the host's app. They need a login if the host's API does."""
    router = APIRouter(prefix="/freeu/v1", dependencies=host.api_dependencies(app))

    @router.get("/schema")
    def get_schema() -> dict[str, Any]:
        """Return a JSON schema of what `alwayson_scripts.freeu.args[0]` accepts."""
        catalog.reload_if_changed()
        schema = json_schema([AUTOMATIC, *catalog.presets])
        outputs = {name: parameter_schema(output) for name, output in EXTRA_OUTPUTS.items()}
        return {**schema, "properties": {**schema["properties"], **outputs}}

    @router.get("/presets")
    def get_presets() -> dict[str, Any]:
        """Return all presets, and which of them "Automatic" means for the loaded model."""
        catalog.reload_if_changed()
        presets = {name: {"settings": p.settings.to_dict(), "help": p.help} for name, p in catalog.presets.items()}
        return {"automatic": BY_FAMILY.get(host.model_family()), "presets": presets}

    @router.post("/validate")
    def validate(body: Any = Body(None)) -> Any:  # noqa: B008
        """Return the complete settings that a payload means, and what FreeU would do at each of `steps` steps.

        The body is an object with `settings`, an object or a list in any form that a job accepts, and `steps`, 20 if
        missing. Status 422 says what is wrong.
        """
        catalog.reload_if_changed()
        try:
            settings, steps = _parse_body(body)
            args = fill_up(settings if isinstance(settings, list) else [settings])
            parse_extra_outputs(args, {})
            parsed = parse_arguments(args, catalog.available(), steps)
        except SettingsError as error:
            problem = {"field": error.field, "value": format_value(error.value), "allowed": error.rule}
            return JSONResponse({**problem, "message": str(error)}, status_code=422)
        return {
            "settings": parsed.to_dict(),
            "schedule": [_describe_step(parsed, step, steps) for step in range(steps)],
        }

    app.include_router(router)


def _parse_body(body: Any) -> tuple[Any, int]:
    """Return settings and steps. fastapi's own answer to a bad body fails if the body has a lone surrogate."""
    if not isinstance(body, dict) or "settings" not in body:
        raise SettingsError("body", body, "must be an object with settings")
    steps = body.get("steps", 20)
    if type(steps) is not int or not 1 <= steps <= MAX_STEPS:
        raise SettingsError("steps", steps, f"must be a whole number between 1 and {MAX_STEPS}")
    return body["settings"], steps


def _describe_step(settings: Settings, step: int, steps: int) -> dict[str, Any]:
    """Return strength and factors at a step. With the clock "noise", steps are equal parts of the noise."""
    share = strength(settings, step, steps) if settings.enabled else 0.0
    stages = {n: settings.stage(n).at_strength(share) for n in STAGES}
    factors = {f"{name}{n}": getattr(stage, name) for n, stage in stages.items() for name in ("b", "s", "high")}
    return {"step": step, "strength": share, "factors": factors}
