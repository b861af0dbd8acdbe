"""attach(): the context manager that owns the hooks.

Hooks sit before the first layer of each decoder block. ldm joins backbone and skip before it calls the
block, and some hosts call a block's layers without the block, so this is where the joined tensor can
always be met. It is fresh there, hence edited in place.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from types import TracebackType
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from freeu.backbone import scale_backbone_
from freeu.decoder import DecoderBlock, decoder_blocks
from freeu.params import STAGES, Settings, Stage
from freeu.schedule import strength, strength_at_timestep
from freeu.skip import scale_skip_

Args = tuple[Any, ...]
Kwargs = dict[str, Any]


class Observation(NamedTuple):
    """What a session met in front of a decoder block, for those who want to see it.

    step: what `Session.at` last said. strength: how strong FreeU is there, 0..1. stage: the factors that were
        applied, None where nothing was edited.
    before, after: what enters the block, shape (pictures, backbone + skip, height, width). The same tensor where
        nothing was edited. They are the run's own, to be read and not to be kept.
    """

    step: int
    strength: float
    block: DecoderBlock
    stage: Stage | None
    before: Tensor
    after: Tensor


Observer = Callable[[Observation], object]


def attach(unet: nn.Module, settings: Settings, observe: Observer | None = None) -> Session:
    """Put FreeU on `unet` until the session is closed, left as a context, or lost.

        with attach(unet, settings) as session:
            for step in range(steps):
                session.at(step, steps)
                unet(x, timesteps=t, context=c)

    Nothing is put on it where the settings are neutral. Two sessions on one UNet both act. Raises
    UnsupportedUNetError, naming the class, where the model has no ldm decoder.

    `observe` is called with every Observation, in front of every decoder block, whatever the settings are (see
    recorder.py). It costs what it computes and a copy of the features. In a graph of torch.compile's it is not called.
    """
    return Session(unet, settings, observe)


class Session:
    """FreeU on one UNet. Owns its hooks; several sessions, on other UNets or in other threads, do not meet.

    calls: how many decoder blocks were edited so far. 0 after a run means that FreeU did nothing. A graph of
        torch.compile's counts as one, however often it runs.
    asked: whether FreeU was to act at any step so far. If so and `calls` is 0, the UNet runs no hooks: it was
        compiled before they came.
    stages: what is applied at this point of the run; a stage that is neutral now is left out.
    step: what `at` was last told. strength: how strong FreeU is at this point of the run.
    is_open: whether it acts. A deep copy of the UNet keeps its hooks, but they act no longer than these.
    """

    def __init__(self, unet: nn.Module, settings: Settings, observe: Observer | None = None) -> None:
        self.settings = settings
        self.observe = observe
        self.step = 0
        self.strength = 0.0
        self.asked = False
        self.is_open = True
        self._edits = self._graphs = 0
        self.stages: Mapping[int | None, Stage] = {}
        with ExitStack() as hooks:
            blocks = self._blocks(unet)
            for block in blocks:
                hook = _BlockHook(weakref.ref(self), block)
                hooks.callback(block.first_layer.register_forward_pre_hook(hook, with_kwargs=True).remove)
            if blocks and settings.clock == "noise" and not settings.neutral:
                clock = _ClockHook(weakref.ref(self))
                hooks.callback(unet.register_forward_pre_hook(clock, with_kwargs=True).remove)
            elif blocks:
                self._act(strength(settings, 0, 1))
            # The hooks hold the session weakly, so that losing the session removes them.
            self._remove_hooks = weakref.finalize(self, hooks.pop_all().close)

    @property
    def calls(self) -> int:
        """How many decoder blocks were edited so far."""
        return self._edits + self._graphs

    def at(self, step: int, steps: int) -> None:
        """Say where the run is: sampler step `step` of `steps`, counted from 0.

        The noise clock needs no telling: it reads what the UNet is called with (not what its forward is).
        """
        self.step = step
        if self.settings.clock == "step":
            self._told(strength(self.settings, step, steps))

    def at_timestep(self, timesteps: Tensor) -> None:
        """Say where the run is by the UNet's timesteps, shape (pictures,). Raises ValueError where they differ."""
        lowest, highest = (float(t) for t in torch.aminmax(timesteps))
        if lowest != highest:
            raise ValueError(f"clock 'noise' reads one timestep a call; this batch has {lowest} to {highest}")
        self._told(strength_at_timestep(self.settings, lowest))

    def close(self) -> None:
        """Take every hook off the UNet. Closing twice is fine."""
        self.is_open = False
        self._remove_hooks()

    def edit_(self, joined: Tensor, block: DecoderBlock, stage: Stage) -> None:
        """Edit what enters `block`, shape (pictures, backbone + skip, height, width), in place."""
        backbone, skip = joined[:, : block.backbone], joined[:, block.backbone :]
        scale_backbone_(backbone, stage.b, version=self.settings.version, offset=stage.offset, width=stage.width)
        scale_skip_(skip, stage.s, high=stage.high, cutoff=stage.cutoff, mask=self.settings.mask)
        if _is_compiling():
            self._graphs = 1  # counting would make each call another graph
        else:
            self._edits += 1

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "open" if self.is_open else "closed"
        return f"<FreeU session, {state}: {self.calls} blocks edited, now {dict(self.stages)}>"

    def _blocks(self, unet: nn.Module) -> list[DecoderBlock]:
        """The blocks that these settings change at full strength, or all for an observer."""
        if self.observe:
            return decoder_blocks(unet, self.settings.stage_map)
        if self.settings.neutral:
            return []
        changed = {n for n in STAGES if not self.settings.stage(n).neutral}
        return [block for block in decoder_blocks(unet, self.settings.stage_map) if block.stage in changed]

    def _told(self, share: float) -> None:
        self._act(share)
        self.asked = self.asked or bool(self.stages)

    def _act(self, share: float) -> None:
        """Set the factors for a strength of `share`."""
        self.strength = share if self.settings.enabled else 0.0
        stages = {n: self.settings.stage(n).at(self.strength) for n in STAGES}
        self.stages = {n: stage for n, stage in stages.items() if not stage.neutral}


def _is_compiling() -> bool:
    # torch 2.1 has no name for it.
    return hasattr(torch.compiler, "is_compiling") and torch.compiler.is_compiling()


class _BlockHook:
    """Edits what enters a decoder block, while its session lives."""

    def __init__(self, session: weakref.ref[Session], block: DecoderBlock) -> None:
        self.session, self.block = session, block

    def __call__(self, layer: nn.Module, args: Args, kwargs: Kwargs) -> tuple[Args, Kwargs] | None:
        session = self.session()
        if session is None or not session.is_open:
            return None
        stage = session.stages.get(self.block.stage)
        if stage is None and session.observe is None:
            return None
        before = joined = args[0] if args else kwargs["x"]
        if stage is not None:
            if torch.is_grad_enabled() or session.observe:
                joined = before.clone()
            session.edit_(joined, self.block, stage)
        if session.observe and not _is_compiling():
            session.observe(Observation(session.step, session.strength, self.block, stage, before, joined))
        return ((joined, *args[1:]), kwargs) if args else (args, {**kwargs, "x": joined})


class _ClockHook:
    """Tells its session the timestep of each call of the UNet, `forward(x, timesteps, ...)`."""

    def __init__(self, session: weakref.ref[Session]) -> None:
        self.session = session

    def __call__(self, unet: nn.Module, args: Args, kwargs: Kwargs) -> None:
        session = self.session()
        if session and session.is_open:
            session.at_timestep(args[1] if len(args) > 1 else kwargs["timesteps"])
