"""FreeU for one job, on whichever UNet is loaded.

A job's state is its `Job`, which is stored on the host's `p`. So a job inside a job (ADetailer) has the settings of
its own `p`, and what a failed job leaves behind goes with its `p`.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from torch import nn

from freeu.arguments import ExtraOutputs, Request
from freeu.core.hooks import Session, attach, guard_hooks
from freeu.core.unet import UnsupportedUNetError
from freeu.diagnostics.recorder import Recorder
from freeu.settings.settings import Settings
from freeu.webui.sampler_step import current_step


class Job:
    """FreeU with the settings of one job.

    Attributes:
        settings: its settings.
        outputs: its extra outputs.
        recorders: measurements by name of the pass, if the job has a plot.
        problem: why a UNet could not be edited; empty if there is no problem.
    """

    def __init__(self, settings: Settings, outputs: ExtraOutputs) -> None:
        self.settings = settings
        self.outputs = outputs
        self.recorders: dict[str, Recorder] = {}
        self.problem = ""
        self._sessions: list[Session] = []
        self._unet: weakref.ref[nn.Module] | None = None

    @property
    def calls(self) -> int:
        """How many decoder blocks were edited so far, on all UNets of this job."""
        return sum(session.calls for session in self._sessions)

    @property
    def was_active(self) -> bool:
        """True if FreeU has been active at any step so far."""
        return any(session.was_active for session in self._sessions)

    def sync(self, params: Any, unet: nn.Module) -> None:
        """Move the hooks to `unet` and set the current step; remove them in a pass that does not use FreeU.

        `params` is the host's `CFGDenoiserParams`. Raises UnsupportedUNetError.
        """
        is_hires = getattr(params.denoiser.p, "is_hr_pass", False)
        if self.settings.passes not in ("both", "hires" if is_hires else "first"):
            self.close()
            return
        recorder = self._recorder(is_hires) if self.outputs.plot else None
        if not self._is_attached(unet, recorder):
            self.close()
            self._sessions.append(attach(unet, self.settings, recorder))
            self._unet = weakref.ref(unet)
        self._sessions[-1].at(current_step(params), params.denoiser.steps)

    def close(self) -> None:
        """Remove the hooks from the UNet. `sync` adds them again."""
        for session in self._sessions:
            session.close()

    def _is_attached(self, unet: nn.Module, recorder: Recorder | None) -> bool:
        last = self._sessions[-1] if self._sessions else None
        is_on = self._unet is not None and self._unet() is unet
        return last is not None and last.is_open and last.observe is recorder and is_on

    def _recorder(self, is_hires: bool) -> Recorder:
        return self.recorders.setdefault("hires. fix pass" if is_hires else "first pass", Recorder())


class HookManager:
    """Makes sure that only the hooks of the job that samples are on the UNet."""

    def __init__(self, loaded_unet: Callable[[], nn.Module]) -> None:
        self.loaded_unet = loaded_unet
        # A weak reference, so that a failed job's hooks go with its `p`.
        self._last: weakref.ref[Job] | None = None

    def on_cfg_denoiser(self, params: Any) -> None:
        """Prepare the UNet for the next call of the model by the job `params.denoiser.p`."""
        # Also in jobs without FreeU: a host that compiles the UNet does so in its first call.
        guard_hooks()
        job = job_of(params.denoiser.p)
        last = self._last() if self._last else None
        if last is not None and last is not job:
            last.close()
        self._last = weakref.ref(job) if job else None
        if job is None:
            return
        try:
            job.sync(params, self.loaded_unet())
        except UnsupportedUNetError as error:
            job.problem = str(error)
        except Exception as error:
            # The host goes on sampling, and must not do so with the last step's factors.
            job.close()
            job.problem = f"{type(error).__name__}: {error}"
            raise

    def close(self) -> None:
        """Remove the hooks of the last job, which may have failed. A job that goes on adds its own again."""
        last = self._last() if self._last else None
        if last is not None:
            last.close()


def job_of(p: Any) -> Job | None:
    """Return the Job of `p`; None if `p` does not use FreeU."""
    return getattr(p, "freeu_job", None)


def open_job(p: Any, request: Request) -> None:
    """Give `p` a Job."""
    p.freeu_job = Job(*request)


def close_job(p: Any) -> None:
    """Remove the hooks of the Job of `p`, and the Job from `p`."""
    job = job_of(p)
    if job:
        job.close()
    p.freeu_job = None
