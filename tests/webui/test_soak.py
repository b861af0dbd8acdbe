"""Three hundred jobs of every kind in random order: after each, FreeU off is bit-identical and no hook is left.

The kinds include jobs that fail. The random numbers are seeded, so the order is the same each time.
"""

import gc
import random
from contextlib import closing

import pytest
import torch
from PIL import Image

from freeu.settings.settings import TABLE
from tests.support.unets import hooks_on

JOBS = 300
SMALL = {"prompt": "red apple", "seed": 1, "steps": 3, "width": 64, "height": 64, "sampler_name": "Euler"}


class Soak:
    """Jobs in the host in this process. Each kind is a method that takes FreeU's settings."""

    def __init__(self, server):
        from modules import processing, script_callbacks, scripts, sd_models, shared

        self.server = server
        self.processing, self.scripts, self.shared = processing, scripts, shared
        self.models, self.callbacks = sd_models.model_data, script_callbacks
        self.random = random.Random(7)

    # Jobs

    def job(self, freeu, base=None, **fields):
        """Return a job with FreeU's arguments, and the initial arguments of the tab's other scripts."""
        kind = base or self.processing.StableDiffusionProcessingTxt2Img
        p = kind(sd_model=self.shared.sd_model, **{**SMALL, **fields})
        img2img = isinstance(p, self.processing.StableDiffusionProcessingImg2Img)
        p.scripts = self.scripts.scripts_img2img if img2img else self.scripts.scripts_txt2img
        args = [0, *(control.value for control in p.scripts.inputs[1:])]
        ours = next(script for script in p.scripts.alwayson_scripts if script.title() == "FreeU")
        args[ours.args_from] = freeu
        p.script_args = args
        return p

    def run(self, p):
        """Run a job and return its images."""
        with closing(p):
            processed = self.processing.process_images(p)
        self.shared.state.end()
        return processed.images

    def generate(self, freeu, **fields):
        """Run a txt2img job and return its images."""
        return self.run(self.job(freeu, **fields))

    def reference(self):
        """Return the image without the extension: the job has no scripts."""
        p = self.processing.StableDiffusionProcessingTxt2Img(sd_model=self.shared.sd_model, **SMALL)
        return self.run(p)[0].tobytes()

    # Kinds

    def txt2img(self, freeu):
        self.generate(freeu, steps=self.random.randint(1, 5), cfg_scale=self.random.choice([1, 3, 7]))

    def sampler(self, freeu):
        names = ["Euler", "Euler a", "Heun", "DDIM", "PLMS", "UniPC", "DPM++ 2M", "RK3 Euler", "Adaptive Heun"]
        self.generate(freeu, sampler_name=self.random.choice(names), steps=4)

    def hires(self, freeu):
        self.generate(
            freeu, enable_hr=True, hr_scale=2, hr_upscaler="Lanczos", hr_second_pass_steps=self.random.randint(0, 4)
        )

    def img2img(self, freeu, **more):
        init_images = [Image.new("RGB", (64, 64), "teal")]
        base = self.processing.StableDiffusionProcessingImg2Img
        self.run(self.job(freeu, base, init_images=init_images, denoising_strength=self.random.random(), **more))

    def inpaint(self, freeu):
        mask = Image.new("L", (64, 64))
        mask.paste(255, (0, 0, 32, 64))
        self.img2img(freeu, mask=mask)

    def batches(self, freeu):
        self.generate(freeu, batch_size=self.random.randint(1, 3), n_iter=self.random.randint(1, 3))

    def refiner(self, freeu):
        self.generate(freeu, refiner_checkpoint="emoji32-noised", refiner_switch_at=self.random.random(), steps=4)

    def prompts(self, freeu):
        prompt = self.random.choice(
            ["red apple AND strawberry", "[red apple:strawberry:0.5]", "red apple AND penguin :1.2"]
        )
        self.generate(freeu, prompt=prompt)

    def one_by_one(self, freeu):
        self.generate(freeu, override_settings={"batch_cond_uncond": False})

    def other_model(self, freeu):
        self.generate(freeu, override_settings={"sd_model_checkpoint": "emoji32-noised"})

    def interrupted(self, freeu):
        self.at_a_call(self.random.choice([self.shared.state.interrupt, self.shared.state.skip]))
        self.generate(freeu, n_iter=2)

    def failed(self, freeu):
        """Fail in the UNet, after which the host calls no script."""
        self.fail(freeu)

    def called_directly(self, freeu):
        """Call the UNet outside the denoiser, after a failed job that is still referenced by its traceback."""
        error = self.fail(freeu)
        p = self.job(False)
        hooks = self.call_directly(p)
        self.run(p)
        assert hooks == [0]
        assert error.tb

    def called_directly_between_batches(self, freeu):
        """Call the UNet outside the denoiser in a second batch, after a job inside the first one failed."""
        p = self.job(self.random.choice([freeu, False]), n_iter=3)
        hooks, errors, sample = self.call_directly(p), [], p.sample

        def sample_and_fail(**kwargs):
            samples = sample(**kwargs)
            errors.append(self.fail(freeu))
            return samples

        p.sample = sample_and_fail
        self.run(p)
        assert hooks == [0, 0, 0]
        assert len(errors) == 3

    def nested(self, freeu):
        """Run a job during another job's sampling, with settings of its own or without FreeU."""
        inner = self.random.choice([freeu, {"b1": 0.5}, False])
        self.at_a_call(lambda: self.processing.process_images(self.job(inner, prompt="penguin")))
        self.generate(freeu)

    def nested_without_scripts(self, freeu):
        self.at_a_call(self.reference)
        self.generate(freeu)

    def plot(self, freeu):
        p = self.job(freeu)
        plot = next(s for s in p.scripts.selectable_scripts if s.title() == "X/Y/Z plot")
        labels = [axis.label for axis in plot.current_axis_options]
        x, y, z = (labels.index(axis) for axis in ("[FreeU] b1", "[FreeU] enabled", "Nothing"))
        args = [x, "1, 1.4", [], y, "", ["True", "False"], z, "", [], *[False] * 7, 0, False]
        p.script_args[plot.args_from : plot.args_to] = args
        with closing(p):
            plot.run(p, *args)
        self.shared.state.end()

    def refused(self, freeu):
        p = self.job({**freeu, "b1": 99})
        with pytest.raises(ValueError, match="b1 must be between -1 and 3, got 99"):
            self.run(p)

    def reloaded(self, freeu):
        self.generate(freeu)
        self.server.reload_ui()

    # Helpers

    def at_a_call(self, act):
        """Call `act` once, before one of the next job's calls of the model."""
        steps = [self.random.randint(0, 2)]

        def before_call(params):
            if params.denoiser.step in steps:
                steps.clear()
                act()

        self.callbacks.on_cfg_denoiser(before_call)

    def fail(self, freeu):
        """Run a job that fails in the UNet, and return its error. The error's traceback references the job's `p`."""
        p = self.job(freeu)
        unet = self.models.sd_model.model.diffusion_model
        handle = unet.middle_block.register_forward_hook(self.failing())
        with pytest.raises(RuntimeError, match="out of memory") as error:
            self.run(p)
        handle.remove()
        return error

    def call_directly(self, p):
        """Make `p` call the UNet before it samples, and return a list of the hooks that were on the UNet then.

        "img2img alternative test" does so to find the noise of an image.
        """
        unet, sample, hooks = self.models.sd_model.model.diffusion_model, p.sample, []

        def call_and_sample(**kwargs):
            hooks.append(hooks_on(unet))
            return sample(**kwargs)

        p.sample = call_and_sample
        return hooks

    def failing(self):
        remaining = self.random.randint(0, 2)

        def hook(*_):
            nonlocal remaining
            if remaining == 0:
                raise RuntimeError("out of memory")
            remaining -= 1

        return hook

    def settings(self):
        """Return random settings, mostly with FreeU on."""
        freeu = {name: self.random.uniform(0.2, 1.8) for name in ("b1", "s1", "b2", "s2", "b3", "s3")}
        for name, parameter in TABLE.items():
            if parameter.choices and self.random.random() < 0.3:
                freeu[name] = self.random.choice(parameter.choices)
        start, stop = sorted((self.random.random(), self.random.random()))
        freeu.update(self.random.choice([{}, {"start": start, "stop": stop}, {"curve": "0:0, 0.5:1, 1:0"}]))
        return {**freeu, "enabled": self.random.random() < 0.9}


KINDS = [name for name, member in vars(Soak).items() if callable(member)]
KINDS = KINDS[KINDS.index("txt2img") : KINDS.index("at_a_call")]


@pytest.mark.parametrize("kind", ["called_directly", "called_directly_between_batches"])
@torch.inference_mode(False)
def test_a_failed_job_leaves_nothing_for_direct_calls(playground, kind):
    getattr(Soak(playground), kind)({"b1": 1.5})


@pytest.mark.slow
@torch.inference_mode(False)
def test_soak(playground):
    soak = Soak(playground)
    reference = soak.reference()
    assert soak.generate({"b1": 1.5})[0].tobytes() != reference
    order = [soak.random.choice(KINDS) for _ in range(JOBS)]
    assert set(order) == set(KINDS)
    for number, kind in enumerate(order):
        getattr(soak, kind)(soak.settings())
        gc.collect()
        hooks = [hooks_on(model.model.diffusion_model) for model in soak.models.loaded_sd_models]
        assert sum(hooks) == 0, f"job {number}, {kind}: hooks are left"
        assert soak.generate(False)[0].tobytes() == reference, f"job {number}, {kind}: FreeU off is not bit-identical"
