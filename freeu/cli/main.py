"""The commands of `python -m freeu`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from freeu.cli import payloads, sources
from freeu.cli.pictures import UnreadableError
from freeu.values import SettingsError, short

STDIN = "-"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command. Exit status 1: there are no FreeU settings; 2: the file, or a value in it, is bad."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        found = options.find(options)
    except (SettingsError, UnreadableError, OSError) as error:
        parser.exit(2, f"{parser.prog}: error: {options.file}: {error}\n")
    if found is None:
        parser.exit(1, f"{options.file}: there are no FreeU settings in it\n")
    sys.stdout.write(options.show(found))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m freeu", description="FreeU settings out of pictures, of this tool and of others."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    read = _command(commands, "read", "print the FreeU settings of a picture, and the tool that made it")
    read.add_argument("file", metavar="PICTURE", help="PNG, JPEG or WebP; - reads standard input")
    read.set_defaults(find=lambda options: sources.in_picture(_bytes(options.file)), show=_lines)
    convert = _command(commands, "convert", "print the API payload that asks for the same")
    convert.add_argument(
        "file", metavar="FILE", help="a picture, an infotext, or an API request; - reads standard input"
    )
    convert.add_argument(
        "--steps", type=_steps, metavar="N", help="of the job, where the request is for ljleb's extension"
    )
    convert.add_argument("--diffusers", action="store_true", help="the file has the arguments of enable_freeu, as JSON")
    convert.set_defaults(
        find=lambda options: sources.in_file(_bytes(options.file), options.steps, options.diffusers), show=_payload
    )
    return parser


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, text: str
) -> argparse.ArgumentParser:
    return commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.", allow_abbrev=False)


def _lines(found: sources.Found) -> str:
    """The tool, and a line a value."""
    values = found.settings.essential().items()
    lines = [f"{name}: {short(value) if isinstance(value, float) else value}" for name, value in values]
    return "".join(f"{line}\n" for line in (f"made by {found.tool}", *lines))


def _payload(found: sources.Found) -> str:
    return f"{json.dumps(payloads.request(found.settings), indent=2)}\n"


def _bytes(name: str) -> bytes:
    return sys.stdin.buffer.read() if name == STDIN else Path(name).read_bytes()


def _steps(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 1000:
        raise argparse.ArgumentTypeError(f"{text!r} is not allowed; it is a whole number from 1 to 1000")
    return int(text)
