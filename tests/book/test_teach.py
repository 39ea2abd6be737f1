"""Handing out and grading: the book's solutions pass, the untouched chapter fails, nothing gets round the checks."""

import codecs
import contextlib
import csv
import io
import json
import multiprocessing
import multiprocessing.forkserver
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
import submission
import teach

ROOT = Path(__file__).resolve().parents[2]
CHAPTERS = [path for path in sorted((ROOT / "book" / "chapters").glob("*.ipynb")) if teach.exercises(path)]


def answered(chapter: Path, answers: dict[str, str], target: Path, extra: str = "") -> Path:
    """Write a submission: the chapter with some functions written, and perhaps a cell more."""
    notebook: dict[str, Any] = json.loads(chapter.read_text(encoding="utf-8"))
    by_cell = {one.cell: one.function for one in teach.exercises(chapter)}
    for cell in notebook["cells"]:
        cell["source"] = answers.get(by_cell.get(cell["id"], ""), cell["source"])
    notebook["cells"].append({"cell_type": "code", "id": "mine", "metadata": {}, "outputs": [], "source": extra})
    target.write_text(json.dumps(notebook), encoding="utf-8")
    return target


def solutions(chapter: Path) -> dict[str, str]:
    """The solutions that the book folds away, by function."""
    text = "\n".join(code for _, code in submission.cells(chapter, "markdown"))
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)[::-1]
    names = [one.function for one in teach.exercises(chapter)]
    return {name: next((b for b in blocks if f"def {name}(" in b), "") for name in names}


def table(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


@pytest.fixture(scope="module", autouse=True)
def imported_once() -> None:
    """Start the process that others are forked from with the imports of all chapters."""
    if "forkserver" in multiprocessing.get_all_start_methods():
        modules = {name for chapter in CHAPTERS for name in teach.imports(chapter)}
        multiprocessing.get_context("forkserver").set_forkserver_preload([*teach.PRELOAD, *modules])
        multiprocessing.forkserver.ensure_running()


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_the_books_solutions_pass_and_the_untouched_chapter_fails(chapter: Path, tmp_path: Path) -> None:
    solved = list(teach.grade(chapter, answered(chapter, solutions(chapter), tmp_path / "solved.ipynb")))
    empty = list(teach.grade(chapter, chapter))
    numbers = [one.number for one in teach.exercises(chapter)]
    assert len(set(numbers)) == len(numbers) == len(solved) == len(empty) >= 3
    assert all(number.startswith(f"{int(chapter.stem[:2])}.") for number in numbers)
    assert [(one.function, one.message) for one in solved if not one.passed] == []
    assert all("not written yet" in one.message and not one.passed and not one.doubt for one in empty)


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_a_handout_has_hints_and_no_solutions(chapter: Path, tmp_path: Path) -> None:
    assert teach.main(["handout", chapter.stem, "--out", str(tmp_path)]) == 0
    handout = tmp_path / chapter.name
    before, after = chapter.read_text(encoding="utf-8"), handout.read_text(encoding="utf-8")
    nbformat.validate(nbformat.reads(after, as_version=4))
    assert teach.exercises(handout) == teach.exercises(chapter)
    assert not any(solutions(handout).values())
    assert before.lower().count("hint</summary>") == after.lower().count("hint</summary>") >= 3
    assert not re.search(r"<summary>[^<]*(?i:solution)", after)


FIRST = CHAPTERS[0]
LOOP = "def my_psnr(x, y):\n    while True:\n        pass\n"
RIGHT = "HALF = 2\n\n\ndef nyquist(r, height):\n    return height / r / HALF\n"
TAMPERED = """\
from cadnet_edu.teach import check
from cadnet_edu.teach.exercises.report import Report
check.check_degrade = lambda function: Report(True, "bought")
raise SystemExit
"""


def test_grades_are_the_packages_whatever_a_submission_does(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = "def degrade_by_hand(x, r):\n    return x[:, :, ::r, ::r]\n"
    ends = "def degrade_by_hand(x, r):\n    import os\n    os._exit(0)\n"
    mixed = {"degrade_by_hand": wrong, "nyquist": RIGHT, "my_psnr": LOOP}
    broken = {"degrade_by_hand": ends, "nyquist": RIGHT, "my_psnr": "def my_psnr(x, y:"}
    ann = answered(FIRST, mixed, tmp_path / "ann.ipynb", TAMPERED)
    bob = answered(FIRST, broken, tmp_path / "bob.ipynb")
    out = tmp_path / "grades.csv"
    assert teach.main(["grade", FIRST.stem, str(ann), str(bob), "--out", str(out), "--seconds", "10"]) == 0
    rows = table(out)
    assert list(rows[0]) == ["student", "exercise", "function", "passed", "message", "doubt"]
    found = {(row["student"], row["function"]): (row["passed"], row["message"], row["doubt"]) for row in rows}
    wanted = {
        ("ann", "degrade_by_hand"): ("0", "", None),
        ("ann", "nyquist"): ("1", "", None),
        ("ann", "my_psnr"): ("0", "no answer within 10 seconds.", "no result within the time"),
        ("bob", "degrade_by_hand"): ("0", "it ended the process.", "no result: the process ended"),
        ("bob", "nyquist"): ("1", "", None),
        ("bob", "my_psnr"): ("0", "there is no function my_psnr", "its cell is not Python (line 1: "),
    }
    assert found.keys() == wanted.keys()
    for key, (passed, message, doubt) in wanted.items():
        assert found[key][0] == passed
        assert message in found[key][1]
        assert found[key][2].startswith(doubt) if doubt else found[key][2] == ""
    assert "bought" not in found["ann", "degrade_by_hand"][1]
    assert "ann: 1 of 3, 1 in doubt\nbob: 1 of 3, 2 in doubt\n" in capsys.readouterr().out


NYQUIST = next(one for one in teach.exercises(FIRST) if one.function == "nyquist")
CHECK = "\n\ncheck.check_nyquist(nyquist)"


def returns(value: str) -> str:
    return f"def nyquist(r, height):\n    return {value}{CHECK}"


def nyquist(
    folder: Path, answer: str | None, above: tuple[str, ...] = (), below: tuple[str, ...] = (), seconds: float = 20.0
) -> teach.Grade:
    """The grade of exercise 1.2, with cells of the student above and below it; with None its cell is left alone."""
    notebook: dict[str, Any] = json.loads(FIRST.read_text(encoding="utf-8"))
    place = next(i for i, cell in enumerate(notebook["cells"]) if cell["id"] == NYQUIST.cell)
    if answer is not None:
        notebook["cells"][place]["source"] = answer
    for where, texts in ((place + 1, below), (place, above)):
        new = [{"cell_type": "code", "metadata": {}, "outputs": [], "source": text} for text in texts]
        notebook["cells"][where:where] = new
    path = folder / "work.ipynb"
    path.write_text(json.dumps(notebook), encoding="utf-8")
    given = (FIRST, path, NYQUIST, seconds, str(folder / "empty"))
    (folder / "empty").mkdir()
    return teach.Grade("work", "1.2", "nyquist", **teach._in_a_process(teach._processes(FIRST), given))


HALVES = {
    "expression": "HALF = 1 / 2",
    "annotated": "HALF: float = 0.5",
    "power": "HALF = 2 ** -1",
    "augmented": "HALF = 1\nHALF /= 2",
    "unpacked": "(HALF, *rest), other = [0.5, 1], 2",
    "numpy": "import numpy as np\nHALF = np.float64(0.5)",
    "torch": "import torch\nHALF = torch.tensor(0.5)",
    "in if": "if True:\n    HALF = 0.5",
    "in with": "import contextlib\nwith contextlib.suppress(KeyError):\n    HALF = 0.5",
    "in for": "for HALF in (0.25, 0.5):\n    pass",
    "in try": "try:\n    import no_such_module as m\nexcept ImportError:\n    HALF = 0.5",
    "walrus": "print(HALF := 0.5)",
    "by a function": "def settle():\n    global HALF\n    HALF = 0.5\n\nsettle()",
    "by globals": "globals()['HALF'] = 0.5",
    "star import": "from math import *\nHALF = pi / (2 * pi)",
    "attribute": "class Of:\n    pass\n\nHALF = Of()\nHALF.v = 0.5\nHALF = HALF.v",
    "decorated class": "from dataclasses import dataclass\n@dataclass\nclass A:\n    v: int = 2\n\nHALF = 1 / A().v",
    "future": "from __future__ import annotations\ndef half(x: NoSuch) -> Neither:\n    return x / 2\n\nHALF = half(1)",
    "cell magic": "%%time\nHALF = 0.5",
    "capture": "%%capture out\nprint('much')\nHALF = 0.5",
    "line magic": "%time HALF = 0.5",
    "other magics": "%matplotlib inline\n%config InlineBackend.figure_format = 'retina'\n%load_ext nosuch\nHALF = 0.5",
    "shell": "!echo hello\n%pip install no-such-package\nlines = !ls\nHALF = 0.5",
    "written module": "%%writefile mine.py\nHALF = 0.5",
    "display": "display('王 \\ud800')\nprint('王')\nget_ipython()\nHALF = 0.5",
    "input": "name = input()\nHALF = 0.5",
    "plot": "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()\nHALF = 0.5",
    "of Colab": "from google.colab import drive\ndrive.mount('/content')\nHALF = 0.5",
    "beside what is not executed": "print(len(split.query))\nmine = split.query\nmine[0]\nHALF = 0.5",
    "await": "import asyncio\nawait asyncio.sleep(0)\nHALF = 0.5",
    "of the chapter": "HALF = HEIGHT / WIDTH / 4",  # 128 and 64, from a tuple in one statement
    "computed by the chapter": "HALF = len(NAMES) / 8",  # a dict of the four people of GROUP
}


@pytest.mark.parametrize("code", [pytest.param(code, id=name) for name, code in HALVES.items()])
def test_a_constant_is_there_however_it_is_written(code: str, tmp_path: Path) -> None:
    cells = (code, "from mine import HALF") if "%%writefile" in code else (code,)
    grade = nyquist(tmp_path, returns("float(height / r * HALF)"), above=cells)
    assert grade.passed, grade


RIGHT_CELL = returns("height / r / 2")
MINE = "def mine(r, height):\n    return height / r / 2"
WRAPS = "import functools\ndef kept(f):\n    return functools.wraps(f)(lambda *a: f(*a))"
HALVE = "from functools import partial\nimport operator\nhalve = partial(operator.mul, 0.5)"
ANSWERS: dict[str, tuple[str, str | None, str]] = {  # cells above and below the exercise's own
    "lambda": ("half = lambda v: v / 2", returns("half(height / r)"), ""),
    "partial": (HALVE, returns("halve(height / r)"), ""),
    "def in if": ("if True:\n    def half(v):\n        return v / 2", returns("half(height / r)"), ""),
    "assigned": (MINE, "nyquist = mine" + CHECK, ""),
    "lambda assigned": ("", "nyquist = lambda r, height: height / r / 2" + CHECK, ""),
    "another name": ("", RIGHT_CELL.replace("nyquist(r", "mine(r").replace("(nyquist)", "(mine)"), ""),
    "no name": ("", "check.check_nyquist(lambda r, height: height / r / 2)", ""),
    "decorator": (WRAPS, "@kept\n" + RIGHT_CELL, ""),
    "time": ("", "%%time\n" + RIGHT_CELL, ""),
    "constant in the cell": ("", "HALF = 0.5\n" + returns("height / r * HALF"), ""),
    "changed check": ("", RIGHT_CELL.replace("check_nyquist", "check_psnr"), ""),
    "replaced check": ("class check:\n    check_nyquist = print", RIGHT_CELL, ""),
    "prints": ("", returns("print('王') or display('x') or height / r / 2"), ""),
    "cell above not Python": ("def half(:", RIGHT_CELL, ""),
    "cell above raises": ("1 / 0", RIGHT_CELL, ""),
    "exit above": ("import sys\nsys.exit()", RIGHT_CELL, ""),
    "above the stub": (RIGHT_CELL, None, ""),
    "constant below": ("", returns("height / r * HALF"), "HALF = 0.5"),
    "function below": ("", "nyquist = mine" + CHECK, MINE),
    "below the stub": ("", None, RIGHT_CELL),
    "below a wrong one": ("", returns("height / r"), RIGHT_CELL),
}


@pytest.mark.parametrize(("above", "answer", "below"), [pytest.param(*case, id=name) for name, case in ANSWERS.items()])
def test_what_passes_in_the_notebook_passes_here(above: str, answer: str | None, below: str, tmp_path: Path) -> None:
    grade = nyquist(tmp_path, answer, above=(above,), below=(below,))
    assert grade.passed, grade
    assert not grade.doubt


def test_a_module_beside_the_submission_is_found_and_a_long_cell_is_interrupted(tmp_path: Path) -> None:
    (tmp_path / "halves.py").write_text("HALF = 0.5")
    above = ("from halves import HALF", "import time\ntime.sleep(100)", "while True:\n    pass")
    assert nyquist(tmp_path, returns("height / r * HALF"), above=above, seconds=4).passed


@pytest.mark.parametrize(
    ("above", "answer", "message", "doubt"),
    [
        ("import math\nfloor = math.floor", returns("floor(height / r / 2)"), "wrong for r = 1.5", ""),
        ("HALF = 0.25", returns("height / r * HALF"), "wrong for r = 4", ""),
        ("", returns("height / r * HALF"), "stopped with NameError", ""),
        ("", returns("exit()"), "nyquist", ""),
        ("", returns("__import__('sys').exit()"), "nyquist stopped with SystemExit", ""),
        ("", None, "not written yet", ""),
        ("1 / 0\nHALF = 0.5", returns("height / r * HALF"), "NameError", "HALF is bound below a statement that raised"),
        ("HALF = 1 / 0", returns("height / r * HALF"), "NameError", "HALF is bound by a statement that raised"),
        ("HALF = 0.25\nHALF = 1 / 0", returns("height / r * HALF"), "wrong for r = 4", "HALF is bound by a statement"),
        ("from nosuch import HALF", returns("height / r * HALF"), "NameError", "raised ModuleNotFoundError"),
        ("while True:\n    pass\nHALF = 1", returns("height / r * HALF"), "NameError", "in a cell that took longer"),
        ("", returns("__import__('nosuch')"), "ModuleNotFoundError", "see the message"),
        ("", "def nyquist(r, height:", "there is no function nyquist.", "its cell is not Python (line 1"),
        ("", "print('no answer')", "there is no function nyquist", "see the message"),
        ("", returns("__import__('ctypes').string_at(0)"), "it ended the process.", "no result: the process ended"),
    ],
)  # fmt: skip
def test_what_fails_in_the_notebook_fails_here_and_a_doubtful_0_says_why(
    above: str, answer: str | None, message: str, doubt: str, tmp_path: Path
) -> None:
    grade = nyquist(tmp_path, answer, above=(above,), seconds=4)
    assert not grade.passed
    assert message in grade.message
    assert doubt in grade.doubt
    assert bool(doubt) == bool(grade.doubt)


def test_the_chapters_trainings_are_not_executed_and_the_needed_cells_are(tmp_path: Path) -> None:
    run = submission.submitted(FIRST, FIRST)
    flat = [s for cell in run for s in cell.statements if not s.check]
    names, chosen = submission.needed({"wears"}, flat)
    assert {"wears", "drawing", "GROUP", "HEIGHT", "draw"} <= names
    assert not {"split", "gallery", "street", "config"} & names
    assert all("walkers(" not in flat[place].text for place in chosen)
    assert not any(cell.own for cell in run)


def test_nothing_that_one_exercise_does_reaches_the_next(tmp_path: Path) -> None:
    spoils = (
        "def degrade_by_hand(x, r):\n    import torch\n    torch.zeros = torch.cat = torch.log10 = None\n    return x"
    )
    answers = solutions(FIRST) | {"degrade_by_hand": spoils}
    grades = teach.grade(FIRST, answered(FIRST, answers, tmp_path / "a.ipynb"))
    assert {one.function for one in grades if one.passed} == {"nyquist", "my_psnr"}


def test_a_check_that_a_submission_replaces_is_not_asked(tmp_path: Path) -> None:
    """Not by what is executed when a function is defined, and not for the exercises after it."""
    gift = "from cadnet_edu.teach import check\nfrom cadnet_edu.teach.exercises.report import Report\n\n\nclass Gift:\n"
    for one in teach.exercises(FIRST):
        gift += f"    check.{one.check} = lambda function: Report(True, 'bought')\n"
    gift += "\n\nassert check.check_nyquist(None).message == 'bought'\nHALF = 0.5"
    right = nyquist(tmp_path, returns("height / r * HALF"), above=(gift,))
    assert right.passed, "the attack itself works, or HALF were not there"
    assert right.message != "bought"
    grades = list(teach.grade(FIRST, answered(FIRST, {}, tmp_path / "a.ipynb", gift)))
    assert not any(one.passed or "bought" in one.message for one in grades)


def test_every_file_that_an_editor_makes_of_a_notebook_is_read(tmp_path: Path) -> None:
    plain = json.loads(answered(FIRST, {"nyquist": RIGHT}, tmp_path / "a.ipynb").read_text(encoding="utf-8"))
    cells = plain["cells"]
    old = [{"cell_type": "code", "input": c["source"], "language": "python", "outputs": []}
           for c in cells if c["cell_type"] == "code"]  # fmt: skip
    format_3 = {"nbformat": 3, "nbformat_minor": 0, "metadata": {}, "worksheets": [{"cells": old}]}
    colab = [{k: {"id": "xY1"} if k == "metadata" else v for k, v in c.items() if k != "id"} for c in cells]
    text = json.dumps(plain, ensure_ascii=False)
    files = {
        "bom": codecs.BOM_UTF8 + text.encode(),
        "utf16": text.encode("utf-16"),
        "utf16le": text.encode("utf-16-le"),
        "format3": json.dumps(format_3).encode(),
        "colab": json.dumps({**plain, "nbformat_minor": 0, "cells": colab}).encode(),
        "ids": json.dumps({**plain, "cells": [{**c, "id": f"new-{i}"} for i, c in enumerate(cells)]}).encode(),
    }
    for name, data in files.items():
        path = tmp_path / f"{name}.ipynb"
        path.write_bytes(data)
        grades = {one.function: one for one in teach.grade(FIRST, path)}
        assert grades["nyquist"].passed, (name, grades["nyquist"])
        assert "not written yet" in grades["my_psnr"].message, name


def test_a_file_that_cannot_be_read_says_why_and_costs_the_others_nothing(tmp_path: Path) -> None:
    files = {
        "cut": (b'{"cells": [', "the file is not a notebook: line 1: Expecting value."),
        "other": (b"[1, 2]", "the file is not a notebook: it has no list of cells."),
        "empty": (b"", "the file is not a notebook: it is empty."),
        "strange": (b'{"cells": [1]}', "the file is not a notebook: it has no list of cells."),
        "latin1": (b'{"cells": ["M\xfcller"]}', "the file is not a notebook: it is neither UTF-8 nor UTF-16"),
    }
    for name, (data, _) in files.items():
        (tmp_path / f"{name}.ipynb").write_bytes(data)
    out = tmp_path / "grades.csv"
    assert teach.main(["grade", FIRST.stem, *(str(tmp_path / f"{n}.ipynb") for n in files), "--out", str(out)]) == 0
    rows = table(out)
    assert len(rows) == len(files) * len(teach.exercises(FIRST))
    assert {row["doubt"] for row in rows} == {"the file was not read"}
    for row in rows:
        assert row["message"].startswith(files[row["student"]][1])


@pytest.mark.parametrize("value", ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1", " =1", "\n=1", "＝1"])
def test_no_cell_of_the_table_is_a_formula(value: str) -> None:
    text = teach.table([teach.Grade(value, "1.1", "f", False, f"{value} \0\ud800", value)])
    (row,) = csv.DictReader(io.StringIO(text, newline=""))
    kept = value.replace("\r", "\n")
    assert row["student"] == row["doubt"] == f"'{kept}"
    assert row["message"] == f"'{kept} \\ud800"
    assert row["passed"] == "0"


NAMES = ["Anna", "王", "Zed", "Ærø"]


@pytest.mark.parametrize("coding", ["ascii", "cp1252", "closed"])
def test_a_terminal_without_the_letters_of_a_name_or_gone_away_loses_no_row(coding: str, tmp_path: Path) -> None:
    names, every = [os.fsencode(name) for name in NAMES], list(NAMES)
    with contextlib.suppress(OSError):  # macOS refuses such names
        (tmp_path / os.fsdecode(b"M\xfcller.ipynb")).write_text("")
        names, every = [*names, b"M\xfcller"], [*every, "M\\xfcller"]
    files = [os.fsdecode(name + b".ipynb") for name in names]
    for name in files:
        (tmp_path / name).write_text("")
    command = [sys.executable, str(ROOT / "book" / "tools" / "teach.py"), "grade", FIRST.stem, *files]
    env = {**os.environ, "PYTHONIOENCODING": coding.replace("closed", "ascii"), "PYTHONUTF8": "0", "LC_ALL": "C"}
    with subprocess.Popen(command, cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stderr
        if coding == "closed":
            process.stdout.close()
        else:
            assert process.stdout.read().count(b"0 of 3") == len(names)
        assert (process.stderr.read(), process.wait(120)) == (b"", 0)
    assert [row["student"] for row in table(tmp_path / "grades.csv")] == [name for name in every for _ in range(3)]


def test_students_whose_files_have_one_name_are_told_apart_and_none_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("ann", "bob"):
        Path(name).mkdir()
        answered(FIRST, {}, Path(name) / "work.ipynb")

    def graded(chapter: Path, submission: Path, seconds: float) -> list[teach.Grade]:
        if submission.parent.name == "bob":
            raise KeyboardInterrupt
        return [teach.Grade(submission.stem, "1.1", "degrade", True, "right")]

    monkeypatch.setattr(teach, "grade", graded)
    assert teach.main(["grade", FIRST.stem, "ann/work.ipynb", "bob/work.ipynb"]) == 130
    assert "What was graded until then is in grades.csv" in capsys.readouterr().err
    assert [row["student"] for row in table(Path("grades.csv"))] == ["ann/work"]
    monkeypatch.setattr(teach, "grade", lambda *_: [])
    paths = [tmp_path / p for p in ("a/work.ipynb", "b/work.ipynb", "b/work.json", "b/../a/work.ipynb", "c/zoe.ipynb")]
    assert list(teach.students(paths).values()) == ["a/work", "b/work.ipynb", "b/work.json", "zoe"]
    assert teach.main(["grade", FIRST.stem, "ann/work.ipynb", "--out", "ann/work.ipynb/grades.csv"]) == 1
    assert "teach: " in capsys.readouterr().err


def test_what_is_not_there_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    solved = str(answered(FIRST, solutions(FIRST), tmp_path / "solved.ipynb"))
    for words, told in (
        (["handout", "99_no_such"], "99_no_such: there is no such chapter. Choose one of: 01_"),
        (["grade", FIRST.stem, "nobody.ipynb"], "there is no file nobody.ipynb"),
        (["grade", solved, solved, "--out", str(tmp_path / "grades.csv")], "no exercise with a check"),
    ):
        assert teach.main(words) == 1
        assert told in capsys.readouterr().err


PAGE = (ROOT / "book" / "how_to_use.md").read_text(encoding="utf-8")


def test_the_check_that_the_page_shows_works() -> None:
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    (code,) = [block for block in blocks if "check_rows_left" in block]
    names: dict[str, Any] = {}
    exec(code, names)
    assert names["check_rows_left"](lambda height, r: round(height / r))
    assert "cut the fraction off" in names["check_rows_left"](lambda height, r: height // r).message


def test_the_commands_that_the_page_shows_are_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = re.findall(r"^python book/tools/teach\.py (.*)$", PAGE, re.MULTILINE)
    assert [line.split()[0] for line in lines] == ["handout", "grade"]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "submissions").mkdir()
    answered(FIRST, {}, tmp_path / "submissions" / "ann.ipynb")
    monkeypatch.setattr(teach, "grade", lambda *_: [teach.Grade("ann", "1.1", "f", True, "")])
    for line in lines:
        assert teach.main(line.replace("*.ipynb", "ann.ipynb").split()) == 0, line
    assert len(table(tmp_path / "grades.csv")) == 1
