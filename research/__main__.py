"""Command line: `python -m research`."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path

from freeu import Settings
from playground import model
from playground.command_line import CommandLine, add_job_options, image_file, job, whole_number
from research import dataset, evaluation, training
from research.figures import experiment, registry, subjects


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command."""
    command_line = CommandLine("research", "Train the playground's model, and measure the paper's claims on it.")
    _add_train_options(command_line.add(run_train))
    _add_evaluate_options(command_line.add(run_evaluate))
    _add_figures_options(command_line.add(run_figures))
    command_line.run(arguments)


def run_train(options: argparse.Namespace) -> None:
    """Train the model, or resume training."""
    data = dataset.load_all(options.emoji)[0] if options.all else dataset.load(options.emoji)
    plan = training.Plan(steps=options.steps, snapshots=options.snapshot)
    training.train(plan, data, options.checkpoint, options.weights)


def run_evaluate(options: argparse.Namespace) -> None:
    """Generate an image for each training prompt, measure recall and save a sheet of samples."""
    data = dataset.load(options.emoji)
    samples = evaluation.generate_all(model.load(options.weights), job(options, data.prompts), Settings(enabled=False))
    evaluation.save_sheet(samples, options.out)
    sys.stdout.write(f"recall {evaluation.recall(samples, data):.1%} of {len(samples)}\n{options.out}\n")


def run_figures(options: argparse.Namespace) -> None:
    """Draw and measure the paper's figures, and write the results into a documentation page."""
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


def _add_train_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--steps", type=whole_number(1, 10_000_000), default=training.Plan.steps)
    command.add_argument("--all", action="store_true", help="Train on all emoji but the tenth that is held out.")
    command.add_argument(
        "--snapshot", action="append", type=whole_number(1, 10_000_000), default=[], metavar="STEP",
        help="Save the weights after this step too. May be repeated.",
    )  # fmt: skip
    command.add_argument("--checkpoint", type=Path, default=Path("training/checkpoint.pt"), metavar="FILE")
    _add_emoji_option(command)
    _add_weights_option(command)


def _add_evaluate_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--out", type=image_file, default=Path("out/samples.png"), metavar="FILE")
    add_job_options(command)
    _add_emoji_option(command)
    _add_weights_option(command)


def _add_figures_options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--only", action="append", type=_figure_name, metavar="NAME", help="Draw this figure only. May be repeated."
    )
    command.add_argument(
        "--snapshots", type=Path, default=Path("training"), metavar="FOLDER",
        help="Folder of all-STEP.safetensors, for the figures of unfinished models; their images are kept there.",
    )  # fmt: skip
    command.add_argument("--out", type=Path, default=Path("out/analysis"), metavar="FOLDER")
    command.add_argument("--page", type=Path, metavar="FILE", help="Markdown page whose tables are updated.")
    _add_emoji_option(command)


def _add_emoji_option(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--emoji", type=Path, default=dataset.FOLDER, metavar="FOLDER", help="Folder that `make emoji` created."
    )


def _add_weights_option(command: argparse.ArgumentParser) -> None:
    command.add_argument("--weights", type=Path, default=model.WEIGHTS, metavar="FILE")


def _figure_name(name: str) -> str:
    if name not in registry.TITLES:
        raise argparse.ArgumentTypeError(f"must be one of {', '.join(registry.TITLES)}, got {name!r}")
    return name


if __name__ == "__main__":
    main()
