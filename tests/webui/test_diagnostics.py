"""Look: plots of what FreeU does, and pictures without it, through the API, on the page, and where they must not be."""

# ruff: noqa: F401, F811  (fixtures)

import io
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from freeu.webui.wishes import Wishes
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from playwright.sync_api import expect

from freeu import Settings, SettingsError, attach, from_infotext
from freeu.diagnostics.recorder import Recorder
from freeu.settings.settings import TABLE
from freeu.webui import arguments, look, look_plot, wishes
from freeu.webui.job import Job
from tests import strategies
from tests.test_session import call
from tests.unets import hooks_on, inputs, shared
from tests.webui.client import pixels
from tests.webui.test_browser import Tab, page, small
from tests.webui.test_script import host, job, run

ON = {"b1": 1.5, "s1": 0.5}
BOTH = {"look": True, "compare": True}


def infotexts(drawn):
    return drawn.info["infotexts"]


def shown(drawn):
    """Which pictures belong together, and which are plots."""
    return drawn.info["extra_generation_params"].get(look.KEY)


# What a job asks for


@given(strategies.valid, st.booleans(), st.booleans())
def test_wishes_are_no_parameters(payload, plot, compare):
    args = arguments.filled_up([{**payload, "look": plot, "compare": compare}])
    assert wishes.of(args) == Wishes(plot, compare)
    assert arguments.read(args, {}, 20) if "preset" not in payload else True
    listed = arguments.filled_up([*Settings().to_dict().values(), plot, compare])
    assert wishes.of(listed) == Wishes(plot, compare)
    assert arguments.read(listed, {}, 20) == Settings()
    assert not {"look", "compare"} & set(TABLE)


@pytest.mark.parametrize(
    "args",
    [[], [False], [{}], [True, "2", 1.3], [True, 0.0, 1.0, 0.0, "Version 2"], [{"enable": True}], list(TABLE)],
    ids=str,
)
def test_every_older_payload_asks_for_nothing(args):
    assert wishes.of(arguments.filled_up(args)) == wishes.NOTHING


def test_ljlebs_object_may_wish_too():
    args = arguments.filled_up([{"enable": True, "stage_infos": [{"backbone_factor": 1.2}], "look": True}])
    assert wishes.of(args).look
    assert arguments.read(args, {}, 20).b1 == 1.2


def test_overrides_have_the_last_word():
    args = arguments.filled_up([{"look": True, "compare": True}])
    assert wishes.of(args, {"look": False, "b1": 1.2}) == Wishes(look=False, compare=True)
    assert arguments.read(args, {}, 20, {"look": True}) == Settings()
    assert not arguments.read(arguments.filled_up([]), {}, 20, {"look": True}).enabled


def test_a_wrong_wish_is_refused_by_name(client):
    with pytest.raises(SettingsError, match="compare: 3 is not allowed; it is true or false"):
        wishes.of([{"compare": 3}])
    with pytest.raises(RuntimeError, match=r"look: .*maybe.* is not allowed"):
        client.draw({"look": "maybe"})
    answer = client.post("/freeu/v1/validate", settings={"look": 1})
    assert (answer.status_code, answer.json()["field"]) == (422, "look")
    assert client.post("/freeu/v1/validate", settings=BOTH).status_code == 200
    assert client.get("/freeu/v1/schema").json()["properties"]["look"]["type"] == "boolean"


# Pictures through the API


@pytest.fixture(scope="module")
def off(client):
    return client.draw()


@pytest.fixture(scope="module")
def on(client):
    return client.draw(ON)


def test_a_plot_comes_after_the_picture_which_it_does_not_change(client, on):
    drawn = client.draw({**ON, "look": True})
    assert pixels(drawn)[0] == pixels(on)[0]
    assert shown(drawn) == {"pairs": [], "plots": [1]}
    assert infotexts(drawn) == infotexts(on) * 2
    plot = drawn.images[1]
    assert plot.width == 600
    assert len(set(plot.convert("RGB").getdata())) > 100


def test_the_picture_without_freeu_is_what_the_job_without_it_draws(client, on, off):
    drawn = client.draw({**ON, "compare": True})
    assert pixels(drawn) == [*pixels(on), *pixels(off)]
    assert shown(drawn) == {"pairs": [[0, 1]], "plots": []}
    with_freeu, without = infotexts(drawn)
    assert with_freeu == infotexts(on)[0]
    assert without == f"{infotexts(off)[0]}, FreeU look: without FreeU"
    assert from_infotext({"FreeU look": "without FreeU"}) is None


def test_batches_and_hires_fix_with_random_seeds(client):
    drawn = client.draw(
        {**ON, **BOTH}, batch_size=2, n_iter=2, seed=-1, enable_hr=True, hr_scale=2, denoising_strength=0.6, steps=2
    )
    assert shown(drawn) == {"pairs": [[0, 4], [1, 5], [2, 6], [3, 7]], "plots": [8, 9]}
    assert len(drawn.images) == len(infotexts(drawn)) == 10
    seeds = drawn.info["all_seeds"]
    assert seeds[4:8] == seeds[:4]
    for name in ("all_prompts", "all_negative_prompts", "all_seeds", "all_subseeds"):
        assert len(drawn.info[name]) == 10
    assert [f"Seed: {seed}, " in text for seed, text in zip(seeds, infotexts(drawn), strict=True)] == [True] * 10


def test_img2img(client, off):
    drawn = client.redraw(off.images[0], {**ON, **BOTH})
    plain = client.redraw(off.images[0])
    assert pixels(drawn)[1] == pixels(plain)[0]
    assert shown(drawn) == {"pairs": [[0, 1]], "plots": [2]}


def test_off_asks_for_nothing(client, off):
    drawn = client.draw({"enabled": False, **BOTH})
    assert pixels(drawn) == pixels(off)
    assert shown(drawn) is None


def test_a_pass_without_freeu_is_not_plotted(client):
    drawn = client.draw({"look": True, "passes": "hires"}, enable_hr=True, hr_scale=2, denoising_strength=0.6, steps=2)
    assert shown(drawn)["plots"] == [1]


def test_the_next_job_is_as_it_was(client, off):
    client.draw({**ON, **BOTH})
    assert pixels(client.draw()) == pixels(off)


def test_cells_of_a_plot_show_nothing_unless_the_plot_asks(client):
    freeu = {**ON, **BOTH}
    axis = ("[FreeU] b1", "1.2, 1.6")
    plain, cells = client.plot(axis, freeu=(ON,)), client.plot(axis, freeu=(freeu,))
    assert pixels(cells) == pixels(plain)
    asked = client.plot(axis, ("[FreeU] look", "False|True"), freeu=(ON,))
    assert pixels(asked)[1:3] == pixels(plain)[1:]
    pictures = asked.images[1:]
    assert {image.size for image in pictures} == {(64, 64)}
    assert pictures[2].convert("RGB").getpixel((1, 1)) == (255, 255, 255)
    with pytest.raises(RuntimeError, match=r"look: .*perhaps.* is not allowed"):
        client.plot(("[FreeU] look", "perhaps"), typed=True)


# In the host


def test_nothing_is_loaded_recorded_or_computed_for_who_asks_for_nothing(host, job):
    p = job(ON)
    seen = []
    sample = p.sample

    def spy(**kwargs):
        samples = sample(**kwargs)
        seen.append((p.freeu_run.recorders, p.freeu_run._session.observe))
        return samples

    p.sample = spy
    run(host, p)
    assert seen == [({}, None)]
    code = "from playground import serve; serve.enter(); import freeu.webui.script, sys; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert "freeu.webui.look" in loaded
    assert "freeu.webui.look_plot" not in loaded  # the only one that loads matplotlib (tests/test_boundaries.py)


def test_no_hook_stays(host, job):
    run(host, job({**ON, **BOTH}))
    assert hooks_on(host.shared.sd_model.model.diffusion_model) == 0


def test_a_wildcard_that_chose_a_prompt_is_not_asked_again(host, job):
    """The second job has the prompts that the first had in the end."""
    p = job({**ON, **BOTH})
    p.prompt, p.styles = "red apple", ["a style"]
    setup = p.setup_prompts

    def chosen():
        setup()
        p.all_prompts = ["strawberry"]

    p.setup_prompts = chosen
    processed = run(host, p)
    assert [text.split("\n")[0] for text in processed.infotexts] == ["strawberry"] * 3


@pytest.mark.parametrize("during", ["the first job", "the second job"])
def test_a_job_that_was_stopped_is_not_compared(host, job, monkeypatch, during):
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

        def stopped(**kwargs):
            samples = sample(**kwargs)
            host.shared.state.interrupt()
            return samples

        p.sample = stopped
    with closing(p):
        processed = process(p)
    host.shared.state.end()
    assert len(calls) == (1 if during == "the second job" else 0)
    assert processed.extra_generation_params[look.KEY] == {"pairs": [], "plots": [1]}


def test_a_comparison_that_fails_leaves_the_picture_and_is_told(host, job, monkeypatch):
    process = host.processing.process_images

    def fails(p):
        raise MemoryError("no room")

    monkeypatch.setattr(host.processing, "process_images", fails)
    p = job({**ON, **BOTH})
    with closing(p):
        processed = process(p)
    assert "FreeU: the pictures without it could not be drawn: MemoryError: no room" in processed.comments
    assert len(processed.images) == len(processed.infotexts) == 2


def test_where_no_block_is_met_that_is_told_in_place_of_a_plot(host, job, monkeypatch):
    monkeypatch.setattr(host.sd_unet, "current_unet", host.shared.sd_model.model.diffusion_model)
    processed = run(host, job({**ON, "look": True}))
    assert "there is nothing to plot" in processed.comments
    assert len(processed.images) == 1


def test_masks_among_the_pictures_stay_where_they_are(host, job):
    """The host gives masks no infotext. Ours must stand at their pictures' places all the same."""
    p = job({**ON, "look": True})
    processed = host.processing.Processed(p, [])
    picture, mask = Image.new("RGB", (64, 64)), Image.new("RGB", (64, 64))
    picture.info["parameters"] = "of the picture"
    processed.images, processed.infotexts, processed.info = [picture, mask], ["of the picture"], "of the picture"
    processed.all_seeds, processed.index_of_first_image = [7], 0
    p.script_args = [0]
    seen = Run(Settings(), Wishes(look=True))
    seen.recorders["first pass"] = recorded()
    look.show(p, processed, seen)
    assert processed.images[:2] == [picture, mask]
    assert processed.infotexts == ["of the picture"] * 3
    assert processed.all_seeds == [7] * 3
    assert processed.images[2].info["parameters"] == "of the picture"


def recorded():
    """What a small job would have recorded."""
    recorder = Recorder()
    with attach(shared("SDXL"), Settings(), recorder):
        call(shared("SDXL"), *inputs())
    return recorder


@pytest.mark.parametrize(("option", "names"), [(False, []), (True, ["-freeu-look.png"])])
def test_a_plot_is_saved_only_if_the_option_says_so(host, job, monkeypatch, tmp_path, option, names):
    monkeypatch.setitem(host.shared.opts.data, "freeu_save_look", option)
    p = job({**ON, **BOTH})
    p.outpath_samples = str(tmp_path)
    run(host, p)
    saved = list(Path(tmp_path).iterdir())
    assert [path.name[-len("-freeu-look.png") :] for path in saved] == names
    assert all("FreeU b1: 1.5" in Image.open(path).info["parameters"] for path in saved)


def test_the_plot_says_what_the_numbers_are():
    red, grey = (look._burn([Image.new("RGB", (8, 8), colour)]) for colour in ("red", "#808080"))
    burnt = look_plot.burnt(red, grey)
    assert burnt == "Clipped pixels 100.0% (0.0% with FreeU off)\nSaturation 1.00 (0.00 with FreeU off)"
    assert look_plot.factors(Settings(b1=1.25, high1=0.5), 1) == "b 1.25, s 0.9, high 0.5"
    assert look_plot.factors(Settings(), 3) == "left alone"


# On the page


@pytest.fixture
def tab(page):
    """FreeU on, its inner accordion Look open."""
    small(page)
    tab = Tab(page)
    tab.open()
    tab.open("looks")
    return tab


def wish(page, name):
    return page.locator(f"#script_txt2img_freeu_{name} input")


def thumbnails(page):
    return page.locator("#txt2img_gallery .grid-wrap .thumbnail-item")


def test_both_are_off_at_first_and_a_picture_is_then_alone(page, tab):
    expect(wish(page, "look")).not_to_be_checked()
    expect(wish(page, "compare")).not_to_be_checked()
    tab.generate(1)
    expect(thumbnails(page)).to_have_count(1)
    expect(page.locator(".freeu-compare")).to_have_count(0)


def test_a_plot_is_in_the_gallery(page, tab):
    wish(page, "look").check()
    tab.generate(1)
    expect(thumbnails(page)).to_have_count(2)
    expect(page.locator(".freeu-compare")).to_have_count(0)


def clip(page):
    return page.locator(".freeu-compare-on").evaluate("image => getComputedStyle(image).clipPath")


def test_the_slider_is_moved_by_keyboard_and_mouse_and_goes_with_its_pictures(page, tab):
    wish(page, "compare").check()
    tab.generate(1)
    expect(thumbnails(page)).to_have_count(2)
    slider = page.get_by_role("slider", name="Edge between FreeU off, left, and FreeU on, right")
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
    drawn = [fetched(page, source).info["parameters"] for source in sources]
    assert ["FreeU b1" in text for text in drawn] == [False, True]
    first = set(sources)
    wish(page, "compare").uncheck()
    tab.generate(2)
    expect(page.locator(".freeu-compare")).to_have_count(0)
    wish(page, "compare").check()
    tab.generate(3)
    expect(page.locator(".freeu-compare")).to_have_count(1)
    assert first.isdisjoint(image.get_attribute("src") for image in page.locator(".freeu-compare img").all())


def fetched(page, source):
    return Image.open(io.BytesIO(page.request.get(source).body()))


def test_a_batch_has_a_slider_a_picture(page, tab):
    box = page.locator("#txt2img_batch_size input[type=number]")
    box.fill("2")
    box.press("Tab")
    wish(page, "look").check()
    wish(page, "compare").check()
    tab.generate(1)
    expect(page.locator(".freeu-compare input[type=range]")).to_have_count(2)
    expect(thumbnails(page)).to_have_count(5)


def test_pasting_leaves_them_alone_and_no_picture_tells_of_them(page, tab):
    wish(page, "look").check()
    text = tab.generate(1)
    assert "look" not in text.split("Steps:")[1]
    tab.paste("red apple\nSteps: 4, Sampler: Euler, CFG scale: 3, Seed: 5, Size: 64x64, FreeU b1: 1.2, FreeU s1: 0.6")
    expect(tab.number("b1")).to_have_value("1.2")
    expect(wish(page, "look")).to_be_checked()


@pytest.mark.parametrize("size", [(1400, 900), (390, 844)], ids=["desktop", "phone"])
def test_the_slider_stays_within_the_page(page, tab, size):
    wish(page, "compare").check()
    tab.generate(1)
    page.set_viewport_size({"width": size[0], "height": size[1]})
    page.wait_for_function("[...document.querySelectorAll('.freeu-compare img')].every((image) => image.naturalWidth)")
    expect(page.locator(".freeu-compare input")).to_be_visible()
    box = page.locator(".freeu-compare-pictures").bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= size[0]
    assert box["height"] == pytest.approx(box["width"], abs=2)
