"""FreeU for one job, on whichever UNet is loaded.

All state of a job is its Run, which lives on the job's `p`. So a job inside a job has what its own `p`
says, and what a job leaves behind when it dies goes with its `p`.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from torch import nn

from freeu.decoder import UnsupportedUNetError
from freeu.params import Settings
from freeu.recorder import Recorder
from freeu.session import Session, attach
from freeu.webui.wishes import NOTHING, Wishes


class Run:
    """FreeU as one job asked for it.

    settings: what it asked for. obstacle: why a UNet could not be edited, or empty. recorders: what was seen in each
    pass, by its name, if the job wishes to look.
    """

    def __init__(self, settings: Settings, wishes: Wishes = NOTHING) -> None:
        self.settings = settings
        self.wishes = wishes
        self.recorders: dict[str, Recorder] = {}
        self.obstacle = ""
        self._asked = False
        self._calls = 0
        self._session: Session | None = None
        self._unet: weakref.ref[nn.Module] | None = None

    @property
    def calls(self) -> int:
        """How many decoder blocks were edited so far, on all UNets of this job."""
        return self._calls + (self._session.calls if self._session else 0)

    @property
    def asked(self) -> bool:
        """Whether it was to act at any step so far."""
        return self._asked or (self._session is not None and self._session.asked)

    def follow(self, denoiser: Any, unet: nn.Module) -> None:
        """Be on `unet`, at the step where `denoiser` is, or nowhere in a pass without FreeU.

        Raises UnsupportedUNetError.
        """
        hires = getattr(denoiser.p, "is_hr_pass", False)
        if not self._acts_in(hires):
            self.close()
            return
        observe = self._recorder(hires) if self.wishes.look else None
        if self._session is None or not self._is_on(unet) or self._session.observe is not observe:
            self.close()
            self._session, self._unet = attach(unet, self.settings, observe), weakref.ref(unet)
        # A sampler of second order calls the model twice a step.
        calls_a_step = max(1, round(denoiser.total_steps / denoiser.steps))
        self._session.at(denoiser.step // calls_a_step, denoiser.steps)

    def close(self) -> None:
        """Take FreeU off the UNet; `follow` puts it back."""
        if self._session:
            self._session.close()
            self._calls, self._asked = self.calls, self.asked
            self._session = None

    def _is_on(self, unet: nn.Module) -> bool:
        return self._unet is not None and self._unet() is unet

    def _recorder(self, hires: bool) -> Recorder:
        return self.recorders.setdefault("hires. fix pass" if hires else "first pass", Recorder())

    def _acts_in(self, hires: bool) -> bool:
        return self.settings.passes in ("both", "hires" if hires else "first")


class Turns:
    """Whose turn on the UNet it is: before each call of the model, the Run of that job, and no other, acts."""

    def __init__(self, loaded_unet: Callable[[], nn.Module]) -> None:
        self.loaded_unet = loaded_unet
        # Weak, so that a job that died takes its hooks along.
        self._last: weakref.ref[Run] | None = None

    def before_call(self, params: Any) -> None:
        """The host's on_cfg_denoiser; `params.denoiser.p` is the job."""
        run = run_of(params.denoiser.p)
        last = self._last() if self._last else None
        if last is not None and last is not run:
            last.close()
        self._last = weakref.ref(run) if run else None
        if run is None:
            return
        try:
            run.follow(params.denoiser, self.loaded_unet())
        except UnsupportedUNetError as error:
            run.obstacle = str(error)
        except Exception as error:
            # The host goes on after this, and must not do so with the last step's strength.
            run.close()
            run.obstacle = f"{type(error).__name__}: {error}"
            raise

    def close(self) -> None:
        """End the last turn, as when the extension is unloaded."""
        last = self._last() if self._last else None
        if last is not None:
            last.close()


def run_of(p: Any) -> Run | None:
    """The Run of the job `p`, if it asked for FreeU."""
    return getattr(p, "freeu_run", None)


def start(p: Any, settings: Settings, wishes: Wishes = NOTHING) -> None:
    """Give `p` a Run of its own."""
    p.freeu_run = Run(settings, wishes)


def end(p: Any) -> None:
    """Take the Run of `p` off the UNet and away from `p`."""
    run = run_of(p)
    if run:
        run.close()
    p.freeu_run = None
