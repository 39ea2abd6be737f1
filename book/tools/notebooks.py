"""Turn the chapters' text (``book/src/*.md``) into the notebooks that Colab, nbval and the book open.

The text is the truth: people review and edit ``book/src/NN_name.md`` (a MyST text notebook), then run
``make notebooks``. The notebooks in ``book/chapters/`` are derived: no outputs, one fixed kernel, cell ids that
depend on nothing but the chapter's name and the cell's place. The same text always gives the same bytes. A notebook in
which somebody worked is never overwritten: it is moved to ``book/yours/`` first.

How to write a chapter
----------------------
The head of the file, then a title, a sentence or two, and the bootstrap cell, which is the same in every chapter
(``python book/tools/notebooks.py --bootstrap`` prints it)::

    ---
    jupytext:
      text_representation:
        extension: .md
        format_name: myst
    kernelspec:
      display_name: Python 3
      language: python
      name: python3
    ---

    # A title

    What this chapter is about.

    ```{code-cell} ipython3
    :tags: [bootstrap, hide-input]

    (the lines that --bootstrap prints)
    ```

A figure of the package is the last expression of its cell. It brings the text for people who cannot see it along
(``cadnet_edu.figures.describe``). A caption with a name lets the prose point to it::

    ```{code-cell} ipython3
    ---
    mystnb:
      figure:
        caption: "A strong baseline collapses once the query loses resolution."
        name: fig-collapse
    tags: [hide-input]
    ---
    figures.rank1_by_rate(...)
    ```

    {numref}`fig-collapse` shows the collapse.

A figure that the chapter draws with matplotlib itself needs that text from the chapter: what is seen, in words::

    ```{code-cell} ipython3
    ---
    mystnb:
      image:
        alt: "Rank-1 against the down-sampling rate r: 0.92 at r=1, falling to 0.05 at r=8."
      figure:
        caption: "A strong baseline collapses once the query loses resolution."
        name: fig-collapse
    ---
    fig, ax = plt.subplots()
    ax.plot(rates, rank1)
    plt.show()
    ```

A cell shows one figure: alternative text, caption and name belong to the cell. The book is not built when a picture has
no such text.

A number in the prose is never typed by hand. A cell names it, the prose prints it::

    ```{code-cell} ipython3
    from cadnet_edu.teach.notebook import glue

    glue("rank1_r4", f"{rank1:.1%}")
    ```

    At r = 4 the baseline finds {glue:text}`rank1_r4` of the people.

Write the number into the text with ``f"{x:.2f}"`` as above, or keep it a number and format it in the prose:
``{glue:text}`rank1_r4:.2f` ``. A glued name is known on its own page only, and only once in a page.

An interactive element is one call, live in a live notebook and static in the page:
``widgets.explore(draw, {"rate": [2, 4, 8]}, "What is shown")``, where ``draw`` gives a figure for a choice. Ready
made are ``live_chooser`` (a query and a rate), ``loss_weights``, ``tsne_colours``, ``growing_curves`` and, for a
training, ``callback=live_curves()``.

A cell that arrives at the package's own definition carries ``:tags: [builds-cadnet_edu.losses.L_tri]``; a test then
compares it with the package. A cell that is meant to fail carries ``:tags: [raises-exception]``.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any

import stop

if __name__ == "__main__":
    stop.quietly()  # before the import below, which takes seconds

import jupytext

BOOK = Path(__file__).resolve().parents[1]

BOOTSTRAP = """\
try:
    import cadnet_edu.teach.notebook
except ModuleNotFoundError:  # not on this machine yet (Colab, Kaggle): install it once
    %pip install -q "cadnet-edu @ git+https://github.com/cadnet-edu/cadnet_edu"
    import cadnet_edu.teach.notebook

config = cadnet_edu.teach.notebook.setup()"""
BOOTSTRAP_TAGS = ["bootstrap", "hide-input"]

KERNEL = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def derive(text: str, name: str) -> str:
    """Return the notebook (its JSON text) of a chapter.

    Args:
        text: the chapter's MyST text.
        name: the chapter's file name without ending; it seeds the cell ids.

    Raises:
        ValueError: a first code cell that is not the bootstrap cell, or a cell that is not Python or text.
    """
    notebook = jupytext.reads(text, fmt="md:myst")
    cells = [_cell(cell, _cell_id(name, place), name) for place, cell in enumerate(notebook.cells)]
    _check_bootstrap(cells, name)
    metadata = {**KERNEL, "derived": _fingerprint(cells)}
    whole = {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(whole, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def _fingerprint(cells: Any) -> str:
    """Return a hash of the cells; a notebook that carries another one was changed after it was derived."""
    return hashlib.sha256(json.dumps(cells, sort_keys=True).encode()).hexdigest()[:16]


def untouched(path: Path) -> bool:
    """Tell whether a notebook is as it was derived, whatever the text says by now."""
    try:
        notebook = json.loads(path.read_text(encoding="utf-8"))
        return notebook["metadata"]["derived"] == _fingerprint(notebook["cells"])
    except (ValueError, KeyError, TypeError):
        return False


def set_aside(path: Path, yours: Path) -> Path:
    """Move a notebook into `yours`, beside what lies there already, and return its new place."""
    yours.mkdir(parents=True, exist_ok=True)
    target, number = yours / path.name, 1
    while target.exists():
        number += 1
        target = yours / f"{path.stem}-{number}.ipynb"
    return path.rename(target)


def _cell_id(name: str, place: int) -> str:
    return hashlib.sha256(f"{name}:{place}".encode()).hexdigest()[:12]


def _cell(cell: Any, cell_id: str, name: str) -> dict[str, Any]:
    """Return one cell as plain JSON data: its source as lines, its metadata, nothing that a run leaves behind."""
    source = cell.source.splitlines(keepends=True)
    metadata = json.loads(json.dumps(cell.metadata))
    if cell.cell_type == "markdown":
        return {"cell_type": "markdown", "id": cell_id, "metadata": metadata, "source": source}
    if cell.cell_type == "code":
        return {
            "cell_type": "code",
            "execution_count": None,
            "id": cell_id,
            "metadata": metadata,
            "outputs": [],
            "source": source,
        }
    raise ValueError(f"{name}: a cell of kind {cell.cell_type!r}; chapters hold Markdown and Python cells only")


def _check_bootstrap(cells: list[dict[str, Any]], name: str) -> None:
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    found = "".join(code[0]["source"]) if code else "(no code cell)"
    tags = code[0]["metadata"].get("tags") if code else None
    if found != BOOTSTRAP or tags != BOOTSTRAP_TAGS:
        raise ValueError(
            f"{name}: the first code cell must be the bootstrap cell with the tags {BOOTSTRAP_TAGS};\n"
            f"its tags are {tags} and it reads\n\n{found}\n\n"
            "Copy the cell that `python book/tools/notebooks.py --bootstrap` prints."
        )


def write(path: Path, text: str) -> None:
    """Write a text file whole or not at all: a temporary file in the same folder, then a rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8", newline="\n")
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)  # left only when it could not be written, or by a Ctrl-C


def stale(src: Path, out: Path) -> dict[Path, str | None]:
    """Return the notebooks of `out` that are not what `src` says, with the text they should have.

    The text is None for a notebook whose chapter is gone.
    """
    chapters = sorted(src.glob("*.md"))
    wanted = {out / f"{md.stem}.ipynb": derive(md.read_text(encoding="utf-8"), md.stem) for md in chapters}
    changed: dict[Path, str | None] = {path: None for path in sorted(out.glob("*.ipynb")) if path not in wanted}
    for path, text in wanted.items():
        if not path.exists() or path.read_bytes() != text.encode():
            changed[path] = text
    return changed


def derive_all(src: Path, out: Path) -> list[Path]:
    """Make `out` what `src` says: write what changed, remove what is gone, and return the files concerned.

    A notebook that was changed by hand goes to the folder ``yours`` beside `out`.
    """
    changed = stale(src, out)
    for path, text in changed.items():
        if path.exists() and not untouched(path):
            print(f"{path} was changed by hand and is now {set_aside(path, out.parent / 'yours')}")
        if text is not None:
            write(path, text)
        else:
            path.unlink(missing_ok=True)
    return list(changed)


def main(argv: list[str] | None = None) -> int:
    """Derive the notebooks; say which changed. Return 1 when the chapters cannot be derived."""
    parser = argparse.ArgumentParser(description="Derive book/chapters/*.ipynb from book/src/*.md.")
    parser.add_argument("--src", type=Path, default=BOOK / "src")
    parser.add_argument("--out", type=Path, default=BOOK / "chapters")
    parser.add_argument("--check", action="store_true", help="change nothing; fail if a notebook is out of date")
    parser.add_argument("--bootstrap", action="store_true", help="print the bootstrap cell and stop")
    args = parser.parse_args(argv)
    if args.bootstrap:
        print("```{code-cell} ipython3\n:tags: [" + ", ".join(BOOTSTRAP_TAGS) + "]\n\n" + BOOTSTRAP + "\n```")
        return 0
    try:
        changed = list(stale(args.src, args.out)) if args.check else derive_all(args.src, args.out)
    except ValueError as error:
        print(f"notebooks: {error}", file=sys.stderr)
        return 1
    for path in changed:
        done = "written" if path.exists() else "removed"
        print(f"{path}: {'out of date; run make notebooks' if args.check else done}")
    return 1 if args.check and changed else 0


if __name__ == "__main__":
    sys.exit(main())
