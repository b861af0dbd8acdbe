"""State of the running job."""

from __future__ import annotations

import datetime


class State:
    """The running job. `job_count` is 0 between jobs, and -1 until a job knows its number of batches."""

    def __init__(self) -> None:
        self.job_no = 0
        self.job_count = 0
        self.job_timestamp = "0"
        self.sampling_step = 0
        self.sampling_steps = 0
        self.skipped = False
        self.interrupted = False

    def skip(self) -> None:
        """End the current batch at the next model call."""
        self.skipped = True

    def interrupt(self) -> None:
        """End the job at the next model call, and keep what is finished."""
        self.interrupted = True

    def nextjob(self) -> None:
        """Count a finished batch, or a pass of one."""
        self.job_no += 1
        self.sampling_step = 0

    def begin(self, job: str = "(unknown)") -> None:
        """Start a job with a clean state."""
        self.job_no = 0
        self.job_count = -1
        self.job_timestamp = datetime.datetime.now().strftime("%Y%m%d%H%M%S")
        self.sampling_step = 0
        self.skipped = self.interrupted = False

    def end(self) -> None:
        """End the job."""
        self.job_count = 0
        self.skipped = self.interrupted = False
