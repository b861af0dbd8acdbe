"""The commands `read` and `convert`, and the way to `tune`."""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from freeu.arguments import MAX_STEPS, to_script
from freeu.compat.detect import TOOLS, Detected, describe_json, read_file
from freeu.compat.metadata import UnreadableFileError
from freeu.settings.parameter import SettingsError, format_number, format_value

STDIN = "-"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command.

    Exit status 1 means that the file has no FreeU settings, 2 that the file or a value in it is bad.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    parser = _build_parser()
    if arguments[:1] == ["tune"]:
        _tune(parser, arguments[1:])
        return
    options = parser.parse_args(arguments)
    try:
        data = _read_bytes(options.file)
        detected = read_file(data, options.steps, options.tool)
    except (SettingsError, UnreadableFileError, OSError) as error:
        parser.exit(2, f"{parser.prog}: error: {options.file}: {error}\n")
    if detected is None:
        kind = describe_json(data)
        parser.exit(1, f"no FreeU settings in {options.file}{f' (looks like {kind})' if kind else ''}\n")
    sys.stdout.write(options.format(detected))


def _build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m freeu", description="Read the FreeU settings in images and API requests, of this tool and of others."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    read = _add_command(commands, "read", "print the FreeU settings stored in a file, and the tool that made it")
    read.set_defaults(format=_format_lines)
    convert = _add_command(commands, "convert", "print the API payload for the same settings")
    convert.set_defaults(format=_format_payload)
    for command in (read, convert):
        command.add_argument("file", metavar="FILE", help="an image, an infotext or a request; - reads standard input")
        command.add_argument(
            "--steps", type=_parse_steps, metavar="N", help="sampling steps, for a request to ljleb's extension"
        )
        tools = ", ".join(TOOLS)
        command.add_argument(
            "--tool", choices=TOOLS, default="", metavar="TOOL", help=f"the tool that wrote a JSON file: {tools}"
        )
    # Listed here for --help. Its own parser reads its options.
    _add_command(commands, "tune", "find the values for a model: draw with a WebUI, and let a person or a score choose")
    return parser


def _tune(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    """Run `tune`, whose packages a WebUI does not have."""
    if importlib.util.find_spec("optuna_dashboard") is None:
        parser.exit(2, f"{parser.prog} tune needs more packages: requirements/tune.txt, or the extra tune\n")
    from freeu.tune.main import main as tune

    tune(arguments)


def _add_command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, text: str
) -> argparse.ArgumentParser:
    return commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.", allow_abbrev=False)


def _format_lines(detected: Detected) -> str:
    """Return the tool and one line per value."""
    values = detected.settings.compact().items()
    lines = [f"{name}: {format_number(value) if isinstance(value, float) else value}" for name, value in values]
    return "".join(f"{line}\n" for line in (f"made by {detected.tool}", *lines))


def _format_payload(detected: Detected) -> str:
    return f"{json.dumps(to_script(detected.settings), indent=2)}\n"


def _read_bytes(name: str) -> bytes:
    return sys.stdin.buffer.read() if name == STDIN else Path(name).read_bytes()


def _parse_steps(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= MAX_STEPS:
        raise argparse.ArgumentTypeError(f"must be a whole number between 1 and {MAX_STEPS}, got {format_value(text)}")
    return int(text)
