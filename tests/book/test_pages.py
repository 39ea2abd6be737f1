"""What is wrong with a page is found: each fault that the site must not have, planted on a small page."""

from pathlib import Path

import pages
import pytest

GOOD = """<html><head><link rel="canonical" href="https://a.org/x"><link rel="stylesheet" href="s.css"></head><body>
<article><h1 id="top">A</h1><p>Words <a href="#top">up</a> <a href="b.html">b</a> <a href="https://c.org">c</a></p>
<div class="cell_input">Traceback (most recent call last)</div><img src="a.png" alt="A red line.">
<div class="cell_output"><figure><img src="a.png" alt="A line."><figcaption>A line.</figcaption></figure></div>
<div class="cell_output"><div class="cadnet-widget"><img src="a.png" alt="A frame."></div></div>
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
        ("</article>", "<div class='cell_output'><img src='a.png' alt='A line.'></div></article>", "'A line.' has no"),
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
    pages.anchors.cache_clear()
    found = pages.problems(tmp_path, ["a", "b"])
    assert len(found) == 1
    assert words in found[0]


def test_a_missing_page_is_found(tmp_path: Path) -> None:
    assert pages.problems(tmp_path, ["a"]) == ["a: no page was built from it"]
