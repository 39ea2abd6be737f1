"""Read the built pages as a reader would, and list what is wrong with them.

What is looked for: pages of the table of contents that are not there, tracebacks, markup that was not understood,
pictures without words, links that lead nowhere, and anything that a browser would fetch from the net.
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

from bs4 import BeautifulSoup, Tag

BROKEN_WORDS = {
    "a traceback": "Traceback (most recent call last)",
    "a live widget": "application/vnd.jupyter.widget",
    "a widget's name for itself": "WidgetModel",
    "a role that was not understood": "{glue:",
    "a directive that was not understood": "```{",
}
PATH_LIKE = re.compile(r"^\S*(/|\\)\S*$|^\S+\.(png|svg|jpe?g|gif|webp)$", re.IGNORECASE)
FETCHED = {
    "script": ["src"],
    "link": ["href"],
    "img": ["src", "srcset"],
    "source": ["src", "srcset"],
    "iframe": ["src"],
    "video": ["src"],
    "audio": ["src"],
    "embed": ["src"],
    "object": ["data"],
}
PASSIVE_LINKS = {"canonical", "next", "prev", "search", "index", "author", "license"}
CSS_URL = re.compile(r"""(?:@import\s+|url\()\s*["']?((?:https?:)?//[^"')\s]+)""")


@cache
def parsed(path: Path) -> BeautifulSoup:
    """Return a page, parsed."""
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


def problems(html: Path, wanted: list[str]) -> list[str]:
    """Return a sentence for each thing that is wrong with the site.

    Args:
        html: the folder of the built site.
        wanted: the pages of the table of contents, without ending.
    """
    found = [f"{name}: no page was built from it" for name in wanted if not (html / f"{name}.html").exists()]
    for name in wanted:
        path = html / f"{name}.html"
        if path.exists():
            found += [f"{name}: {what}" for what in [*_words(path), *_pictures(path), *_links(path, html)]]
    for path in sorted(html.rglob("*.html")):
        found += [f"{path.relative_to(html)}: would fetch {url} from the net" for url in external(path)]
    for path in sorted(html.rglob("*.css")):
        urls = _in_css(path.read_text(encoding="utf-8"))
        found += [f"{path.relative_to(html)}: would fetch {url} from the net" for url in urls]
    return found


def _article(path: Path) -> Tag:
    article = parsed(path).select_one("article")
    return article if article is not None else parsed(path)


def _words(path: Path) -> list[str]:
    """Find text that only an error leaves on a page. Code that the page shows is not looked at."""
    copy = BeautifulSoup(str(_article(path)), "html.parser")
    for shown in copy.select(".cell_input, code.literal, div.highlight-markdown, div.highlight-md"):
        shown.decompose()
    text = copy.get_text()
    found = [f"shows {what}: {mark!r}" for what, mark in BROKEN_WORDS.items() if mark in text]
    left = [tag.get_text(" ", strip=True) for tag in copy.select(".problematic, .system-message")]
    return found + [f"shows markup that was not understood: {words}" for words in left]


def _pictures(path: Path) -> list[str]:
    """Find pictures of the text without an ``alt``, or with a file name for one, and figures without a caption."""
    found = []
    for image in _article(path).select("img"):
        if image.find_parent(class_="cell_output") and not image.find_parent(class_="cadnet-widget"):
            figure = image.find_parent("figure")
            if figure is None or figure.find("figcaption") is None:
                found.append(f"the picture that shows {str(image.get('alt'))[:60]!r} has no caption")
        alt = str(image.get("alt") or "").strip()
        source = str(image.get("src", ""))[:60]
        if not alt:
            found.append(f"the picture {source} has no alternative text")
        elif PATH_LIKE.match(alt):
            found.append(f"the picture {source} has a file name for its alternative text: {alt[:60]}")
    return found


@cache
def anchors(path: Path) -> frozenset[str]:
    return frozenset(str(tag["id"]) for tag in parsed(path).select("[id]"))


def _links(path: Path, html: Path) -> list[str]:
    """Find links inside the site that lead to no page, or to no place on the page."""
    found = []
    for link in parsed(path).select("a[href]"):
        href = str(link["href"])
        url = urlsplit(href)
        if url.scheme or url.netloc or href in {"#", ""}:
            continue
        target = (path.parent / unquote(url.path)).resolve() if url.path else path
        if target.is_dir():
            target = target / "index.html"
        if not target.exists() or not target.is_relative_to(html.resolve()):
            found.append(f"the link {href} leads nowhere")
        elif url.fragment and target.suffix == ".html" and unquote(url.fragment) not in anchors(target):
            found.append(f"the link {href} leads to a page that has no such place")
    return found


def external(path: Path) -> list[str]:
    """Return the addresses outside the site that a browser would fetch to show a page."""
    found = []
    page = parsed(path)
    for name, attributes in FETCHED.items():
        for tag in page.find_all(name):
            if name == "link" and PASSIVE_LINKS & {str(r).lower() for r in tag.get("rel") or []}:
                continue
            found += [str(tag[a]) for a in attributes if tag.get(a) and re.match(r"(https?:)?//", str(tag[a]))]
    for style in page.find_all("style"):
        found += _in_css(style.get_text())
    return found


def _in_css(text: str) -> list[str]:
    return CSS_URL.findall(text)


def colab_links(html: Path) -> dict[str, str]:
    """Return, for each page with a Colab button, the path inside the repository that the button opens."""
    found = {}
    for path in sorted(html.rglob("*.html")):
        for link in parsed(path).select('a[href*="colab.research.google.com/github/"]'):
            _, _, rest = str(link["href"]).partition("/blob/")
            found[path.relative_to(html).as_posix()] = rest.partition("/")[2]
    return found


def searchable(html: Path) -> set[str]:
    """Return the pages that the site's search knows."""
    text = (html / "searchindex.js").read_text(encoding="utf-8")
    index = json.loads(text[text.index("(") + 1 : text.rindex(")")])
    return set(index["docnames"])
