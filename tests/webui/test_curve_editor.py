"""The curve editor in Chromium, with the stand-in host and real gradio: by mouse, touch and keyboard."""

from contextlib import contextmanager

import pytest
from playwright.sync_api import Page, expect

import freeu
from tests.support.page import INFOTEXT, SHORT, Tab, small

CURVES = {
    "Constant": "0:1, 1:1",
    "Early only": "0:1, 0.4:1, 0.5:0, 1:0",
    "Late only": "0:0, 0.5:0, 0.6:1, 1:1",
    "Fade in": "0:0, 1:1",
    "Fade out": "0:1, 1:0",
    "Triangle": "0:0, 0.5:1, 1:0",
}


class Editor(Tab):
    """The curve editor on one tab, with its accordions open. Coordinates are progress and strength."""

    def __init__(self, page: Page, name: str = "txt2img") -> None:
        super().__init__(page, name)
        self.box = self.accordion.locator(".freeu-editor")
        self.graph = self.box.locator("svg")
        self.handles = self.box.get_by_role("slider")
        self.dots = self.box.locator(".freeu-dot")
        self.readout = self.box.locator(".freeu-readout")
        self.open()
        self.open("schedule")
        expect(self.status).not_to_be_empty()
        self.graph.scroll_into_view_if_needed()

    def button(self, label: str):
        return self.box.get_by_role("button", name=label, exact=True)

    def _plot(self) -> dict[str, float]:
        """Return the position of the plot, from its lines of strength 0 and 1."""
        return self.box.evaluate(
            """box => {
                const lines = [...box.querySelectorAll(".freeu-grid")].map(line => line.getBoundingClientRect());
                const {left, width, top} = lines[0];
                return {left, width, floor: top, height: top - lines.at(-1).top};
            }"""
        )

    def at(self, progress: float, strength: float) -> tuple[int, int]:
        """Return a point's position on the page in whole pixels, as a mouse has."""
        plot = self._plot()
        return round(plot["left"] + progress * plot["width"]), round(plot["floor"] - strength * plot["height"])

    def strengths(self) -> list[float]:
        """Return the strengths shown by the heights of the dots."""
        plot = self._plot()
        boxes = self.dots.evaluate_all("dots => dots.map(dot => dot.getBoundingClientRect())")
        return [(plot["floor"] - box["y"] - box["height"] / 2) / plot["height"] for box in boxes]

    def expect_strengths(self, steps: int, **settings) -> None:
        """Wait until the dots show the strengths that the core computes."""
        expected = [freeu.strength(freeu.Settings(**settings), step, steps) for step in range(steps)]
        expect(self.dots).to_have_count(steps)
        for _ in range(SHORT // 50):
            if self.strengths() == pytest.approx(expected, abs=0.01):
                return
            self.page.wait_for_timeout(50)
        assert self.strengths() == pytest.approx(expected, abs=0.01)

    def expect_curve(self, text: str, steps: int = 20) -> None:
        """Wait for the text in the box, a handle for each point, and the strengths from the server."""
        expect(self.curve).to_have_value(text)
        expect(self.handles).to_have_count(text.count(":"))
        self.expect_strengths(steps, curve=text)

    def drag(self, start: tuple[float, float], *path: tuple[float, float]) -> None:
        mouse = self.page.mouse
        mouse.move(*self.at(*start))
        mouse.down()
        for point in path:
            mouse.move(*self.at(*point), steps=4)
        mouse.up()


@pytest.fixture
def visit(browser, playground):
    """Return a function that opens the page in a context of its own. Errors on the page fail the test."""
    errors = []

    @contextmanager
    def visit(query="", **options):
        context = browser.new_context(**{"viewport": {"width": 1400, "height": 1400}, **options})
        page = context.new_page()
        page.set_default_timeout(SHORT)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(playground.url + query)
        page.wait_for_selector("#script_txt2img_freeu_enabled-visible-checkbox")
        yield page
        context.close()

    yield visit
    assert errors == []


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


def test_the_graph_follows_all_sliders_and_the_steps(page, editor):
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


def test_the_graph_shows_the_last_of_many_quick_changes(page, editor):
    """gradio 3 drops events while it waits for an answer."""
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


def test_the_graph_follows_the_text(editor):
    for text in ("0:0, 1:1", "0.5:0.5", "0:0, 0.2:1, 0.8:1, 1:0"):
        editor.curve.fill(text)
        editor.expect_curve(text)
    editor.curve.fill("1:0,.5:1,,0:0")
    expect(editor.handles).to_have_count(3)
    editor.expect_strengths(20, curve="0:0, 0.5:1, 1:0")
    expect(editor.curve).to_have_value("1:0,.5:1,,0:0")


def test_an_invalid_text_shows_an_error_and_no_handles(page, editor):
    editor.curve.fill("0:0, 2:1")
    expect(editor.readout).to_contain_text("curve must be empty or points progress:strength")
    expect(editor.handles).to_have_count(0)
    expect(editor.dots).to_have_count(0)
    page.mouse.click(*editor.at(0.5, 0.5))
    expect(editor.curve).to_have_value("0:0, 2:1")
    editor.curve.fill("0:0, 0.2:1")
    editor.expect_curve("0:0, 0.2:1")


@pytest.mark.parametrize(("label", "text"), CURVES.items())
def test_the_buttons_set_a_curve(editor, label, text):
    editor.button(label).click()
    editor.expect_curve(text)
    expect(editor.button(label)).to_have_attribute("aria-pressed", "true")


def test_without_a_curve_the_sliders_apply_again(editor):
    editor.set("stop", "0.5")
    expect(editor.button("Clear")).to_be_disabled()
    editor.button("Fade in").click()
    editor.expect_curve("0:0, 1:1")
    editor.button("Clear").click()
    expect(editor.curve).to_have_value("")
    editor.expect_strengths(20, stop=0.5)


def test_mouse(page, editor):
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


def test_clicking_a_point_changes_nothing(page, editor):
    editor.curve.fill("0:0, 0.123:1, 1:0")
    editor.expect_curve("0:0, 0.123:1, 1:0")
    page.mouse.click(*editor.at(0.123, 0.99))
    expect(editor.handles.nth(1)).to_be_focused()
    editor.expect_curve("0:0, 0.123:1, 1:0")


def test_the_schedule_of_the_sliders_can_be_edited_as_a_curve(page, editor):
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


def test_keyboard(page, editor):
    editor.button("Triangle").click()
    editor.expect_curve("0:0, 0.5:1, 1:0")
    page.keyboard.press("Tab")
    for _ in range(20):
        if page.evaluate("document.activeElement.matches('.freeu-handle')"):
            break
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


def test_touch(visit):
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
    """Swipe with a finger, by touch events of the device."""
    device = page.context.new_cdp_session(page)
    for i in range(9):
        x, y = (a + (b - a) * i / 8 for a, b in zip(start, end, strict=True))
        device.send(
            "Input.dispatchTouchEvent",
            {"type": "touchMove" if i else "touchStart", "touchPoints": [{"x": x, "y": y}]},
        )
        page.wait_for_timeout(20)
    device.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def test_a_swipe_outside_the_points_scrolls_the_page(visit):
    phone = {"viewport": {"width": 400, "height": 700}, "has_touch": True, "is_mobile": True}
    with visit(**phone) as page:
        editor = Editor(page)
        scrolled = page.evaluate("scrollY")
        x, y = editor.at(0.5, 0.8)
        swipe(page, (x, y), (x, y - 150))
        page.wait_for_function(f"scrollY > {scrolled} + 50")
        expect(editor.curve).to_have_value("")


def test_the_axis_of_the_noise_clock_is_the_timestep(editor):
    editor.button("Fade in").click()
    editor.page.locator("#script_txt2img_freeu_clock label", has_text="noise").click()
    expect(editor.graph).to_contain_text("noise left (timestep)")
    expect(editor.dots).to_have_count(0)
    expect(editor.box.locator(".freeu-area")).to_have_count(1)
    expect(editor.graph.locator("text", has_text="999")).to_be_visible()
    editor.page.mouse.move(*editor.at(0.5, 0.9))
    expect(editor.readout).to_contain_text("timestep 495: strength 0.504")


def test_img2img_has_its_own_graph_in_percent(page):
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


def test_texts(page, editor):
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


def test_texts_in_another_language(visit):
    """The editor asks the host's script for translations."""
    with visit() as page:
        page.evaluate(
            """window.getTranslation = text => ({
                "step {at} of {last}: strength {strength}": "Schritt {at} von {last}: Stärke {strength}",
            })[text]"""
        )
        editor = Editor(page)
        editor.button("Fade in").click()
        expect(editor.handles.nth(1)).to_have_attribute("aria-valuetext", "Schritt 20 von 20: Stärke 1")


def test_the_curve_of_a_pasted_image_is_drawn(editor):
    editor.paste(f'{INFOTEXT}, FreeU b1: 1.2, FreeU curve: "0:0, 0.5:1, 1:0"')
    editor.expect_curve("0:0, 0.5:1, 1:0", steps=10)


def test_an_image_stores_the_drawn_curve(page, editor):
    small(page)
    editor.expect_strengths(4)
    page.mouse.click(*editor.at(0.5, 0.25))
    editor.expect_curve("0:1, 0.5:0.25, 1:1", steps=4)
    assert 'FreeU curve: "0:1, 0.5:0.25, 1:1"' in editor.generate(1)
    assert 'FreeU curve: "0:1, 0.5:0.25, 1:1"' in editor.image().info["parameters"]


def luminance(css):
    """Return the mean of the channels of a color such as "rgb(1, 2, 3)"."""
    return sum(float(part) for part in css.removeprefix("rgb(").removesuffix(")").split(",")[:3]) / 3


@pytest.mark.parametrize(("theme", "dark"), [("light", False), ("dark", True)])
def test_the_texts_are_readable_in_both_themes(visit, theme, dark):
    with visit(f"/?__theme={theme}") as page:
        editor = Editor(page)
        for part, property_name in (("svg text", "fill"), (".freeu-readout", "color")):
            color = editor.box.evaluate(f"box => getComputedStyle(box.querySelector('{part}')).{property_name}")
            assert (luminance(color) > 160) is dark


@pytest.mark.parametrize("width", [320, 360])
def test_the_editor_fits_a_narrow_page(visit, width):
    with visit(viewport={"width": width, "height": 800}) as page:
        editor = Editor(page)
        set_steps(page, 150)
        editor.button("Triangle").click()
        editor.expect_curve("0:0, 0.5:1, 1:0", steps=150)
        editor_box = editor.box.bounding_box()
        assert editor_box["x"] >= 0
        assert editor_box["x"] + editor_box["width"] <= width
        for part in editor.box.locator("button, text, .freeu-handle circle:last-child").all():
            box = part.bounding_box()
            assert box["x"] >= editor_box["x"]
            assert box["x"] + box["width"] <= editor_box["x"] + editor_box["width"]
