"""A job, from its fields to its images.

The model works in pixels, at 1/8 of the size of the job: enlarging and shrinking take the place of the VAE.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

from modules import infotext_utils, paths, prompt_parser, rng, sd_models, sd_samplers, shared
from modules.shared import opts, state

opt_C = 3  # noqa: N816
opt_f = 8

SIZE_STEP = 32
_MAX_SIZE = 1024
_MAX_COUNT = 1000


@dataclass(repr=False)
class StableDiffusionProcessing:
    """A job of either tab."""

    sd_model: Any = None
    prompt: Any = ""
    negative_prompt: Any = ""
    styles: list[str] | None = None
    seed: Any = -1
    subseed: Any = -1
    sampler_name: str | None = None
    batch_size: int = 1
    n_iter: int = 1
    steps: int = 20
    cfg_scale: float = 3.0
    width: int = 256
    height: int = 256
    extra_generation_params: Any = None
    denoising_strength: float | None = None
    override_settings: Any = None
    refiner_checkpoint: str | None = None
    refiner_switch_at: float | None = None

    outpath_samples: str = field(default=str(Path(paths.data_path) / "outputs"), init=False)
    scripts: Any = field(default=None, init=False)
    script_args: Any = field(default=None, init=False)
    comments: dict[str, int] = field(default_factory=dict, init=False)
    refiner_checkpoint_info: Any = field(default=None, init=False)
    sampler: Any = field(default=None, init=False)
    is_hr_pass: bool = field(default=False, init=False)
    c: Any = field(default=None, init=False)
    uc: Any = field(default=None, init=False)
    rng: Any = field(default=None, init=False)
    iteration: int = field(default=0, init=False)
    all_prompts: list[str] = field(default_factory=list, init=False)
    all_negative_prompts: list[str] = field(default_factory=list, init=False)
    all_seeds: list[int] = field(default_factory=list, init=False)
    all_subseeds: list[int] = field(default_factory=list, init=False)
    prompts: list[str] = field(default_factory=list, init=False)
    negative_prompts: list[str] = field(default_factory=list, init=False)
    seeds: list[int] = field(default_factory=list, init=False)
    subseeds: list[int] = field(default_factory=list, init=False)
    sd_model_name: str | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.styles = self.styles or []
        self.extra_generation_params = self.extra_generation_params or {}
        self.override_settings = self.override_settings or {}

    def setup_scripts(self) -> None:
        """Call the scripts when they and their arguments are set. In the WebUI, this happens on assignment."""
        self.scripts.setup_scrips(self)

    def comment(self, text: str) -> None:
        """Show a message with the images."""
        self.comments[text] = 1

    def setup_prompts(self) -> None:
        """Set the prompt and the negative prompt of each image."""
        count = self.batch_size * self.n_iter
        self.all_prompts = self.prompt if isinstance(self.prompt, list) else [self.prompt] * count
        negative = self.negative_prompt
        self.all_negative_prompts = negative if isinstance(negative, list) else [negative] * len(self.all_prompts)

    def setup_conds(self) -> None:
        """Encode the prompts of the batch."""
        self.c, self.uc = self._encode_prompts(self.steps)

    def get_conds(self) -> tuple[Any, Any]:
        """Return the contexts of prompts and negative prompts for the current pass."""
        return self.c, self.uc

    def init(self, all_prompts: list[str], all_seeds: list[int], all_subseeds: list[int]) -> None:
        """Prepare for the first batch."""

    def close(self) -> None:
        """Release what only sampling needs."""
        self.sampler = self.c = self.uc = None

    def _encode_prompts(self, steps: int) -> tuple[Any, Any]:
        steps = sd_samplers.all_samplers_map[self.sampler_name or ""].total_steps(steps)
        positive = prompt_parser.get_multicond_learned_conditioning(shared.sd_model, self.prompts, steps)
        negative = prompt_parser.get_learned_conditioning(shared.sd_model, self.negative_prompts, steps)
        return positive, negative


@dataclass(repr=False)
class StableDiffusionProcessingTxt2Img(StableDiffusionProcessing):
    """A job from prompts. Hires. fix adds a second pass at a larger size."""

    enable_hr: bool = False
    denoising_strength: float | None = 0.75
    hr_scale: float = 2.0
    hr_upscaler: str | None = None
    hr_second_pass_steps: int = 0

    hr_upscale_to_x: int = field(default=0, init=False)
    hr_upscale_to_y: int = field(default=0, init=False)
    latent_scale_mode: Any = field(default=None, init=False)
    hr_c: Any = field(default=None, init=False)
    hr_uc: Any = field(default=None, init=False)

    def init(self, all_prompts: list[str], all_seeds: list[int], all_subseeds: list[int]) -> None:
        """Validate the second pass, and write it to the infotext."""
        if not self.enable_hr:
            return
        modes = {**shared.latent_upscale_modes, **{upscaler.name: upscaler.mode for upscaler in shared.sd_upscalers}}
        self.latent_scale_mode = modes.get(self.hr_upscaler or next(iter(modes)))
        if self.latent_scale_mode is None:
            raise ValueError(f"hr_upscaler must be one of {', '.join(modes)}, got {self.hr_upscaler!r}")
        self.hr_upscale_to_x = _validate_size("hr_scale * width", self.width * self.hr_scale)
        self.hr_upscale_to_y = _validate_size("hr_scale * height", self.height * self.hr_scale)
        infotext = {
            "Denoising strength": self.denoising_strength,
            "Hires upscale": self.hr_scale,
            "Hires steps": self.hr_second_pass_steps,
            "Hires upscaler": self.hr_upscaler,
        }
        self.extra_generation_params.update({key: value for key, value in infotext.items() if value})
        state.job_count = 2 * self.n_iter if state.job_count == -1 else state.job_count

    def sample(
        self,
        conditioning: Any,
        unconditional_conditioning: Any,
        seeds: list[int],
        subseeds: list[int],
        subseed_strength: float,
        prompts: list[str],
    ) -> Any:
        """Run one pass, or two."""
        self.sampler = sd_samplers.create_sampler(self.sampler_name, self.sd_model)
        samples = self.sampler.sample(self, self.rng.next(), conditioning, unconditional_conditioning)
        if not self.enable_hr or state.interrupted:
            return samples
        self.sd_model = sd_models.reload_model_weights()  # instead of the refiner
        return self._sample_hr_pass(samples)

    def _sample_hr_pass(self, samples: Tensor) -> Any:
        """Return the decoded images of the second pass."""
        self.is_hr_pass = True
        self.sampler = sd_samplers.create_sampler(self.sampler_name, self.sd_model)
        size = (self.hr_upscale_to_y // opt_f, self.hr_upscale_to_x // opt_f)
        samples = interpolate(samples, size=size, mode=self.latent_scale_mode)
        state.nextjob()
        self.rng = rng.ImageRNG(samples.shape[1:], self.seeds)
        noise = self.rng.next()
        self.setup_conds()
        steps = self.hr_second_pass_steps or self.steps
        samples = self.sampler.sample_img2img(self, samples, noise, self.hr_c, self.hr_uc, steps=steps)
        self.is_hr_pass = False
        return decode_latent_batch(self.sd_model, samples)

    def setup_conds(self) -> None:
        """Encode the prompts for the current pass."""
        if self.is_hr_pass:
            self.hr_c, self.hr_uc = self._encode_prompts(self.hr_second_pass_steps or self.steps)
        else:
            super().setup_conds()

    def get_conds(self) -> tuple[Any, Any]:
        """Return the contexts of the current pass."""
        return (self.hr_c, self.hr_uc) if self.is_hr_pass else super().get_conds()

    def close(self) -> None:
        """Release what only sampling needs."""
        super().close()
        self.hr_c = self.hr_uc = None


@dataclass(repr=False)
class StableDiffusionProcessingImg2Img(StableDiffusionProcessing):
    """A job from images. With a mask only its white part changes."""

    init_images: list[Any] | None = None
    denoising_strength: float | None = 0.75
    mask: Any = None

    image_mask: Any = field(default=None, init=False)
    nmask: Any = field(default=None, init=False)
    init_latent: Any = field(default=None, init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.image_mask, self.mask = self.mask, None

    def init(self, all_prompts: list[str], all_seeds: list[int], all_subseeds: list[int]) -> None:
        """Convert images and mask to the model's size."""
        self.extra_generation_params["Denoising strength"] = self.denoising_strength
        images = torch.stack([self._to_tensor(image, "RGB") for image in self.init_images or []])
        shrunk = interpolate(images, scale_factor=1 / opt_f, mode="area") * 2 - 1
        self.init_latent = shrunk.expand(self.batch_size, -1, -1, -1).contiguous()
        if self.image_mask is not None:
            mask = self._to_tensor(self.image_mask, "L")[None]
            self.nmask = interpolate(mask, scale_factor=1 / opt_f, mode="area").round()
            self.mask = 1 - self.nmask

    def sample(
        self,
        conditioning: Any,
        unconditional_conditioning: Any,
        seeds: list[int],
        subseeds: list[int],
        subseed_strength: float,
        prompts: list[str],
    ) -> Any:
        """Run one pass over the given images."""
        self.sampler = sd_samplers.create_sampler(self.sampler_name, self.sd_model)
        noise = self.rng.next()
        latent = self.init_latent[: len(noise)]
        samples = self.sampler.sample_img2img(self, latent, noise, conditioning, unconditional_conditioning)
        return samples if self.mask is None else samples * self.nmask + latent * self.mask

    def _to_tensor(self, image: Image.Image, mode: str) -> Tensor:
        """Resize to the job's size. Returns (C, H, W) in 0..1."""
        pixels = np.array(image.convert(mode).resize((self.width, self.height), Image.Resampling.LANCZOS))
        return torch.from_numpy(pixels).float().div(255).reshape(self.height, self.width, -1).permute(2, 0, 1)


class Processed:
    """The images of a job, one infotext per image, and the values of its fields."""

    def __init__(
        self,
        p: StableDiffusionProcessing,
        images_list: list[Image.Image],
        seed: int = -1,
        info: str = "",
        *,
        infotexts: list[str] | None = None,
    ) -> None:
        self.images = images_list
        self.seed = seed
        self.info = info
        self.comments = "".join(f"{comment}\n" for comment in p.comments)
        self.width, self.height = p.width, p.height
        self.steps, self.cfg_scale, self.sampler_name = p.steps, p.cfg_scale, p.sampler_name
        self.batch_size = p.batch_size
        self.denoising_strength = p.denoising_strength
        self.extra_generation_params = p.extra_generation_params
        self.sd_model_name = p.sd_model_name
        self.index_of_first_image = 0
        self.job_timestamp = state.job_timestamp
        self.all_prompts = p.all_prompts or [p.prompt]
        self.all_negative_prompts = p.all_negative_prompts or [p.negative_prompt]
        self.prompt, self.negative_prompt = self.all_prompts[0], self.all_negative_prompts[0]
        self.all_seeds = p.all_seeds or [seed]
        self.all_subseeds: list[Any] = p.all_subseeds or [None]
        self.infotexts = infotexts or [info] * len(images_list)

    def js(self) -> str:
        """Return the values, without the images, as JSON."""
        values = {key: value for key, value in vars(self).items() if key not in ("images", "comments")}
        return json.dumps(values, default=lambda _: None)

    def infotext(self, p: StableDiffusionProcessing, index: int) -> str:
        """Return the infotext of an image."""
        return create_infotext(p, self.all_prompts, self.all_seeds, self.all_subseeds, index=index)


class DecodedSamples(list[Tensor]):
    """Images in -1..1 at full size."""

    already_decoded = True


def decode_latent_batch(model: Any, batch: Tensor) -> DecodedSamples:
    """Enlarge samples to images."""
    return DecodedSamples(interpolate(batch, scale_factor=opt_f, mode="bicubic"))


def get_fixed_seed(seed: Any) -> int:
    """Return the seed, or a random one for -1."""
    return random.randrange(4294967294) if int(seed) == -1 else int(seed)


def fix_seed(p: StableDiffusionProcessing) -> None:
    """Replace random seeds by fixed ones, so that several jobs can share them."""
    p.seed = get_fixed_seed(p.seed)
    p.subseed = get_fixed_seed(p.subseed)


def create_infotext(
    p: StableDiffusionProcessing,
    all_prompts: list[str],
    all_seeds: list[int],
    all_subseeds: list[int],
    *,
    index: int = 0,
    all_negative_prompts: list[str] | None = None,
) -> str:
    """Return the infotext of an image."""
    negative_prompt = (all_negative_prompts or p.all_negative_prompts)[index]
    params = {
        "Steps": p.steps,
        "Sampler": p.sampler_name,
        "CFG scale": p.cfg_scale,
        "Seed": all_seeds[index],
        "Size": f"{p.width}x{p.height}",
        "Model": p.sd_model_name,
        **p.extra_generation_params,
    }
    last = ", ".join(f"{key}: {infotext_utils.quote(value)}" for key, value in params.items() if value is not None)
    negative = f"\nNegative prompt: {negative_prompt}" if negative_prompt else ""
    return f"{all_prompts[index]}{negative}\n{last}".strip()


def process_images(p: StableDiffusionProcessing) -> Processed:
    """Run a job with the options that it overrides."""
    if p.scripts is not None:
        p.scripts.before_process(p)
    stored = {key: opts.data[key] for key in p.override_settings if key in opts.data}
    try:
        for key, value in p.override_settings.items():
            opts.set(key, value)
        p.sd_model = sd_models.reload_model_weights()
        return process_images_inner(p)
    finally:
        for key, value in stored.items():
            opts.set(key, value)


def process_images_inner(p: StableDiffusionProcessing) -> Processed:
    """Run a job batch by batch, and call the scripts' methods."""
    _prepare(p)
    if p.scripts is not None:
        p.scripts.process(p)
    images: list[Image.Image] = []
    infotexts: list[str] = []
    with torch.no_grad():
        p.init(p.all_prompts, p.all_seeds, p.all_subseeds)
        if state.job_count == -1:
            state.job_count = p.n_iter
        for n in range(p.n_iter):
            state.skipped = False
            if state.interrupted:
                break
            for image, infotext in _run_batch(p, n):
                images.append(image)
                infotexts.append(infotext)
    info = infotexts[0] if infotexts else Processed(p, []).infotext(p, 0)
    processed = Processed(p, images, seed=p.all_seeds[0], info=info, infotexts=infotexts)
    if p.scripts is not None:
        p.scripts.postprocess(p, processed)
    return processed


def _prepare(p: StableDiffusionProcessing) -> None:
    """Validate the fields, and set prompts, seeds and models."""
    p.width, p.height = _validate_size("width", p.width), _validate_size("height", p.height)
    for name in ("steps", "batch_size", "n_iter"):
        if not 1 <= getattr(p, name) <= _MAX_COUNT:
            raise ValueError(f"{name} must be a whole number from 1 to {_MAX_COUNT}, got {getattr(p, name)}")
    p.sampler_name = p.sampler_name or sd_samplers.all_samplers[0].name
    if p.sampler_name not in sd_samplers.all_samplers_map:
        known = ", ".join(sd_samplers.all_samplers_map)
        raise ValueError(f"sampler_name must be one of {known}, got {p.sampler_name!r}")
    p.refiner_checkpoint_info = None
    if p.refiner_checkpoint not in (None, "", "None", "none"):
        p.refiner_checkpoint_info = sd_models.get_closet_checkpoint_match(p.refiner_checkpoint)
        if p.refiner_checkpoint_info is None:
            known = ", ".join(sd_models.checkpoints_list)
            raise ValueError(f"refiner_checkpoint must be one of {known}, got {p.refiner_checkpoint!r}")
    p.sd_model_name = p.sd_model.sd_checkpoint_info.name_for_extra
    p.setup_prompts()
    count = range(len(p.all_prompts))
    p.all_seeds = p.seed if isinstance(p.seed, list) else [get_fixed_seed(p.seed) + i for i in count]
    p.all_subseeds = p.subseed if isinstance(p.subseed, list) else [get_fixed_seed(p.subseed) + i for i in count]


def _run_batch(p: Any, n: int) -> list[tuple[Image.Image, str]]:
    """Return the images of batch `n` with their infotexts."""
    p.iteration = n
    p.sd_model = sd_models.reload_model_weights()  # instead of the previous batch's refiner
    part = slice(n * p.batch_size, (n + 1) * p.batch_size)
    p.prompts, p.negative_prompts = p.all_prompts[part], p.all_negative_prompts[part]
    p.seeds, p.subseeds = p.all_seeds[part], p.all_subseeds[part]
    p.rng = rng.ImageRNG((opt_C, p.height // opt_f, p.width // opt_f), p.seeds)
    if p.scripts is not None:
        p.scripts.process_batch(p, batch_number=n, prompts=p.prompts, seeds=p.seeds, subseeds=p.subseeds)
    p.setup_conds()
    if n == 0:
        (Path(paths.data_path) / "params.txt").write_text(Processed(p, []).infotext(p, 0), encoding="utf8")
    samples = p.sample(
        conditioning=p.c,
        unconditional_conditioning=p.uc,
        seeds=p.seeds,
        subseeds=p.subseeds,
        subseed_strength=0.0,
        prompts=p.prompts,
    )
    decoded = samples if getattr(samples, "already_decoded", False) else decode_latent_batch(p.sd_model, samples)
    batch = (torch.stack(list(decoded)) / 2 + 0.5).clamp(0, 1)
    state.nextjob()
    if p.scripts is not None:
        p.scripts.postprocess_batch(p, batch, batch_number=n)
        p.prompts, p.negative_prompts = p.all_prompts[part], p.all_negative_prompts[part]
    return [_to_image(p, i, rgb) for i, rgb in enumerate(batch)]


def _to_image(p: StableDiffusionProcessing, i: int, rgb: Tensor) -> tuple[Image.Image, str]:
    """Return an image with its infotext in its metadata, and the infotext."""
    image = Image.fromarray((rgb * 255).byte().permute(1, 2, 0).numpy())
    text = create_infotext(p, p.prompts, p.seeds, p.subseeds, index=i, all_negative_prompts=p.negative_prompts)
    image.info["parameters"] = text
    return image, text


def _validate_size(name: str, value: float) -> int:
    if value % SIZE_STEP or not SIZE_STEP <= value <= _MAX_SIZE:
        raise ValueError(f"{name} must be a multiple of {SIZE_STEP} from {SIZE_STEP} to {_MAX_SIZE}, got {value:g}")
    return int(value)
