"""Run the chapters and build the site: what ``make book`` calls.

In five steps, each a function below:

1. refuse a Jupyter Book that cannot build this book;
2. run each notebook whose key changed (see keys.py) and keep what it printed and drew under ``_build/executed``;
3. lay out the sources beside the executed notebooks in ``_build/source``, with the pages that are made from the
   package's own words (see reference.py);
4. build the pages from a clean tree, every warning an error;
5. check the pages and refuse tracebacks, missing pages, pictures without words, dead links and
   anything that would be fetched from the net (see pages.py).

Step 2 is done here and not by Jupyter Book because its own cache looks at a notebook's cells only: after a change of
the package it would go on showing the old numbers.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path
from typing import Any

import stop

if __name__ == "__main__":
    stop.quietly()  # before the imports below, which take seconds

import keys
import mend
import nbformat
import pages
import progress
import reference
import yaml
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError
from notebooks import write

ROOT = Path(__file__).resolve().parents[2]
PRESETS = ("smoke", "quick", "reduced", "full")
PATIENCE = 1800  # seconds in which a chapter has to come to another cell, or a training in it to log something
GRACE = 8  # seconds that an interrupted training has to save its checkpoint
TICK = 1  # second between two looks at a running chapter
FRONT = """<!DOCTYPE html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <title>{title}</title>
    <meta http-equiv="refresh" content="0; url={page}">
    <link rel="icon" href="_static/favicon.svg">
  </head>
  <body><a href="{page}">{title}</a></body>
</html>
"""
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"


@dataclass(frozen=True)
class Folders:
    """Where the build finds and leaves things.

    Attributes:
        root: the project.
        build: the output; pages land in ``build/_build/html`` when it is not the root's own ``_build``.
        executed: the executed notebooks, shared by all builds of this checkout.
    """

    root: Path
    build: Path
    executed: Path

    @property
    def source(self) -> Path:
        return self.build / "source"

    @property
    def html(self) -> Path:
        return self.build / "html"


class BuildError(Exception):
    """The book cannot be built; the message says why and what to do."""


# 1 ---------------------------------------------------------------------------------------------------------------


def check_builder(version: str) -> None:
    """Refuse Jupyter Book 2, which ignores this book's files and builds nothing without saying so."""
    if not version.startswith("1."):
        raise BuildError(
            f"Jupyter Book {version} is installed, but this book is built with Jupyter Book 1. "
            "Run `make clean-venv` and then `make book`, which install the versions of book/constraints.txt."
        )


# 2 ---------------------------------------------------------------------------------------------------------------


class ThisPython(KernelSpecManager):
    """Offer one kernel only: the Python that runs this script, whatever other kernels the machine knows."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        argv = [sys.executable, "-m", "ipykernel_launcher", "--log-level=ERROR", "-f", "{connection_file}"]
        return KernelSpec(argv=argv, display_name="Python 3", language="python")


class _Running:
    """A notebook in its kernel, which an interruption stops cleanly.

    nbclient runs in a thread of its own. In the main thread it would receive Ctrl-C itself, kill the kernel at once and
    then fail in its clean-up.

    Args:
        path: the notebook; it runs in its own folder.
    """

    def __init__(self, path: Path) -> None:
        self.notebook = nbformat.read(path, as_version=4)
        self.manager = AsyncKernelManager(kernel_spec_manager=ThisPython(), kernel_name="python3")
        self.cell = 0
        self.cells = sum(cell.cell_type == "code" and bool(cell.source.strip()) for cell in self.notebook.cells)
        self.stopped = False
        self.client = NotebookClient(
            self.notebook,
            km=self.manager,
            timeout=None,
            store_widget_state=False,
            resources={"metadata": {"path": str(path.parent)}},
            on_cell_execute=self._at,
        )

    def _at(self, cell: nbformat.NotebookNode, cell_index: int) -> None:
        if self.stopped:
            raise DeadKernelError("stopped")
        self.cell += 1

    def finish(self, watch: Callable[[int, int], object], patience: float) -> None:
        """Run to the end.

        Args:
            watch: called each second with the cell that runs and how many there are; what it returns changes as long as
                the work goes on.
            patience: seconds after which a notebook in which nothing changes is stopped.

        Raises:
            TimeoutError: nothing changed for so long.
        """
        with ThreadPoolExecutor(1) as pool:
            future = pool.submit(asyncio.run, self.client.async_execute(cleanup_kc=True))
            try:
                where, since = None, time.monotonic()
                while not wait([future], TICK).done:
                    if (now := (self.cell, watch(self.cell, self.cells))) != where:
                        where, since = now, time.monotonic()
                    elif time.monotonic() - since > patience:
                        raise TimeoutError(f"cell {self.cell} of {self.cells} made no progress in {patience:.0f} s")
            except BaseException:
                self._stop(future)
                raise
        future.result()

    def _stop(self, future: Future[Any]) -> None:
        """Interrupt the kernel, so that a training can save its checkpoint, and kill it when that takes too long."""
        self.stopped = True
        kernel = self.manager.provisioner
        try:
            if kernel is not None and self.cell:  # one that is starting would answer with a traceback: see `_at`
                asyncio.run(kernel.send_signal(signal.SIGINT))
            wait([future], GRACE)
        finally:  # a second Ctrl-C does not wait
            if kernel is not None and not future.done():
                asyncio.run(kernel.kill())


def execute(
    path: Path, watch: Callable[[int, int], object] = lambda cell, cells: None, patience: float = PATIENCE
) -> tuple[nbformat.NotebookNode, str]:
    """Run a notebook from top to bottom in its own folder.

    Args:
        path: the notebook.
        watch: see ``_Running.finish``.
        patience: likewise.

    Returns:
        The notebook with its outputs, and what it wrote to stderr, which is taken out of the outputs: progress bars
        and warnings are for the person at the keyboard, not for the reader of a page.

    Raises:
        BuildError: a cell failed, took too long, or killed the kernel.
    """
    running = _Running(path)
    try:
        running.finish(watch, patience)
    except (CellExecutionError, TimeoutError, DeadKernelError) as error:
        raise BuildError(f"{path.name} stopped:\n{error}") from error
    return running.notebook, _clean_outputs(running.notebook)


def _clean_outputs(notebook: nbformat.NotebookNode) -> str:
    """Keep what a page can show: no stderr, no live widget, one block of text where a cell printed many."""
    stderr: list[str] = []
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        kept: list[Any] = []
        for output in cell.get("outputs", []):
            if output.output_type == "stream" and output.name == "stderr":
                stderr.append(output.text)
            elif WIDGET_VIEW not in output.get("data", {}):
                kept.append(output)
        if cell.cell_type == "code":
            cell.outputs = kept
    return "".join(stderr)


def executed(path: Path, folders: Folders, preset: str, package: keys.Package) -> Path:
    """Return the executed form of a notebook, which runs now unless it is kept from before; say so in both cases."""
    book = folders.root / "book"
    key = keys.key(path, package, preset, book / "results", book / "constraints.txt")
    place = folders.executed / preset / f"{path.stem}-{key}.ipynb"
    if place.exists():
        print(f"  {path.name}: unchanged, not run again", flush=True)
        return place
    line = progress.Line(path.name, progress.expected(path.stem, preset, place.parent), runs_folder())
    try:
        notebook, stderr = execute(path, line.show)
    except BaseException as error:
        line.end("FAILED" if isinstance(error, BuildError) else "stopped")
        raise
    for old in place.parent.glob(f"{path.stem}-*"):
        old.unlink()
    write(place.with_suffix(".stderr.txt"), stderr)
    write(place, nbformat.writes(notebook) + "\n")
    progress.keep_seconds(place.parent, path.stem, line.end())
    return place


def runs_folder() -> Path:
    """Return the folder where the package keeps trained runs."""
    from cadnet_edu.config import cache_dir  # takes seconds: only when a chapter has to run

    return cache_dir() / "runs"


def execute_all(notebooks: list[Path], folders: Folders, preset: str) -> dict[Path, Path]:
    """Run every notebook that has to run, in the book's order, and go on after one that fails.

    Raises:
        BuildError: naming each notebook that failed.
    """
    package = keys.Package(folders.root / "cadnet_edu")
    done: dict[Path, Path] = {}
    failed: list[str] = []
    for path in notebooks:
        try:
            done[path] = executed(path, folders, preset, package)
        except BuildError as error:
            failed.append(str(error))
    if failed:
        raise BuildError("\n\n".join(failed))
    return done


# 3 ---------------------------------------------------------------------------------------------------------------


def lay_out(folders: Folders, done: dict[Path, Path]) -> None:
    """Fill ``source`` with the pages, written and generated, the executed notebooks, and MathJax from its wheel."""
    shutil.rmtree(folders.source, ignore_errors=True)
    for name in ("_config.yml", "_toc.yml", "CHANGELOG.md"):
        write(folders.source / name, (folders.root / name).read_text(encoding="utf-8"))
    book = folders.root / "book"
    skip = {book / "src", book / "chapters", book / "tools", book / "results", book / "yours"}
    for path in sorted(p for p in book.rglob("*") if p.is_file()):
        if not any(path.is_relative_to(folder) for folder in skip) and path.name != ".DS_Store":
            target = folders.source / path.relative_to(folders.root)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
    for path, place in done.items():
        target = folders.source / path.relative_to(folders.root)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(place, target)
    reference.write_all(folders.root, folders.source)
    vendor_mathjax(folders.source / "book" / "_static" / "vendor" / "mathjax")


def vendor_mathjax(target: Path) -> None:
    """Copy what the pages need of MathJax out of the installed wheel, so that mathematics shows without the net."""
    spec = util.find_spec("sphinx-mathjax-offline")
    if spec is None or spec.origin is None:
        raise BuildError("The package sphinx-mathjax-offline is missing. Run `make book`, which installs it.")
    bundle = Path(spec.origin).parent / "static" / "mathjax"
    target.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(bundle / "tex-chtml.js", target / "tex-chtml.js")
    fonts = Path("output") / "chtml" / "fonts" / "woff-v2"
    shutil.copytree(bundle / fonts, target / fonts, dirs_exist_ok=True)


# 4 ---------------------------------------------------------------------------------------------------------------


def build_pages(folders: Folders) -> None:
    """Build the pages from nothing; a warning is an error.

    Raises:
        BuildError: Jupyter Book failed; the message holds its warnings and errors.
    """
    work = folders.build / "work"
    shutil.rmtree(work, ignore_errors=True)
    jupyter_book = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()"]
    arguments = ["build", str(folders.source), "--path-output", str(work), "-W", "--keep-going"]
    environment = {**os.environ, "NO_COLOR": "1"}
    run = subprocess.run([*jupyter_book, *arguments], env=environment, text=True, capture_output=True, check=False)
    log = folders.build / "pages.log"
    write(log, run.stdout + run.stderr)
    if run.returncode:
        marks = ("WARNING", "ERROR", "CRITICAL")
        words = [line for line in log.read_text(encoding="utf-8").splitlines() if any(mark in line for mark in marks)]
        raise BuildError("\n".join([f"the pages could not be built; all of Jupyter Book's words are in {log}", *words]))
    mend.mend(work / "_build" / "html")
    shutil.rmtree(folders.html, ignore_errors=True)
    os.replace(work / "_build" / "html", folders.html)
    shutil.rmtree(work)


def open_at(folders: Folders, page: str) -> None:
    """Make ``index.html`` lead to the book's first page."""
    title = yaml.safe_load((folders.root / "_config.yml").read_text(encoding="utf-8"))["title"]
    write(folders.html / "index.html", FRONT.format(title=title, page=f"{page}.html"))


# ------------------------------------------------------------------------------------------------------------------


def pages_of(toc: Any) -> list[str]:
    """Return the pages that a table of contents names, root first."""
    found = []
    if isinstance(toc, dict):
        found += [toc[name] for name in ("root", "file") if name in toc]
        for value in toc.values():
            found += pages_of(value)
    elif isinstance(toc, list):
        for entry in toc:
            found += pages_of(entry)
    return found


def build(folders: Folders, preset: str) -> None:
    """Do all five steps.

    Raises:
        BuildError: with what is wrong and what to do.
    """
    check_builder(metadata.version("jupyter-book"))
    wanted = pages_of(yaml.safe_load((folders.root / "_toc.yml").read_text(encoding="utf-8")))
    notebooks = [path for name in wanted if (path := folders.root / f"{name}.ipynb").exists()]
    print(f"Running {len(notebooks)} chapters at preset {preset}:", flush=True)
    done = execute_all(notebooks, folders, preset)
    lay_out(folders, done)
    print("Building the pages ...", flush=True)
    build_pages(folders)
    open_at(folders, wanted[0])
    problems = pages.problems(folders.html, wanted)
    if problems:
        raise BuildError("The pages were built, but they are not right:\n" + "\n".join(f"  {p}" for p in problems))


def anchor_paths() -> None:
    """Make the folders that the environment names absolute: chapters run in another folder than `make`."""
    for name in ("CADNET_EDU_CACHE", "CADNET_EDU_ROOT"):
        if os.environ.get(name):
            os.environ[name] = str(Path(os.environ[name]).expanduser().absolute())


def main(argv: list[str] | None = None) -> int:
    """Build the book and say where to open it. Return 1 with the reason when it cannot be built, 130 when stopped."""
    parser = argparse.ArgumentParser(description="Run the chapters and build the site.")
    default = os.environ.get("CADNET_EDU_PRESET") or "quick"
    parser.add_argument("--preset", default=default, choices=PRESETS)
    parser.add_argument("--build", type=Path, default=ROOT / "_build", help="folder of the output")
    args = parser.parse_args(argv)
    os.environ["CADNET_EDU_PRESET"] = args.preset
    anchor_paths()
    folders = Folders(ROOT, args.build.resolve(), ROOT / "_build" / "executed")
    start = time.monotonic()
    try:
        build(folders, args.preset)
    except BuildError as error:
        print(f"book: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        with contextlib.suppress(OSError):  # the terminal may be closed
            print(
                "book: stopped; the chapters that have run and the checkpoints of trainings are kept, "
                "and the same command goes on from there.",
                file=sys.stderr,
            )
        return stop.INTERRUPTED
    html = shlex.quote(os.path.relpath(folders.html))
    print(f"\nThe book is ready after {time.monotonic() - start:.0f} s. Open {html}/index.html in a browser,")
    print(f"or run `python -m http.server --bind 127.0.0.1 --directory {html} 8000` and open http://localhost:8000.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
