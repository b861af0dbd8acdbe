"""attach(): the context manager that owns the hooks.

Each hook runs before the first layer of a decoder block. ldm joins backbone and skip features before it calls the
block, diffusers before it calls each resnet, and some hosts call a block's layers without calling the block. So the
first layer's input is the one place where every host has the joined features. They are a new tensor there, so the hook
edits them in place.
"""

from __future__ import annotations

import copy
import sys
import weakref
from collections.abc import Callable, Mapping
from contextlib import ExitStack, nullcontext
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from freeu.core.backbone import scale_backbone_
from freeu.core.schedule import strength, strength_at_timestep
from freeu.core.skip import scale_skip_
from freeu.core.unet import DecoderBlock, decoder_blocks
from freeu.settings.stage import STAGES, Stage

if TYPE_CHECKING:
    from freeu.settings.settings import Settings

Args = tuple[Any, ...]
Kwargs = dict[str, Any]


class Observation(NamedTuple):
    """The input of a decoder block before and after FreeU, shape (B, backbone + skip, H, W), for an observer.

    `stage` is None, and both are the same tensor, if nothing was edited. Do not change or keep the tensors.
    """

    step: int
    strength: float
    block: DecoderBlock
    stage: Stage | None
    before: Tensor
    after: Tensor


Observer = Callable[[Observation], object]


def attach(unet: nn.Module, settings: Settings, observe: Observer | None = None) -> Session:
    """Apply FreeU to `unet` until the session is closed, left as a context manager, or garbage collected.

        with attach(unet, settings) as session:
            for step in range(steps):
                session.at(step, steps)
                unet(x, timesteps=t, context=c)

    The UNet is that of ldm or sgm, or `pipe.unet` of diffusers. Neutral settings add no hook. Two sessions on one
    UNet both act. `observe` is called before every decoder block, whatever the settings are (see
    diagnostics/recorder.py), but not in a graph of torch.compile.

    Raises UnsupportedUNetError if FreeU cannot edit the model.
    """
    return Session(unet, settings, observe)


class Session:
    """FreeU on one UNet. Owns the hooks. Sessions on other UNets, or in other threads, are independent.

    Attributes:
        settings: the settings.
        step: the step last given to `at`.
        strength: FreeU's strength at this step, 0..1.
        stages: the factors that apply at this step, by stage, without neutral stages.
        was_active: True if FreeU has been active at any step so far. If so and `calls` is 0, the UNet runs no hooks:
            it was compiled before they were added (see `guard_hooks`).
        is_open: False after `close`. A deep copy of the UNet has copies of the hooks, which check it too.
    """

    def __init__(self, unet: nn.Module, settings: Settings, observe: Observer | None = None) -> None:
        self.settings = settings
        self.observe = observe
        self.step = 0
        self.strength = 0.0
        self.stages: Mapping[int | None, Stage] = {}
        self.was_active = False
        self.is_open = True
        self._edited_blocks = self._compiled_graphs = 0
        with ExitStack() as hooks:
            blocks = self._blocks_to_hook(unet)
            for block in blocks:
                hook = _compilable(_BlockHook(weakref.ref(self), block))
                # First among the layer's hooks: another extension's hook may add images to the batch (LLuL).
                handle = block.first_layer.register_forward_pre_hook(hook, prepend=True, with_kwargs=True)
                hooks.callback(handle.remove)
            if blocks and settings.clock == "noise" and not settings.neutral:
                clock = _ClockHook(weakref.ref(self))
                hooks.callback(unet.register_forward_pre_hook(clock, with_kwargs=True).remove)
            elif blocks:
                self._set_strength(strength(settings, 0, 1))
            # The hooks have weak references to the session, so that garbage collection of it removes them.
            self._remove_hooks = weakref.finalize(self, hooks.pop_all().close)

    @property
    def calls(self) -> int:
        """How many decoder blocks were edited so far; 0 after a run means that FreeU did nothing.

        A graph of torch.compile counts as one, no matter how often it runs.
        """
        return self._edited_blocks + self._compiled_graphs

    def at(self, step: int, steps: int) -> None:
        """Set the current sampler step, `step` of `steps`, counted from 0.

        With the clock "noise", the session reads the timestep of each call of the UNet instead.
        """
        self.step = step
        if self.settings.clock == "step":
            self.update_strength(strength(self.settings, step, steps))

    def update_strength(self, strength: float) -> None:
        """Set the factors for a strength of 0..1."""
        self._set_strength(strength)
        self.was_active = self.was_active or bool(self.stages)

    def close(self) -> None:
        """Remove every hook from the UNet. A second call does nothing."""
        self.is_open = False
        self._remove_hooks()

    def edit_(self, joined: Tensor, block: DecoderBlock, stage: Stage) -> None:
        """Edit the input of `block`, shape (B, backbone + skip, H, W), in place."""
        backbone, skip = joined[:, : block.backbone], joined[:, block.backbone :]
        scale_backbone_(
            backbone,
            stage.b,
            version=self.settings.version,
            offset=stage.offset,
            width=stage.width,
            keep_contrast=self.settings.keep_contrast,
        )
        scale_skip_(skip, stage.s, high=stage.high, cutoff=stage.cutoff, mask=self.settings.mask)
        if _is_compiling():
            self._compiled_graphs = 1  # a count would need a new graph for each call
        else:
            self._edited_blocks += 1

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "open" if self.is_open else "closed"
        return f"<FreeU session, {state}, {self.calls} blocks edited, current factors {dict(self.stages)}>"

    def _blocks_to_hook(self, unet: nn.Module) -> list[DecoderBlock]:
        """Return the blocks that the settings change at full strength, or all blocks for an observer."""
        if self.observe:
            return decoder_blocks(unet, self.settings.stage_map)
        if self.settings.neutral:
            return []
        changed = {n for n in STAGES if not self.settings.stage(n).neutral}
        return [block for block in decoder_blocks(unet, self.settings.stage_map) if block.stage in changed]

    def _set_strength(self, strength: float) -> None:
        self.strength = strength if self.settings.enabled else 0.0
        stages = {n: self.settings.stage(n).at_strength(self.strength) for n in STAGES}
        self.stages = {n: stage for n, stage in stages.items() if not stage.neutral}


def guard_hooks() -> None:
    """Let compiled models see hooks that are added or removed later, if this process has loaded torch.compile.

    By default, a compiled graph does not check the modules' hooks (https://github.com/pytorch/pytorch/pull/98371): a
    UNet that was compiled for an image without FreeU would ignore it from then on. Call this before the model's first
    call. Graphs that exist already stay as they are.
    """
    dynamo = sys.modules.get("torch._dynamo")
    if hasattr(getattr(dynamo, "config", None), "skip_nnmodule_hook_guards"):
        dynamo.config.skip_nnmodule_hook_guards = False  # type: ignore[union-attr]


def _is_compiling() -> bool:
    # torch 2.1 has no torch.compiler.is_compiling.
    return hasattr(torch.compiler, "is_compiling") and torch.compiler.is_compiling()


def _compilable(hook: _BlockHook) -> Callable[..., Any]:
    # torch 2.1's compiler, which has no is_compiling, fails in the edit. There it runs between the compiled graphs.
    if hasattr(torch.compiler, "is_compiling") or "torch._dynamo" not in sys.modules:
        return hook
    return cast(Callable[..., Any], sys.modules["torch._dynamo"].disable(hook))


class _Hook:
    """A hook that belongs to a session. A UNet that is pickled, or saved whole, has a hook without effect instead."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        # Of the standard library, so that the file is loaded without FreeU. It takes any arguments and returns None.
        return getattr, (nullcontext(), "__exit__")

    def __deepcopy__(self, memo: dict[int, Any]) -> _Hook:
        copied = type(self).__new__(type(self))
        vars(copied).update(copy.deepcopy(vars(self), memo))
        return copied


class _BlockHook(_Hook):
    """Forward pre-hook that edits the input of a decoder block while its session is open."""

    def __init__(self, session: weakref.ref[Session], block: DecoderBlock) -> None:
        self.session, self.block = session, block

    def __call__(self, layer: nn.Module, args: Args, kwargs: Kwargs) -> tuple[Args, Kwargs] | None:
        session = self.session()
        if session is None or not session.is_open:
            return None
        stage = session.stages.get(self.block.stage)
        if stage is None and session.observe is None:
            return None
        name = "x" if "x" in kwargs else "input_tensor"  # of ldm, of diffusers
        before = joined = args[0] if args else kwargs[name]
        if stage is not None:
            if torch.is_grad_enabled() or session.observe:
                joined = before.clone()
            session.edit_(joined, self.block, stage)
        if session.observe and not _is_compiling():
            session.observe(Observation(session.step, session.strength, self.block, stage, before, joined))
        return ((joined, *args[1:]), kwargs) if args else (args, {**kwargs, name: joined})


class _ClockHook(_Hook):
    """Forward pre-hook that reads the timestep of each call of the UNet.

    ldm: `forward(x, timesteps, ...)`, a tensor of shape (B,). diffusers: `forward(sample, timestep, ...)`, a number or
    a tensor of shape () or (B,).
    """

    def __init__(self, session: weakref.ref[Session]) -> None:
        self.session = session

    def __call__(self, unet: nn.Module, args: Args, kwargs: Kwargs) -> None:
        session = self.session()
        if session is None or not session.is_open:
            return
        name = "timesteps" if "timesteps" in kwargs else "timestep"
        timesteps = args[1] if len(args) > 1 else kwargs[name]
        lowest, highest = (float(t) for t in torch.aminmax(torch.as_tensor(timesteps)))
        if lowest != highest:
            raise ValueError(f'clock "noise" needs one timestep per batch, got {lowest} to {highest}')
        session.update_strength(strength_at_timestep(session.settings, lowest))
