"""What the host is doing now, as seen by the page, the API and the samplers."""

from __future__ import annotations

import datetime
import time
from typing import Any


class State:
    """The running job. `job_count` is 0 between jobs, -1 before a job knows its number of batches."""

    def __init__(self) -> None:
        self.job = ""
        self.job_no = 0
        self.job_count = 0
        self.job_timestamp = "0"
        self.sampling_step = 0
        self.sampling_steps = 0
        self.skipped = False
        self.interrupted = False
        self.time_start = 0.0

    def skip(self) -> None:
        """End the current batch early."""
        self.skipped = True

    def interrupt(self) -> None:
        """End the job early, with what it has."""
        self.interrupted = True

    def nextjob(self) -> None:
        """A batch, or a pass of one, is done."""
        self.job_no += 1
        self.sampling_step = 0

    def begin(self, job: str = "(unknown)") -> None:
        """A job starts: nothing of the last one stays."""
        self.job = job
        self.job_no = 0
        self.job_count = -1
        self.job_timestamp = datetime.datetime.now().strftime("%Y%m%d%H%M%S")
        self.sampling_step = 0
        self.time_start = time.time()
        self._clear_requests()

    def end(self) -> None:
        """The job is over, however it ended."""
        self.job = ""
        self.job_count = 0
        self._clear_requests()

    def dict(self) -> dict[str, Any]:
        """For the API's progress."""
        names = ("skipped", "interrupted", "job", "job_count", "job_timestamp", "job_no")
        return {name: getattr(self, name) for name in (*names, "sampling_step", "sampling_steps")}

    def _clear_requests(self) -> None:
        self.skipped = self.interrupted = False
