"""The runners of notebooks notice a notebook that is broken."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import build
import nbformat
import progress
import pytest
from bare import bare_site
from nbformat.v4 import new_code_cell, new_notebook

from cadnet_edu.config import PRESETS
from cadnet_edu.teach import notebook as ours


def notebook(path: Path, *cells: str) -> Path:
    nbformat.write(new_notebook(cells=[new_code_cell(cell) for cell in cells]), path)
    return path


def project(folder: Path) -> Path:
    """A project that has nothing but what the tools look at before they run a chapter."""
    for name in ("cadnet_edu", "book"):
        (folder / name).mkdir(parents=True)
    (folder / "book" / "constraints.txt").write_text("")
    return folder


def test_a_broken_cell_fails_make_book_before_any_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """From the command to the exit status, in a project of one chapter."""
    (project(tmp_path) / "_toc.yml").write_text("format: jb-book\nroot: book/broken\n")
    notebook(tmp_path / "book" / "broken.ipynb", "x = 1", "raise RuntimeError('no such luck')")
    monkeypatch.setattr(build, "ROOT", tmp_path)
    monkeypatch.setenv("CADNET_EDU_PRESET", "smoke")
    assert build.main(["--preset", "smoke", "--build", str(tmp_path / "_build")]) == 1
    assert re.search(r"broken.ipynb stopped:[\s\S]*no such luck", capsys.readouterr().err)
    assert not (tmp_path / "_build" / "html").exists()


def test_a_warning_of_the_page_builder_is_an_error(tmp_path: Path) -> None:
    folders = bare_site(tmp_path, "# A page\n\nIt names {doc}`another one <nowhere>`.\n")
    with pytest.raises(build.BuildError, match=r"could not be built[\s\S]*bare\.md:3: WARNING: unknown document"):
        build.build_pages(folders)
    assert not folders.html.exists()


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


LEAVE = "import os, time; open('pid', 'w').write(str(os.getpid()))"
STUBBORN = "while True:\n    try:\n        time.sleep(9)\n    except KeyboardInterrupt:\n        pass"


def test_book_stops_at_a_cell_without_end(tmp_path: Path) -> None:
    path = notebook(tmp_path / "endless.ipynb", LEAVE, "while True: pass")
    with pytest.raises(build.BuildError, match=r"endless\.ipynb stopped"):
        build.execute(path, patience=2)
    assert gone(int((tmp_path / "pid").read_text()))  # its kernel


def test_a_cell_that_takes_no_interruption_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = notebook(tmp_path / "stubborn.ipynb", LEAVE, STUBBORN)
    monkeypatch.setattr(build, "GRACE", 1)

    def interrupt(cell: int, cells: int) -> None:
        if cell == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build.execute(path, interrupt)
    assert gone(int((tmp_path / "pid").read_text()))


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
    folders = build.Folders(project(tmp_path), tmp_path / "_build", tmp_path / "executed")
    cells = {"a": "1/0", "b": "2", "c": "open('')"}
    paths = [notebook(tmp_path / f"{name}.ipynb", code) for name, code in cells.items()]
    with pytest.raises(build.BuildError, match=r"a.ipynb stopped[\s\S]*c.ipynb stopped"):
        build.execute_all(paths, folders, "smoke")
    assert [path.name[:2] for path in (tmp_path / "executed" / "smoke").glob("*.ipynb")] == ["b-"]
    assert "b.ipynb: ran in" in capsys.readouterr().out


# ------------------------------------------------------------------------------------------------ expected, passed

ROOT = Path(__file__).resolve().parents[2]
TRAINS = """
import json, os, pathlib, time
run = pathlib.Path(os.environ["CADNET_EDU_CACHE"]) / "runs" / "tiny-smoke-1"
run.mkdir(parents=True, exist_ok=True)
(run / "config.json").write_text(json.dumps({"optim": {"steps": 9}}))
(run / "kernel").write_text(str(os.getpid()))
(run / "history.jsonl").write_text(json.dumps({"step": 4}) + "\\n")
try:
    time.sleep(120)
except KeyboardInterrupt:
    time.sleep(0.5)
    (run / "checkpoint.pt").write_text("step 4")
    raise
"""


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with the book's tools and three chapters; the second trains for two minutes."""
    place = project(tmp_path / "my project")  # with a space
    shutil.copytree(ROOT / "book" / "tools", place / "book" / "tools", ignore=shutil.ignore_patterns("__pycache__"))
    files = "".join(f"  - file: book/{name}\n" for name in "abc")
    (place / "_toc.yml").write_text(f"format: jb-book\nroot: book/index\nchapters:\n{files}")
    for name, cells in {"a": ["1 + 1"], "b": ["2", TRAINS], "c": ["3"]}.items():
        notebook(place / "book" / f"{name}.ipynb", *cells)
    monkeypatch.setenv("CADNET_EDU_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("PYTHONUNBUFFERED", "1")
    return place


@contextlib.contextmanager
def started(command: list[str], folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A command in a process group of its own, as a terminal starts it; killed at the end."""

    def hears_ctrl_c() -> None:  # which a shell has switched off where these tests run in the background
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    with subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        preexec_fn=hears_ctrl_c,
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def until(true: Callable[[], bool], seconds: float = 90) -> None:
    """Wait for something to become true."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.1)


BUILD = [sys.executable, "book/tools/build.py", "--preset", "smoke"]
SENTENCE = (
    "book: stopped; the chapters that have run and the checkpoints of trainings are kept, "
    "and the same command goes on from there.\n"
)


@pytest.mark.parametrize("way", ["Ctrl-C", "SIGTERM"])
def test_an_interruption_keeps_what_is_done(fake: Path, tmp_path: Path, way: str) -> None:
    run = tmp_path / "cache" / "runs" / "tiny-smoke-1"
    executed = fake / "_build" / "executed" / "smoke"
    with started(BUILD, fake) as process:
        until((run / "history.jsonl").exists)
        kernel = int((run / "kernel").read_text())
        begun = time.monotonic()
        if way == "Ctrl-C":
            os.killpg(process.pid, signal.SIGINT)
        else:
            os.kill(process.pid, signal.SIGTERM)
        out, err = process.communicate(timeout=60)
    assert time.monotonic() - begun < build.GRACE + 10  # 2 to 3 seconds on an idle machine
    assert process.returncode == 130
    assert err.endswith(SENTENCE), err  # a kernel that hears Ctrl-C, too, may log before it stops
    assert re.findall(r"^  (\S+): (.*)$", out, re.MULTILINE)[-2:] == [
        ("b.ipynb", "expected 20 to 80 s"),
        ("b.ipynb", "stopped"),
    ]
    assert (run / "checkpoint.pt").read_text() == "step 4"
    assert gone(kernel)
    assert [path.name[0] for path in executed.glob("*.ipynb")] == ["a"]
    notebook(fake / "book" / "b.ipynb", "2")
    with started([sys.executable, "-c", ONLY_CHAPTERS], fake) as process:
        out, err = process.communicate(timeout=120)
    assert (process.returncode, "book:" in err) == (0, False), err  # ipykernel may log while it shuts down
    assert "a.ipynb: unchanged, not run again" in out
    assert re.search(r"b\.ipynb: ran in \d+ s", out)


ONLY_CHAPTERS = """
import sys; sys.path.insert(0, "book/tools")
import build, pathlib
root = pathlib.Path.cwd()
folders = build.Folders(root, root / "_build", root / "_build" / "executed")
build.execute_all([root / "book" / f"{name}.ipynb" for name in "abc"], folders, "smoke")
"""


def test_an_interruption_while_the_kernel_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = notebook(tmp_path / "early.ipynb", "open('ran', 'w')")

    def interrupt(cell: int, cells: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(build, "TICK", 0.01)
    with pytest.raises(KeyboardInterrupt):
        build.execute(path, interrupt)
    assert not (tmp_path / "ran").exists()


def test_an_interruption_of_the_pages_keeps_the_old_ones(tmp_path: Path) -> None:
    folders = bare_site(tmp_path, "# A page\n")
    folders.html.mkdir()
    (folders.html / "index.html").write_text("the last book")
    script = f"""
import sys; sys.path[:0] = [{str(ROOT / "book" / "tools")!r}, {str(ROOT / "tests" / "book")!r}]
import build, stop
stop.quietly()
folders = build.Folders(build.ROOT, build.Path({str(tmp_path)!r}), build.Path({str(tmp_path)!r}))
build.build = lambda *_: (print("Building the pages ...", flush=True), build.build_pages(folders))
sys.exit(build.main(["--preset", "smoke"]))
"""
    with started([sys.executable, "-c", script], tmp_path) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "Building the pages ...\n"
        time.sleep(1)  # in the middle of it: it takes some seconds
        os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (130, SENTENCE)
    assert (folders.html / "index.html").read_text() == "the last book"


@pytest.mark.parametrize("script", ["build.py", "notebooks.py"])
def test_an_interruption_of_the_imports_shows_no_traceback(
    script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("jupytext", "nbformat"):
        (tmp_path / f"{module}.py").write_text("import time; print('here', flush=True); time.sleep(60)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with started([sys.executable, str(ROOT / "book" / "tools" / script)], tmp_path) as process:
        assert process.stdout
        assert process.stdout.readline() == "here\n"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (-signal.SIGINT, "Stopped.\n")


def test_a_log_gets_a_line_now_and_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "cadnet-quick-1"
    run.mkdir()
    (run / "config.json").write_text('{"optim": {"steps": 400}}')
    line = progress.Line("a.ipynb", "took 70 s last time", tmp_path)
    assert line.show(0, 5) == "starting"
    assert line.show(1, 5) == "cell 1 of 5"
    (run / "history.jsonl").write_text('{"step": 10}\n{"step": 20}\n{"ste')
    assert line.show(2, 5) == "cadnet step 20 of 400, cell 2 of 5"
    assert capsys.readouterr().out == "  a.ipynb: took 70 s last time\n"
    line.started, line.shown = time.monotonic() - 75, time.monotonic() - progress.EVERY
    line.show(2, 5)
    line.show(2, 5)
    assert capsys.readouterr().out == "    01:15, cadnet step 20 of 400, cell 2 of 5\n"
    (run / "history.jsonl").write_text('{"step": 400}\n')
    assert line.show(3, 5) == "cell 3 of 5"
    assert line.end() == pytest.approx(75, abs=10)
    assert re.fullmatch(r"  a.ipynb: ran in \d\d s\n", capsys.readouterr().out)


def test_runs_of_before_are_no_progress(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "history.jsonl").write_text('{"step": 20}\n')
    (tmp_path / "old" / "config.json").write_text('{"optim": {"steps": 400}}')
    assert progress.training(tmp_path, time.time() - 60) == "old step 20 of 400"
    assert progress.training(tmp_path, time.time() + 60) is progress.training(tmp_path / "nowhere", 0) is None


def test_on_a_terminal_one_line_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "60")
    line = progress.Line("a.ipynb", "took 70 s last time", tmp_path)
    line.show(2, 5)
    line.end("stopped")
    out = capsys.readouterr().out
    texts = ["  a.ipynb: took 70 s last time", "  a: 00:00, took 70 s last time, cell 2 of 5", "  a.ipynb: stopped"]
    assert out == "".join("\r" + text.ljust(59) for text in texts) + "\n"


def test_the_time_of_the_last_run_is_what_is_expected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ours, "expected_seconds", lambda config, on: (100.0, 300.0))
    assert progress.expected("02_measuring_retrieval", "quick", tmp_path) == "expected 20 to 80 s"
    assert progress.expected("06_realism", "quick", tmp_path) == "expected 2 to 8 min"
    progress.keep_seconds(tmp_path, "06_realism", 71.26)
    progress.keep_seconds(tmp_path, "07_x", 5)
    assert progress.expected("06_realism", "quick", tmp_path) == "took 71 s last time"
    assert json.loads((tmp_path / "seconds.json").read_text()) == {"06_realism": 71.3, "07_x": 5}
    (tmp_path / "seconds.json").write_text("{")
    assert progress.expected("06_realism", "quick", tmp_path) == "expected 2 to 8 min"


def test_estimates_and_presets_are_of_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert {path.stem for path in (ROOT / "book" / "src").glob("*.md")} >= progress.TRAININGS.keys()
    assert set(build.PRESETS) == set(PRESETS)
    with pytest.raises(SystemExit):
        build.main(["--preset", "huge"])
    assert "invalid choice: 'huge'" in capsys.readouterr().err


def test_folders_of_the_environment_mean_the_same_in_every_chapter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("CADNET_EDU_CACHE", "kept here")
    monkeypatch.setenv("CADNET_EDU_ROOT", "~/market1501")
    build.anchor_paths()
    assert os.environ["CADNET_EDU_CACHE"] == str(tmp_path / "kept here")
    assert os.environ["CADNET_EDU_ROOT"] == str(tmp_path / "home" / "market1501")


# ------------------------------------------------------------------------------------------------------------ make


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A project folder, with a space in its name, that has nothing but the Makefile, an environment and a page."""
    place = tmp_path / "my project"
    (place / "_build" / "html").mkdir(parents=True)
    (place / "_build" / "html" / "index.html").write_text("<p>a page</p>")
    shutil.copyfile(ROOT / "Makefile", place / "Makefile")
    (place / ".venv" / "bin").mkdir(parents=True)
    (place / ".venv" / "bin" / "python").symlink_to(sys.executable)
    return place


def make(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["make", *words], cwd=folder, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("address", ["127.0.0.1", "", "99999", "abc", "-1"])  # this computer alone, all, no port at all
def test_a_port_that_cannot_be_used_is_told(made: Path, address: str) -> None:
    with socket.create_server((address if address in ("127.0.0.1", "") else "127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1] if address in ("127.0.0.1", "") else address
        run = make(made, "serve", f"PORT={port}")
    assert run.returncode != 0
    assert f"make: port {port} is taken or cannot be used; give another one: make serve PORT=8001\n" in run.stderr
    assert "Traceback" not in run.stdout + run.stderr
    assert "The book is at" not in run.stdout


def test_the_pages_are_served_to_this_computer_only(made: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with started(["make", "serve", f"PORT={port}"], made) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == f"The book is at http://localhost:{port} (stop with Ctrl-C)\n"
        assert process.stdout.readline().startswith(f"Serving HTTP on 127.0.0.1 port {port}")
        with socket.create_connection(("127.0.0.1", port)) as asked:
            asked.sendall(b"GET / HTTP/1.0\r\n\r\n")
            assert b"a page" in b"".join(iter(lambda: asked.recv(4096), b""))
        with pytest.raises(OSError):
            socket.create_connection(("127.0.0.2", port), timeout=5).close()


def test_serve_needs_pages_and_an_environment(made: Path) -> None:
    (made / ".venv" / "bin" / "python").unlink()
    assert "make: there is no .venv/bin/python; run make book first" in make(made, "serve").stderr
    (made / "_build" / "html" / "index.html").unlink()
    assert "there are no pages yet; run make book first" in make(made, "serve").stderr


@pytest.mark.parametrize("state", ["no pip", "no Python"])
def test_a_half_made_environment_is_made_again(made: Path, tmp_path: Path, state: str) -> None:
    """What a killed `python -m venv` leaves, and an environment whose Python was uninstalled."""
    (made / "pyproject.toml").write_text("")
    (made / "book").mkdir()
    (made / "book" / "constraints.txt").write_text("")
    broken = made / ".venv" / "bin" / "python"
    broken.unlink()
    if state == "no pip":
        broken.write_text(f'#!/bin/sh\n[ "$2" = pip ] && exit 1\nexec {sys.executable} "$@"\n')
        broken.chmod(0o755)
    else:
        broken.symlink_to(tmp_path / "gone")
    maker = tmp_path / "python"  # stands for the system's Python: it makes environments in which pip does nothing
    maker.write_text(
        '#!/bin/sh\n[ "$1" = -m ] || exit 0\n[ -e "$3" ] && exit 3\nmkdir -p "$3/bin"\n'
        'printf "#!/bin/sh\\nexit 0\\n" > "$3/bin/python"\nchmod +x "$3/bin/python"\n'
    )
    maker.chmod(0o755)
    run = make(made, ".venv/installed", f"PYTHON={maker}")
    assert run.returncode == 0, run.stderr
    assert "Making .venv again: it was left unfinished, or its Python is gone." in run.stdout
    assert (made / ".venv" / "installed").exists()
