"""Prompts that change from step to step, and prompts joined by AND.

`[a:b:when]` is a, then b; `[b:when]` is b from then on; `[a::when]` is a until then; `[a|b]` takes turns. `when` is a
step, or with a point a share of all steps. `a AND b :0.5` is guided by both, by b half as much.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

_BRACKETS = re.compile(r"\[([^\[\]]*)\]")
_WHEN = re.compile(r"\s*(\d+\.?\d*|\.\d+)\s*")
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


class _Clock(NamedTuple):
    """How many steps there are, and how many were done in a pass before this one."""

    steps: int
    before: int | None

    def step(self, when: str) -> int:
        """The last step before something changes at `when`."""
        number = float(when)
        if "." in when:
            return min(self.steps, int((number - (self.before is not None)) * self.steps))
        return min(self.steps, int(number) - (self.before or 0))


def get_learned_conditioning_prompt_schedules(
    prompts: Sequence[str], base_steps: int, hires_steps: int | None = None
) -> list[list[tuple[int, str]]]:
    """For each prompt, its wordings and the last step of each. In a second pass, steps count on from the first."""
    clock = _Clock(base_steps, None) if hires_steps is None else _Clock(hires_steps, base_steps)
    return [_schedule(prompt, clock) for prompt in prompts]


def _schedule(prompt: str, clock: _Clock) -> list[tuple[int, str]]:
    wordings = [_wording(prompt, step, clock) for step in range(1, clock.steps + 1)]
    changes = [i for i, wording in enumerate(wordings[:-1], start=1) if wording != wordings[i]]
    return [(step, wordings[step - 1]) for step in [*changes, clock.steps]]


def _wording(prompt: str, step: int, clock: _Clock) -> str:
    """The prompt as it is at a step, counted from 1."""
    found = 1
    while found:
        prompt, found = _BRACKETS.subn(lambda match: _choose(match[1], step, clock), prompt)
    return prompt


def _choose(inside: str, step: int, clock: _Clock) -> str:
    turns = inside.split("|")
    if len(turns) > 1:
        return turns[(step - 1) % len(turns)]
    *texts, when = inside.split(":")
    if len(texts) not in (1, 2) or not _WHEN.fullmatch(when):
        return inside
    before, after = texts if len(texts) == 2 else ("", texts[0])
    return before if step <= clock.step(when.strip()) else after


def get_learned_conditioning(
    model: Any, prompts: Sequence[str], steps: int, hires_steps: int | None = None
) -> list[list[ScheduledPromptConditioning]]:
    """For each prompt, the context of each of its wordings."""
    schedules = get_learned_conditioning_prompt_schedules(prompts, steps, hires_steps)
    return [
        [
            ScheduledPromptConditioning(end, cond)
            for (end, _), cond in zip(
                schedule, model.get_learned_conditioning([text for _, text in schedule]), strict=True
            )
        ]
        for schedule in schedules
    ]


def get_multicond_learned_conditioning(
    model: Any, prompts: Sequence[str], steps: int, hires_steps: int | None = None
) -> MulticondLearnedConditioning:
    """The same for prompts that AND may join, with the weight of each part."""
    batch = []
    for prompt in prompts:
        texts, weights = zip(*map(_weighted, _AND.split(prompt)), strict=True)
        conds = get_learned_conditioning(model, texts, steps, hires_steps)
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
