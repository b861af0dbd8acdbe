"""Draw the trials of a study with one WebUI."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Sequence

from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.trial import Trial
from PIL import Image

from freeu.settings.parameter import SettingsError
from freeu.tune.client import FIRST_DELAY, Client, RefusedError, UnavailableError, pauses, wait_for_answer
from freeu.tune.scoring import Score, ScoreError
from freeu.tune.study import Study

log = logging.getLogger(__name__)

POLL_SECONDS = 1.0
MAX_FAILURES = 3
"""After so many failed trials in a row, the fault is not in the values."""


class Worker(threading.Thread):
    """Draws trials until the study is finished or `stop` is set.

    `error` is why it ended earlier: the WebUI accepts no job, or a score fails for all images.
    """

    def __init__(self, study: Study, client: Client, scores: Sequence[Score], stop: threading.Event) -> None:
        super().__init__(daemon=True)  # a job takes long, and Ctrl-C does not wait for it
        self.study, self.client, self.scores, self.stop = study, client, scores, stop
        self.error: RefusedError | None = None
        self._computing = threading.Lock()  # a process must not end while torch computes in a thread
        self._trial: Trial | None = None
        self._failures = 0
        self._pauses = pauses()

    def run(self) -> None:
        """Draw trials. A WebUI that refuses the first request, such as for a wrong login, is given none."""
        try:
            wait_for_answer([self.client], self.stop)
            while self._try_next():
                pass
        except RefusedError as error:
            self.error = error

    def give_back(self) -> None:
        """Queue the trial that is being drawn for another worker. `stop` must be set.

        This does not wait for a job of the WebUI, which can take minutes.
        """
        with self._computing:
            if self._trial:
                self.study.give_back(self._trial)

    def _try_next(self) -> bool:
        """Draw the next trial, if there is one now. Return False if there is nothing left to do."""
        try:
            if self.stop.is_set() or self.error or self.study.finished:
                return False
            self._draw_next()
        except UpdateFinishedTrialError:
            log.warning("a trial was given to another worker, because this one sent no sign of life")
        except StorageInternalError as error:
            log.warning("the database failed: %s", error)
            self.stop.wait(FIRST_DELAY)
        return True

    def _draw_next(self) -> None:
        with self._computing:
            self._trial = None if self.stop.is_set() else self.study.take()
        if self._trial:
            self._draw(self._trial)
            self._trial = None
        else:
            self.stop.wait(POLL_SECONDS)

    def _draw(self, trial: Trial) -> None:
        with self.study.heartbeat(trial):
            try:
                images, prompts = self._generate(trial)
                with self._computing:
                    self.study.finish(trial, arrange(images), [score(images, prompts) for score in self.scores])
                self._failures, self._pauses = 0, pauses()
            except UnavailableError as error:
                log.warning("%s; trial %d is queued again", error, trial.number)
                self.study.fail(trial, str(error), retry=True)
                # Longer after each failure in a row, so that a WebUI that fails at once does not use up all retries.
                self.stop.wait(next(self._pauses))
                wait_for_answer([self.client], self.stop)
            except (RefusedError, SettingsError, ScoreError) as error:
                log.warning("trial %d failed: %s", trial.number, error)
                self.study.fail(trial, str(error), retry=False)
                self._failures += 1
                if self._failures == MAX_FAILURES:
                    self.error = RefusedError(f"{MAX_FAILURES} trials in a row failed; the last one: {error}")

    def _generate(self, trial: Trial) -> tuple[list[Image.Image], list[str]]:
        """Return the trial's images, and the prompt of each."""
        settings = self.client.validate(self.study.settings(trial))
        images: list[Image.Image] = []
        prompts: list[str] = []
        for prompt in self.study.plan.prompts:
            generated = self.client.generate(self.study.plan.job(prompt, settings))
            images += generated
            prompts += [prompt] * len(generated)
        return images, prompts


def arrange(images: Sequence[Image.Image]) -> Image.Image:
    """Return the images in one, in rows from left to right, about as many rows as columns."""
    columns = math.ceil(math.sqrt(len(images)))
    width, height = (max(sizes) for sizes in zip(*(image.size for image in images), strict=True))
    sheet = Image.new("RGB", (columns * width, math.ceil(len(images) / columns) * height))
    for n, image in enumerate(images):
        sheet.paste(image, (n % columns * width, n // columns * height))
    return sheet
