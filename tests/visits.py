"""Visits to a page of the site in headless Chromium, with all that it asked for and all that it complained about."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, TypeAlias

from playwright.sync_api import Browser, Page, Request

Scheme: TypeAlias = Literal["light", "dark"]


class Visit:
    """A page being visited, in a window of a width, with or without scripts."""

    def __init__(self, browser: Browser, width: int = 1200, scheme: Scheme = "light", javascript: bool = True) -> None:
        size = {"width": width, "height": 900}
        self.context = browser.new_context(viewport=size, color_scheme=scheme, java_script_enabled=javascript)
        self.page: Page = self.context.new_page()
        self.asked: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("console", lambda m: self.complaints.append(m.text) if m.type in ("error", "warning") else None)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("requestfailed", self._failed)

    def _failed(self, request: Request) -> None:
        if request.failure != "net::ERR_ABORTED":  # a request that was dropped because the page moved on
            self.complaints.append(f"{request.url}: {request.failure}")

    def open(self, url: str, leads_to: str = "") -> Page:
        """Go to an address, or where it leads to, and wait until the mathematics there is set."""
        self.page.goto(url, wait_until="load")
        if leads_to:
            self.page.wait_for_url(leads_to)
        self.page.evaluate("() => window.MathJax && MathJax.startup && MathJax.startup.promise")
        return self.page

    def outside(self, base: str) -> list[str]:
        """What was asked for elsewhere than at the site."""
        return [url for url in self.asked if not url.startswith((base, "data:", "blob:"))]

    def __enter__(self) -> Visit:
        return self

    def __exit__(self, *_: object) -> None:
        self.context.close()


FACTS = """() => ({
  width: document.documentElement.scrollWidth,
  theme: document.documentElement.dataset.theme,
  filters: [...document.querySelectorAll("article img")].map((i) => getComputedStyle(i).filter),
  broken: [...document.querySelectorAll("article img")].filter((i) => !i.naturalWidth).map((i) => i.alt),
  controls: [...document.querySelectorAll(".text_html:has(img) .cadnet-widget")].map(
    (w) => getComputedStyle(w).colorScheme),
  formulas: document.querySelectorAll("mjx-container").length,
  misread: [...document.querySelectorAll("mjx-merror")].map((e) => e.textContent),
})"""


class Seen(NamedTuple):
    """Addresses elsewhere that a page asked for, errors and warnings of the browser, and what ``FACTS`` measures."""

    outside: list[str]
    complaints: list[str]
    facts: dict[str, Any]


def tour(browser: Browser, base: str, names: list[str], width: int, scheme: Scheme) -> dict[str, Seen]:
    """Visit pages, named without ending, one after the other; ``base`` is the site's address, without a slash."""
    found = {}
    for name in names:
        with Visit(browser, width, scheme) as visit:
            page = visit.open(f"{base}/{name}.html", "**/book/index.html" if name == "index" else "")
            facts = page.evaluate(FACTS)
            found[name] = Seen(visit.outside(base), visit.complaints, facts)
    return found
