"""Three hundred jobs of every kind in random order: after each, FreeU off is bit-identical and no hook is left.

The kinds are the ways in which a job can go, wrong or right. Seeded: the same order each time.
"""

import gc
import random
from contextlib import closing

import pytest
import torch
from PIL import Image

from freeu.settings.settings import TABLE
from tests.unets import hooks_on

JOBS = 300
SMALL = {"prompt": "red apple", "seed": 1, "steps": 3, "width": 64, "height": 64, "sampler_name": "Euler"}


class Soak:
    """Jobs on the host in this process. Each kind is a method, which gets FreeU's settings for it."""

    def __init__(self, server):
        from modules import processing, script_callbacks, scripts, sd_models, shared

        self.server = server
        self.processing, self.scripts, self.shared = processing, scripts, shared
        self.models, self.callbacks = sd_models.model_data, script_callbacks
        self.dice = random.Random(7)

    # Jobs

    def job(self, freeu, base=None, **fields):
        """A job with the tab's scripts and their initial arguments, but for FreeU's; not run yet."""
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
        """The job's pictures."""
        with closing(p):
            processed = self.processing.process_images(p)
        self.shared.state.end()
        return processed.images

    def draw(self, freeu, **fields):
        """A txt2img job."""
        return self.run(self.job(freeu, **fields))

    def reference(self):
        """The picture without the extension: no script is asked."""
        p = self.processing.StableDiffusionProcessingTxt2Img(sd_model=self.shared.sd_model, **SMALL)
        return self.run(p)[0].tobytes()

    # Kinds

    def txt2img(self, freeu):
        self.draw(freeu, steps=self.dice.randint(1, 5), cfg_scale=self.dice.choice([1, 3, 7]))

    def sampler(self, freeu):
        names = ["Euler", "Euler a", "Heun", "DDIM", "PLMS", "UniPC", "DPM++ 2M", "Adaptive Heun"]
        self.draw(freeu, sampler_name=self.dice.choice(names), steps=4)

    def hires(self, freeu):
        self.draw(freeu, enable_hr=True, hr_scale=2, hr_upscaler="Latent", hr_second_pass_steps=self.dice.randint(0, 4))

    def img2img(self, freeu, **more):
        init_images = [Image.new("RGB", (64, 64), "teal")]
        base = self.processing.StableDiffusionProcessingImg2Img
        self.run(self.job(freeu, base, init_images=init_images, denoising_strength=self.dice.random(), **more))

    def inpaint(self, freeu):
        mask = Image.new("L", (64, 64))
        mask.paste(255, (0, 0, 32, 64))
        self.img2img(freeu, mask=mask)

    def batches(self, freeu):
        self.draw(freeu, batch_size=self.dice.randint(1, 3), n_iter=self.dice.randint(1, 3))

    def refiner(self, freeu):
        self.draw(freeu, refiner_checkpoint="emoji32-noised", refiner_switch_at=self.dice.random(), steps=4)

    def prompts(self, freeu):
        prompt = self.dice.choice(
            ["red apple AND strawberry", "[red apple:strawberry:0.5]", "red apple AND penguin :1.2"]
        )
        self.draw(freeu, prompt=prompt)

    def one_by_one(self, freeu):
        self.draw(freeu, override_settings={"batch_cond_uncond": False})

    def other_model(self, freeu):
        self.draw(freeu, override_settings={"sd_model_checkpoint": "emoji32-noised"})

    def interrupted(self, freeu):
        self.at_a_call(self.dice.choice([self.shared.state.interrupt, self.shared.state.skip]))
        self.draw(freeu, n_iter=2)

    def dies(self, freeu):
        """An exception in the UNet, after which the host calls nobody."""
        p = self.job(freeu)
        unet = self.models.sd_model.model.diffusion_model
        handle = unet.middle_block.register_forward_hook(self.failing())
        with pytest.raises(RuntimeError, match="out of memory"):
            self.run(p)
        handle.remove()

    def nested(self, freeu):
        """A job inside a job, in the middle of sampling: with settings of its own, or none."""
        inner = self.dice.choice([freeu, {"b1": 0.5}, False])
        self.at_a_call(lambda: self.processing.process_images(self.job(inner, prompt="penguin")))
        self.draw(freeu)

    def nested_without_scripts(self, freeu):
        self.at_a_call(self.reference)
        self.draw(freeu)

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
        with pytest.raises(ValueError, match="b1: 99"):
            self.run(p)

    def reloaded(self, freeu):
        self.draw(freeu)
        self.server.reload_ui()

    # Helpers

    def at_a_call(self, act):
        """Do something before one of the next job's calls of the model, once."""
        at = [self.dice.randint(0, 2)]

        def before_call(params):
            if params.denoiser.step in at:
                at.clear()
                act()

        self.callbacks.on_cfg_denoiser(before_call)

    def failing(self):
        left = self.dice.randint(0, 2)

        def hook(*_):
            nonlocal left
            if left == 0:
                raise RuntimeError("out of memory")
            left -= 1

        return hook

    def settings(self):
        """FreeU's settings for a job: mostly on."""
        freeu = {name: self.dice.uniform(0.2, 1.8) for name in ("b1", "s1", "b2", "s2", "b3", "s3")}
        for name, param in TABLE.items():
            if param.choices and self.dice.random() < 0.3:
                freeu[name] = self.dice.choice(param.choices)
        start, stop = sorted((self.dice.random(), self.dice.random()))
        freeu.update(self.dice.choice([{}, {"start": start, "stop": stop}, {"curve": "0:0, 0.5:1, 1:0"}]))
        return {**freeu, "enabled": self.dice.random() < 0.9}


KINDS = [name for name, member in vars(Soak).items() if callable(member)]
KINDS = KINDS[KINDS.index("txt2img") : KINDS.index("at_a_call")]


@pytest.mark.slow
@torch.inference_mode(False)
def test_soak(playground):
    soak = Soak(playground)
    reference = soak.reference()
    assert soak.draw({"b1": 1.5})[0].tobytes() != reference
    order = [soak.dice.choice(KINDS) for _ in range(JOBS)]
    assert set(order) == set(KINDS)
    for number, kind in enumerate(order):
        getattr(soak, kind)(soak.settings())
        gc.collect()
        left = [hooks_on(model.model.diffusion_model) for model in soak.models.loaded_sd_models]
        assert sum(left) == 0, f"job {number}, {kind}: hooks are left"
        assert soak.draw(False)[0].tobytes() == reference, f"job {number}, {kind}: off is not off"
