"""The built site: complete, linked, in need of nothing from the net; then the same in a real browser.

Every test looks at every page of the table of contents. A page is opened once in each of four ways (``tour``), and the
tests read what was seen.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import build
import pages
import pytest
import yaml
from playwright.sync_api import Browser, Locator, Page
from visits import Scheme, Seen, Visit, tour

ROOT = Path(__file__).resolve().parents[2]
WANTED = build.pages_of(yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8")))
MORE = ["index", "search", "genindex"]  # pages that no table of contents names
WAYS: dict[str, tuple[str, int, Scheme]] = {
    "http": ("http", 1200, "light"),
    "file": ("file", 1200, "light"),
    "phone": ("file", 390, "light"),
    "dark": ("file", 1200, "dark"),
}


def in_git() -> set[str]:
    run = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(run.stdout.splitlines())


def test_site_has_no_problems(site: Path) -> None:
    assert pages.problems(site, WANTED) == []
    assert pages.searchable(site) >= set(WANTED)


def test_colab_opens_a_notebook_of_the_repository_and_nothing_of_others_is_committed(site: Path) -> None:
    links, committed = pages.colab_links(site), in_git()
    chapters = {page for page in WANTED if (ROOT / f"{page}.ipynb").exists()}
    assert {page.removesuffix(".html") for page in links} == chapters
    assert set(links.values()) == {f"{page}.ipynb" for page in chapters} <= committed
    assert not [path for path in committed if "vendor" in path or "mathjax" in path.lower()]


def test_no_chapter_warns(site: Path) -> None:
    """What a chapter writes to stderr is kept off the pages; a progress bar is fine, a warning is a defect."""
    for path in sorted((ROOT / "_build" / "executed" / "smoke").glob("*.stderr.txt")):
        text = path.read_text(encoding="utf-8")
        assert "Warning" not in text, f"{path.name}:\n{text}"
        assert "Traceback" not in text, f"{path.name}:\n{text}"


@pytest.fixture(scope="module")
def seen(browser: Browser, site: Path, server: str) -> Callable[[str], dict[str, Seen]]:
    """What every page looks like in a way of looking at it; asked once, then remembered."""
    known: dict[str, dict[str, Seen]] = {}

    def look(way: str) -> dict[str, Seen]:
        if way not in known:
            over, width, scheme = WAYS[way]
            base = server if over == "http" else site.as_uri()
            known[way] = tour(browser, base, [*MORE, *WANTED], width, scheme)
        return known[way]

    return look


@pytest.mark.parametrize("way", WAYS)
def test_pages_ask_the_net_for_nothing_show_every_picture_and_complain_about_nothing(seen: Callable, way: str) -> None:
    found = seen(way)
    faults = {name: [*page.outside, *page.complaints, *page.facts["broken"]] for name, page in found.items()}
    assert {name: some for name, some in faults.items() if some} == {}
    assert found.keys() >= set(WANTED)


def test_mathematics_is_set(seen: Callable) -> None:
    found = seen("file")
    assert found["book/notation"].facts["formulas"] > 30
    assert {name: page.facts["misread"] for name, page in found.items() if page.facts["misread"]} == {}


def test_phone_needs_no_sideways_scrolling(seen: Callable) -> None:
    wide = {name: page.facts["width"] for name, page in seen("phone").items() if page.facts["width"] > 390}
    assert wide == {}, "wider than a phone, which has 390 pixels"


def test_pictures_keep_their_tones_and_controls_on_a_white_plate_are_light_at_night(seen: Callable) -> None:
    found = seen("dark")
    assert {found[name].facts["theme"] for name in WANTED} == {"dark"}
    filters = {name: set(found[name].facts["filters"]) for name in WANTED}
    assert {name: kinds for name, kinds in filters.items() if kinds - {"none"}} == {}
    assert any(filters.values())
    schemes = {name: set(page.facts["controls"]) for name, page in found.items()}
    assert set().union(*schemes.values()) == {"light"}, schemes


@pytest.mark.parametrize(("over", "names"), [("http", ["book/notation"]), ("file", WANTED)])
def test_search_finds_a_page_by_its_title(browser: Browser, site: Path, server: str, over: str, names: list) -> None:
    base = server if over == "http" else site.as_uri()
    with Visit(browser) as visit:
        for name in names:
            heading = pages.parsed(site / f"{name}.html").select_one("article h1")
            assert heading, name
            words = re.findall(r"[^\W\d_]{3,}", heading.get_text())
            assert name in search(visit.page, base, "+".join(words), name), words
        assert visit.outside(base) == []


def search(page: Page, base: str, words: str, wanted: str) -> set[str]:
    """Ask the site's search; return the pages that it names, waiting for the one wanted."""
    page.goto(f"{base}/search.html?q={words}")
    page.wait_for_selector(f'#search-results li a[href*="{wanted}.html"]', timeout=20_000)
    links = page.eval_on_selector_all("#search-results li a", "all => all.map(a => a.getAttribute('href'))")
    return {link.partition(".html")[0].removeprefix("./") for link in links}


# ------------------------------------------------------------------------------------------------- players, by keyboard
def said(widget: Locator) -> str:
    """All that a player tells somebody who does not see it: texts of pictures in sight, words, and its slider's."""
    return widget.evaluate("""(root) => {
      const shown = [...root.querySelectorAll("img")].filter((i) => getComputedStyle(i).visibility !== "hidden");
      const sliders = [...root.querySelectorAll("input[type=range]")];
      const words = [...root.querySelectorAll("[aria-live], .cw-value")].map((e) => e.textContent);
      return [...shown.map((i) => i.alt), ...words, ...sliders.map((s) => s.getAttribute("aria-valuetext"))].join("|");
    }""")


def press(page: Page, widget: Locator) -> None:
    """An arrow key on each slider, choice and menu of a widget changes it, and what the widget tells."""
    label = "one => one.type === 'radio' ? one.parentNode.textContent : one.value"
    for control in widget.locator("input[type=range]:visible, fieldset:visible, select:visible").all():
        if control.evaluate("one => one.querySelectorAll('input, option').length === 1"):
            continue
        many = control.locator("input").count() > 0
        chosen = control.locator("input:checked") if many else control
        chosen.focus()
        before, was = said(widget), chosen.evaluate(label)
        page.keyboard.press("ArrowDown" if control.locator("option").count() else "ArrowRight")
        chosen = control.locator("input:checked") if many else control
        assert chosen.evaluate(label) != was
        assert said(widget) != before
        assert many or control.get_attribute("aria-label") or control.locator("option").count()


def answer(page: Page, widget: Locator) -> None:
    outcomes = set()
    for button in widget.locator(".cw-answers button:visible").all():
        button.focus()
        page.keyboard.press("Enter")
        outcomes.add(widget.locator("[aria-live]").inner_text()[0])
    assert outcomes == {"✓", "✗"}, "one answer is right, the others are not"


def test_everything_to_play_with_works_by_keyboard(browser: Browser, site: Path) -> None:
    """Each player, choice and quiz of each page: keys change it, and what it tells changes with it."""
    played = set()
    for name in WANTED:
        if "cadnet-widget" not in (site / f"{name}.html").read_text(encoding="utf-8"):
            continue
        with Visit(browser) as visit:
            page = visit.open((site / f"{name}.html").as_uri())
            for details in page.locator("article details").all():
                details.evaluate("one => { one.open = true }")
            for widget in page.locator("article .cadnet-widget").all():
                kind = widget.get_attribute("data-kind") or ""
                assert widget.get_attribute("aria-label"), name
                (answer if kind == "quiz" else press)(page, widget)
                played.add(kind)
            assert visit.complaints == [], name
    assert played >= {"player", "explorer", "chooser", "quiz"}
