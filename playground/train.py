"""Training of the playground's model: v-prediction, EMA weights, checkpoints, resumable.

    make emoji && python -m playground train

Every step draws its randomness from its own number, so a run that was stopped and resumed sees the
same data as one that was not.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
from diffusers import DDPMScheduler
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm import tqdm

from playground import emoji
from playground.files import replacing
from playground.model import TextToImage, save
from playground.sampling import training_noise


@dataclass(frozen=True)
class Plan:
    """How to train. The defaults are those of the shipped weights."""

    steps: int = 15_000
    batch: int = 32
    learning_rate: float = 1e-3
    warmup: int = 200
    decay: float = 0.4
    """The share of the steps, at the end, over which the learning rate falls to 0."""
    ema: float = 0.999
    drop_prompt: float = 0.1
    """How often the prompt is left out, for classifier-free guidance."""
    seed: int = 1
    checkpoint_every: int = 500

    def rate(self, step: int) -> float:
        """Learning rate at `step`: a ramp, a plateau, a linear fall."""
        ramp = min(1.0, (step + 1) / self.warmup)
        fall = min(1.0, (self.steps - step) / (self.decay * self.steps))
        return self.learning_rate * ramp * fall


class Trainer:
    """Model, EMA weights, optimizer and step count: what a checkpoint holds."""

    def __init__(self, data: emoji.Emoji, plan: Plan) -> None:
        torch.manual_seed(plan.seed)
        self.data, self.plan = data, plan
        self.model = TextToImage(data.words)
        self.model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.ema = AveragedModel(self.model, multi_avg_fn=get_ema_multi_avg_fn(plan.ema))  # type: ignore[no-untyped-call]
        self.optimizer = torch.optim.AdamW(self.model.parameters(), plan.learning_rate, betas=(0.9, 0.99))
        self.noise: DDPMScheduler = training_noise()
        self.tokens = self.model.text.tokens(data.prompts)
        self.losses: list[float] = []

    @property
    def step(self) -> int:
        """Steps made so far."""
        return len(self.losses)

    def train_step(self) -> float:
        """One update of the weights and their average; the loss."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.plan.rate(self.step)
        noisy, timesteps, tokens, target = self._batch()
        with torch.autocast("cpu", torch.bfloat16):
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
        """Write the checkpoint atomically."""
        state = {name: getattr(self, name).state_dict() for name in ("model", "ema", "optimizer")}
        with replacing(path) as unfinished:
            torch.save({**state, "losses": self.losses}, unfinished)

    def load(self, path: Path) -> None:
        """Go on from a checkpoint."""
        state = torch.load(path, weights_only=True)
        for name in ("model", "ema", "optimizer"):
            getattr(self, name).load_state_dict(state[name])
        self.losses = state["losses"]

    def _batch(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Noisy pictures, their timesteps, their prompts' tokens, and the v to predict."""
        dice = torch.Generator().manual_seed(self.plan.seed * 1_000_003 + self.step)
        size = self.plan.batch
        chosen = torch.randint(len(self.data.prompts), (size,), generator=dice)
        clean = self.data.pictures[chosen].contiguous(memory_format=torch.channels_last)
        noise = torch.randn(clean.shape, generator=dice)
        # One timestep from each of `size` equal parts of 0..999: less variance than free draws.
        parts = (torch.arange(size) + torch.rand(size, generator=dice)) / size
        last = len(self.noise.betas) - 1
        timesteps = (parts * (last + 1)).long().clamp(max=last)
        shown = torch.rand(size, 1, generator=dice) >= self.plan.drop_prompt
        noisy = self.noise.add_noise(clean, noise, timesteps)
        target = self.noise.get_velocity(clean, noise, timesteps)
        return noisy, timesteps, self.tokens[chosen] * shown, target


def train(plan: Plan, data_folder: Path, checkpoint: Path, weights: Path) -> None:
    """Train to `plan.steps`, resuming from `checkpoint` where it stands.

    Writes the EMA weights, and the loss curve as loss.png beside them.
    """
    trainer = Trainer(emoji.load(data_folder), plan)
    if checkpoint.is_file():
        trainer.load(checkpoint)
    with tqdm(total=plan.steps, initial=trainer.step, unit="step", smoothing=0.05) as bar, _kept(trainer, checkpoint):
        while trainer.step < plan.steps:
            trainer.train_step()
            bar.update()
            if trainer.step % 50 == 0:
                bar.set_postfix(loss=f"{sum(trainer.losses[-200:]) / len(trainer.losses[-200:]):.4f}")
            if trainer.step % plan.checkpoint_every == 0:
                trainer.save(checkpoint)
    save(cast(TextToImage, trainer.ema.module), weights)
    plot_losses(trainer.losses, weights.with_name("loss.png"))


def plot_losses(losses: Sequence[float], path: Path, window: int = 200) -> None:
    """The loss over the steps, smoothed over `window` of them."""
    import matplotlib.pyplot as plt  # slow to import, and drawing does without

    figure, axes = plt.subplots(figsize=(7, 3), layout="constrained")
    axes.plot(np.convolve(losses, np.ones(window) / window, mode="valid"))
    axes.set(xlabel="step", ylabel=f"loss, mean of {window}", yscale="log")
    axes.grid(visible=True, which="both", alpha=0.3)
    with replacing(path) as unfinished:
        figure.savefig(unfinished, dpi=110, format="png")
    plt.close(figure)


@contextlib.contextmanager
def _kept(trainer: Trainer, checkpoint: Path) -> Iterator[None]:
    """Write a last checkpoint, also when the run is interrupted."""
    try:
        yield
    finally:
        trainer.save(checkpoint)
