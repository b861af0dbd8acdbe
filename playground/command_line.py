"""What the command lines of the playground and of `research` share: commands, the options of a job, and their rules."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Sequence
from pathlib import Path

from freeu import SettingsError
from playground import images, model, sampling


class CommandLine:
    """A program with commands, each a function whose name begins with `run_`."""

    def __init__(self, name: str, description: str) -> None:
        self.parser = argparse.ArgumentParser(name, description=description, allow_abbrev=False)
        self.commands = self.parser.add_subparsers(required=True, metavar="COMMAND")

    def add(self, run: Callable[[argparse.Namespace], None]) -> argparse.ArgumentParser:
        """Add a command, and return its parser, to which the caller adds the options."""
        name = run.__name__.removeprefix("run_")
        command = self.commands.add_parser(name, help=run.__doc__, description=run.__doc__, allow_abbrev=False)
        command.set_defaults(run=run)
        return command

    def run(self, arguments: Sequence[str] | None) -> None:
        """Run one command. Exit with status 2 and a message that names the option if an option is invalid."""
        options = self.parser.parse_args(arguments)
        try:
            options.run(options)
        except (SettingsError, model.PromptError, OSError) as error:
            self.parser.exit(2, f"{self.parser.prog}: error: {error}\n")


def add_job_options(command: argparse.ArgumentParser) -> None:
    """Add the options of a job. Its prompts are not among them."""
    default = sampling.Job(())
    command.add_argument("--seed", type=whole_number(0, 2**32 - 1), default=default.seed)
    command.add_argument("--steps", type=whole_number(1, 1000), default=default.steps)
    command.add_argument(
        "--guidance", type=_finite_number, default=default.guidance, help="Classifier-free guidance scale."
    )
    command.add_argument("--sampler", choices=sampling.SAMPLERS, default=default.sampler)


def job(options: argparse.Namespace, prompts: Sequence[str]) -> sampling.Job:
    """Return the job that the options ask for."""
    return sampling.Job(prompts, options.seed, options.steps, options.guidance, options.sampler)


def whole_number(low: int, high: int) -> Callable[[str], int]:
    """Return a parser of whole numbers from `low` to `high`."""

    def parse(text: str) -> int:
        if not text.isdecimal() or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"must be a whole number from {low} to {high}, got {text!r}")
        return int(text)

    return parse


def image_file(text: str) -> Path:
    """Parse the path of an image to write."""
    path = Path(text)
    if path.suffix.lower() not in images.FORMATS or path.is_dir():
        raise argparse.ArgumentTypeError(f"must be a file that ends in {' or '.join(images.FORMATS)}, got {text!r}")
    return path


def _finite_number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise argparse.ArgumentTypeError(f"must be a finite number, got {text!r}")
    return number
