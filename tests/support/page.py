"""The page in a browser: FreeU on one of its tabs."""

from __future__ import annotations

import io

import requests
from PIL import Image
from playwright.sync_api import Page, expect

from tests.support.waiting import SECONDS

SHORT, LONG = 10_000, 60_000
"""Milliseconds that the page, and that an image, may take on a busy machine."""

INFOTEXT = "red apple\nSteps: 10, Sampler: Euler, CFG scale: 3, Seed: 5, Size: 64x64, Model: emoji32"


def choose(page: Page, dropdown: str, name: str) -> None:
    """Choose `name` in a dropdown, given its selector."""
    page.locator(f"{dropdown} input").first.click()
    page.locator(f"ul.options [aria-label='{name}']").click()


class Tab:
    """FreeU on one tab of the page."""

    def __init__(self, page: Page, name: str = "txt2img") -> None:
        self.page, self.name = page, name
        self.accordion = page.locator(f"#script_{name}_freeu_enabled")
        self.status = self.accordion.locator(".freeu-status").first
        self.switch = page.locator(f"#script_{name}_freeu_enabled-visible-checkbox")
        self.preset = self._of("preset").locator("input")
        self.curve = self._of("curve").locator("input, textarea").first

    def _of(self, parameter: str):
        return self.page.locator(f"#script_{self.name}_freeu_{parameter}")

    def number(self, parameter: str):
        """Return the number box of a slider."""
        return self._of(parameter).locator("input[type=number]")

    def slider(self, parameter: str):
        """Return the handle of a slider."""
        return self._of(parameter).locator("input[type=range]")

    def set(self, parameter: str, value: str) -> None:
        """Type a number and leave its box."""
        self.number(parameter).fill(value)
        self.number(parameter).press("Tab")

    def open(self, accordion: str = "enabled") -> None:
        """Open an accordion. Opening the outer one turns FreeU on."""
        self._of(accordion).locator(".label-wrap").first.click()

    def choose_preset(self, name: str) -> None:
        choose(self.page, f"#script_{self.name}_freeu_preset", name)

    def paste(self, infotext: str) -> None:
        """Put an infotext into the prompt box and press the paste button."""
        self.page.locator(f"#{self.name}_prompt textarea, #{self.name}_prompt input").first.fill(infotext)
        self.page.locator(f"#{self.name}_paste").click()

    def generate(self, seed: int, expected: str = "Seed: {seed}, ") -> str:
        """Press Generate, wait until the text under the images contains `expected`, and return the text."""
        self.page.locator(f"#{self.name}_seed input").fill(str(seed))
        self.page.locator(f"#{self.name}_generate").click()
        results = self.page.locator(f"#{self.name}_results")
        expect(results).to_contain_text(expected.format(seed=seed), timeout=LONG)
        return results.inner_text()

    def image(self) -> Image.Image:
        """Return the first image of the gallery."""
        source = self.page.locator(f"#{self.name}_gallery img").first.get_attribute("src")
        return Image.open(io.BytesIO(requests.get(source, timeout=SECONDS).content))


def small(page):
    """Set a small size and few steps."""
    for name, value in (("width", "64"), ("height", "64"), ("steps", "4")):
        box = page.locator(f"#txt2img_{name} input[type=number]")
        box.fill(value)
        box.press("Tab")
