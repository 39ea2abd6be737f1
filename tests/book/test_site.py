"""The built site: complete, linked, in need of nothing from the net; then the same in a real browser.

All tests of the site are in this file, so that one worker builds it while the others go on.
"""

from __future__ import annotations

import functools
import http.server
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import build
import pages
import pytest
import yaml
from playwright.sync_api import Browser, Page, Request, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
WANTED = build.pages_of(yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8")))


def in_git() -> set[str]:
    command = ["git", "ls-files", "-co", "--exclude-standard"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return set(run.stdout.splitlines())


def test_site_has_no_problems(site: Path) -> None:
    assert pages.problems(site, WANTED) == []


def test_every_page_is_searchable(site: Path) -> None:
    assert pages.searchable(site) >= set(WANTED)


def test_colab_opens_a_notebook_of_the_repository(site: Path) -> None:
    links = pages.colab_links(site)
    chapters = {page for page in WANTED if (ROOT / f"{page}.ipynb").exists()}
    assert {page.removesuffix(".html") for page in links} == chapters
    assert set(links.values()) == {f"{page}.ipynb" for page in chapters} <= in_git()


def test_mathematics_comes_with_the_site(site: Path) -> None:
    assert "../_static/vendor/mathjax/tex-chtml.js" in (site / "book/notation.html").read_text(encoding="utf-8")
    vendor = site / "_static/vendor/mathjax"
    assert (vendor / "tex-chtml.js").exists()
    assert len(list((vendor / "output/chtml/fonts/woff-v2").glob("*.woff"))) > 10


def test_nothing_of_others_is_committed() -> None:
    assert not [path for path in in_git() if "vendor" in path or "mathjax" in path.lower()]


def test_unchanged_chapters_do_not_run_again(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The site was built a moment ago: a second build finds every executed chapter."""

    def run(path: Path) -> None:
        raise AssertionError(f"{path.name} would run again")

    monkeypatch.setattr(build, "execute", run)
    folders = build.Folders(ROOT, site.parent, ROOT / "_build" / "executed")
    notebooks = [path for page in WANTED if (path := ROOT / f"{page}.ipynb").exists()]
    assert set(build.execute_all(notebooks, folders, "smoke")) == set(notebooks)


def test_no_chapter_warns(site: Path) -> None:
    """What a chapter writes to stderr is kept off the pages; a progress bar is fine, a warning is a defect."""
    for path in sorted((ROOT / "_build" / "executed" / "smoke").glob("*.stderr.txt")):
        text = path.read_text(encoding="utf-8")
        assert "Warning" not in text, f"{path.name}:\n{text}"
        assert "Traceback" not in text, f"{path.name}:\n{text}"


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        yield started
        started.close()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def server(site: Path) -> Iterator[str]:
    """The address of a server of the site on this machine."""
    handler = functools.partial(_Quiet, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_address[1]}"
        running.shutdown()


class Visit:
    """A page being visited, with all that it asked for and all that it complained about."""

    def __init__(self, browser: Browser, width: int = 1200, scheme: Literal["light", "dark"] = "light") -> None:
        self.context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
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

    def open(self, url: str) -> Page:
        self.page.goto(url, wait_until="load")
        return self.page

    def __enter__(self) -> Visit:
        return self

    def __exit__(self, *_: object) -> None:
        self.context.close()


def settle(page: Page) -> None:
    """Wait until the mathematics of a page is set."""
    page.evaluate("() => window.MathJax && MathJax.startup && MathJax.startup.promise")


@pytest.mark.parametrize("over", ["http", "file"])
def test_pages_ask_the_net_for_nothing_and_complain_about_nothing(
    browser: Browser, site: Path, server: str, over: str
) -> None:
    base = server if over == "http" else site.as_uri()
    for name in ["index", *WANTED, "search", "genindex"]:
        with Visit(browser) as visit:
            page = visit.open(f"{base}/{name}.html")
            if name == "index":
                page.wait_for_url("**/book/index.html")
            settle(page)
            outside = [url for url in visit.asked if not url.startswith((base, "data:", "blob:"))]
            assert outside == [], name
            assert visit.complaints == [], name


def test_mathematics_is_set(browser: Browser, site: Path) -> None:
    with Visit(browser) as visit:
        page = visit.open((site / "book/notation.html").as_uri())
        settle(page)
        assert page.locator("mjx-container").count() > 30
        assert page.locator("mjx-merror").count() == 0


def test_phone_needs_no_sideways_scrolling(browser: Browser, site: Path) -> None:
    for name in WANTED:
        with Visit(browser, width=390) as visit:
            page = visit.open((site / f"{name}.html").as_uri())
            settle(page)
            width = page.evaluate("document.documentElement.scrollWidth")
            assert width <= 390, f"{name} is {width} pixels wide on a phone"


def test_pictures_keep_their_tones_at_night(browser: Browser, site: Path) -> None:
    seen = 0
    for name in WANTED:
        with Visit(browser, scheme="dark") as visit:
            page = visit.open((site / f"{name}.html").as_uri())
            assert page.evaluate("document.documentElement.dataset.theme") == "dark"
            filters = page.eval_on_selector_all("article img", "all => all.map(i => getComputedStyle(i).filter)")
            assert set(filters) <= {"none"}, name
            seen += len(filters)
    assert seen > 0


@pytest.mark.parametrize("over", ["http", "file"])
def test_search_finds_a_word(browser: Browser, site: Path, server: str, over: str) -> None:
    base = server if over == "http" else site.as_uri()
    with Visit(browser) as visit:
        page = visit.open(f"{base}/search.html?q=discriminator")
        page.wait_for_selector("#search-results li a", timeout=20_000)
        found = page.eval_on_selector_all("#search-results li a", "all => all.map(a => a.getAttribute('href'))")
        assert any("book/notation.html" in link for link in found)
        assert [url for url in visit.asked if not url.startswith((base, "data:"))] == []


def test_players_move_by_keyboard(browser: Browser, site: Path) -> None:
    """Every slider of every page: an arrow key moves it, and what it says aloud changes with it."""
    moved = 0
    for name in WANTED:
        with Visit(browser) as visit:
            page = visit.open((site / f"{name}.html").as_uri())
            for slider in page.locator("article input[type=range]:visible").all():
                slider.focus()
                before = slider.input_value(), slider.get_attribute("aria-valuetext")
                page.keyboard.press("ArrowRight")
                after = slider.input_value(), slider.get_attribute("aria-valuetext")
                assert slider.get_attribute("aria-label"), name
                assert before[0] != after[0], name
                assert before[1] != after[1], name
                moved += 1
            assert visit.complaints == [], name
    assert moved > 0 or not any("chapters/" in name for name in WANTED), "no chapter has a player"


def test_pictures_are_there(browser: Browser, site: Path) -> None:
    for name in WANTED:
        with Visit(browser) as visit:
            page = visit.open((site / f"{name}.html").as_uri())
            images = page.locator("article img").all()
            broken = [image.get_attribute("alt") for image in images if not image.evaluate("i => i.naturalWidth")]
            assert broken == [], name
