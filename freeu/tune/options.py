"""The options of `python -m freeu tune`, and the plan that they mean."""

from __future__ import annotations

import argparse
import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from freeu.settings.parameter import SettingsError, format_value
from freeu.settings.settings import extremes
from freeu.tune.client import Client
from freeu.tune.database import open_artifacts, open_storage
from freeu.tune.page import LOOPBACK
from freeu.tune.plan import GRID, PERSON, Plan, parse_ranges
from freeu.tune.study import SAMPLERS, Study

LOGIN = "FREEU_API_AUTH"
"""The environment variable with the login of `--api-auth`, name:password."""

OVERRIDE, CHECKPOINT = "override_settings", "sd_model_checkpoint"
"""The field of a job with settings of the WebUI, and the one that loads a model."""

STEPS, SEED = 20, 1
"""The API's own defaults are 50 steps and a new seed for each job. Trials must differ in FreeU alone."""


def add_study_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say where a study is."""
    group = parser.add_argument_group("study")
    group.add_argument("--study", default="freeu", metavar="NAME", help="Name of the study. Default: freeu.")
    group.add_argument(
        "--storage", default="sqlite:///freeu-tune/study.db", metavar="URL",
        help="Database of the study, such as postgresql://user@host/name. Default: sqlite:///freeu-tune/study.db.",
    )  # fmt: skip
    group.add_argument(
        "--images", default="freeu-tune/images", metavar="PLACE",
        help="Folder for the images, or s3://BUCKET. Default: freeu-tune/images.",
    )  # fmt: skip


def add_webui_options(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """Add the options that say which WebUIs draw."""
    parser.add_argument(
        "--url", action="append", required=required, default=[],
        help=f"Address of a WebUI started with --api. A login (--api-auth) is in {LOGIN}, or in the address as in "
        "http://name:password@127.0.0.1:7860. May be repeated: all draw.",
    )  # fmt: skip
    parser.add_argument("--timeout", type=float, default=600, metavar="SECONDS", help="How long a job may take.")


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command that makes and runs a study."""
    job = parser.add_argument_group("images")
    job.add_argument("--prompt", action="append", default=[], help="May be repeated. Each trial draws all prompts.")
    job.add_argument("--steps", type=_at_least(1), metavar="N", help=f"Sampling steps. Default: {STEPS}.")
    job.add_argument("--size", type=_size, metavar="WIDTHxHEIGHT")
    job.add_argument("--sampler-name", metavar="NAME", help='The WebUI\'s sampler, such as "DPM++ 2M".')
    job.add_argument("--cfg", type=float, metavar="SCALE")
    job.add_argument("--seed", type=int, metavar="N", help=f"Default: {SEED}. All trials have the same.")
    job.add_argument("--batch", type=_at_least(1), metavar="N", help="Images of each prompt.")
    job.add_argument("--model", metavar="NAME", help="Checkpoint to load.")
    job.add_argument("--payload", type=Path, metavar="FILE", help="JSON file with any other fields of a txt2img job.")
    search = parser.add_argument_group("search")
    search.add_argument(
        "--over", nargs="+", default=["b1", "b2", "s1", "s2"], metavar="NAME[=LOW:HIGH]",
        help="Parameters to search. Default: b1 b2 s1 s2, with b in 1:1.6 and s in 0:1.",
    )  # fmt: skip
    search.add_argument(
        "--set", nargs="+", default=[], type=_assignment, metavar="NAME=VALUE",
        help="Other settings, such as version=2. Without them, the preset for the WebUI's model.",
    )  # fmt: skip
    search.add_argument(
        "--score", action="append", default=[], metavar="MODULE:FUNCTION",
        help="Let a function judge the images instead of a person. May be repeated: then there are several best.",
    )  # fmt: skip
    search.add_argument(
        "--sampler",
        choices=SAMPLERS,
        help="How values are chosen without a person. Default: tpe.",
    )
    search.add_argument("--trials", type=_at_least(3), default=60, metavar="N", help="Trials for scores. Default: 60.")
    search.add_argument("--points", type=_at_least(2), default=5, metavar="N", help="Values per axis of a grid.")
    page = parser.add_argument_group("page")
    page.add_argument("--page", type=_address, default=(LOOPBACK, 8080), metavar="[HOST:]PORT",
        help=f"Where the page listens. Default: {LOOPBACK}:8080. It has no login.")  # fmt: skip


def open_study(options: argparse.Namespace) -> Study:
    """Return the study that the options name. Raises SettingsError."""
    return Study(open_storage(options.storage), options.study, open_artifacts(options.images))


def connect(url: str, options: argparse.Namespace) -> Client:
    """Return a client for a WebUI. Raises SettingsError."""
    return Client(url, os.environ.get(LOGIN), options.timeout)


def make_plan(options: argparse.Namespace, client: Client) -> Plan:
    """Return what the options ask for. Raises SettingsError, UnavailableError and RefusedError."""
    properties = client.schema()["properties"]
    ranges = parse_ranges(options.over, properties)
    fixed = dict(options.set)
    if unknown := [name for name in fixed if name not in properties]:
        raise SettingsError("--set", unknown[0], f"must be one of {', '.join(properties)}, as NAME=VALUE")
    if both := [name for name in fixed if name in ranges]:
        raise SettingsError("--set", both[0], "must not be searched by --over too")
    payload, prompts = _read_job(options)
    if CHECKPOINT in payload.get(OVERRIDE, {}):
        client.load_model(payload[OVERRIDE])
    preset = fixed.pop("preset", None) or client.automatic_preset()
    settings = client.validate({**({"preset": preset} if preset else {}), **fixed, "enabled": True})
    _check_ranges(client, settings, ranges)
    sampler = (options.sampler or "tpe") if options.score or options.sampler == GRID else PERSON
    if options.sampler and sampler == PERSON:
        rule = "must be left out if a person chooses"
        raise SettingsError("--sampler", options.sampler, rule, "Give --score to search without a person")
    return Plan(payload, prompts, settings, preset, ranges, options.score, sampler, options.points)


def _check_ranges(client: Client, settings: Mapping[str, Any], ranges: Mapping[str, Sequence[float]]) -> None:
    """Raise SettingsError if some of the searched values are refused together."""
    try:
        client.validate({**settings, **extremes(ranges)})
    except SettingsError as error:
        rule = f"must have ranges whose values are all accepted together ({error})"
        raise SettingsError("--over", " ".join(ranges), rule, "Give them as NAME=LOW:HIGH") from error


def _read_job(options: argparse.Namespace) -> tuple[dict[str, Any], list[str]]:
    """Return the fields of the job without the prompt, and the prompts. Options replace the fields of `--payload`."""
    payload = _read_payload(options.payload) if options.payload else {}
    prompts = options.prompt or [payload.get("prompt", "")]
    payload.pop("prompt", None)
    if not all(prompts):
        raise SettingsError("--prompt", prompts[0], "must be a text")
    given = {
        "steps": options.steps,
        "sampler_name": options.sampler_name,
        "cfg_scale": options.cfg,
        "seed": options.seed,
        "batch_size": options.batch,
        **({"width": options.size[0], "height": options.size[1]} if options.size else {}),
    }
    given = {name: value for name, value in given.items() if value is not None}
    payload = {"steps": STEPS, "seed": SEED, **payload, **given}
    if options.model:
        payload[OVERRIDE] = {**payload.get(OVERRIDE, {}), CHECKPOINT: options.model}
    if CHECKPOINT in payload.get(OVERRIDE, {}):
        # Without this, the WebUI would load its earlier checkpoint again after each job.
        payload["override_settings_restore_afterwards"] = False
    if type(payload["seed"]) is not int or payload["seed"] < 0:
        raise SettingsError(
            "seed", payload["seed"], "must be a whole number from 0, so that trials have the same noise"
        )
    return payload, prompts


def _read_payload(path: Path) -> dict[str, Any]:
    try:
        payload = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise SettingsError("--payload", str(path), "must be a JSON file that can be read", str(error)) from error
    if not isinstance(payload, dict):
        raise SettingsError("--payload", str(path), "must hold one object, the body of a txt2img request")
    for name in ("alwayson_scripts", OVERRIDE):
        if not isinstance(payload.get(name, {}), dict):
            raise SettingsError("--payload", str(path), f"must hold an object in {name}")
    if "freeu" in {str(name).lower() for name in payload.get("alwayson_scripts", {})}:
        raise SettingsError("--payload", str(path), "must not have the script freeu", "Give its settings with --set")
    return payload


def _size(text: str) -> tuple[int, int]:
    if not (found := re.fullmatch(r"(\d{1,5})x(\d{1,5})", text, re.ASCII)):
        raise argparse.ArgumentTypeError(f"must be WIDTHxHEIGHT such as 512x768, got {format_value(text)}")
    return int(found[1]), int(found[2])


def _assignment(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"must be NAME=VALUE such as version=2, got {format_value(text)}")
    return name, value


def _at_least(low: int) -> Any:
    def parse(text: str) -> int:
        if not text.isdecimal() or not low <= int(text) <= 10_000:
            raise argparse.ArgumentTypeError(f"must be a whole number from {low} to 10000, got {format_value(text)}")
        return int(text)

    return parse


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not port.isdecimal() or int(port) > 65535:
        raise argparse.ArgumentTypeError(f"must be PORT or HOST:PORT, got {format_value(text)}")
    return host or LOOPBACK, int(port)
