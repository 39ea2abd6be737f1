"""Faults of the page builder are mended, and nothing else of a page is touched."""

from pathlib import Path

import mend
import pytest

SIGNATURE = """<dl>
<dd><em class="sig-param"><span>z</span></em>,</dd>
<dd><em class="sig-param"><span>form</span></em>,</dd>
</dl>"""
FORMULA = '<div class="math notranslate nohighlight" id="equation-a">x</div>'
LINES = """<div class="sig-params">
<div><em class="sig-param"><span>z</span></em>,</div>
<div><em class="sig-param"><span>form</span></em>,</div>
</div>"""


@pytest.mark.parametrize(
    ("page", "better"),
    [
        ("<th></th><th>r</th>", "<td></td><th>r</th>"),
        ('<th class="head"><p></p></th>', '<td class="head"><p></p></td>'),
        ('<th class="text-left head"><p> </p>\n</th>', '<td class="text-left head"><p> </p>\n</td>'),
        (SIGNATURE, LINES),
        (FORMULA, FORMULA.replace(" id=", ' tabindex="0" id=')),
        ('<div class="citation" id="id1" role="doc-biblioentry">', '<div class="citation" id="id1">'),
        ('<div role="list" class="citation-list">', '<div class="citation-list">'),
        ('<div class="citation-list" role="list">', '<div class="citation-list">'),
        (
            '<summary><span class="toctree-toggle"></span></summary>',
            '<summary aria-label="the pages below this one"><span class="toctree-toggle"></span></summary>',
        ),
        # what is right stays
        ("<thead><tr><th>r</th></tr></thead>", None),
        ('<th class="head"><p>r</p></th>', None),
        ("<dl><dt>a term</dt><dd>words</dd></dl>", None),
        ('<ul role="list"><li>x</li></ul>', None),
    ],
)
def test_a_fault_is_mended_and_nothing_else(page: str, better: str | None) -> None:
    assert mend.mended(f"<p>before</p>{page}<p>after</p>") == f"<p>before</p>{better or page}<p>after</p>"


def test_every_page_of_a_site_is_mended(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    for name in ("x.html", "a/y.html"):
        (tmp_path / name).write_text("<th></th>")
    (tmp_path / "z.js").write_text("<th></th>")
    mend.mend(tmp_path)
    found = [(tmp_path / name).read_text() for name in ("x.html", "a/y.html", "z.js")]
    assert found == ["<td></td>", "<td></td>", "<th></th>"]
