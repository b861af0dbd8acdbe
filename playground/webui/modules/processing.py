"""A job, from its fields to its pictures.

The model draws in pixels, at an eighth of the size that is asked for: what the real host's VAE does with latents is
done here by enlarging and shrinking.
"""

from __future__ import annotations

import json
import logging
import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

from modules import infotext_utils, paths, prompt_parser, rng, scripts, sd_models, sd_samplers, shared
from modules.shared import opts, state

log = logging.getLogger(__name__)

opt_C = 3  # noqa: N816
opt_f = 8

SIZE_UNIT = 32
_LARGEST = 1024
_MOST = 1000


@dataclass(repr=False)
class StableDiffusionProcessing:
    """What both tabs' jobs have. A script may change it until it is sampled."""

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
    override_settings_restore_afterwards: bool = True
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
    sd_model_hash: str | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.styles = self.styles or []
        self.extra_generation_params = self.extra_generation_params or {}
        self.override_settings = self.override_settings or {}

    def comment(self, text: str) -> None:
        """Say something beside the pictures, once."""
        self.comments[text] = 1

    def setup_prompts(self) -> None:
        """A prompt and a negative prompt for each picture."""
        count = self.batch_size * self.n_iter
        self.all_prompts = self.prompt if isinstance(self.prompt, list) else [self.prompt] * count
        negative = self.negative_prompt
        self.all_negative_prompts = negative if isinstance(negative, list) else [negative] * len(self.all_prompts)

    def setup_conds(self) -> None:
        """What the model makes of the batch's prompts."""
        self.c, self.uc = self._conds(_total_steps(self, self.steps))

    def get_conds(self) -> tuple[Any, Any]:
        """Contexts of the prompts and of the negative prompts, for the current pass."""
        return self.c, self.uc

    def init(self, all_prompts: list[str], all_seeds: list[int], all_subseeds: list[int]) -> None:
        """Prepare for the first batch."""

    def sample(
        self,
        conditioning: Any,
        unconditional_conditioning: Any,
        seeds: list[int],
        subseeds: list[int],
        subseed_strength: float,
        prompts: list[str],
    ) -> Any:
        """The batch, not decoded."""
        raise NotImplementedError

    def close(self) -> None:
        """Let go of what only sampling needs."""
        self.sampler = self.c = self.uc = None

    def _conds(self, steps: int) -> tuple[Any, Any]:
        model = shared.sd_model
        positive = prompt_parser.get_multicond_learned_conditioning(model, self.prompts, steps)
        negative = prompt_parser.get_learned_conditioning(model, self.negative_prompts, steps)
        return positive, negative

    def _tell_scripts_of_sampling(self, x: Tensor, noise: Tensor, c: Any, uc: Any) -> None:
        if self.scripts is not None:
            self.scripts.process_before_every_sampling(p=self, x=x, noise=noise, c=c, uc=uc)


@dataclass(repr=False)
class StableDiffusionProcessingTxt2Img(StableDiffusionProcessing):
    """Pictures from prompts, and with hires. fix a second pass over them enlarged."""

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
        """Work out the second pass, if any, and note it in the infotext."""
        if not self.enable_hr:
            return
        self.extra_generation_params["Denoising strength"] = self.denoising_strength
        modes = shared.latent_upscale_modes
        self.latent_scale_mode = modes.get(self.hr_upscaler or "Latent")
        if self.latent_scale_mode is None:
            raise ValueError(f"hr_upscaler: {self.hr_upscaler!r} is unknown; there are {', '.join(modes)}")
        self.calculate_target_resolution()
        noted = {"Hires steps": self.hr_second_pass_steps, "Hires upscaler": self.hr_upscaler}
        self.extra_generation_params.update({key: value for key, value in noted.items() if value})
        state.job_count = 2 * self.n_iter if state.job_count == -1 else state.job_count

    def calculate_target_resolution(self) -> None:
        """The size of the second pass. Raises ValueError where the model cannot draw it."""
        self.extra_generation_params["Hires upscale"] = self.hr_scale
        self.hr_upscale_to_x = _size("hr_scale, width", self.width * self.hr_scale)
        self.hr_upscale_to_y = _size("hr_scale, height", self.height * self.hr_scale)

    def sample(
        self,
        conditioning: Any,
        unconditional_conditioning: Any,
        seeds: list[int],
        subseeds: list[int],
        subseed_strength: float,
        prompts: list[str],
    ) -> Any:
        """One pass, or two."""
        self.sampler = sd_samplers.create_sampler(self.sampler_name, self.sd_model)
        x = self.rng.next()
        self._tell_scripts_of_sampling(x, x, conditioning, unconditional_conditioning)
        samples = self.sampler.sample(self, x, conditioning, unconditional_conditioning)
        if not self.enable_hr:
            return samples
        self.sd_model = sd_models.reload_model_weights()
        return self.sample_hr_pass(samples, None, seeds, subseeds, subseed_strength, prompts)

    def sample_hr_pass(
        self,
        samples: Tensor,
        decoded_samples: Any,
        seeds: list[int],
        subseeds: list[int],
        subseed_strength: float,
        prompts: list[str],
    ) -> Any:
        """The second pass, decoded; after an interruption the first pass' samples."""
        if state.interrupted:
            return samples
        self.is_hr_pass = True
        self.sampler = sd_samplers.create_sampler(self.sampler_name, self.sd_model)
        size = (self.hr_upscale_to_y // opt_f, self.hr_upscale_to_x // opt_f)
        samples = interpolate(samples, size=size, mode=self.latent_scale_mode)
        state.nextjob()
        self.rng = rng.ImageRNG(samples.shape[1:], self.seeds)
        noise = self.rng.next()
        self.calculate_hr_conds()
        if self.scripts is not None:
            self.scripts.before_hr(self)
        self._tell_scripts_of_sampling(samples, noise, self.hr_c, self.hr_uc)
        steps = self.hr_second_pass_steps or self.steps
        samples = self.sampler.sample_img2img(self, samples, noise, self.hr_c, self.hr_uc, steps=steps)
        self.sampler = None
        self.is_hr_pass = False
        return decode_latent_batch(self.sd_model, samples)

    def calculate_hr_conds(self) -> None:
        """What the model makes of the prompts in the second pass, whose steps count on."""
        if self.hr_c is None:
            steps = self.hr_second_pass_steps or self.steps
            self.hr_c, self.hr_uc = self._conds(_total_steps(self, steps))

    def setup_conds(self) -> None:
        """In the second pass, only its own: the refiner has changed the model."""
        self.hr_c = self.hr_uc = None
        if self.is_hr_pass:
            self.calculate_hr_conds()
        else:
            super().setup_conds()

    def get_conds(self) -> tuple[Any, Any]:
        """Contexts of the current pass."""
        return (self.hr_c, self.hr_uc) if self.is_hr_pass else super().get_conds()

    def close(self) -> None:
        """Let go of what only sampling needs."""
        super().close()
        self.hr_c = self.hr_uc = None


@dataclass(repr=False)
class StableDiffusionProcessingImg2Img(StableDiffusionProcessing):
    """Pictures from pictures; with a mask, only where it is white."""

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
        """Shrink pictures and mask to what the model draws."""
        self.extra_generation_params["Denoising strength"] = self.denoising_strength
        given = self.init_images or []
        if len(given) not in (1, self.batch_size):
            raise ValueError(f"init_images: there are {len(given)}; allowed are 1 or batch_size, {self.batch_size}")
        pictures = torch.stack([self._to_tensor(image, "RGB") for image in given])
        shrunk = interpolate(pictures, scale_factor=1 / opt_f, mode="area") * 2 - 1
        self.init_latent = shrunk.expand(self.batch_size, -1, -1, -1).contiguous()
        if self.image_mask is not None:
            mask = self._to_tensor(create_binary_mask(self.image_mask), "L")[None]
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
        """One pass over the given pictures."""
        self.sampler = sd_samplers.create_sampler(self.sampler_name, self.sd_model)
        noise = self.rng.next()
        start = self.init_latent[: len(noise)]
        self._tell_scripts_of_sampling(start, noise, conditioning, unconditional_conditioning)
        samples = self.sampler.sample_img2img(self, start, noise, conditioning, unconditional_conditioning)
        return samples if self.mask is None else samples * self.nmask + start * self.mask

    def _to_tensor(self, image: Image.Image, mode: str) -> Tensor:
        """Resized to the job's size, shape (channels, height, width), in 0..1."""
        pixels = np.array(image.convert(mode).resize((self.width, self.height), Image.Resampling.LANCZOS))
        return torch.from_numpy(pixels).float().div(255).reshape(self.height, self.width, -1).permute(2, 0, 1)


class Processed:
    """A job's pictures, and what was made of its fields. `infotexts` has one a picture."""

    def __init__(
        self,
        p: StableDiffusionProcessing,
        images_list: list[Image.Image],
        seed: int = -1,
        info: str = "",
        subseed: int | None = None,
        all_prompts: list[str] | None = None,
        all_negative_prompts: list[str] | None = None,
        all_seeds: list[int] | None = None,
        all_subseeds: list[int] | None = None,
        index_of_first_image: int = 0,
        infotexts: list[str] | None = None,
    ) -> None:
        self.images = images_list
        self.seed = seed
        self.subseed = subseed
        self.info = info
        self.comments = "".join(f"{comment}\n" for comment in p.comments)
        self.width, self.height = p.width, p.height
        self.steps, self.cfg_scale, self.sampler_name = p.steps, p.cfg_scale, p.sampler_name
        self.batch_size = p.batch_size
        self.denoising_strength = p.denoising_strength
        self.extra_generation_params = p.extra_generation_params
        self.sd_model_name, self.sd_model_hash = p.sd_model_name, p.sd_model_hash
        self.index_of_first_image = index_of_first_image
        self.job_timestamp = state.job_timestamp
        self.all_prompts = all_prompts or p.all_prompts or [p.prompt]
        self.all_negative_prompts = all_negative_prompts or p.all_negative_prompts or [p.negative_prompt]
        self.prompt, self.negative_prompt = self.all_prompts[0], self.all_negative_prompts[0]
        self.all_seeds = all_seeds or p.all_seeds or [seed]
        self.all_subseeds: list[Any] = all_subseeds or p.all_subseeds or [subseed]
        self.infotexts = infotexts or [info] * len(images_list)

    def js(self) -> str:
        """All but the pictures, as JSON."""
        return json.dumps(
            {k: v for k, v in vars(self).items() if k not in ("images", "comments")}, default=lambda _: None
        )

    def infotext(self, p: StableDiffusionProcessing, index: int) -> str:
        """The infotext of one picture."""
        return create_infotext(p, self.all_prompts, self.all_seeds, self.all_subseeds, index=index)


def create_binary_mask(image: Image.Image) -> Image.Image:
    """A mask's transparency where it has any, else its brightness."""
    if image.mode == "RGBA" and image.getextrema()[-1] != (255, 255):
        return image.getchannel("A").point(lambda value: 255 if value > 128 else 0)
    return image.convert("L")


class DecodedSamples(list[Tensor]):
    """Pictures in -1..1 at their full size."""

    already_decoded = True


def decode_latent_batch(model: Any, batch: Tensor) -> DecodedSamples:
    """Enlarge what the model drew."""
    return DecodedSamples(interpolate(batch, scale_factor=opt_f, mode="bicubic"))


def get_fixed_seed(seed: Any) -> int:
    """The seed, or a random one for -1 and what is no number."""
    try:
        number = int(seed)
    except (TypeError, ValueError):
        number = -1
    return random.randrange(4294967294) if number == -1 else number


def fix_seed(p: StableDiffusionProcessing) -> None:
    """Settle a random seed, so that several jobs can share it."""
    p.seed = get_fixed_seed(p.seed)
    p.subseed = get_fixed_seed(p.subseed)


def create_infotext(
    p: StableDiffusionProcessing,
    all_prompts: list[str],
    all_seeds: list[int],
    all_subseeds: list[int],
    comments: list[str] | None = None,
    iteration: int = 0,
    position_in_batch: int = 0,
    use_main_prompt: bool = False,
    index: int | None = None,
    all_negative_prompts: list[str] | None = None,
) -> str:
    """What a picture says of how it was made."""
    if index is None:
        index = 0 if use_main_prompt else position_in_batch + iteration * p.batch_size
    negative_prompt = (all_negative_prompts or p.all_negative_prompts)[index]
    params = {
        "Steps": p.steps,
        "Sampler": p.sampler_name,
        "CFG scale": p.cfg_scale,
        "Seed": all_seeds[index],
        "Size": f"{p.width}x{p.height}",
        "Model hash": p.sd_model_hash,
        "Model": p.sd_model_name,
        "Denoising strength": p.extra_generation_params.get("Denoising strength"),
        **p.extra_generation_params,
    }
    last = ", ".join(f"{key}: {infotext_utils.quote(value)}" for key, value in params.items() if value is not None)
    negative = f"\nNegative prompt: {negative_prompt}" if negative_prompt else ""
    return f"{all_prompts[index]}{negative}\n{last}".strip()


def process_images(p: StableDiffusionProcessing) -> Processed:
    """Do a job, under the options that it overrides."""
    if p.scripts is not None:
        p.scripts.before_process(p)
    stored = {key: opts.data[key] for key in p.override_settings if key in opts.data}
    try:
        if p.override_settings.get("sd_model_checkpoint") not in sd_models.checkpoint_aliases:
            p.override_settings.pop("sd_model_checkpoint", None)
        for key, value in p.override_settings.items():
            opts.set(key, value)
        p.sd_model = sd_models.reload_model_weights()
        return process_images_inner(p)
    finally:
        if p.override_settings_restore_afterwards:
            for key, value in stored.items():
                setattr(opts, key, value)


def process_images_inner(p: StableDiffusionProcessing) -> Processed:
    """Do a job: batch for batch, with the scripts' methods around each step."""
    _prepare(p)
    if p.scripts is not None:
        p.scripts.process(p)
    pictures: list[Image.Image] = []
    infotexts: list[str] = []
    with torch.no_grad():
        p.init(p.all_prompts, p.all_seeds, p.all_subseeds)
        if state.job_count == -1:
            state.job_count = p.n_iter
        for n in range(p.n_iter):
            state.skipped = False
            if state.interrupted:
                break
            _do_batch(p, n, pictures, infotexts)
    if not infotexts:
        infotexts.append(Processed(p, []).infotext(p, 0))
    processed = Processed(
        p, pictures, seed=p.all_seeds[0], info=infotexts[0], subseed=p.all_subseeds[0], infotexts=infotexts
    )
    if p.scripts is not None:
        p.scripts.postprocess(p, processed)
    return processed


def _prepare(p: StableDiffusionProcessing) -> None:
    """Check the fields, and settle prompts, seeds and models."""
    p.width, p.height = _size("width", p.width), _size("height", p.height)
    for name in ("steps", "batch_size", "n_iter"):
        if not 1 <= getattr(p, name) <= _MOST:
            raise ValueError(f"{name}: {getattr(p, name)} is not allowed; it is a whole number from 1 to {_MOST}")
    p.sampler_name = p.sampler_name or sd_samplers.all_samplers[0].name
    p.refiner_checkpoint_info = None
    if p.refiner_checkpoint not in (None, "", "None", "none"):
        p.refiner_checkpoint_info = sd_models.get_closet_checkpoint_match(p.refiner_checkpoint)
        if p.refiner_checkpoint_info is None:
            known = ", ".join(sd_models.checkpoints_list)
            raise ValueError(f"refiner_checkpoint: {p.refiner_checkpoint!r} is unknown; there are {known}")
    p.sd_model_name = p.sd_model.sd_checkpoint_info.name_for_extra
    p.setup_prompts()
    count = range(len(p.all_prompts))
    p.all_seeds = p.seed if isinstance(p.seed, list) else [get_fixed_seed(p.seed) + i for i in count]
    p.all_subseeds = p.subseed if isinstance(p.subseed, list) else [get_fixed_seed(p.subseed) + i for i in count]


def _do_batch(p: StableDiffusionProcessing, n: int, pictures: list[Image.Image], infotexts: list[str]) -> None:
    """Draw one batch, and add its pictures and their infotexts."""
    p.iteration = n
    p.sd_model = sd_models.reload_model_weights()  # the refiner may have changed it
    part = slice(n * p.batch_size, (n + 1) * p.batch_size)
    p.prompts, p.negative_prompts = p.all_prompts[part], p.all_negative_prompts[part]
    p.seeds, p.subseeds = p.all_seeds[part], p.all_subseeds[part]
    p.rng = rng.ImageRNG((opt_C, p.height // opt_f, p.width // opt_f), p.seeds)
    known = {"batch_number": n, "prompts": p.prompts, "seeds": p.seeds, "subseeds": p.subseeds}
    if p.scripts is not None:
        p.scripts.before_process_batch(p, **known)
        p.scripts.process_batch(p, **known)
    p.setup_conds()
    if n == 0:
        (Path(paths.data_path) / "params.txt").write_text(Processed(p, []).infotext(p, 0), encoding="utf8")
    state.job = f"Batch {n + 1} out of {p.n_iter}"
    samples = p.sample(
        conditioning=p.c,
        unconditional_conditioning=p.uc,
        seeds=p.seeds,
        subseeds=p.subseeds,
        subseed_strength=0.0,
        prompts=p.prompts,
    )
    drawn = _decode(p, samples)
    state.nextjob()
    if p.scripts is not None:
        p.scripts.postprocess_batch(p, drawn, batch_number=n)
    for i, picture in enumerate(drawn):
        _finish(p, i, picture, pictures, infotexts)


def _decode(p: StableDiffusionProcessing, samples: Any) -> Tensor:
    """Pictures in 0..1 of a batch that was sampled."""
    if p.scripts is not None:
        args = scripts.PostSampleArgs(samples)
        p.scripts.post_sample(p, args)
        samples = args.samples
    if not getattr(samples, "already_decoded", False):
        samples = decode_latent_batch(p.sd_model, samples)
    return (torch.stack(list(samples)) / 2 + 0.5).clamp(0, 1)


def _finish(
    p: StableDiffusionProcessing, i: int, picture: Tensor, pictures: list[Image.Image], infotexts: list[str]
) -> None:
    image = Image.fromarray((picture * 255).byte().permute(1, 2, 0).numpy())
    if p.scripts is not None:
        args = scripts.PostprocessImageArgs(image)
        p.scripts.postprocess_image(p, args)
        image = args.image
    text = create_infotext(p, p.prompts, p.seeds, p.subseeds, index=i, all_negative_prompts=p.negative_prompts)
    if opts.enable_pnginfo:
        image.info["parameters"] = text
    pictures.append(image)
    infotexts.append(text)


def _total_steps(p: StableDiffusionProcessing, steps: int) -> int:
    config = sd_samplers.find_sampler_config(p.sampler_name)
    return config.total_steps(steps) if config else steps


def _size(name: str, value: float) -> int:
    if value % SIZE_UNIT or not SIZE_UNIT <= value <= _LARGEST:
        raise ValueError(
            f"{name}: {value:g} is not allowed; a size is a multiple of {SIZE_UNIT} from {SIZE_UNIT} to {_LARGEST}"
        )
    return int(value)
