"""The built pages: complete, readable, linked, and in need of nothing from the net."""

from __future__ import annotations

import subprocess
from pathlib import Path

import build
import pages
import pytest
import yaml

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


GOOD = """<html><head><link rel="canonical" href="https://a.org/x"><link rel="stylesheet" href="s.css"></head><body>
<article><h1 id="top">A</h1><p>Words <a href="#top">up</a> <a href="b.html">b</a> <a href="https://c.org">c</a></p>
<div class="cell_input">Traceback (most recent call last)</div><img src="a.png" alt="A red line.">
</article></body></html>"""


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("Words", "<pre>Traceback (most recent call last)</pre>", "shows a traceback"),
        ("Words", "<span class='problematic'>{x}`y`</span>", "markup that was not understood"),
        ("Words", "{glue:text}`y`", "a role that was not understood"),
        ("Words", "```{figure} x", "a directive that was not understood"),
        ('alt="A red line."', 'alt=""', "has no alternative text"),
        ('alt="A red line."', "", "has no alternative text"),
        ("A red line.", "../_images/abc123.png", "file name for its alternative text"),
        ("A red line.", "line.png", "file name for its alternative text"),
        ('href="b.html"', 'href="z.html"', "the link z.html leads nowhere"),
        ('href="b.html"', 'href="../../x"', "leads nowhere"),
        ('href="#top"', 'href="#bottom"', "has no such place"),
        ('href="b.html"', 'href="b.html#x"', "has no such place"),
        ('src="a.png"', 'src="https://c.org/a.png"', "would fetch https://c.org/a.png"),
        ('href="s.css"', 'href="//c.org/s.css"', "would fetch //c.org/s.css"),
        ("<h1", "<script src='https://c.org/j.js'></script><h1", "would fetch https://c.org/j.js"),
        ("<h1", "<style>@import url('https://c.org/f.css');</style><h1", "would fetch https://c.org/f.css"),
    ],
)
def test_a_planted_fault_is_found(tmp_path: Path, old: str, new: str, words: str) -> None:
    assert GOOD.count(old) >= 1
    (tmp_path / "b.html").write_text("<html><body><article>b</article></body></html>")
    (tmp_path / "a.html").write_text(GOOD)
    assert pages.problems(tmp_path, ["a", "b"]) == []
    (tmp_path / "a.html").write_text(GOOD.replace(old, new, 1))
    pages.parsed.cache_clear()
    pages._anchors.cache_clear()
    found = pages.problems(tmp_path, ["a", "b"])
    assert len(found) == 1
    assert words in found[0]


def test_a_missing_page_is_found(tmp_path: Path) -> None:
    assert pages.problems(tmp_path, ["a"]) == ["a: no page was built from it"]
