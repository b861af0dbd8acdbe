"""The curve editor in Chromium, on the playground's host and real gradio: by mouse, touch and keyboard."""

from contextlib import contextmanager

import pytest
from playwright.sync_api import Page, expect

import freeu
from tests.webui.test_browser import INFOTEXT, SHORT, Tab, small

CURVES = {
    "Constant": "0:1, 1:1",
    "Early only": "0:1, 0.4:1, 0.5:0, 1:0",
    "Late only": "0:0, 0.5:0, 0.6:1, 1:1",
    "Fade in": "0:0, 1:1",
    "Fade out": "0:1, 1:0",
    "Triangle": "0:0, 0.5:1, 1:0",
}


class Editor(Tab):
    """The graph on one tab, with its accordions open, in progress and strength."""

    def __init__(self, page: Page, name: str = "txt2img") -> None:
        super().__init__(page, name)
        self.place = self.accordion.locator(".freeu-editor")
        self.graph = self.place.locator("svg")
        self.handles = self.place.get_by_role("slider")
        self.dots = self.place.locator(".freeu-dot")
        self.readout = self.place.locator(".freeu-readout")
        self.open()
        self.open("schedule")
        expect(self.status).not_to_be_empty()
        self.graph.scroll_into_view_if_needed()

    def button(self, label: str):
        return self.place.get_by_role("button", name=label, exact=True)

    def _plot(self) -> dict[str, float]:
        """The plot by its grid: the lines of strength 0 and 1."""
        return self.place.evaluate(
            """place => {
                const lines = [...place.querySelectorAll(".freeu-grid")].map(line => line.getBoundingClientRect());
                const {left, width, top} = lines[0];
                return {left, width, floor: top, height: top - lines.at(-1).top};
            }"""
        )

    def at(self, progress: float, strength: float) -> tuple[int, int]:
        """Where that is on the page, in whole pixels, as a mouse has it."""
        plot = self._plot()
        return round(plot["left"] + progress * plot["width"]), round(plot["floor"] - strength * plot["height"])

    def shown(self) -> list[float]:
        """The strengths by the height of the dots."""
        plot = self._plot()
        boxes = self.dots.evaluate_all("dots => dots.map(dot => dot.getBoundingClientRect())")
        return [(plot["floor"] - box["y"] - box["height"] / 2) / plot["height"] for box in boxes]

    def expect_strengths(self, steps: int, **settings) -> None:
        """The dots come to stand where the core says."""
        wanted = [freeu.strength(freeu.Settings(**settings), step, steps) for step in range(steps)]
        expect(self.dots).to_have_count(steps)
        for _ in range(SHORT // 50):
            if self.shown() == pytest.approx(wanted, abs=0.01):
                return
            self.page.wait_for_timeout(50)
        assert self.shown() == pytest.approx(wanted, abs=0.01)

    def expect_curve(self, text: str, steps: int = 20) -> None:
        """The box has the text, the points are its, and the server drew it."""
        expect(self.curve).to_have_value(text)
        expect(self.handles).to_have_count(text.count(":"))
        self.expect_strengths(steps, curve=text)

    def drag(self, start: tuple[float, float], *path: tuple[float, float]) -> None:
        mouse = self.page.mouse
        mouse.move(*self.at(*start))
        mouse.down()
        for place in path:
            mouse.move(*self.at(*place), steps=4)
        mouse.up()


@pytest.fixture
def visit(browser, playground):
    """Opens the page in a context of one's own; no error may happen there."""
    broken = []

    @contextmanager
    def visit(query="", **options):
        context = browser.new_context(**{"viewport": {"width": 1400, "height": 1400}, **options})
        page = context.new_page()
        page.set_default_timeout(SHORT)
        page.on("pageerror", lambda error: broken.append(str(error)))
        page.goto(playground.url + query)
        page.wait_for_selector("#script_txt2img_freeu_enabled-visible-checkbox")
        yield page
        context.close()

    yield visit
    assert broken == []


@pytest.fixture
def page(visit):
    with visit() as page:
        yield page


@pytest.fixture
def editor(page):
    return Editor(page)


def set_steps(page, steps):
    box = page.locator("#txt2img_steps input[type=number]")
    box.fill(str(steps))
    box.press("Tab")


def test_it_follows_every_slider_and_the_steps(page, editor):
    editor.expect_strengths(20)
    editor.set("start", "0.2")
    editor.expect_strengths(20, start=0.2)
    editor.set("stop", "0.7")
    editor.expect_strengths(20, start=0.2, stop=0.7)
    editor.set("smoothness", "0.5")
    editor.expect_strengths(20, start=0.2, stop=0.7, smoothness=0.5)
    set_steps(page, 7)
    editor.expect_strengths(7, start=0.2, stop=0.7, smoothness=0.5)
    set_steps(page, 1)
    editor.expect_strengths(1, start=0.2, stop=0.7, smoothness=0.5)


def test_it_follows_to_the_end_of_a_quick_hand(page, editor):
    """gradio 3 drops what happens while it waits for an answer."""
    editor.slider("start").focus()
    for _ in range(40):
        page.keyboard.press("ArrowRight")
    expect(editor.number("start")).to_have_value("0.4")
    editor.expect_strengths(20, start=0.4)
    expect(editor.status).to_contain_text("steps 9 to 20 of 20")
    page.locator("#txt2img_steps input[type=range]").focus()
    for _ in range(10):
        page.keyboard.press("ArrowLeft")
    editor.expect_strengths(10, start=0.4)


def test_it_follows_the_text(editor):
    for text in ("0:0, 1:1", "0.5:0.5", "0:0, 0.2:1, 0.8:1, 1:0"):
        editor.curve.fill(text)
        editor.expect_curve(text)
    editor.curve.fill("1:0,.5:1,,0:0")
    expect(editor.handles).to_have_count(3)
    editor.expect_strengths(20, curve="0:0, 0.5:1, 1:0")
    expect(editor.curve).to_have_value("1:0,.5:1,,0:0")


def test_a_wrong_text_is_told_and_offers_nothing_to_drag(page, editor):
    editor.curve.fill("0:0, 2:1")
    expect(editor.readout).to_contain_text("curve: '0:0, 2:1' is not allowed")
    expect(editor.handles).to_have_count(0)
    expect(editor.dots).to_have_count(0)
    page.mouse.click(*editor.at(0.5, 0.5))
    expect(editor.curve).to_have_value("0:0, 2:1")
    editor.curve.fill("0:0, 0.2:1")
    editor.expect_curve("0:0, 0.2:1")


@pytest.mark.parametrize(("label", "text"), CURVES.items())
def test_a_ready_made_curve(editor, label, text):
    editor.button(label).click()
    editor.expect_curve(text)
    expect(editor.button(label)).to_have_attribute("aria-pressed", "true")


def test_clearing_gives_the_run_back_to_the_sliders(editor):
    editor.set("stop", "0.5")
    expect(editor.button("Clear")).to_be_disabled()
    editor.button("Fade in").click()
    editor.expect_curve("0:0, 1:1")
    editor.button("Clear").click()
    expect(editor.curve).to_have_value("")
    editor.expect_strengths(20, stop=0.5)


def test_by_mouse(page, editor):
    page.mouse.click(*editor.at(0.5, 0.25))
    editor.expect_curve("0:1, 0.5:0.25, 1:1")
    editor.drag((0.5, 0.25), (0.8, 0.6))
    editor.expect_curve("0:1, 0.8:0.6, 1:1")
    editor.drag((0, 1), (0, -0.1))
    editor.expect_curve("0:0, 0.8:0.6, 1:1")
    page.mouse.dblclick(*editor.at(0.8, 0.6))
    editor.expect_curve("0:0, 1:1")
    editor.drag((1, 1), (1, 3))
    editor.expect_curve("0:0")


def test_a_dragged_point_stays_between_its_neighbours(editor):
    editor.button("Triangle").click()
    editor.expect_curve("0:0, 0.5:1, 1:0")
    editor.drag((0.5, 1), (1.02, 0.9))
    editor.expect_curve("0:0, 0.999:0.9, 1:0")


def test_pressing_a_point_changes_nothing(page, editor):
    editor.curve.fill("0:0, 0.123:1, 1:0")
    editor.expect_curve("0:0, 0.123:1, 1:0")
    page.mouse.click(*editor.at(0.123, 0.99))
    expect(editor.handles.nth(1)).to_be_focused()
    editor.expect_curve("0:0, 0.123:1, 1:0")


def test_what_the_sliders_make_is_a_curve_to_start_from(page, editor):
    editor.set("start", "0.2")
    editor.set("stop", "0.8")
    editor.expect_strengths(20, start=0.2, stop=0.8)
    expect(editor.handles).to_have_count(6)
    page.mouse.click(*editor.at(0.5, 0.5))
    text = "0:0, 0.158:0, 0.21:1, 0.5:0.5, 0.79:1, 0.842:0, 1:0"
    editor.expect_curve(text)
    page.mouse.dblclick(*editor.at(0.5, 0.5))
    editor.expect_curve(text.replace("0.5:0.5, ", ""))
    editor.expect_strengths(20, start=0.2, stop=0.8)


def test_by_keyboard(page, editor):
    editor.button("Triangle").click()
    editor.expect_curve("0:0, 0.5:1, 1:0")
    page.keyboard.press("Tab")
    while not page.evaluate("document.activeElement.matches('.freeu-handle')"):
        page.keyboard.press("Tab")
    expect(editor.handles.first).to_be_focused()
    page.keyboard.press("Tab")
    for key in ("ArrowLeft", "Shift+ArrowLeft", "ArrowDown", "Shift+ArrowDown", "ArrowUp", "Shift+ArrowRight"):
        page.keyboard.press(key)
    editor.expect_curve("0:0, 0.49:0.9, 1:0")
    expect(editor.handles.nth(1)).to_be_focused()
    page.keyboard.press("Enter")
    editor.expect_curve("0:0, 0.49:0.9, 0.745:0.45, 1:0")
    expect(editor.handles.nth(2)).to_be_focused()
    page.keyboard.press("Delete")
    editor.expect_curve("0:0, 0.49:0.9, 1:0")
    page.keyboard.press("Delete")
    page.keyboard.press("Delete")
    editor.expect_curve("0:0")
    for _ in range(3):
        page.keyboard.press("Control+z")
    editor.expect_curve("0:0, 0.49:0.9, 0.745:0.45, 1:0")


def test_by_touch(visit):
    phone = {"viewport": {"width": 400, "height": 700}, "has_touch": True, "is_mobile": True}
    with visit(**phone) as page:
        editor = Editor(page)
        page.touchscreen.tap(*editor.at(0.5, 0.25))
        editor.expect_curve("0:1, 0.5:0.25, 1:1")
        scrolled = page.evaluate("scrollY")
        swipe(page, editor.at(0.5, 0.25), editor.at(0.3, 0.75))
        expect(editor.curve).to_have_value("0:1, 0.3:0.75, 1:1")
        assert page.evaluate("scrollY") == scrolled
        swipe(page, editor.at(0.3, 0.75), editor.at(0.3, 3))
        editor.expect_curve("0:1, 1:1")


def swipe(page, start, end):
    """A finger, as the browser gets it from the device."""
    device = page.context.new_cdp_session(page)
    for i in range(9):
        x, y = (a + (b - a) * i / 8 for a, b in zip(start, end, strict=True))
        device.send(
            "Input.dispatchTouchEvent",
            {"type": "touchMove" if i else "touchStart", "touchPoints": [{"x": x, "y": y}]},
        )
        page.wait_for_timeout(20)
    device.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def test_a_finger_beside_the_points_scrolls_the_page(visit):
    phone = {"viewport": {"width": 400, "height": 700}, "has_touch": True, "is_mobile": True}
    with visit(**phone) as page:
        editor = Editor(page)
        scrolled = page.evaluate("scrollY")
        x, y = editor.at(0.5, 0.8)
        swipe(page, (x, y), (x, y - 150))
        page.wait_for_function(f"scrollY > {scrolled} + 50")
        expect(editor.curve).to_have_value("")


def test_the_noise_clocks_axis_says_so(editor):
    editor.button("Fade in").click()
    editor.page.locator("#script_txt2img_freeu_clock label", has_text="noise").click()
    expect(editor.graph).to_contain_text("noise left (timestep)")
    expect(editor.dots).to_have_count(0)
    expect(editor.place.locator(".freeu-area")).to_have_count(1)
    expect(editor.graph.locator("text", has_text="999")).to_be_visible()
    editor.page.mouse.move(*editor.at(0.5, 0.9))
    expect(editor.readout).to_contain_text("timestep 495: strength 0.504")


def test_img2img_has_a_graph_of_its_own_in_per_cent(page):
    editor = Editor(page)
    page.locator("#tabs > .tab-nav button", has_text="img2img").click()
    other = Editor(page, "img2img")
    expect(other.graph).to_contain_text("% of the run")
    expect(other.dots).to_have_count(0)
    other.button("Fade out").click()
    expect(other.curve).to_have_value("0:1, 1:0")
    expect(editor.curve).to_have_value("")
    other.page.mouse.move(*other.at(0.5, 0.9))
    expect(other.readout).to_contain_text("at 50.5 % of the run: strength 0.495")


def test_words(page, editor):
    editor.curve.fill("0:0, 1:1")
    editor.expect_curve("0:0, 1:1")
    page.mouse.move(*editor.at(3 / 19, 0.5))
    expect(editor.readout).to_have_text("step 4 of 20: strength 0.158")
    page.mouse.move(0, 0)
    expect(editor.readout).to_be_empty()
    expect(editor.graph).to_have_attribute(
        "aria-label", "FreeU's strength over the run; step 1 of 20: strength 0; step 20 of 20: strength 1"
    )
    expect(editor.handles.first).to_have_attribute("aria-label", "Point 1 of 2")
    expect(editor.handles.first).to_have_attribute("aria-valuetext", "step 1 of 20: strength 0")


def test_words_in_another_language(visit):
    """By the WebUI's own mechanism: what its script looks up in the chosen localisation."""
    with visit() as page:
        page.evaluate(
            """window.getTranslation = text => ({
                "step {at} of {last}: strength {strength}": "Schritt {at} von {last}: Stärke {strength}",
            })[text]"""
        )
        editor = Editor(page)
        editor.button("Fade in").click()
        expect(editor.handles.nth(1)).to_have_attribute("aria-valuetext", "Schritt 20 von 20: Stärke 1")


def test_a_pasted_pictures_curve_is_drawn(editor):
    editor.paste(f'{INFOTEXT}, FreeU b1: 1.2, FreeU curve: "0:0, 0.5:1, 1:0"')
    editor.expect_curve("0:0, 0.5:1, 1:0", steps=10)


def test_a_picture_holds_the_curve_that_was_drawn(page, editor):
    small(page)
    editor.expect_strengths(4)
    page.mouse.click(*editor.at(0.5, 0.25))
    editor.expect_curve("0:1, 0.5:0.25, 1:1", steps=4)
    assert 'FreeU curve: "0:1, 0.5:0.25, 1:1"' in editor.generate(1)
    assert 'FreeU curve: "0:1, 0.5:0.25, 1:1"' in editor.picture().info["parameters"]


def luminance(css):
    """Of "rgb(1, 2, 3)"."""
    return sum(float(part) for part in css.removeprefix("rgb(").removesuffix(")").split(",")[:3]) / 3


@pytest.mark.parametrize(("theme", "dark"), [("light", False), ("dark", True)])
def test_its_words_can_be_read_in_both_themes(visit, theme, dark):
    with visit(f"/?__theme={theme}") as page:
        editor = Editor(page)
        for part, colour in (("svg text", "fill"), (".freeu-readout", "color")):
            drawn = editor.place.evaluate(f"place => getComputedStyle(place.querySelector('{part}')).{colour}")
            assert (luminance(drawn) > 160) is dark


@pytest.mark.parametrize("width", [320, 360])
def test_a_narrow_page_has_room_for_it(visit, width):
    with visit(viewport={"width": width, "height": 800}) as page:
        editor = Editor(page)
        set_steps(page, 150)
        editor.button("Triangle").click()
        editor.expect_curve("0:0, 0.5:1, 1:0", steps=150)
        place = editor.place.bounding_box()
        assert place["x"] >= 0
        assert place["x"] + place["width"] <= width
        for part in editor.place.locator("button, text, .freeu-handle circle:last-child").all():
            box = part.bounding_box()
            assert box["x"] >= place["x"]
            assert box["x"] + box["width"] <= place["x"] + place["width"]
