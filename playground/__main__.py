"""`python -m playground`: the commands of the embedded default."""

from __future__ import annotations

import argparse
import logging
import math
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from freeu import Settings, SettingsError, presets
from freeu.settings.parameter import format_number
from freeu.settings.settings import TABLE
from playground import demo, emoji, evaluate, model, sampling, train


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command. Bad options end it with a message that names the option, and exit status 2."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        options.run(options)
    except (SettingsError, model.PromptError, OSError) as error:
        parser.exit(2, f"{parser.prog}: error: {error}\n")


def run_demo(options: argparse.Namespace) -> None:
    """Draw prompts with FreeU off and on, side by side."""
    given = {name: getattr(options, name) for name in (*TABLE, "preset")}
    ways = demo.ways({name: value for name, value in given.items() if value is not None}, dict(options.way))
    prompts = options.prompt or demo.PROMPTS
    drawings = demo.draw(model.load(), _job(options, prompts), ways)
    demo.save_comparison(prompts, drawings, options.out)
    sys.stdout.write(f"{demo.report(drawings)}\n{options.out}\n")


def run_serve(options: argparse.Namespace) -> None:
    """Serve a page and an API with the extension, as a WebUI would."""
    from playground import serve  # needs gradio, and takes a second

    logging.basicConfig(format="%(message)s")
    logging.getLogger("playground").setLevel(logging.INFO)
    serve.run(options.port, options.api_auth, options.nowebui)


def run_words(options: argparse.Namespace) -> None:
    """List the words that the model knows."""
    sys.stdout.write(f"{', '.join(model.load().text.words)}\n")


def run_train(options: argparse.Namespace) -> None:
    """Train the model, or go on training it."""
    train.train(train.Plan(steps=options.steps), options.emoji, options.checkpoint, options.weights)


def run_evaluate(options: argparse.Namespace) -> None:
    """Draw every training prompt, measure recall and save a sheet of samples."""
    data = emoji.load(options.emoji)
    job = _job(options, data.prompts)
    samples = evaluate.draw_all(model.load(options.weights), job, Settings(enabled=False))
    evaluate.save_sheet(samples, options.out)
    sys.stdout.write(f"recall {evaluate.recall(samples, data):.1%} of {len(samples)}\n{options.out}\n")


def run_figures(options: argparse.Namespace) -> None:
    """Draw and measure the paper's figures, and put what was measured into the page."""
    from playground.figures import lab, run  # need matplotlib, which drawing does without

    data = emoji.load(options.emoji)
    run.run(lab.Lab(model.load(), data, lab.choose_prompts(data)), options.only or run.TITLES, options.out)
    if options.page:
        run.fill_page(options.page, options.out)
    sys.stdout.write(f"{options.out}\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("playground", description="FreeU on a small real model.", allow_abbrev=False)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: Callable[[argparse.Namespace], None]) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=run.__doc__, description=run.__doc__, allow_abbrev=False)
        sub.set_defaults(run=run)
        return sub

    drawing = command("demo", run_demo)
    drawing.add_argument("--prompt", action="append", metavar="WORDS", help="may be given several times")
    drawing.add_argument("--out", type=_png, default=Path("out/demo.png"), metavar="FILE")
    drawing.add_argument(
        "--way", action="append", type=_way, default=[], metavar='"LABEL: NAME=VALUE ..."',
        help="a row of its own, of these values and those of the other options; may be given several times",
    )  # fmt: skip
    _add_job(drawing)
    _add_settings(drawing)
    command("words", run_words)
    serving = command("serve", run_serve)
    serving.add_argument("--port", type=_whole(1, 65535), default=7860)
    serving.add_argument("--api-auth", type=_login, metavar="NAME:PASSWORD", help="what the API asks for")
    serving.add_argument("--nowebui", action="store_true", help="serve the API alone")
    training = command("train", run_train)
    training.add_argument("--steps", type=_whole(1, 10_000_000), default=train.Plan.steps)
    training.add_argument("--checkpoint", type=Path, default=Path("training/checkpoint.pt"), metavar="FILE")
    evaluation = command("evaluate", run_evaluate)
    evaluation.add_argument("--out", type=_png, default=Path("out/samples.png"), metavar="FILE")
    _add_job(evaluation)
    drawings = command("figures", run_figures)
    drawings.add_argument("--only", action="append", type=_figure, metavar="NAME", help="may be given several times")
    drawings.add_argument("--out", type=Path, default=Path("out/analysis"), metavar="FOLDER")
    drawings.add_argument("--page", type=Path, metavar="FILE", help="whose tables to make anew")
    for sub in (training, evaluation, drawings):
        sub.add_argument("--emoji", type=Path, default=emoji.FOLDER, metavar="FOLDER", help="made by `make emoji`")
    for sub in (training, evaluation):
        sub.add_argument("--weights", type=Path, default=model.WEIGHTS, metavar="FILE")
    return parser


def _add_job(parser: argparse.ArgumentParser) -> None:
    default = sampling.Job(())
    parser.add_argument("--seed", type=_whole(0, 2**32 - 1), default=default.seed)
    parser.add_argument("--steps", type=_whole(1, 1000), default=default.steps)
    parser.add_argument("--guidance", type=_finite, default=default.guidance, help="classifier-free guidance scale")
    parser.add_argument("--sampler", choices=sampling.SAMPLERS, default=default.sampler)


def _add_settings(parser: argparse.ArgumentParser) -> None:
    """One option a parameter, from the table. Values are checked by Settings."""
    group = parser.add_argument_group("FreeU")
    group.add_argument("--preset", metavar="NAME", help=f"a base for the others: {', '.join(presets.BUILTIN)}")
    for name, param in TABLE.items():
        default = format_number(param.default) if isinstance(param.default, float) else param.default or "empty"
        text = f"{param.help} ({param.rule}; default {default})".replace("%", "%%")
        group.add_argument(f"--{name.replace('_', '-')}", metavar="VALUE", help=text)


def _job(options: argparse.Namespace, prompts: Sequence[str]) -> sampling.Job:
    return sampling.Job(prompts, options.seed, options.steps, options.guidance, options.sampler)


def _whole(low: int, high: int) -> Callable[[str], int]:
    """A reader of whole numbers from low to high."""

    def read(text: str) -> int:
        if not text.isdecimal() or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"{text!r} is not allowed; it is a whole number from {low} to {high}")
        return int(text)

    return read


def _finite(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise argparse.ArgumentTypeError(f"{text!r} is not allowed; it is a number")
    return number


def _login(text: str) -> str:
    if not re.fullmatch("[^:,]+:[^:,]+(,[^:,]+:[^:,]+)*", text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not allowed; it is name:password, or several with commas between"
        )
    return text


def _way(text: str) -> tuple[str, dict[str, str]]:
    label, colon, values = text.partition(":")
    pairs = [pair.partition("=") for pair in values.split()]
    if not colon or not label.strip() or not all(equals for _, equals, _ in pairs):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not allowed; it is a label and values, such as 'b alone: s1=1 s2=1'"
        )
    return label.strip(), {name: value for name, _, value in pairs}


def _figure(name: str) -> str:
    from playground.figures import run  # takes a second

    if name not in run.TITLES:
        raise argparse.ArgumentTypeError(f"{name!r} is not allowed; it is one of {', '.join(run.TITLES)}")
    return name


def _png(text: str) -> Path:
    path = Path(text)
    if path.suffix.lower() != ".png" or path.is_dir():
        raise argparse.ArgumentTypeError(f"{text!r} is not allowed; it is a file that ends in .png")
    return path


if __name__ == "__main__":
    main()
