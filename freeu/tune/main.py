"""The commands of `python -m freeu tune`."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

import optuna

from freeu.settings.parameter import SettingsError
from freeu.tune import options, report, result, run
from freeu.tune.client import RefusedError, UnavailableError

PROGRAM = "python -m freeu tune"
COMMANDS = """\
commands:
  (none)   make or continue a study: draw, and serve the page
  worker   draw for a study of another machine
  best     print the best values so far, or save them as a preset
  report   write one HTML page about the study
"""


def main(arguments: Sequence[str]) -> None:
    """Run one command. Exit with status 2 and a message if an option is invalid or the WebUI refuses."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    logging.basicConfig(format="%(message)s")
    makers = {"worker": _worker_parser, "best": _best_parser, "report": _report_parser}
    command = arguments[0] if arguments and arguments[0] in makers else ""
    parser = makers[command]() if command else _run_parser()
    parsed = parser.parse_args(arguments[1:] if command else arguments)
    try:
        parsed.act(parsed)
    except (SettingsError, RefusedError, UnavailableError) as error:
        parser.exit(2, f"{parser.prog}: error: {error}\n")
    except KeyboardInterrupt:
        parser.exit(130, "Stopped.\n")  # before anything is drawn, such as while no WebUI answers


def _run_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        PROGRAM, description="Find FreeU's values for a model: by eye, by score or on a grid. See docs/tune.md.",
        epilog=COMMANDS, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False,
    )  # fmt: skip
    options.add_webui_options(parser)
    options.add_run_options(parser)
    options.add_study_options(parser)
    parser.set_defaults(act=run.run)
    return parser


def _worker_parser() -> argparse.ArgumentParser:
    parser = _parser("worker", "Draw for a study of another machine, until it is finished or Ctrl-C is pressed.")
    options.add_webui_options(parser)
    parser.set_defaults(act=run.run_worker)
    return parser


def _best_parser() -> argparse.ArgumentParser:
    parser = _parser("best", "Print the best values so far, how sure they are, an infotext line and an API payload.")
    parser.add_argument("--trial", type=int, metavar="N", help="Use this trial instead of the best.")
    parser.add_argument("--save", metavar="NAME", help="Save the values as a preset of your own in the WebUI.")
    parser.add_argument("--overwrite", action="store_true", help="Replace a preset of that name.")
    options.add_webui_options(parser, required=False)
    parser.set_defaults(act=result.run_best)
    return parser


def _report_parser() -> argparse.ArgumentParser:
    parser = _parser("report", "Write one HTML page: history, best and worst images, how the values matter.")
    parser.add_argument("--out", type=Path, default=Path("freeu-tune/report.html"), metavar="FILE")
    parser.set_defaults(act=report.run_report)
    return parser


def _parser(command: str, description: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(f"{PROGRAM} {command}", description=description, allow_abbrev=False)
    options.add_study_options(parser)
    return parser
