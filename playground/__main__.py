"""Command line: `python -m playground`."""

from __future__ import annotations

import argparse
import logging
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from freeu import presets
from freeu.settings.parameter import format_number
from freeu.settings.settings import TABLE
from playground import demo, model
from playground.command_line import CommandLine, add_job_options, image_file, job, whole_number


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command."""
    command_line = CommandLine("playground", "FreeU on a small trained model.")
    _add_demo_options(command_line.add(run_demo))
    _add_serve_options(command_line.add(run_serve))
    command_line.add(run_words)
    command_line.run(arguments)


def run_demo(options: argparse.Namespace) -> None:
    """Generate images with FreeU off and on, and save them side by side."""
    values = {name: getattr(options, name) for name in (*TABLE, "preset")}
    common = {name: value for name, value in values.items() if value is not None}
    variants = demo.variants(common, dict(options.variant))
    prompts = options.prompt or demo.PROMPTS
    outcomes = demo.generate(model.load(), job(options, prompts), variants)
    demo.save_comparison(prompts, outcomes, options.out)
    sys.stdout.write(f"{demo.report(outcomes)}\n{options.out}\n")


def run_serve(options: argparse.Namespace) -> None:
    """Serve a web page and an HTTP API with the extension, as a WebUI does."""
    from playground import serve  # uvicorn is slow to import

    logging.basicConfig(format="%(message)s")
    logging.getLogger("playground").setLevel(logging.INFO)
    serve.run(options.port, options.api_auth, options.nowebui, options.forge)


def run_words(options: argparse.Namespace) -> None:
    """List the words that prompts may contain."""
    sys.stdout.write(f"{', '.join(model.load_words())}\n")


def _add_demo_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--prompt", action="append", metavar="WORDS", help="May be repeated.")
    command.add_argument("--out", type=image_file, default=Path("out/demo.png"), metavar="FILE")
    command.add_argument(
        "--variant", action="append", type=_variant, default=[], metavar='"LABEL: NAME=VALUE ..."',
        help="Add a row with these values; the other options apply to every row. May be repeated.",
    )  # fmt: skip
    add_job_options(command)
    _add_settings_options(command)


def _add_serve_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--port", type=whole_number(1, 65535), default=7860)
    command.add_argument("--api-auth", type=_credentials, metavar="NAME:PASSWORD", help="Protect the API.")
    command.add_argument("--nowebui", action="store_true", help="Serve the API without the page.")
    command.add_argument("--forge", action="store_true", help="Behave like Forge Neo, not like AUTOMATIC1111.")


def _add_settings_options(command: argparse.ArgumentParser) -> None:
    """Add one option for each parameter in the table. Settings validates the values."""
    group = command.add_argument_group("FreeU")
    group.add_argument("--preset", metavar="NAME", help=f"Base for the other values: {', '.join(presets.BUILTIN)}.")
    for name, param in TABLE.items():
        default = format_number(param.default) if isinstance(param.default, float) else param.default or "empty"
        text = f"{param.help} It {param.rule}. Default: {default}.".replace("%", "%%")
        group.add_argument(f"--{name.replace('_', '-')}", metavar="VALUE", help=text)


def _credentials(text: str) -> str:
    if not re.fullmatch("[^:,]+:[^:,]+(,[^:,]+:[^:,]+)*", text):
        raise argparse.ArgumentTypeError(f"must be name:password, or several separated by commas, got {text!r}")
    return text


def _variant(text: str) -> tuple[str, dict[str, str]]:
    label, colon, values = text.partition(":")
    pairs = [pair.partition("=") for pair in values.split()]
    if not colon or not label.strip() or not all(equals for _, equals, _ in pairs):
        raise argparse.ArgumentTypeError(f"must be a label and values, such as 'b alone: s1=1 s2=1', got {text!r}")
    return label.strip(), {name: value for name, _, value in pairs}


if __name__ == "__main__":
    main()
