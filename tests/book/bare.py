"""A site of one page with the settings of the book: what the page builder and its theme do by themselves."""

import shutil
from pathlib import Path

import build

ROOT = Path(__file__).resolve().parents[2]


def bare_site(folder: Path, text: str) -> build.Folders:
    """Lay out a site with the book's settings and one page, ready for ``build.build_pages``."""
    folders = build.Folders(ROOT, folder, ROOT / "_build" / "executed")
    book = folders.source / "book"
    book.mkdir(parents=True)
    shutil.copyfile(ROOT / "_config.yml", folders.source / "_config.yml")
    shutil.copytree(ROOT / "book" / "_static", book / "_static")
    shutil.copyfile(ROOT / "book" / "references.bib", book / "references.bib")
    build.vendor_mathjax(book / "_static" / "vendor" / "mathjax")
    (folders.source / "_toc.yml").write_text("format: jb-book\nroot: book/index\nchapters:\n  - file: book/bare\n")
    (book / "bare.md").write_text(text, encoding="utf-8")
    (book / "index.md").write_text("# A site\n\nWith {doc}`one page <bare>`.\n", encoding="utf-8")
    return folders
