"""For those who teach with the book: hand out a chapter without its solutions, and grade what comes back.

::

    python book/tools/teach.py handout 03_strong_baseline --out handouts
    python book/tools/teach.py grade 03_strong_baseline submissions/*.ipynb --out grades.csv

An exercise is a cell with a function to be written and a line ``check.check_...(function)``. Grading takes from a
submission what it *defines* (imports, functions, classes, constants), runs nothing else of it, and asks the package's
own checks: a check line that somebody changed makes no difference. Each submission is graded in a process of its own,
each exercise for a limited time; one that fails or never ends costs the others nothing.

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
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

from IPython.core.inputtransformer2 import TransformerManager
from notebooks import BOOK, write

FOLDED = re.compile(
    r"\n*<details>\s*<summary>(?:(?!</summary>).)*\b(?:solution|answers?)\b(?:(?!</summary>).)*</summary>.*?</details>",
    re.IGNORECASE | re.DOTALL,
)
NUMBER = re.compile(r"^(?:#+ |.*>Exercise )(\d+(?:\.\d+)?)\b", re.MULTILINE)  # of the last heading before the cell
SECONDS = 20.0
START = 300.0  # how long a process may take until it is ready


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


def cells(notebook: Path, kind: str = "code") -> list[tuple[str, str]]:
    """The cells of a kind, as (id, text)."""
    found = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return [(c.get("id", ""), "".join(c["source"])) for c in found if c["cell_type"] == kind]


def readable(notebook: Path) -> bool:
    """Whether a file is a notebook at all."""
    try:
        cells(notebook)
    except (ValueError, KeyError, TypeError, AttributeError):
        return False
    return True


def parsed(code: str) -> list[ast.stmt]:
    """The statements of a cell, magics turned into Python; none when it is not Python (half an answer, say)."""
    try:
        return ast.parse(TransformerManager().transform_cell(code)).body
    except (SyntaxError, ValueError):  # the latter for a zero byte
        return []


def exercises(chapter: Path) -> list[Exercise]:
    """The exercises of a chapter that have a check, in their order."""
    found: list[Exercise] = []
    number, first = "", chapter.stem.partition("_")[0].lstrip("0")
    for cell in json.loads(chapter.read_text(encoding="utf-8"))["cells"]:
        text = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            number = (NUMBER.findall(text) or [number])[-1]
            continue
        body = parsed(text)
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


def harmless(statement: ast.stmt) -> bool:
    """Whether a statement only defines something: an import, a function, a class, a constant."""
    if isinstance(statement, ast.Assign):
        with contextlib.suppress(ValueError):
            ast.literal_eval(statement.value)
            return True
    return isinstance(statement, ast.Import | ast.ImportFrom | ast.FunctionDef | ast.ClassDef)


def definitions(chapter: Path, submission: Path, exercise: Exercise) -> dict[str, Any]:
    """What a submission defines, as names; the cell of the exercise comes last and so wins."""
    given = cells(submission)
    last = [code for cell, code in given if cell == exercise.cell]
    if not last:  # some editors give cells new ids
        last = [c for _, c in given if any(getattr(n, "name", "") == exercise.function for n in parsed(c))][-1:]
    names: dict[str, Any] = {}
    imports = [n for _, code in cells(chapter) for n in parsed(code) if isinstance(n, ast.Import | ast.ImportFrom)]
    for statement in [*imports, *(n for code in [*(code for _, code in given), *last] for n in parsed(code))]:
        if harmless(statement):
            with contextlib.suppress(Exception):
                exec(compile(ast.Module([statement], []), str(submission), "exec"), names)
    return names


def judges(every: Sequence[Exercise]) -> dict[str, Callable[..., Any]]:
    """The package's checks by name, to be taken before any submission can put others in their place."""
    module = import_module("cadnet_edu.check")
    return {one.check: getattr(module, one.check) for one in every}


def grade_one(
    chapter: Path, submission: Path, exercise: Exercise, checks: dict[str, Callable[..., Any]] | None = None
) -> Grade:
    """Grade one exercise, in this process.

    Args:
        chapter: the notebook as it was handed out, or as it is in the book.
        submission: the notebook that came back.
        exercise: which.
        checks: by name, see ``judges``.
    """
    checks = checks or judges([exercise])
    with contextlib.redirect_stdout(io.StringIO()):
        names = definitions(chapter, submission, exercise)
        if exercise.function not in names:
            passed, message = False, f"there is no function {exercise.function} that Python can read."
        else:
            report = checks[exercise.check](names[exercise.function])
            passed, message = bool(report), report.message
    return Grade(submission.stem, exercise.number, exercise.function, passed, message)


def grade(chapter: Path, submission: Path, seconds: float = SECONDS) -> Iterator[Grade]:
    """Grade a submission in a process of its own; after an exercise that never ends a new one goes on with the next.

    Args:
        chapter: the notebook as it was handed out, or as it is in the book.
        submission: the notebook that came back.
        seconds: how long an exercise may take.
    """
    every = exercises(chapter)
    if not readable(submission):
        why = "the file is no notebook."
        yield from (Grade(submission.stem, one.number, one.function, False, why) for one in every)
        return
    done = 0
    while done < len(every):
        with tempfile.TemporaryDirectory() as folder:
            told = Path(folder) / "grades.jsonl"
            command = [sys.executable, __file__, "_work", str(chapter), str(submission), str(told), str(done)]
            nothing = subprocess.DEVNULL  # a submission that waits for input gets none
            process = subprocess.Popen(command, stdin=nothing, stdout=nothing, stderr=nothing)
            latest = time.monotonic() + START
            seen, goes_on, ended = 0, True, False  # lines; the first says that it is ready
            try:
                while goes_on:
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        process.wait(seconds if seen else 1)
                    ended = process.poll() is not None  # asked first: what it wrote until then is read
                    text = told.read_text(encoding="utf-8") if told.exists() else ""
                    lines = text.split("\n")[:-1]  # whole ones only
                    starting = not lines and time.monotonic() < latest
                    goes_on = not ended and (len(lines) > seen or starting)
                    yield from (Grade(**json.loads(line)) for line in lines[max(seen, 1) :])
                    done += max(len(lines), 1) - max(seen, 1)
                    seen = len(lines)
            finally:  # also when somebody stops the grading
                process.kill()
                process.wait()
        if done < len(every):
            why = "it ended the process." if ended else f"no answer within {seconds:g} seconds."
            yield Grade(submission.stem, every[done].number, every[done].function, False, why)
            done += 1


def _work(chapter: Path, submission: Path, told: Path, first: int) -> None:
    """Grade from one exercise on, and write down each grade as soon as it is known."""
    every = exercises(chapter)
    checks = judges(every)
    definitions(chapter, chapter, every[first])  # imports take their time once, before the clock runs
    with told.open("w", encoding="utf-8") as file:
        file.write("ready\n")
        file.flush()
        for exercise in every[first:]:
            file.write(json.dumps(asdict(grade_one(chapter, submission, exercise, checks))) + "\n")
            file.flush()


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


def table(grades: Sequence[Grade]) -> str:
    """The grades as CSV, a line an exercise."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(Grade.__dataclass_fields__), lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(one) | {"passed": int(one.passed)} for one in grades)
    return text.getvalue()


def main(argv: list[str] | None = None) -> int:
    """Hand out or grade; return 1 when it cannot be done."""
    argv = sys.argv[1:] if argv is None else argv
    if argv[:1] == ["_work"]:
        _work(Path(argv[1]), Path(argv[2]), Path(argv[3]), int(argv[4]))
        return 0
    parser = argparse.ArgumentParser(description="Hand out a chapter without solutions; grade what comes back.")
    commands = parser.add_subparsers(dest="command", required=True)
    give = commands.add_parser("handout", help="a chapter's notebook without its solutions")
    give.add_argument("chapter")
    give.add_argument("--out", type=Path, default=Path("handouts"), help="folder")
    take = commands.add_parser("grade", help="a table of what passed")
    take.add_argument("chapter")
    take.add_argument("submissions", nargs="+", type=Path)
    take.add_argument("--out", type=Path, default=Path("grades.csv"), help="file")
    take.add_argument("--seconds", type=float, default=SECONDS, help="for an exercise")
    args = parser.parse_args(argv)
    try:
        chapter = chapter_at(args.chapter)
        if args.command == "handout":
            write(args.out / chapter.name, handout(chapter))
            print(args.out / chapter.name)
            return 0
        missing = [str(path) for path in args.submissions if not path.is_file()]
        if missing:
            raise ValueError(f"there is no file {missing[0]}. Give the notebooks that came back.")
        grades: list[Grade] = []
        stems = Counter(path.stem for path in args.submissions)
        for path in args.submissions:
            name = path.stem if stems[path.stem] == 1 else path.with_suffix("").as_posix()  # a folder for each student
            mine = [replace(one, student=name) for one in grade(chapter, path, args.seconds)]
            print(f"{name}: {sum(one.passed for one in mine)} of {len(mine)}", flush=True)
            grades += mine
            write(args.out, table(grades))  # at once: who stops it keeps what is graded
    except (ValueError, OSError) as error:
        print(f"teach: {error}", file=sys.stderr)
        return 1
    print(f"{args.out}: a line for each exercise of each submission")
    return 0


if __name__ == "__main__":
    sys.exit(main())
