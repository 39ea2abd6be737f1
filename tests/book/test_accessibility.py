"""Accessibility, as axe-core sees it: our pages add nothing to what a bare page of the same theme is guilty of."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import build
import pytest
import yaml
from bare import bare_site
from playwright.sync_api import Browser
from visits import Scheme, Visit

ROOT = Path(__file__).resolve().parents[2]
WANTED = build.pages_of(yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8")))
AXE = "axe-core@4.14.1"
COLOURS = ["color-contrast", "link-in-text-block"]  # the rules that night and day can answer differently
ASK = """async (rules) => {
  const some = rules.length ? {runOnly: {type: "rule", values: rules}} : {};
  const found = await axe.run(document, {resultTypes: ["violations"], preload: false, ...some});
  return found.violations.map((v) => [v.id, v.nodes.slice(0, 3).map((n) => n.target.join(" "))]);
}"""
BARE = """\
# A bare page

A paragraph with a [link](https://example.org), `code`, and mathematics: $x$.

## A heading

- a list

| a | table |
|---|---|
| 1 | 2 |

```python
print(1)
```
"""

pytestmark = pytest.mark.network


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The source of axe-core, from its registry."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("no npm on this machine, which brings axe-core: install it (apt-get install npm)")
    folder = tmp_path_factory.mktemp("axe")
    command = [npm, "pack", AXE, "--silent", "--pack-destination", str(folder), "--cache", str(folder / "cache")]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    with tarfile.open(next(folder.glob("axe-core-*.tgz"))) as archive:
        source = archive.extractfile("package/axe.min.js")
        assert source is not None
        return source.read().decode()


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site with the book's settings and no more than a bare page."""
    folders = bare_site(tmp_path_factory.mktemp("bare"), BARE)
    build.build_pages(folders)
    return folders.html


def findings(browser: Browser, axe: str, url: str, scheme: Scheme) -> dict[str, Any]:
    """The rules that a page breaks, and up to three places of each."""
    with Visit(browser, scheme=scheme) as visit:
        page = visit.open(url)
        page.evaluate(axe)
        return dict(page.evaluate(ASK, COLOURS if scheme == "dark" else []))


def test_axe_sees_a_fault_and_what_is_too_pale_at_night_only(browser: Browser, axe: str, tmp_path: Path) -> None:
    style = "<style>@media (prefers-color-scheme: dark) {body {background: black} h1 {color: #333}}</style>"
    html = f"<html lang='en'><title>t</title>{style}<main><h1>Too pale</h1><img src='data:,'></main>"
    (tmp_path / "page.html").write_text(html)
    day, night = (findings(browser, axe, (tmp_path / "page.html").as_uri(), scheme) for scheme in ("light", "dark"))
    assert "image-alt" in day
    assert ("color-contrast" in day, "color-contrast" in night) == (False, True)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_adds_to_what_the_theme_is_guilty_of(
    browser: Browser, axe: str, bare: Path, site: Path, scheme: Scheme
) -> None:
    def rules(folder: Path, name: str) -> dict[str, Any]:
        return findings(browser, axe, (folder / f"{name}.html").as_uri(), scheme)

    theme = {*rules(bare, "book/index"), *rules(bare, "book/bare")}
    added = {name: {rule: places for rule, places in rules(site, name).items() if rule not in theme} for name in WANTED}
    assert {name: more for name, more in added.items() if more} == {}, f"the theme itself: {sorted(theme)}"
