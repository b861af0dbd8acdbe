"""Prompt editing and composition.

`[a:b:when]` is a up to step `when`, then b; with a decimal point `when` is a share of all steps. `a AND b :0.5` guides
by both, with half the weight for b.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor

_EDIT = re.compile(r"\[([^:\[\]]*):([^:\[\]]*):\s*(\d+\.?\d*|\.\d+)\s*\]")
_AND = re.compile(r"\bAND\b")
_WEIGHT = re.compile(r"(.*?)(?::\s*([-+]?(?:\d+\.?\d*|\.\d+)))?\s*", re.DOTALL)


class ScheduledPromptConditioning(NamedTuple):
    """A context that applies up to the step `end_at_step`."""

    end_at_step: int
    cond: Tensor


class ComposableScheduledPromptConditioning:
    """One of the prompts that AND joins."""

    def __init__(self, schedules: list[ScheduledPromptConditioning], weight: float = 1.0) -> None:
        self.schedules = schedules
        self.weight = weight


class MulticondLearnedConditioning:
    """The prompts of each image that AND joins."""

    def __init__(self, shape: tuple[int, ...], batch: list[list[ComposableScheduledPromptConditioning]]) -> None:
        self.shape = shape
        self.batch = batch


def get_learned_conditioning_prompt_schedules(prompts: Sequence[str], base_steps: int) -> list[list[tuple[int, str]]]:
    """Return, for each prompt, its versions as (last step, text)."""
    return [_schedule(prompt, base_steps) for prompt in prompts]


def _schedule(prompt: str, steps: int) -> list[tuple[int, str]]:
    versions = [_EDIT.sub(partial(_select_version, step, steps), prompt) for step in range(1, steps + 1)]
    changes = [i for i, version in enumerate(versions[:-1], start=1) if version != versions[i]]
    return [(step, versions[step - 1]) for step in [*changes, steps]]


def _select_version(step: int, steps: int, edit: re.Match[str]) -> str:
    """Return the text at a step, counted from 1."""
    before, after, when = edit.groups()
    last = float(when) * steps if "." in when else int(when)
    return before if step <= int(last) else after


def get_learned_conditioning(model: Any, prompts: Sequence[str], steps: int) -> list[list[ScheduledPromptConditioning]]:
    """Return, for each prompt, the contexts of its versions."""
    result = []
    for schedule in get_learned_conditioning_prompt_schedules(prompts, steps):
        contexts = model.get_learned_conditioning([text for _, text in schedule])
        ends = [end for end, _ in schedule]
        result.append([ScheduledPromptConditioning(*pair) for pair in zip(ends, contexts, strict=True)])
    return result


def get_multicond_learned_conditioning(model: Any, prompts: Sequence[str], steps: int) -> MulticondLearnedConditioning:
    """Return the contexts and weights of prompts that AND may join."""
    batch = []
    for prompt in prompts:
        texts, weights = zip(*map(_split_weight, _AND.split(prompt)), strict=True)
        conds = get_learned_conditioning(model, texts, steps)
        batch.append([ComposableScheduledPromptConditioning(*pair) for pair in zip(conds, weights, strict=True)])
    return MulticondLearnedConditioning((len(prompts),), batch)


def _split_weight(part: str) -> tuple[str, float]:
    match = _WEIGHT.fullmatch(part)
    text, weight = match.groups() if match else (part, None)
    return text, float(weight or 1)


def reconstruct_cond_batch(c: list[list[ScheduledPromptConditioning]], current_step: int) -> Tensor:
    """Return the context of each image at a step, counted from 0."""
    return torch.stack([_cond_at(schedule, current_step) for schedule in c])


def reconstruct_multicond_batch(
    c: MulticondLearnedConditioning, current_step: int
) -> tuple[list[list[tuple[int, float]]], Tensor]:
    """Return, for each image, the indices and weights of its contexts, and all contexts at a step."""
    tensors: list[Tensor] = []
    conds_list = []
    for parts in c.batch:
        conds_list.append([(len(tensors) + i, part.weight) for i, part in enumerate(parts)])
        tensors += [_cond_at(part.schedules, current_step) for part in parts]
    return conds_list, torch.stack(tensors)


def _cond_at(schedule: list[ScheduledPromptConditioning], step: int) -> Tensor:
    # An adaptive sampler exceeds the last step; the real WebUI then uses the first version.
    return next((entry.cond for entry in schedule if step <= entry.end_at_step), schedule[0].cond)
