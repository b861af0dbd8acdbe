"""The playground's network: Stability's own ldm `UNetModel` in pixel space, and the words it knows.

The UNet is shaped like SDXL's (`channel_mult` 1, 2, 4), so FreeU meets the same three stages there:
backbones of 128, 64 and 32 channels. One file holds the weights and the words.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from ldm.modules.diffusionmodules.openaimodel import UNetModel
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from playground.files import replacing

PICTURE_SIZE = 32
PROMPT_WORDS = 6
CONTEXT_WIDTH = 128
WEIGHTS = Path(__file__).parent / "weights" / "emoji32.safetensors"

UNET = {
    "image_size": PICTURE_SIZE,
    "in_channels": 3,
    "out_channels": 3,
    "model_channels": 32,
    "channel_mult": (1, 2, 4),
    "num_res_blocks": 1,
    "attention_resolutions": (4,),
    "num_head_channels": 32,
    "use_spatial_transformer": True,
    "context_dim": CONTEXT_WIDTH,
    "legacy": False,
}


class PromptError(ValueError):
    """A prompt that the model cannot read; the message names the word and what is known instead."""


def split_words(prompt: str) -> list[str]:
    """The words of a prompt: lower case, letters and digits only."""
    return re.findall(r"[a-z0-9]+", prompt.lower())


class TextEncoder(nn.Module):
    """Prompts to UNet context: one learned vector a word, plus one a position. Word 0 is padding."""

    def __init__(self, words: Sequence[str]) -> None:
        super().__init__()
        self.words = tuple(words)
        self.number = {word: i for i, word in enumerate(self.words, start=1)}
        self.word = nn.Embedding(len(self.words) + 1, CONTEXT_WIDTH)
        self.position = nn.Parameter(torch.zeros(PROMPT_WORDS, CONTEXT_WIDTH))

    def tokens(self, prompts: Iterable[str]) -> Tensor:
        """Word numbers, shape (prompts, PROMPT_WORDS). An empty prompt is all padding.

        Raises PromptError for a word that the model was not trained on, or too many words.
        """
        rows = [self._row(prompt) for prompt in prompts]
        return torch.tensor(rows, dtype=torch.long, device=self.position.device)

    def forward(self, tokens: Tensor) -> Tensor:
        """Context for cross-attention, shape (prompts, PROMPT_WORDS, CONTEXT_WIDTH)."""
        context: Tensor = self.word(tokens) + self.position
        return context

    def _row(self, prompt: str) -> list[int]:
        words = split_words(prompt)
        if len(words) > PROMPT_WORDS:
            raise PromptError(f"prompt {prompt!r} has {len(words)} words; the model reads at most {PROMPT_WORDS}")
        unknown = [word for word in words if word not in self.number]
        if unknown:
            close = difflib.get_close_matches(unknown[0], self.words, n=3)
            hint = f"; close words: {', '.join(close)}" if close else "; `python -m playground words` lists all"
            raise PromptError(f"prompt {prompt!r}: the model does not know the word {unknown[0]!r}{hint}")
        return [self.number[word] for word in words] + [0] * (PROMPT_WORDS - len(words))


def build_unet(**shape: Any) -> UNetModel:
    """ldm's UNet without activation checkpointing, which its transformer blocks do unasked, slowly, for training."""
    unet = UNetModel(**shape)
    for module in unet.modules():
        if hasattr(module, "checkpoint"):
            module.checkpoint = False
    return unet


class TextToImage(nn.Module):
    """A UNet that predicts v from a noisy picture in -1..1, the timestep and a prompt."""

    def __init__(self, words: Sequence[str]) -> None:
        super().__init__()
        self.text = TextEncoder(words)
        self.unet = build_unet(**UNET)

    def forward(self, x: Tensor, timesteps: Tensor, tokens: Tensor) -> Tensor:
        """v for `x` of shape (n, 3, height, width), `timesteps` (n,) in 0..999, `tokens` (n, PROMPT_WORDS)."""
        v: Tensor = self.unet(x, timesteps=timesteps, context=self.text(tokens))
        return v


def save(model: TextToImage, path: Path) -> None:
    """Write weights as float16, with the words, to one safetensors file (atomically)."""
    tensors = {name: tensor.detach().half().contiguous() for name, tensor in model.state_dict().items()}
    with replacing(path) as unfinished:
        save_file(tensors, unfinished, metadata={"words": json.dumps(model.text.words)})


def load(path: Path = WEIGHTS) -> TextToImage:
    """The trained model in float32 on the CPU, in evaluation mode."""
    with safe_open(path, framework="pt") as file:
        model = TextToImage(json.loads(file.metadata()["words"]))
        model.load_state_dict({name: file.get_tensor(name).float() for name in file.keys()})
    return model.eval().requires_grad_(False)
