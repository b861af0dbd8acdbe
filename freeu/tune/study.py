"""A study: its trials, handed out to workers by Optuna's storage.

A trial goes from WAITING (queued) or nothing to RUNNING when a worker takes it, and to COMPLETE when it is drawn. A
person's choices come later and do not change the state. While a worker draws, it records heartbeats. A RUNNING trial
without them has lost its worker: the next worker that asks for a trial fails it and queues a copy.
"""

from __future__ import annotations

import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import optuna
from optuna.artifacts import upload_artifact
from optuna.exceptions import DuplicatedStudyError, StorageInternalError, UpdateFinishedTrialError
from optuna.samplers import BaseSampler, CmaEsSampler, GPSampler, RandomSampler, TPESampler
from optuna.storages import RDBStorage, fail_stale_trials
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, Trial, TrialState
from optuna_dashboard import preferential, register_preference_feedback_component
from optuna_dashboard.preferential._system_attrs import get_skipped_trial_ids
from PIL import Image

from freeu.settings.parameter import SettingsError
from freeu.tune import database
from freeu.tune.client import UnavailableError
from freeu.tune.database import RETRY, RETRY_ALWAYS, Images
from freeu.tune.plan import GRID, PERSON, Plan
from freeu.tune.sampler import APART, ChoiceSampler, Comparisons, read_comparisons

ASK_SECONDS = 600
"""A RUNNING trial without any heartbeat for so long lost its worker while the sampler suggested values."""

SHOWN = 4
"""How many trials a person compares, and one more for each WebUI of a new study, so that the person does not wait."""

SAMPLERS: Mapping[str, Callable[[], BaseSampler]] = {
    "tpe": TPESampler,
    "gp": GPSampler,
    "cmaes": CmaEsSampler,
    GRID: RandomSampler,  # suggests nothing, because all points are queued
}
"""Optuna's samplers by name."""

GP_PACKAGES = ("scipy", "torch")
"""The packages of GPSampler that requirements/tune.txt leaves out, because they are large."""

PLAN = "plan"
"""The user attribute of a study with its plan."""

IMAGES, LABEL, ERROR, TAKEN = "images", "label", "error", "taken"
"""User attributes of trials: the artifact with the images, "FreeU off" or a preset, what failed, and the trial's own
number from its first heartbeat on."""

OFF = "FreeU off"
CREATION_SECONDS = 60
"""How long another process may need to queue the first trials."""


def create(storage: RDBStorage, name: str, plan: Plan, trials: int, clients: int) -> None:
    """Create a study and queue its first trials, unless it exists. Raises SettingsError if it has another plan.

    trials: how many to draw for scores. A larger number than before continues the study.
    """
    try:
        if plan.sampler == PERSON:
            n_generate = SHOWN + clients
            chosen = preferential.create_study(
                n_generate=n_generate, storage=storage, sampler=RandomSampler(), study_name=name
            )
            register_preference_feedback_component(chosen, "artifact", IMAGES)
        else:
            names = plan.scores or ["no score"]
            directions = [StudyDirection.MAXIMIZE] * len(names)
            optuna.create_study(storage=storage, study_name=name, directions=directions).set_metric_names(names)
    except DuplicatedStudyError:
        _load_plan(storage, name).check_same(plan)
        _queue(optuna.load_study(study_name=name, storage=storage), plan, trials)
    else:
        study = optuna.load_study(study_name=name, storage=storage)
        study.enqueue_trial(plan.off(), user_attrs={LABEL: OFF, APART: not plan.can_be_off()})
        study.enqueue_trial(
            plan.preset_values(), user_attrs={LABEL: f"preset {plan.preset}" if plan.preset else "start"}
        )
        for point in plan.grid() if plan.sampler == GRID else ():
            study.enqueue_trial(point)
        _queue(study, plan, trials)
        study.set_user_attr(PLAN, plan.to_dict())  # last: so a study with a plan is complete


def check_sampler(name: str) -> None:
    """Raise SettingsError if packages of the sampler are missing. Optuna notices that only after ten trials."""
    if name == "gp" and not all(map(find_spec, GP_PACKAGES)):
        advice = f"Install them: pip install {' '.join(GP_PACKAGES)}"
        raise SettingsError("--sampler", name, "must be a sampler whose packages are installed", advice)


def _queue(study: optuna.Study, plan: Plan, trials: int) -> None:
    """Queue trials for scores until there are `trials`."""
    if plan.sampler not in (PERSON, GRID):
        for _ in range(trials - sum(map(_is_planned, study.get_trials(deepcopy=False)))):
            study.enqueue_trial({})


def _is_planned(trial: FrozenTrial) -> bool:
    """Return True for a queued trial that is not the copy of a failed one."""
    return _was_queued(trial) and not RETRY.retry_history(trial)


def _was_queued(trial: FrozenTrial) -> bool:
    return "fixed_params" in trial.system_attrs


def _load_plan(storage: RDBStorage, name: str) -> Plan:
    end = time.monotonic() + CREATION_SECONDS
    while True:
        try:
            attributes = storage.get_study_user_attrs(storage.get_study_id_from_name(name))
        except KeyError as error:
            raise SettingsError("--study", name, "must be the name of a study in --storage") from error
        if PLAN in attributes:
            return Plan(**attributes[PLAN])
        if time.monotonic() > end:
            advice = "Its creation was interrupted, or another program made it. Choose another name"
            raise SettingsError("--study", name, "must be a study of FreeU", advice)
        time.sleep(0.1)  # another process is creating it


class Study:
    """A study with its plan. Raises SettingsError if there is none with this name.

    Each thread needs its own, because samplers have a state.
    """

    def __init__(self, storage: RDBStorage, name: str, images: Images) -> None:
        self.storage, self.name, self.images = storage, name, images
        self.plan = _load_plan(storage, name)
        self._seen: dict[int, float] = {}  # when a trial was first seen to be RUNNING without a heartbeat
        person = self.plan.sampler == PERSON
        sampler = ChoiceSampler(self.plan.ranges) if person else SAMPLERS[self.plan.sampler]()
        self.optuna = optuna.load_study(study_name=name, storage=storage, sampler=sampler)
        self.preferential: preferential.PreferentialStudy | None = None
        if person:
            self.preferential = preferential.load_study(study_name=name, storage=storage, sampler=sampler)

    @property
    def id(self) -> int:
        """The number of the study in its database and in the page's addresses."""
        return self.storage.get_study_id_from_name(self.name)

    def trials(self, *states: TrialState) -> list[FrozenTrial]:
        """Return the trials in these states, or all."""
        return self.optuna.get_trials(deepcopy=False, states=states or None)

    @property
    def size(self) -> int | None:
        """How many trials there will be; None if a person can always ask for more."""
        return None if self.preferential else sum(map(_is_planned, self.trials()))

    def failed(self) -> list[FrozenTrial]:
        """Return the failed trials that were not queued again."""
        retried = {number for trial in self.trials() for number in RETRY.retry_history(trial)}
        failed = [trial for trial in self.trials(TrialState.FAIL) if trial.number not in retried]
        return [trial for trial in failed if self.preferential or _was_queued(trial)]

    def comparisons(self) -> Comparisons:
        """Return what a person has chosen; nothing in a study for scores."""
        return read_comparisons(self.optuna)

    @property
    def choices(self) -> int:
        """How many images a person has chosen as the worst."""
        return len(self._worst())

    @property
    def shown(self) -> list[FrozenTrial]:
        """The trials that the page shows to a person: drawn, neither chosen as the worst nor skipped."""
        gone = self._worst() | self._skipped()
        return [trial for trial in self.trials(TrialState.COMPLETE) if trial.number not in gone]

    def settings(self, trial: Trial | FrozenTrial) -> dict[str, Any]:
        """Return the settings that a trial is drawn with."""
        return {"enabled": False} if trial.user_attrs.get(LABEL) == OFF else self.plan.settings_with(trial.params)

    @property
    def finished(self) -> bool:
        """True if all trials are drawn. A person can always ask for more."""
        return not self.preferential and not self.trials(TrialState.WAITING, TrialState.RUNNING)

    def copy(self) -> Study:
        """Return the same study for another thread."""
        return Study(self.storage, self.name, self.images)

    def take(self) -> Trial | None:
        """Return the next trial to draw; None if there is nothing to draw now."""
        fail_stale_trials(self.optuna)
        self._fail_abandoned_trials()
        if not (self.preferential.should_generate() if self.preferential else self.trials(TrialState.WAITING)):
            return None
        with warnings.catch_warnings():
            # Optuna warns of heartbeats without `optimize`.
            warnings.simplefilter("ignore")
            trial = self.optuna.ask(self.plan.distributions)
        if not self.preferential and not _was_queued(self._frozen(trial)):
            self.fail(trial, "another worker took the last trial", retry=False)
            return None
        return trial

    @contextmanager
    def heartbeat(self, trial: Trial) -> Iterator[None]:
        """Record that the trial's worker is alive, until the block ends."""
        trial_id, done = trial._trial_id, threading.Event()

        def beat() -> None:
            while not done.wait(database.HEARTBEAT_SECONDS):
                with suppress(StorageInternalError):  # the next one may reach the database again
                    self.storage.record_heartbeat(trial_id)

        self.storage.record_heartbeat(trial_id)  # before the attribute, or a worker lost between them is never found
        trial.set_user_attr(TAKEN, trial.number)  # a queued copy inherits the attribute, but not the number
        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def finish(self, trial: Trial, image: Image.Image, scores: Sequence[float]) -> bool:
        """Store a trial's image and scores. Return False if another worker has the trial now.

        Raises UnavailableError if the image cannot be stored.
        """
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "images.png"
            image.save(path)
            try:
                key = upload_artifact(artifact_store=self.images, file_path=str(path), study_or_trial=trial)
            except UpdateFinishedTrialError:
                return False
            except StorageInternalError:
                raise
            except Exception as error:  # those of a file system, or of S3
                raise UnavailableError(f"the images cannot be stored: {error}") from error
        values = list(scores) or [0.0]  # a person's choices are no values of trials
        return self._end(trial, {IMAGES: key}, TrialState.COMPLETE, values)

    def fail(self, trial: Trial, error: str, *, retry: bool) -> None:
        """Give up a trial. With `retry`, a copy of it is queued, at most MAX_RETRIES times."""
        if self._end(trial, {ERROR: error}, TrialState.FAIL) and retry:
            RETRY(self.optuna, self._frozen(trial))

    def give_back(self, trial: Trial) -> None:
        """Give up a trial because the user interrupted it. A copy of it is queued, however often that happens."""
        if self._end(trial, {ERROR: "interrupted"}, TrialState.FAIL):
            RETRY_ALWAYS(self.optuna, self._frozen(trial))

    def _end(
        self, trial: Trial, attributes: Mapping[str, str], state: TrialState, values: Sequence[float] | None = None
    ) -> bool:
        """Set the last state of a trial. Return False if another worker did, because there was no heartbeat."""
        try:
            for name, value in attributes.items():
                trial.set_user_attr(name, value)
            return self.storage.set_trial_state_values(trial._trial_id, state, values)
        except UpdateFinishedTrialError:
            return False

    def _fail_abandoned_trials(self) -> None:
        """Fail trials whose worker was lost before the first heartbeat. Optuna finds only those lost later."""
        now = time.monotonic()  # a trial's start is by the clock of another machine
        for found in self.trials(TrialState.RUNNING):
            if found.user_attrs.get(TAKEN) == found.number:
                continue
            if now - self._seen.setdefault(found.number, now) >= ASK_SECONDS:
                self.fail(Trial(self.optuna, found._trial_id), "the worker was lost", retry=True)

    def _worst(self) -> set[int]:
        return {worse for _, worse in self.comparisons().pairs}

    def _skipped(self) -> set[int]:
        skipped = set(get_skipped_trial_ids(self.storage.get_study_system_attrs(self.id)))
        return {trial.number for trial in self.trials() if trial._trial_id in skipped}

    def _frozen(self, trial: Trial) -> FrozenTrial:
        return self.storage.get_trial(trial._trial_id)
