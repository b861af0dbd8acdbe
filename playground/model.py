"""The network: Stability AI's ldm `UNetModel` in pixel space, and a text encoder with a fixed vocabulary.

The UNet has the channel multipliers of SDXL (1, 2, 4) and so the same three stages: backbone features of 128, 64 and
32 channels. One safetensors file holds the weights and the vocabulary.
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

from freeu.atomic_file import replace_file

IMAGE_SIZE = 32
MAX_WORDS = 6
CONTEXT_WIDTH = 128
WEIGHTS = Path(__file__).parent / "weights" / "emoji32.safetensors"

UNET = {
    "image_size": IMAGE_SIZE,
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
    """A prompt with an unknown word or too many words."""


def split_words(prompt: str) -> list[str]:
    """Split a prompt into words of lower-case letters and digits."""
    return re.findall(r"[a-z0-9]+", prompt.lower())


class TextEncoder(nn.Module):
    """Prompts to UNet context: a learned vector per word plus one per position. Token 0 is padding."""

    def __init__(self, words: Sequence[str]) -> None:
        super().__init__()
        self.words = tuple(words)
        self.token_of = {word: i for i, word in enumerate(self.words, start=1)}
        self.word = nn.Embedding(len(self.words) + 1, CONTEXT_WIDTH)
        self.position = nn.Parameter(torch.zeros(MAX_WORDS, CONTEXT_WIDTH))

    def tokens(self, prompts: Iterable[str]) -> Tensor:
        """Return tokens (B, MAX_WORDS). An empty prompt is all padding.

        Raises PromptError for an unknown word or too many words.
        """
        rows = [self._encode(prompt) for prompt in prompts]
        return torch.tensor(rows, dtype=torch.long, device=self.position.device)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return the context for cross-attention, (B, MAX_WORDS, CONTEXT_WIDTH)."""
        context: Tensor = self.word(tokens) + self.position
        return context

    def _encode(self, prompt: str) -> list[int]:
        words = split_words(prompt)
        if len(words) > MAX_WORDS:
            raise PromptError(f"prompt must have at most {MAX_WORDS} words, got {len(words)}: {prompt!r}")
        unknown = [word for word in words if word not in self.token_of]
        if unknown:
            close = difflib.get_close_matches(unknown[0], self.words, n=3)
            hint = f"similar words: {', '.join(close)}" if close else "`python -m playground words` lists all"
            raise PromptError(f"prompt must contain only words that the model knows, got {unknown[0]!r}; {hint}")
        return [self.token_of[word] for word in words] + [0] * (MAX_WORDS - len(words))


def build_unet(**shape: Any) -> UNetModel:
    """Build ldm's UNet without activation checkpointing, which its transformer blocks turn on by default."""
    unet = UNetModel(**shape)
    for module in unet.modules():
        if hasattr(module, "checkpoint"):
            module.checkpoint = False
    return unet


class TextToImage(nn.Module):
    """A UNet that predicts v (https://arxiv.org/abs/2202.00512) from a noisy image, the timestep and a prompt."""

    def __init__(self, words: Sequence[str]) -> None:
        super().__init__()
        self.text = TextEncoder(words)
        self.unet = build_unet(**UNET)

    def forward(self, x: Tensor, timesteps: Tensor, tokens: Tensor) -> Tensor:
        """Return v (B, 3, H, W) for `x` (B, 3, H, W), `timesteps` (B,) in 0..999 and `tokens` (B, MAX_WORDS)."""
        v: Tensor = self.unet(x, timesteps=timesteps, context=self.text(tokens))
        return v


def save(model: TextToImage, path: Path) -> None:
    """Write the weights as float16, and the vocabulary, to a safetensors file."""
    tensors = {name: tensor.detach().half().contiguous() for name, tensor in model.state_dict().items()}
    with replace_file(path) as temporary:
        save_file(tensors, temporary, metadata={"words": json.dumps(model.text.words)})


def load_words(path: Path = WEIGHTS) -> list[str]:
    """Return the words that prompts may contain, without loading the model."""
    with safe_open(path, framework="pt") as file:
        words: list[str] = json.loads(file.metadata()["words"])
    return words


def load(path: Path = WEIGHTS) -> TextToImage:
    """Load the trained model in float32 on the CPU, in evaluation mode."""
    model = TextToImage(load_words(path))
    with safe_open(path, framework="pt") as file:
        model.load_state_dict({name: file.get_tensor(name).float() for name in file.keys()})
    return model.eval().requires_grad_(False)
