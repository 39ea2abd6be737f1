"""The runners of notebooks notice a notebook that is broken."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import build
import nbformat
import pytest
from bare import bare_site
from nbformat.v4 import new_code_cell, new_notebook


def notebook(path: Path, *cells: str) -> Path:
    nbformat.write(new_notebook(cells=[new_code_cell(cell) for cell in cells]), path)
    return path


def test_nbval_fails_a_broken_notebook_and_only_that(tmp_path: Path) -> None:
    """The command is the one of `make test`."""
    notebook(tmp_path / "good.ipynb", "x = 1", "assert x == 1")
    notebook(tmp_path / "broken.ipynb", "x = 1", "assert x == 2")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), "-c", os.devnull]
    command += ["--nbval-lax", "--nbval-current-env", "--nbval-cell-timeout=60", str(tmp_path)]
    run = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert run.returncode == 1, run.stdout
    assert "1 failed, 3 passed" in run.stdout
    assert "FAILED broken.ipynb::Cell 1" in run.stdout


def test_book_stops_at_a_broken_cell(tmp_path: Path) -> None:
    path = notebook(tmp_path / "broken.ipynb", "x = 1", "raise RuntimeError('no such luck')")
    with pytest.raises(build.BuildError, match=r"broken.ipynb stopped:[\s\S]*no such luck"):
        build.execute(path)


def test_a_broken_cell_fails_make_book_before_any_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """From the command to the exit status, in a project of one chapter."""
    (tmp_path / "book").mkdir()
    (tmp_path / "cadnet_edu").mkdir()
    (tmp_path / "book" / "constraints.txt").write_text("")
    (tmp_path / "_toc.yml").write_text("format: jb-book\nroot: book/broken\n")
    notebook(tmp_path / "book" / "broken.ipynb", "x = 1", "raise RuntimeError('no such luck')")
    monkeypatch.setattr(build, "ROOT", tmp_path)
    monkeypatch.setenv("CADNET_EDU_PROFILE", "smoke")
    assert build.main(["--profile", "smoke", "--build", str(tmp_path / "_build")]) == 1
    assert "no such luck" in capsys.readouterr().err
    assert not (tmp_path / "_build" / "html").exists()


def test_a_warning_of_the_page_builder_is_an_error(tmp_path: Path) -> None:
    folders = bare_site(tmp_path, "# A page\n\nIt names {doc}`another one <nowhere>`.\n")
    with pytest.raises(build.BuildError, match=r"could not be built[\s\S]*bare\.md:3: WARNING: unknown document"):
        build.build_pages(folders)
    assert not folders.html.exists()


def test_book_stops_at_a_cell_without_end(tmp_path: Path) -> None:
    leave = "import os; open('pid', 'w').write(str(os.getpid()))"
    path = notebook(tmp_path / "endless.ipynb", leave, "while True: pass")
    with pytest.raises(build.BuildError, match=r"endless\.ipynb stopped"):
        build.execute(path, patience=2)
    with pytest.raises(ProcessLookupError):  # its kernel is gone, too
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_book_runs_in_this_python_and_keeps_what_a_page_can_show(tmp_path: Path) -> None:
    path = notebook(
        tmp_path / "shows.ipynb",
        "import sys; print(sys.executable)",
        "import sys; print('for the keyboard', file=sys.stderr)",
        "import ipywidgets; ipywidgets.IntSlider()",
        "import pathlib; print(pathlib.Path.cwd())",
    )
    done, stderr = build.execute(path)
    text = ["".join(output.get("text", "") for output in cell.outputs).strip() for cell in done.cells]
    assert text == [sys.executable, "", "", str(tmp_path)]
    assert "for the keyboard" in stderr
    assert done.cells[2].outputs == []
    assert "widgets" not in done.metadata


def test_jupyter_book_2_is_refused() -> None:
    build.check_builder("1.0.4.post1")
    with pytest.raises(build.BuildError, match=r"Jupyter Book 2\.1\.7 is installed"):
        build.check_builder("2.1.7")


def test_pages_of_a_table_of_contents() -> None:
    chapters = [{"file": "b", "sections": [{"file": "c"}]}, {"file": "d"}]
    toc = {"root": "a", "parts": [{"caption": "x", "chapters": chapters}]}
    assert build.pages_of(toc) == ["a", "b", "c", "d"]


def test_a_failing_chapter_does_not_hide_another(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "cadnet_edu").mkdir()
    (tmp_path / "cadnet_edu" / "__init__.py").write_text("")
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "constraints.txt").write_text("")
    folders = build.Folders(tmp_path, tmp_path / "_build", tmp_path / "executed")
    cells = {"a": "1/0", "b": "2", "c": "open('')"}
    paths = [notebook(tmp_path / f"{name}.ipynb", code) for name, code in cells.items()]
    with pytest.raises(build.BuildError, match=r"a.ipynb stopped[\s\S]*c.ipynb stopped"):
        build.execute_all(paths, folders, "smoke")
    assert [path.name[:2] for path in (tmp_path / "executed" / "smoke").glob("*.ipynb")] == ["b-"]
    assert "b.ipynb: ran in" in capsys.readouterr().out
