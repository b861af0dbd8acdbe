"""Train the model: v-prediction, averaged weights (EMA), resumable checkpoints.

    make emoji && python -m research train

The random numbers of a step depend on the step's number only, so a resumed run sees the same data as one that was not
interrupted.
"""

from __future__ import annotations

import contextlib
import timeit
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
from diffusers import DDPMScheduler
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel
from tqdm import tqdm

from freeu.atomic_file import replace_file
from playground.model import TextToImage, save
from playground.sampling import training_noise
from research import dataset

Parameters = tuple[Tensor, ...] | list[Tensor]


@dataclass(frozen=True)
class Plan:
    """Hyperparameters. The defaults are those of the shipped weights."""

    steps: int = 15_000
    batch_size: int = 32
    learning_rate: float = 1e-3
    warmup: int = 200
    decay: float = 0.4
    """Share of the steps, at the end of the run, over which the learning rate decays to 0."""
    ema: float = 0.999
    prompt_dropout: float = 0.1
    """Probability of an empty prompt, for classifier-free guidance."""
    seed: int = 1
    checkpoint_every: int = 500
    snapshots: Collection[int] = ()
    """Steps after which the averaged weights are saved too, as those of an unfinished model."""

    def learning_rate_at(self, step: int) -> float:
        """Return the learning rate at `step`: linear warm-up, constant, linear decay."""
        warmup = min(1.0, (step + 1) / self.warmup)
        decay = min(1.0, (self.steps - step) / (self.decay * self.steps))
        return self.learning_rate * warmup * decay

    def average_(self, averaged: Parameters, weights: Parameters, count: Tensor | int) -> None:
        """Update the averaged weights in place after `count` updates: at first, the average reaches back less far."""
        decay = min(self.ema, (1 + float(count)) / (10 + float(count)))
        torch._foreach_lerp_(list(averaged), list(weights), 1 - decay)


class Trainer:
    """Model, EMA weights, optimizer and losses: the content of a checkpoint."""

    def __init__(self, data: dataset.Dataset, plan: Plan) -> None:
        torch.manual_seed(plan.seed)
        self.data, self.plan = data, plan
        self.model = TextToImage(data.words)
        self.model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.ema = AveragedModel(self.model, multi_avg_fn=plan.average_)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), plan.learning_rate, betas=(0.9, 0.99))
        self.noise: DDPMScheduler = training_noise()
        self.tokens = self.model.text.tokens(data.prompts)
        self.autocast = bfloat16_is_faster()
        self.losses: list[float] = []

    @property
    def step(self) -> int:
        """Number of steps done."""
        return len(self.losses)

    def train_step(self) -> float:
        """Update the weights and their average once. Returns the loss."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.plan.learning_rate_at(self.step)
        noisy, timesteps, tokens, target = self._batch()
        with torch.autocast("cpu", torch.bfloat16, enabled=self.autocast):
            predicted = self.model(noisy, timesteps, tokens)
        loss = nn.functional.mse_loss(predicted.float(), target)
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.ema.update_parameters(self.model)
        self.losses.append(loss.item())
        return self.losses[-1]

    def save(self, path: Path) -> None:
        """Write a checkpoint."""
        state = {name: getattr(self, name).state_dict() for name in ("model", "ema", "optimizer")}
        with replace_file(path) as temporary:
            torch.save({**state, "losses": self.losses}, temporary)

    def load(self, path: Path) -> None:
        """Restore a checkpoint."""
        state = torch.load(path, weights_only=True)
        for name in ("model", "ema", "optimizer"):
            getattr(self, name).load_state_dict(state[name])
        self.losses = state["losses"]

    def _batch(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return noisy images, timesteps, tokens and target v of the next step."""
        generator = torch.Generator().manual_seed(self.plan.seed * 1_000_003 + self.step)
        size = self.plan.batch_size
        chosen = torch.randint(len(self.data.prompts), (size,), generator=generator)
        clean = self.data.images[chosen].contiguous(memory_format=torch.channels_last)
        noise = torch.randn(clean.shape, generator=generator)
        # Stratified: one timestep from each of `size` equal parts of 0..999, which lowers the variance of the loss.
        parts = (torch.arange(size) + torch.rand(size, generator=generator)) / size
        last = len(self.noise.betas) - 1
        timesteps = (parts * (last + 1)).long().clamp(max=last)
        keep_prompt = torch.rand(size, 1, generator=generator) >= self.plan.prompt_dropout
        noisy = self.noise.add_noise(clean, noise, timesteps)
        target = self.noise.get_velocity(clean, noise, timesteps)
        return noisy, timesteps, self.tokens[chosen] * keep_prompt, target


def train(plan: Plan, data: dataset.Dataset, checkpoint: Path, weights: Path) -> None:
    """Train up to `plan.steps`, and resume from `checkpoint` if it exists.

    Writes the EMA weights, and the loss curve as loss.png in the same folder. A snapshot after 300 steps is
    NAME-300.safetensors, if `weights` is NAME.safetensors.
    """
    trainer = Trainer(data, plan)
    if checkpoint.is_file():
        trainer.load(checkpoint)
    progress = tqdm(total=plan.steps, initial=trainer.step, unit="step", smoothing=0.05)
    with progress as bar, _checkpoint_at_exit(trainer, checkpoint):
        while trainer.step < plan.steps:
            trainer.train_step()
            bar.update()
            if trainer.step % 50 == 0:
                bar.set_postfix(loss=f"{sum(trainer.losses[-200:]) / len(trainer.losses[-200:]):.4f}")
            if trainer.step % plan.checkpoint_every == 0:
                trainer.save(checkpoint)
            if trainer.step in plan.snapshots:
                save(cast(TextToImage, trainer.ema.module), snapshot_path(weights, trainer.step))
    save(cast(TextToImage, trainer.ema.module), weights)
    plot_losses(trainer.losses, weights.with_name("loss.png"))


def bfloat16_is_faster() -> bool:
    """Return True if this CPU computes a convolution faster in bfloat16 than in float32.

    With bfloat16 units, a training step takes half the time; without them, up to 25 times as long.
    """

    def seconds(dtype: torch.dtype) -> float:
        images, weights = torch.ones(8, 64, 16, 16, dtype=dtype), torch.ones(64, 64, 3, 3, dtype=dtype)
        return min(timeit.repeat(lambda: nn.functional.conv2d(images, weights), number=1, repeat=5))

    with torch.no_grad():
        return seconds(torch.bfloat16) < seconds(torch.float32)


def snapshot_path(weights: Path, step: int) -> Path:
    """Return the file of the weights after `step` steps."""
    return weights.with_name(f"{weights.stem}-{step}{weights.suffix}")


def plot_losses(losses: Sequence[float], path: Path, window: int = 200) -> None:
    """Plot the loss against the step, as a moving average over `window` steps."""
    import matplotlib.pyplot as plt  # slow to import

    figure, axes = plt.subplots(figsize=(7, 3), layout="constrained")
    axes.plot(np.convolve(losses, np.ones(window) / window, mode="valid"))
    axes.set(xlabel="step", ylabel=f"loss, mean of {window}", yscale="log")
    axes.grid(visible=True, which="both", alpha=0.3)
    with replace_file(path) as temporary:
        figure.savefig(temporary, dpi=110, format="png")
    plt.close(figure)


@contextlib.contextmanager
def _checkpoint_at_exit(trainer: Trainer, checkpoint: Path) -> Iterator[None]:
    """Write a checkpoint at the end of the block, even after an exception."""
    try:
        yield
    finally:
        trainer.save(checkpoint)
