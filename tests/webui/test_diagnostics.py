"""Extra outputs: plots of what FreeU does, and images without FreeU; through the API, in the host and on the page."""

import copy
import functools
import io
from contextlib import closing
from pathlib import Path

import pytest
import torch
from modules.scripts import Script
from PIL import Image
from playwright.sync_api import expect

from freeu import Settings, attach, from_infotext
from freeu.arguments import ExtraOutputs
from freeu.diagnostics import charts
from freeu.diagnostics.recorder import Recorder
from freeu.diagnostics.spectrum import ColorStats
from freeu.settings.infotext import DIAGNOSTICS_KEY
from freeu.webui import diagnostics
from freeu.webui.job import Job
from tests.support.client import pixels
from tests.support.jobs import Engine, run
from tests.support.page import Tab, small
from tests.support.unets import call, hooks_on, inputs, shared

ON = {"b1": 1.5, "s1": 0.5}
NEUTRAL = {"b1": 1, "s1": 1, "b2": 1, "s2": 1}
BOTH = {"plot": True, "compare": True}


def infotexts(result):
    return result.info["infotexts"]


def indices(result):
    """Return which images belong together, and which are plots."""
    return result.info["extra_generation_params"].get(DIAGNOSTICS_KEY)


# Arguments


def test_an_invalid_extra_output_is_rejected_by_name(client):
    with pytest.raises(RuntimeError, match=r"plot must be true or false, got .*maybe"):
        client.txt2img({"plot": "maybe"})
    with pytest.raises(RuntimeError, match=r"compare must be true or false, got 3"):
        client.plot(("[FreeU] b1", "1.2, 1.6"), freeu=({"compare": 3},))
    answer = client.post("/freeu/v1/validate", settings={"plot": 1})
    assert (answer.status_code, answer.json()["field"]) == (422, "plot")
    assert client.post("/freeu/v1/validate", settings=BOTH).status_code == 200
    assert client.get("/freeu/v1/schema").json()["properties"]["plot"]["type"] == "boolean"


# Images through the API


@pytest.fixture(scope="module")
def off(client):
    return client.txt2img()


@pytest.fixture(scope="module")
def on(client):
    return client.txt2img(ON)


def test_a_plot_follows_the_image_and_does_not_change_it(client, on):
    result = client.txt2img({**ON, "plot": True})
    assert pixels(result)[0] == pixels(on)[0]
    assert indices(result) == {"pairs": [], "plots": [1]}
    assert infotexts(result) == infotexts(on) * 2
    plot = result.images[1]
    assert plot.width == 600
    assert len(set(plot.convert("RGB").getdata())) > 100


def test_the_image_without_freeu_equals_that_of_a_job_without_freeu(client, on, off):
    result = client.txt2img({**ON, "compare": True})
    assert pixels(result) == [*pixels(on), *pixels(off)]
    assert indices(result) == {"pairs": [[0, 1]], "plots": []}
    with_freeu, without = infotexts(result)
    assert with_freeu == infotexts(on)[0]
    assert without == f"{infotexts(off)[0]}, FreeU diagnostics: without FreeU"
    assert from_infotext({"FreeU diagnostics": "without FreeU"}) is None


def test_batches_and_hires_fix_with_random_seeds(client):
    result = client.txt2img(
        {**ON, **BOTH}, batch_size=2, n_iter=2, seed=-1, enable_hr=True, hr_scale=2, denoising_strength=0.6, steps=2
    )
    assert indices(result) == {"pairs": [[0, 4], [1, 5], [2, 6], [3, 7]], "plots": [8, 9]}
    assert len(result.images) == len(infotexts(result)) == 10
    seeds = result.info["all_seeds"]
    assert seeds[4:8] == seeds[:4]
    for name in ("all_prompts", "all_negative_prompts", "all_seeds", "all_subseeds"):
        assert len(result.info[name]) == 10
    assert [f"Seed: {seed}, " in text for seed, text in zip(seeds, infotexts(result), strict=True)] == [True] * 10


def test_img2img(client, off):
    result = client.img2img(off.images[0], {**ON, **BOTH})
    plain = client.img2img(off.images[0])
    assert pixels(result)[1] == pixels(plain)[0]
    assert indices(result) == {"pairs": [[0, 1]], "plots": [2]}


def test_a_job_with_freeu_off_has_no_extra_outputs(client, off):
    result = client.txt2img({"enabled": False, **BOTH})
    assert pixels(result) == pixels(off)
    assert indices(result) is None


def test_a_pass_without_freeu_is_not_plotted(client):
    result = client.txt2img(
        {"plot": True, "passes": "hires"}, enable_hr=True, hr_scale=2, denoising_strength=0.6, steps=2
    )
    assert indices(result)["plots"] == [1]


def test_the_next_job_is_unchanged(client, off):
    client.txt2img({**ON, **BOTH})
    assert pixels(client.txt2img()) == pixels(off)


def test_the_cells_of_a_plot_have_extra_outputs_only_with_an_axis_for_them(client):
    freeu = {**ON, **BOTH}
    axis = ("[FreeU] b1", "1.2, 1.6")
    plot = functools.partial(client.plot, axis, steps=2)
    plain, cells = plot(freeu=(ON,)), plot(freeu=(freeu,))
    assert pixels(cells) == pixels(plain)
    with_plots = plot(("[FreeU] plot", "False|True"), freeu=(ON,))
    assert pixels(with_plots)[1:3] == pixels(plain)[1:]
    cells = with_plots.images[1:]
    assert {image.size for image in cells} == {(64, 64)}
    assert cells[2].convert("RGB").getpixel((1, 1)) == (255, 255, 255)


def test_an_invalid_value_on_the_axis_of_extra_outputs_is_refused(client):
    with pytest.raises(RuntimeError, match=r"plot must be true or false, got .*perhaps"):
        client.plot(("[FreeU] plot", "perhaps"), typed=True)


# In the host


def test_a_job_without_extra_outputs_records_nothing(host, job):
    p = job(ON)
    seen = []
    sample = p.sample

    def spy(**kwargs):
        samples = sample(**kwargs)
        seen.append((p.freeu_job.recorders, p.freeu_job._sessions[-1].observe))
        return samples

    p.sample = spy
    run(host, p)
    assert seen == [({}, None)]


def test_no_hook_is_left(host, job):
    run(host, job({**ON, **BOTH}))
    assert hooks_on(host.shared.sd_model.model.diffusion_model) == 0


def test_the_second_job_has_the_final_prompts_of_the_first(host, job):
    """An extension for wildcards would choose others."""
    p = job({**ON, **BOTH})
    p.prompt, p.styles = "red apple", ["a style"]
    setup = p.setup_prompts

    def setup_prompts():
        setup()
        p.all_prompts = ["strawberry"]

    p.setup_prompts = setup_prompts
    processed = run(host, p)
    assert [text.split("\n")[0] for text in processed.infotexts] == ["strawberry"] * 3


# Beside other extensions


class ReplacesSample(Script):
    """Replaces the job's `sample` by a function that calls the job's own, as ControlNet does."""

    def process(self, p):
        def sample(**kwargs):
            return p.sample_before(**kwargs)

        if not hasattr(p, "sample_before"):
            p.sample_before = p.sample
        p.sample = sample


class RewritesPrompts(Script):
    """Samples other prompts than those of the infotext, as Regional Prompter does. It needs the prompt as text."""

    def process(self, p):
        self.given = list(p.all_prompts)
        p.prompt = p.prompt.replace(",", " AND")
        p.all_prompts = [prompt.replace(",", " AND") for prompt in p.all_prompts]

    def process_batch(self, p, **kwargs):
        p.all_prompts = self.given


class ChoosesPrompts(Script):
    """Chooses other prompts for each job, as wildcards do."""

    count = 0

    def process(self, p):
        self.count += 1
        p.all_prompts = [("red apple", "penguin")[self.count % 2]] * len(p.all_prompts)


def beside(p, extension, is_first):
    """Add an extension to those of a job, before or after FreeU."""
    extension.filename, extension.args_from, extension.args_to = "other.py", 0, 0
    p.scripts = copy.copy(p.scripts)
    others = p.scripts.alwayson_scripts
    p.scripts.alwayson_scripts = [extension, *others] if is_first else [*others, extension]
    return p


# Comments on clipped pixels


def colors(clipped):
    return ColorStats(torch.tensor(clipped), torch.tensor(0.5))


@pytest.mark.parametrize(
    ("settings", "advice"),
    [
        ({}, "raise keep_contrast, or lower b2 or b1"),
        ({"b1": 1, "b3": 1.1}, "raise keep_contrast, or lower b3 or b2"),
        ({"keep_contrast": 1, "width2": 0}, "lower b1"),
        ({"b1": 1, "b2": 0.9}, "lower the CFG scale"),
    ],
)
def test_a_comment_on_clipped_pixels_says_what_to_lower(settings, advice):
    with_comparison = diagnostics.describe_clipping(Settings(**settings), colors(0.825), colors(0.6))
    assert with_comparison == (
        f"FreeU: 82.5% of the pixels are clipped (60.0% with FreeU off). To clip fewer, {advice}.\n"
    )
    without = diagnostics.describe_clipping(Settings(**settings), colors(0.25), None)
    assert without == f"FreeU: 25.0% of the pixels are clipped. To clip fewer, {advice}.\n"


@pytest.mark.parametrize(("on", "off"), [(0.09, None), (0.65, 0.6), (0.3, 0.6)])
def test_there_is_no_comment_on_few_clipped_pixels_or_those_of_a_white_background(on, off):
    assert diagnostics.describe_clipping(Settings(), colors(on), None if off is None else colors(off)) == ""


@pytest.mark.parametrize("name", ["plot", "compare"])
def test_a_job_with_extra_outputs_has_the_comment(host, job, name):
    strong = {"version": "1", "b1": 2, "b2": 2.4}
    assert run(host, job(strong)).comments == ""
    comment = run(host, job({**strong, name: True})).comments
    assert "of the pixels are clipped" in comment
    assert ("with FreeU off" in comment) == (name == "compare")
    assert "clipped" not in run(host, job({**NEUTRAL, name: True})).comments


@pytest.mark.parametrize("is_first", [True, False], ids=["first", "last"])
@pytest.mark.parametrize("kind", [ReplacesSample, RewritesPrompts])
@pytest.mark.parametrize("prompts", [["red apple, penguin"] * 2, ["penguin", "red apple, penguin"]])
def test_the_image_without_freeu_beside_another_extension(host, job, kind, is_first, prompts):
    class Wildcards(Script):
        """Chooses the same prompts in each job."""

        def process(self, p):
            p.all_prompts = list(prompts)

    fields = {"prompt": "{red apple|penguin}", "batch_size": 2}
    plain, on = (
        run(host, beside(beside(job(freeu, **fields), kind(), is_first), Wildcards(), True))
        for freeu in (False, {**ON, "compare": True})
    )
    assert [image.tobytes() for image in on.images[2:]] == [image.tobytes() for image in plain.images]
    assert [text.split("\n")[0] for text in on.infotexts] == prompts * 2
    assert "could not be generated" not in on.comments


@pytest.mark.parametrize("is_first", [True, False], ids=["first", "last"])
def test_a_comparison_with_other_prompts_is_refused_by_name(host, job, is_first):
    processed = run(host, beside(job({**ON, "compare": True}), ChoosesPrompts(), is_first))
    assert len(processed.images) == 1
    assert "could not be generated: RuntimeError: another extension changed all_prompts" in processed.comments


@pytest.mark.parametrize("during", ["the first job", "the second job"])
def test_a_stopped_job_has_no_comparison(host, job, monkeypatch, during):
    calls = []
    process = host.processing.process_images

    def stop(p):
        calls.append(p)
        processed = process(p)
        host.shared.state.interrupt()
        return processed

    p = job({**ON, **BOTH})
    if during == "the second job":
        monkeypatch.setattr(host.processing, "process_images", stop)
    else:
        sample = p.sample

        def stop_after_sampling(**kwargs):
            samples = sample(**kwargs)
            host.shared.state.interrupt()
            return samples

        p.sample = stop_after_sampling
    with closing(p):
        processed = process(p)
    host.shared.state.end()
    assert len(calls) == (1 if during == "the second job" else 0)
    assert processed.extra_generation_params[DIAGNOSTICS_KEY] == {"pairs": [], "plots": [1]}


def test_a_failed_comparison_keeps_the_image_and_has_a_comment(host, job, monkeypatch):
    process = host.processing.process_images

    def fail(p):
        raise MemoryError("no room")

    monkeypatch.setattr(host.processing, "process_images", fail)
    p = job({**ON, **BOTH})
    with closing(p):
        processed = process(p)
    assert "FreeU: the images without FreeU could not be generated: MemoryError: no room" in processed.comments
    assert len(processed.images) == len(processed.infotexts) == 2


@pytest.mark.parametrize("replaced", ["by an engine", "without decoder blocks"])
def test_a_job_without_decoder_blocks_has_a_comment_and_no_plot(host, job, monkeypatch, replaced):
    unet = host.shared.sd_model.model.diffusion_model
    if replaced == "by an engine":
        monkeypatch.setattr(host.sd_unet, "current_unet", unet)
    else:
        monkeypatch.setitem(host.shared.sd_model.model._modules, "diffusion_model", Engine(unet))
    processed = run(host, job({**ON, **BOTH}))
    assert "there is nothing to plot" in processed.comments
    assert len(processed.images) == 2
    assert processed.extra_generation_params[DIAGNOSTICS_KEY] == {"pairs": [[0, 1]], "plots": []}


def test_masks_among_the_images_keep_their_place(host, job):
    """The host gives masks no infotext, but the infotexts must have the indices of their images."""
    p = job({**ON, "plot": True})
    processed = host.processing.Processed(p, [])
    image, mask = Image.new("RGB", (64, 64)), Image.new("RGB", (64, 64))
    image.info["parameters"] = "infotext"
    processed.images, processed.infotexts, processed.info = [image, mask], ["infotext"], "infotext"
    processed.all_seeds, processed.index_of_first_image = [7], 0
    p.script_args = [0]
    finished = Job(Settings(), ExtraOutputs(plot=True))
    finished.recorders["first pass"] = recorded()
    diagnostics.add_extra_outputs(p, processed, finished)
    assert processed.images[:2] == [image, mask]
    assert processed.infotexts == ["infotext"] * 3
    assert processed.all_seeds == [7] * 3
    assert processed.images[2].info["parameters"] == "infotext"


def recorded():
    """Return the measurements of one call of a small UNet."""
    recorder = Recorder()
    with attach(shared("SDXL"), Settings(), recorder):
        call(shared("SDXL"), *inputs())
    return recorder


@pytest.mark.parametrize(("option", "names"), [(False, []), (True, ["-freeu-plot.png"])])
def test_a_plot_is_saved_only_if_the_option_says_so(host, job, monkeypatch, tmp_path, option, names):
    monkeypatch.setitem(host.shared.opts.data, "freeu_save_diagnostics", option)
    p = job({**ON, **BOTH})
    p.outpath_samples = str(tmp_path)
    run(host, p)
    saved = list(Path(tmp_path).iterdir())
    assert [path.name[-len("-freeu-plot.png") :] for path in saved] == names
    assert all("FreeU b1: 1.5" in Image.open(path).info["parameters"] for path in saved)


def test_the_texts_of_the_plot():
    red, gray = (diagnostics._mean_color_stats([Image.new("RGB", (8, 8), color)]) for color in ("red", "#808080"))
    text = charts.describe_colors(red, gray)
    assert text == "Clipped pixels 100.0% (0.0% with FreeU off)\nSaturation 1.00 (0.00 with FreeU off)"
    assert charts.describe_factors(Settings(b1=1.25, high1=0.5), 1) == "b 1.25, s 0.9, high 0.5"
    assert charts.describe_factors(Settings(), 3) == "unchanged"


# On the page


@pytest.fixture
def tab(page):
    """A tab with FreeU on and its inner accordion Diagnostics open."""
    small(page)
    tab = Tab(page)
    tab.open()
    tab.open("diagnostics")
    return tab


def checkbox(page, name):
    return page.locator(f"#script_txt2img_freeu_{name} input")


def thumbnails(page):
    return page.locator("#txt2img_gallery .grid-wrap .thumbnail-item")


def test_both_are_off_initially_and_the_gallery_has_only_the_image(page, tab):
    expect(checkbox(page, "plot")).not_to_be_checked()
    expect(checkbox(page, "compare")).not_to_be_checked()
    tab.generate(1)
    expect(thumbnails(page)).to_have_count(1)
    expect(page.locator(".freeu-compare")).to_have_count(0)


def test_the_plot_is_in_the_gallery(page, tab):
    checkbox(page, "plot").check()
    tab.generate(1)
    expect(thumbnails(page)).to_have_count(2)
    expect(page.locator(".freeu-compare")).to_have_count(0)


def clip(page):
    return page.locator(".freeu-compare-on").evaluate("image => getComputedStyle(image).clipPath")


def test_the_slider_moves_by_keyboard_and_mouse_and_belongs_to_its_images(page, tab):
    checkbox(page, "compare").check()
    tab.generate(1)
    expect(thumbnails(page)).to_have_count(2)
    slider = page.get_by_role("slider", name="Divider between FreeU off (left) and FreeU on (right)")
    expect(slider).to_be_visible()
    assert clip(page) == "inset(0px 0px 0px 50%)"
    slider.focus()
    slider.press("ArrowRight")
    assert clip(page) == "inset(0px 0px 0px 51%)"
    slider.press("Home")
    assert clip(page) == "inset(0px)" or clip(page) == "inset(0px 0px 0px 0%)"
    box = slider.bounding_box()
    page.mouse.click(box["x"] + box["width"] * 0.75, box["y"] + box["height"] / 4)
    assert 70 <= int(slider.input_value()) <= 80
    sources = [image.get_attribute("src") for image in page.locator(".freeu-compare img").all()]
    stored = [fetch_image(page, source).info["parameters"] for source in sources]
    assert ["FreeU b1" in text for text in stored] == [False, True]
    first = set(sources)
    checkbox(page, "compare").uncheck()
    tab.generate(2)
    expect(page.locator(".freeu-compare")).to_have_count(0)
    checkbox(page, "compare").check()
    tab.generate(3)
    expect(page.locator(".freeu-compare")).to_have_count(1)
    assert first.isdisjoint(image.get_attribute("src") for image in page.locator(".freeu-compare img").all())


def fetch_image(page, source):
    return Image.open(io.BytesIO(page.request.get(source).body()))


def test_a_batch_has_one_slider_per_image(page, tab):
    box = page.locator("#txt2img_batch_size input[type=number]")
    box.fill("2")
    box.press("Tab")
    checkbox(page, "plot").check()
    checkbox(page, "compare").check()
    tab.generate(1)
    expect(page.locator(".freeu-compare input[type=range]")).to_have_count(2)
    expect(thumbnails(page)).to_have_count(5)


def test_images_do_not_store_extra_outputs_and_pasting_does_not_change_them(page, tab):
    checkbox(page, "plot").check()
    text = tab.generate(1)
    for word in ("plot", "diagnostics"):
        assert word not in text.split("Steps:")[1]
    tab.paste("red apple\nSteps: 4, Sampler: Euler, CFG scale: 3, Seed: 5, Size: 64x64, FreeU b1: 1.2, FreeU s1: 0.6")
    expect(tab.number("b1")).to_have_value("1.2")
    expect(checkbox(page, "plot")).to_be_checked()


@pytest.mark.parametrize("size", [(1400, 900), (390, 844)], ids=["desktop", "phone"])
def test_the_slider_fits_the_page(page, tab, size):
    checkbox(page, "compare").check()
    tab.generate(1)
    page.set_viewport_size({"width": size[0], "height": size[1]})
    page.wait_for_function("[...document.querySelectorAll('.freeu-compare img')].every((image) => image.naturalWidth)")
    expect(page.locator(".freeu-compare input")).to_be_visible()
    box = page.locator(".freeu-compare-pictures").bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= size[0]
    assert box["height"] == pytest.approx(box["width"], abs=2)
