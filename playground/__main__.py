"""Command line: `python -m playground`."""

from __future__ import annotations

import argparse
import dataclasses
import logging
import math
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from freeu import Settings, SettingsError, presets
from freeu.settings.parameter import format_number
from freeu.settings.settings import TABLE
from playground import dataset, demo, evaluation, images, model, sampling, training
from playground.figures import subjects


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command. Exit with status 2 and a message that names the option if an option is invalid."""
    parser = _build_parser()
    options = parser.parse_args(arguments)
    try:
        options.run(options)
    except (SettingsError, model.PromptError, OSError) as error:
        parser.exit(2, f"{parser.prog}: error: {error}\n")


def run_demo(options: argparse.Namespace) -> None:
    """Generate images with FreeU off and on, and save them side by side."""
    values = {name: getattr(options, name) for name in (*TABLE, "preset")}
    common = {name: value for name, value in values.items() if value is not None}
    variants = demo.variants(common, dict(options.variant))
    prompts = options.prompt or demo.PROMPTS
    outcomes = demo.generate(model.load(), _job(options, prompts), variants)
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


def run_train(options: argparse.Namespace) -> None:
    """Train the model, or resume training."""
    data = dataset.load_all(options.emoji)[0] if options.all else dataset.load(options.emoji)
    plan = training.Plan(steps=options.steps, snapshots=options.snapshot)
    training.train(plan, data, options.checkpoint, options.weights)


def run_evaluate(options: argparse.Namespace) -> None:
    """Generate an image for each training prompt, measure recall and save a sheet of samples."""
    data = dataset.load(options.emoji)
    samples = evaluation.generate_all(model.load(options.weights), _job(options, data.prompts), Settings(enabled=False))
    evaluation.save_sheet(samples, options.out)
    sys.stdout.write(f"recall {evaluation.recall(samples, data):.1%} of {len(samples)}\n{options.out}\n")


def run_figures(options: argparse.Namespace) -> None:
    """Draw and measure the paper's figures, and write the results into a documentation page."""
    from playground.figures import experiment, registry  # matplotlib is slow to import

    data = dataset.load(options.emoji)
    names = options.only or [name for name in registry.TITLES if name not in registry.UNFINISHED]
    setup = experiment.Experiment(model.load(), data, experiment.choose_prompts(data))
    if set(names) & set(registry.UNFINISHED):
        models = subjects.load_subjects(options.snapshots, options.emoji)
        setup = dataclasses.replace(setup, subjects=models, images=options.snapshots / "images")
    registry.draw_figures(setup, names, options.out)
    if options.page:
        registry.fill_page(options.page, options.out)
    sys.stdout.write(f"{options.out}\n")


def _build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("playground", description="FreeU on a small trained model.", allow_abbrev=False)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add_command(run: Callable[[argparse.Namespace], None]) -> argparse.ArgumentParser:
        name = run.__name__.removeprefix("run_")
        command = commands.add_parser(name, help=run.__doc__, description=run.__doc__, allow_abbrev=False)
        command.set_defaults(run=run)
        return command

    _add_demo_options(add_command(run_demo))
    _add_serve_options(add_command(run_serve))
    add_command(run_words)
    train, evaluate, figures = (add_command(run) for run in (run_train, run_evaluate, run_figures))
    train.add_argument("--steps", type=_whole_number(1, 10_000_000), default=training.Plan.steps)
    train.add_argument("--all", action="store_true", help="Train on all emoji but the tenth that is held out.")
    train.add_argument(
        "--snapshot", action="append", type=_whole_number(1, 10_000_000), default=[], metavar="STEP",
        help="Save the weights after this step too. May be repeated.",
    )  # fmt: skip
    train.add_argument("--checkpoint", type=Path, default=Path("training/checkpoint.pt"), metavar="FILE")
    evaluate.add_argument("--out", type=_image_file, default=Path("out/samples.png"), metavar="FILE")
    _add_job_options(evaluate)
    figures.add_argument(
        "--only", action="append", type=_figure_name, metavar="NAME", help="Draw this figure only. May be repeated."
    )
    figures.add_argument(
        "--snapshots", type=Path, default=Path("training"), metavar="FOLDER",
        help="Folder of all-STEP.safetensors, for the figures of unfinished models; their images are kept there.",
    )  # fmt: skip
    figures.add_argument("--out", type=Path, default=Path("out/analysis"), metavar="FOLDER")
    figures.add_argument("--page", type=Path, metavar="FILE", help="Markdown page whose tables are updated.")
    for command in (train, evaluate, figures):
        command.add_argument(
            "--emoji", type=Path, default=dataset.FOLDER, metavar="FOLDER", help="Folder that `make emoji` created."
        )
    for command in (train, evaluate):
        command.add_argument("--weights", type=Path, default=model.WEIGHTS, metavar="FILE")
    return parser


def _add_demo_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--prompt", action="append", metavar="WORDS", help="May be repeated.")
    command.add_argument("--out", type=_image_file, default=Path("out/demo.png"), metavar="FILE")
    command.add_argument(
        "--variant", action="append", type=_variant, default=[], metavar='"LABEL: NAME=VALUE ..."',
        help="Add a row with these values; the other options apply to every row. May be repeated.",
    )  # fmt: skip
    _add_job_options(command)
    _add_settings_options(command)


def _add_serve_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--port", type=_whole_number(1, 65535), default=7860)
    command.add_argument("--api-auth", type=_credentials, metavar="NAME:PASSWORD", help="Protect the API.")
    command.add_argument("--nowebui", action="store_true", help="Serve the API without the page.")
    command.add_argument("--forge", action="store_true", help="Behave like Forge Neo, not like AUTOMATIC1111.")


def _add_job_options(command: argparse.ArgumentParser) -> None:
    default = sampling.Job(())
    command.add_argument("--seed", type=_whole_number(0, 2**32 - 1), default=default.seed)
    command.add_argument("--steps", type=_whole_number(1, 1000), default=default.steps)
    command.add_argument(
        "--guidance", type=_finite_number, default=default.guidance, help="Classifier-free guidance scale."
    )
    command.add_argument("--sampler", choices=sampling.SAMPLERS, default=default.sampler)


def _add_settings_options(command: argparse.ArgumentParser) -> None:
    """Add one option for each parameter in the table. Settings validates the values."""
    group = command.add_argument_group("FreeU")
    group.add_argument("--preset", metavar="NAME", help=f"Base for the other values: {', '.join(presets.BUILTIN)}.")
    for name, param in TABLE.items():
        default = format_number(param.default) if isinstance(param.default, float) else param.default or "empty"
        text = f"{param.help} It {param.rule}. Default: {default}.".replace("%", "%%")
        group.add_argument(f"--{name.replace('_', '-')}", metavar="VALUE", help=text)


def _job(options: argparse.Namespace, prompts: Sequence[str]) -> sampling.Job:
    return sampling.Job(prompts, options.seed, options.steps, options.guidance, options.sampler)


def _whole_number(low: int, high: int) -> Callable[[str], int]:
    """Return a parser of whole numbers from `low` to `high`."""

    def parse(text: str) -> int:
        if not text.isdecimal() or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"must be a whole number from {low} to {high}, got {text!r}")
        return int(text)

    return parse


def _finite_number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise argparse.ArgumentTypeError(f"must be a finite number, got {text!r}")
    return number


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


def _figure_name(name: str) -> str:
    from playground.figures.registry import TITLES  # matplotlib is slow to import

    if name not in TITLES:
        raise argparse.ArgumentTypeError(f"must be one of {', '.join(TITLES)}, got {name!r}")
    return name


def _image_file(text: str) -> Path:
    path = Path(text)
    if path.suffix.lower() not in images.FORMATS or path.is_dir():
        raise argparse.ArgumentTypeError(f"must be a file that ends in {' or '.join(images.FORMATS)}, got {text!r}")
    return path


if __name__ == "__main__":
    main()
