"""For those who teach with the book: hand out a chapter without its solutions, and grade what comes back.

::

    python book/tools/teach.py handout 03_strong_baseline --out handouts
    python book/tools/teach.py grade 03_strong_baseline submissions/*.ipynb --out grades.csv

An exercise is a cell with a function to be written and a line ``check.check_...(function)``. What passes in the
notebook passes here: the submission's cells are executed in their order up to that cell, in an IPython shell, but for
the chapter's own trainings and figures (see ``submission``); then the package's own check is applied to the function. A
check line that was changed makes no difference. Each exercise is graded in a fresh process, forked where the system can
from one that has imported PyTorch already; check and cells have a limited time each. One that fails or never ends costs
the others nothing.

The table has the columns student, exercise, function, passed (1 or 0), message (what the check said) and doubt. A 0
with an empty doubt is an answer that was executed, checked and found wrong or unwritten. Otherwise doubt says why
it needs a look: there is no such function, its cell is not Python, a name it needs is bound by a statement that
failed, was interrupted or left out, a module or file is missing here, no result came in time, the process ended, or the
file could not be read. The table is UTF-8 without a byte order mark. A cell that a spreadsheet would take for a formula
begins with an apostrophe. The table is replaced as a whole after each submission, before its line is printed.

A submission is a program. Grade with an account, or in a container, in which it can do no harm. One that sets out to
deceive its own grader may succeed: what looks too good deserves a look.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import csv
import io
import json
import multiprocessing
import os
import re
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from importlib import import_module
from multiprocessing.connection import Connection
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import Any

from notebooks import BOOK, write
from submission import Run, cells, parsed

FOLDED = re.compile(
    r"\n*<details>\s*<summary>(?:(?!</summary>).)*\b(?:solution|answers?)\b(?:(?!</summary>).)*</summary>.*?</details>",
    re.IGNORECASE | re.DOTALL,
)
NUMBER = re.compile(r"^(?:#+ |.*>Exercise )(\d+(?:\.\d+)?)\b", re.MULTILINE)  # of the last heading before the cell
SECONDS = 20.0
START = 300.0  # how long a process may take until it is ready
PRELOAD = ("__main__", "torch", "jupytext", "matplotlib.pyplot", "cadnet_edu.teach.check")
FORMULA = re.compile(r"\s*[=+\-@＝＋－＠]|[\t\r\n]")
# Messages after which another definition or another name of the function may still be right
UNDECIDED = re.compile(r"there is no function|is not written yet|without calling it|stopped with NameError")
# Messages of answers that were not checked
DOUBTFUL = re.compile(
    r"there is no function|could not be checked|stopped with (Import|ModuleNotFound|FileNotFound)Error"
)


@dataclass(frozen=True)
class Exercise:
    """An exercise of a chapter: its number, the function to be written, and what checks it."""

    number: str
    function: str
    check: str
    cell: str  # the cell's id


@dataclass(frozen=True)
class Grade:
    """How one exercise of one submission went."""

    student: str
    exercise: str
    function: str
    passed: bool
    message: str
    doubt: str = ""  # why a 0 needs a look


def exercises(chapter: Path) -> list[Exercise]:
    """The exercises of a chapter that have a check, in their order."""
    found: list[Exercise] = []
    number, first = "", chapter.stem.partition("_")[0].lstrip("0")
    for cell in json.loads(chapter.read_text(encoding="utf-8"))["cells"]:
        text = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            number = (NUMBER.findall(text) or [number])[-1]
            continue
        body = [statement.node for statement in parsed(text)]
        stubs = {n.name for n in body if isinstance(n, ast.FunctionDef) and "NotImplementedError" in ast.unparse(n)}
        for call in (n for statement in body for n in ast.walk(statement) if isinstance(n, ast.Call)):
            given = ast.unparse(call.args[0]) if call.args else ""
            if ast.unparse(call.func).startswith("check.check_") and given in stubs:
                name = number if "." in number else f"{first}.{number}"
                found.append(Exercise(name, given, ast.unparse(call.func).removeprefix("check."), cell.get("id", "")))
    return found


# Hand out ---------------------------------------------------------------------------------------------------------


def handout(chapter: Path) -> str:
    """The chapter's notebook (its JSON text) without folded solutions and answers; hints stay."""
    notebook = json.loads(chapter.read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            cell["source"] = FOLDED.sub("", "".join(cell["source"])).splitlines(keepends=True)
    return json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


# Grade ------------------------------------------------------------------------------------------------------------


def checks_of(every: Sequence[Exercise]) -> dict[str, Callable[..., Any]]:
    """The package's checks by name, to be taken before any submission can put others in their place."""
    module = import_module("cadnet_edu.teach.check")
    return {one.check: getattr(module, one.check) for one in every}


def verdict(run: Run, check: Callable[..., Any]) -> tuple[bool, str]:
    """Whether a submission's function passes as things stand, and the check's message.

    Args:
        run: the submission, executed up to its answer.
        check: the package's check.
    """
    failed = f"there is no function {run.function}."
    for place, candidate in enumerate(run.candidates()):
        report = check(candidate)
        if report.passed:
            return True, report.message
        failed = report.message if place == 0 else failed
        if not UNDECIDED.search(failed):
            break
    return False, failed


def evaluate(run: Run, check: Callable[..., Any], report_stage: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Execute a submission, check its answer, and say whether a failure is in doubt.

    Args:
        run: the submission.
        check: the package's check.
        report_stage: called with the stage before each check, from which on its time counts.
    """
    run.up_to_the_exercise()
    report_stage({"stage": "check"})
    passed, message = verdict(run, check)
    if not passed and (run.goes_on() or (UNDECIDED.search(message) and "not written" not in message)):
        report_stage({"stage": "cells"})
        run.the_rest()
        report_stage({"stage": "check"})
        later, words = verdict(run, check)
        passed, message = later, words if later or run.goes_on() else message
    doubt = ""
    if not passed and "is not written yet" not in message:
        doubt = run.missing() or ("see the message" if DOUBTFUL.search(message) else "")
    return {"passed": passed, "message": message, "doubt": doubt}


def _work(pipe: Connection, chapter: Path, submission: Path, exercise: Exercise, seconds: float, folder: str) -> None:
    """Grade one exercise in a process that was started for it alone; what it finds goes through the pipe."""
    if hasattr(os, "setsid"):
        os.setsid()  # so that what it starts can be ended with it
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for stream, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        os.dup2(os.open(os.devnull, os.O_RDWR), stream)
        setattr(sys, name, os.fdopen(stream, mode, encoding="utf-8", errors="replace", closefd=False))
    os.environ.update(MPLBACKEND="agg", IPYTHONDIR=folder)
    checks = checks_of([exercise])
    import_module("torch").set_num_threads(1)
    import_module("matplotlib").use("agg")
    os.chdir(folder)
    sys.path[:] = [folder, *sys.path, str(submission.parent)]

    def report_stage(what: dict[str, Any]) -> None:
        pipe.send_bytes(json.dumps(what).encode())

    report_stage({"stage": "cells"})
    try:
        run = Run(chapter, submission, exercise.function, exercise.check, exercise.cell, seconds)
        found = evaluate(run, checks[exercise.check], report_stage)
    except BaseException as error:  # SystemExit and the like: the answer ended there
        message = f"{exercise.function} stopped with {type(error).__name__}: {error}"
        found = {"passed": False, "message": message, "doubt": "the exercise was not checked to its end"}
    report_stage(found)


def grade(chapter: Path, submission: Path, seconds: float = SECONDS) -> Iterator[Grade]:
    """Grade a submission, each exercise in a process of its own.

    Args:
        chapter: the notebook as it was handed out, or as it is in the book.
        submission: the notebook that came back.
        seconds: how long the check of an exercise may take, and how long the cells before it.
    """
    every = exercises(chapter)
    try:
        cells(submission)
    except (OSError, ValueError) as error:
        for one in every:
            yield Grade(submission.stem, one.number, one.function, False, str(error), "the file was not read")
        return
    processes = _processes(chapter)
    for one in every:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            given = (chapter.resolve(), submission.resolve(), one, seconds, folder)
            yield Grade(submission.stem, one.number, one.function, **_in_a_process(processes, given))


def imports(chapter: Path) -> set[str]:
    """The modules that a chapter imports."""
    found = [n for _, code in cells(chapter) for s in parsed(code) for n in ast.walk(s.node)]
    modules = {n.module for n in found if isinstance(n, ast.ImportFrom) and n.module and not n.level}
    return modules | {alias.name for n in found if isinstance(n, ast.Import) for alias in n.names}


def _processes(chapter: Path) -> BaseContext:
    """How processes are started: by forking one that has imported what a chapter needs, where there is fork."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([*PRELOAD, *imports(chapter)])
    return context


def _in_a_process(processes: BaseContext, given: tuple[Any, ...]) -> dict[str, Any]:
    """What a fresh process finds for one exercise, or why it found nothing; see ``_work`` for what it is given."""
    here, there = processes.Pipe(duplex=False)
    process = processes.Process(target=_work, args=(there, *given))  # type: ignore[attr-defined]
    process.start()
    there.close()
    try:
        return _found(here, seconds=given[3])
    finally:  # also when somebody stops the grading
        if hasattr(os, "killpg"):
            with contextlib.suppress(OSError):
                os.killpg(process.pid, signal.SIGKILL)
        process.kill()
        process.join()
        here.close()


def _found(pipe: Connection, seconds: float) -> dict[str, Any]:
    """Wait for what a process tells, each stage for its time."""
    limit, late = START, "the process was not ready in time."
    try:
        while pipe.poll(limit):
            message_in = json.loads(pipe.recv_bytes())
            if "stage" not in message_in:
                return {key: message_in[key] for key in ("passed", "message", "doubt")}
            if message_in["stage"] == "check":
                limit, late = seconds, f"no answer within {seconds:g} seconds."
            else:  # Run interrupts what takes too long; this is for what cannot be interrupted
                limit, late = 2 * seconds + 10, f"the cells before it did not end within {seconds:g} seconds."
    except (EOFError, OSError, ValueError, KeyError, TypeError):
        return {"passed": False, "message": "it ended the process.", "doubt": "no result: the process ended"}
    return {"passed": False, "message": late, "doubt": "no result within the time; see --seconds"}


# ------------------------------------------------------------------------------------------------------------------


def chapter_at(name: str) -> Path:
    """The notebook of a chapter, by its path or by its name in the book.

    Raises:
        ValueError: when there is none.
    """
    for path in (Path(name), BOOK / "chapters" / f"{name}.ipynb"):
        if path.suffix == ".ipynb" and path.is_file():
            return path
    names = ", ".join(path.stem for path in sorted((BOOK / "chapters").glob("*.ipynb")))
    raise ValueError(f"{name}: there is no such chapter. Choose one of: {names}.")


def students(paths: Sequence[Path]) -> dict[Path, str]:
    """A name for each file: its own, or with its folders where several files have one name; a file given twice once.

    Bytes of a file's name that are not UTF-8 are written as ``\\xe9``.
    """
    by_place: dict[str, Path] = {}
    for path in paths:
        by_place.setdefault(os.path.abspath(path), path)
    unique = list(by_place.values())

    def inside(path: Path) -> Path:
        shared = os.path.commonpath([os.path.dirname(os.path.abspath(one)) for one in unique])
        return Path(os.path.relpath(os.path.abspath(path), shared))

    names = {path: path.stem for path in unique}
    for longer in ({p: inside(p).with_suffix("").as_posix() for p in names}, {p: inside(p).as_posix() for p in names}):
        often = Counter(names.values())
        names = {path: longer[path] if often[name] > 1 else name for path, name in names.items()}
    return {path: os.fsencode(name).decode("utf-8", "backslashreplace") for path, name in names.items()}


def table(grades: Sequence[Grade]) -> str:
    """The grades as CSV, a line an exercise; no cell is a formula to a spreadsheet."""

    def cell(value: Any) -> Any:
        if not isinstance(value, str):
            return int(value)
        value = value.encode("utf-8", "backslashreplace").decode("utf-8").replace("\0", "")
        value = value.replace("\r\n", "\n").replace("\r", "\n")  # csv leaves a bare \r without quotes
        return f"'{value}" if FORMULA.match(value) else value

    text = io.StringIO()
    writer = csv.DictWriter(text, list(Grade.__dataclass_fields__), lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: cell(value) for key, value in asdict(one).items()} for one in grades)
    return text.getvalue()


def say(words: str) -> None:
    """Print a line at once; where the reader has gone or the disk is full, the work goes on in silence."""
    try:
        print(words, flush=True)
    except UnicodeEncodeError:  # a stdout of ASCII or cp1252
        say(words.encode("ascii", "backslashreplace").decode("ascii"))
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def grade_all(chapter: Path, paths: Sequence[Path], out: Path, seconds: float) -> None:
    """Grade submissions and keep the table after each of them, before anything is printed.

    Raises:
        ValueError: when a file is not there, or the chapter has no exercise with a check.
        OSError: when the table cannot be written.
    """
    missing = [str(path) for path in paths if not path.is_file()]
    if missing:
        raise ValueError(f"there is no file {missing[0]}. Give the notebooks that came back.")
    if not exercises(chapter):
        raise ValueError(f"{chapter}: no exercise with a check. Give the chapter as it was handed out, or by its name.")
    grades: list[Grade] = []
    for path, name in students(paths).items():
        mine = [replace(one, student=name) for one in grade(chapter, path, seconds)]
        grades += mine
        write(out, table(grades))  # at once: who stops it keeps what is graded
        doubts = sum(bool(one.doubt) for one in mine)
        say(f"{name}: {sum(one.passed for one in mine)} of {len(mine)}" + f", {doubts} in doubt" * (doubts > 0))
    say(f"{out}: a line for each exercise of each submission")


def main(argv: list[str] | None = None) -> int:
    """Hand out or grade; return 1 when it cannot be done, 130 when it was stopped."""
    parser = argparse.ArgumentParser(description="Hand out a chapter without solutions; grade what comes back.")
    commands = parser.add_subparsers(dest="command", required=True)
    give = commands.add_parser("handout", help="a chapter's notebook without its solutions")
    give.add_argument("chapter")
    give.add_argument("--out", type=Path, default=Path("handouts"), help="folder")
    take = commands.add_parser("grade", help="a table of what passed")
    take.add_argument("chapter")
    take.add_argument("submissions", nargs="+", type=Path)
    take.add_argument("--out", type=Path, default=Path("grades.csv"), help="file")
    take.add_argument("--seconds", type=float, default=SECONDS, help="for a check, and for the cells before it")
    args = parser.parse_args(argv)
    out = args.out.expanduser()
    try:
        chapter = chapter_at(args.chapter)
        if args.command == "handout":
            write(out / chapter.name, handout(chapter))
            say(str(out / chapter.name))
        else:
            grade_all(chapter, args.submissions, out, args.seconds)
    except (ValueError, OSError) as error:
        print(f"teach: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"teach: stopped. What was graded until then is in {out}.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
