"""The best values of a study, how sure they are, and how to use them."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

from optuna.trial import FrozenTrial, TrialState

from freeu.arguments import to_script
from freeu.settings.infotext import to_infotext
from freeu.settings.parameter import SettingsError
from freeu.settings.settings import Settings
from freeu.tune.options import connect, open_study
from freeu.tune.plan import format_searched
from freeu.tune.preferences import Ranking, rank_trials
from freeu.tune.study import LABEL, OFF, Study


def run_best(options: argparse.Namespace) -> None:
    """Print the best trials, and save the first as a preset with `--save`. Raises the errors of `WebUI` too."""
    study = open_study(options)
    ranking = rank(study)
    found = best_trials(study, ranking) if options.trial is None else [_find(study, options.trial)]
    if options.save:
        # Before the values are printed, so that an error is not missed.
        saved = _save_preset(options, study, found)
    sys.stdout.write("\n".join(describe(study, trial, ranking) for trial in found))
    if options.save:
        sys.stdout.write(f"saved as the preset {saved}\n")


def best_trials(study: Study, ranking: Ranking | None) -> list[FrozenTrial]:
    """Return the best trial; with several scores, every trial that no other one beats. Raises SettingsError."""
    if ranking:
        return [study.trials()[ranking.best.trial]]
    if study.preferential:
        raise SettingsError("--study", study.name, "must have a choice", "Choose the worst images on the page first")
    if not study.plan.scores:
        raise SettingsError("--study", study.name, "must have scores or a person's choices", "See `report` for a grid")
    if not study.trials(TrialState.COMPLETE):
        raise SettingsError("--study", study.name, "must have a finished trial")
    return list(study.optuna.best_trials)


def _find(study: Study, number: int) -> FrozenTrial:
    drawn = {trial.number: trial for trial in study.trials(TrialState.COMPLETE)}
    if number not in drawn:
        raise SettingsError("--trial", number, "must be the number of a finished trial")
    return drawn[number]


def rank(study: Study) -> Ranking | None:
    """Return the ranking by a person's choices; None if there are none."""
    values, pairs, apart = study.comparisons()
    return rank_trials(values, study.plan.ranges, pairs, apart) if pairs else None


def describe(study: Study, trial: FrozenTrial, ranking: Ranking | None) -> str:
    """Return a trial's values, the evidence for them, its infotext line and an API payload."""
    settings = Settings.parse(study.settings(trial))
    infotext = ", ".join(f"{key}: {value}" for key, value in to_infotext(settings).items())
    payload = json.dumps(to_script(settings))
    lines = [
        f"trial {trial.number}: {name_values(study, trial)}",
        *(_choices(study, trial, ranking) if ranking else _scores(study, trial)),
        f"infotext: {infotext or 'none, because FreeU is off'}",
        f"API payload: {payload}",
    ]
    return "".join(f"{line}\n" for line in lines)


def name_values(study: Study, trial: FrozenTrial) -> str:
    """Return a trial's label, if it has one, and the searched values."""
    label = trial.user_attrs.get(LABEL)
    values = ", ".join(f"{name} {format_searched(trial.params[name])}" for name in study.plan.ranges)
    return OFF if label == OFF else f"{values} ({label})" if label else values


def _choices(study: Study, trial: FrozenTrial, ranking: Ranking) -> list[str]:
    """Return what a person's choices say about a trial; nothing if it was not compared."""
    found = {estimate.trial: estimate for estimate in ranking.estimates}.get(trial.number)
    if not found:
        return []
    spread = [f"{name} {one.mean:.2f} ± {one.deviation:.2f}" for name, one in ranking.spread.items()]
    return [
        f"choices: {study.choices}; comparisons of this trial won: {found.won}, lost: {found.lost}",
        f"probability that it is the best of {len(ranking.estimates)} trials: {found.probability_best:.0%}",
        f"likely values: {', '.join(spread)}",
    ]


def _scores(study: Study, trial: FrozenTrial) -> list[str]:
    """Return the scores of a trial, and of the trials to compare with."""
    labelled = [other for other in study.trials(TrialState.COMPLETE) if LABEL in other.user_attrs]
    by_name = {"this": trial, **{str(other.user_attrs[LABEL]): other for other in labelled}}
    return [
        f"{score}: " + ", ".join(f"{other.values[n]:.4g} ({name})" for name, other in by_name.items())
        for n, score in enumerate(study.plan.scores)
    ]


def _save_preset(options: argparse.Namespace, study: Study, trials: Sequence[FrozenTrial]) -> str:
    if len(trials) > 1:
        numbers = ", ".join(str(trial.number) for trial in trials)
        raise SettingsError("--save", options.save, f"must come with --trial, because several are best: {numbers}")
    settings = study.settings(trials[0])
    if not settings["enabled"]:
        raise SettingsError("--save", options.save, "must be left out, because this trial is FreeU off")
    if not options.url:
        raise SettingsError("--url", "", "must be the WebUI in which --save makes a preset")
    return connect(options.url[0], options).save_preset(options.save, settings, overwrite=options.overwrite)
