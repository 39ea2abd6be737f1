"""Repair what the page builder writes and screen readers cannot read. The look of a page does not change.

Five things, each found by axe-core (tests/book/test_accessibility.py):

* the empty corner of a table is no heading of anything;
* the parameters of a long signature are written as definitions without a term;
* a wide formula scrolls, and has to be reached by keyboard for that;
* what unfolds a part of the contents has no name;
* entries of the bibliography carry a role that is deprecated, in a list that may not hold all that it holds.
"""

from __future__ import annotations

import re
from pathlib import Path

from notebooks import write

CORNER = re.compile(r"<th((?: [^>]*)?)>((?:\s|<p>\s*</p>)*)</th>")
PARAMETERS = re.compile(r'<dl>(\s*<dd>(?:<em class="sig-param">|<span).*?)</dl>', re.DOTALL)
UNFOLD = '<summary><span class="toctree-toggle"'
FORMULA = '<div class="math notranslate nohighlight"'
BIBLIOGRAPHY = re.compile(
    r' role="doc-biblioentry"|(?<=class="citation-list") role="list"| role="list"(?= class="citation-list")'
)


def mended(page: str) -> str:
    """Return a page without these faults.

    >>> mended('<th class="head"><p></p></th>')
    '<td class="head"><p></p></td>'
    """
    page = CORNER.sub(r"<td\1>\2</td>", page)
    page = PARAMETERS.sub(lambda found: f'<div class="sig-params">{_lines(found[1])}</div>', page)
    page = page.replace(FORMULA, f'{FORMULA} tabindex="0"')
    page = page.replace(UNFOLD, UNFOLD.replace("<summary>", '<summary aria-label="the pages below this one">'))
    return BIBLIOGRAPHY.sub("", page)


def _lines(definitions: str) -> str:
    return definitions.replace("<dd>", "<div>").replace("</dd>", "</div>")


def mend(html: Path) -> None:
    """Mend every page of a site.

    Args:
        html: the folder of the built site.
    """
    for path in sorted(html.rglob("*.html")):
        page = path.read_text(encoding="utf-8")
        better = mended(page)
        if better != page:
            write(path, better)
