"""Prompts that change from step to step, and prompts joined by AND.

`[a:b:when]` is a, then b; `when` is a step, or with a point a share of all steps. `a AND b :0.5` is guided by both, by
b half as much.
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
    """Context that holds while the step is `end_at_step` or less."""

    end_at_step: int
    cond: Tensor


class ComposableScheduledPromptConditioning:
    """One of the prompts joined by AND."""

    def __init__(self, schedules: list[ScheduledPromptConditioning], weight: float = 1.0) -> None:
        self.schedules = schedules
        self.weight = weight


class MulticondLearnedConditioning:
    """For each picture, its prompts joined by AND."""

    def __init__(self, shape: tuple[int, ...], batch: list[list[ComposableScheduledPromptConditioning]]) -> None:
        self.shape = shape
        self.batch = batch


def get_learned_conditioning_prompt_schedules(prompts: Sequence[str], base_steps: int) -> list[list[tuple[int, str]]]:
    """For each prompt, its wordings and the last step of each."""
    return [_schedule(prompt, base_steps) for prompt in prompts]


def _schedule(prompt: str, steps: int) -> list[tuple[int, str]]:
    wordings = [_EDIT.sub(partial(_choose, step, steps), prompt) for step in range(1, steps + 1)]
    changes = [i for i, wording in enumerate(wordings[:-1], start=1) if wording != wordings[i]]
    return [(step, wordings[step - 1]) for step in [*changes, steps]]


def _choose(step: int, steps: int, edit: re.Match[str]) -> str:
    """The wording at a step, counted from 1."""
    before, after, when = edit.groups()
    last = float(when) * steps if "." in when else int(when)
    return before if step <= int(last) else after


def get_learned_conditioning(model: Any, prompts: Sequence[str], steps: int) -> list[list[ScheduledPromptConditioning]]:
    """For each prompt, the context of each of its wordings."""
    schedules = get_learned_conditioning_prompt_schedules(prompts, steps)
    return [
        [
            ScheduledPromptConditioning(end, cond)
            for (end, _), cond in zip(
                schedule, model.get_learned_conditioning([text for _, text in schedule]), strict=True
            )
        ]
        for schedule in schedules
    ]


def get_multicond_learned_conditioning(model: Any, prompts: Sequence[str], steps: int) -> MulticondLearnedConditioning:
    """The same for prompts that AND may join, with the weight of each part."""
    batch = []
    for prompt in prompts:
        texts, weights = zip(*map(_weighted, _AND.split(prompt)), strict=True)
        conds = get_learned_conditioning(model, texts, steps)
        batch.append([ComposableScheduledPromptConditioning(*pair) for pair in zip(conds, weights, strict=True)])
    return MulticondLearnedConditioning((len(prompts),), batch)


def _weighted(part: str) -> tuple[str, float]:
    match = _WEIGHT.fullmatch(part)
    text, weight = match.groups() if match else (part, None)
    return text, float(weight or 1)


def reconstruct_cond_batch(c: list[list[ScheduledPromptConditioning]], current_step: int) -> Tensor:
    """The context of each picture at a step, counted from 0."""
    return torch.stack([_cond_at(schedule, current_step) for schedule in c])


def reconstruct_multicond_batch(
    c: MulticondLearnedConditioning, current_step: int
) -> tuple[list[list[tuple[int, float]]], Tensor]:
    """All contexts at a step in one tensor, and for each picture the indices and weights of its own."""
    tensors: list[Tensor] = []
    conds_list = []
    for parts in c.batch:
        conds_list.append([(len(tensors) + i, part.weight) for i, part in enumerate(parts)])
        tensors += [_cond_at(part.schedules, current_step) for part in parts]
    return conds_list, torch.stack(tensors)


def _cond_at(schedule: list[ScheduledPromptConditioning], step: int) -> Tensor:
    """An adaptive sampler goes past the last step; the real host then starts over with the first wording."""
    return next((entry.cond for entry in schedule if step <= entry.end_at_step), schedule[0].cond)
