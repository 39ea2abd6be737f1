"""Handing out and grading: the book's solutions pass, the untouched chapter fails, nothing gets round the checks."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
import teach

from cadnet_edu import check

ROOT = Path(__file__).resolve().parents[2]
CHAPTERS = [path for path in sorted((ROOT / "book" / "chapters").glob("*.ipynb")) if teach.exercises(path)]


def answered(chapter: Path, answers: dict[str, str], target: Path, extra: str = "") -> Path:
    """Write a submission: the chapter with some functions written, and perhaps a cell more."""
    notebook: dict[str, Any] = json.loads(chapter.read_text(encoding="utf-8"))
    by_cell = {one.cell: one.function for one in teach.exercises(chapter)}
    for cell in notebook["cells"]:
        if by_cell.get(cell["id"]) in answers:
            cell["source"] = answers[by_cell[cell["id"]]]
    notebook["cells"].append({"cell_type": "code", "id": "mine", "metadata": {}, "outputs": [], "source": extra})
    target.write_text(json.dumps(notebook), encoding="utf-8")
    return target


def solutions(chapter: Path) -> dict[str, str]:
    """The solutions that the book folds away, by function."""
    text = "\n".join(code for _, code in teach.cells(chapter, "markdown"))
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    return {
        one.function: next((b for b in reversed(blocks) if f"def {one.function}(" in b), "")
        for one in teach.exercises(chapter)
    }


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_the_books_solutions_pass_and_the_untouched_chapter_fails(chapter: Path, tmp_path: Path) -> None:
    solved = answered(chapter, solutions(chapter), tmp_path / "solved.ipynb")
    every = teach.exercises(chapter)
    assert len(every) >= 3
    numbers = [one.number for one in every]
    assert len(set(numbers)) == len(numbers)
    assert all(number.startswith(f"{int(chapter.stem[:2])}.") for number in numbers)
    for one in every:
        grade = teach.grade_one(chapter, solved, one)
        assert grade.passed, f"{one.number} {one.function}: {grade.message}"
        empty = teach.grade_one(chapter, chapter, one)
        assert not empty.passed
        assert "not written yet" in empty.message


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_a_handout_has_hints_and_no_solutions(chapter: Path, tmp_path: Path) -> None:
    text = teach.handout(chapter)
    nbformat.validate(nbformat.reads(text, as_version=4))
    (tmp_path / chapter.name).write_text(text, encoding="utf-8")
    assert teach.exercises(tmp_path / chapter.name) == teach.exercises(chapter)
    assert not any(solutions(tmp_path / chapter.name).values())
    before, after = chapter.read_text(encoding="utf-8"), text
    assert after.count("hint</summary>") + after.count("Hint</summary>") >= 3
    for word in ("hint</summary>", "Hint</summary>"):
        assert before.count(word) == after.count(word)
    assert not re.search(r"<summary>[^<]*(?i:solution)", after)


FIRST = CHAPTERS[0]
LOOP = "def my_psnr(x, y):\n    while True:\n        pass\n"
RIGHT = "HALF = 2\n\n\ndef nyquist(r, height):\n    return height / r / HALF\n"
TAMPERED = """\
from cadnet_edu import check
from cadnet_edu.exercises.report import Report
check.check_degrade = lambda function: Report(True, "bought")
raise SystemExit
"""


def test_grades_are_the_packages_whatever_a_submission_does(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = "def degrade_by_hand(x, r):\n    return x[:, :, ::r, ::r]\n"
    mixed = {"degrade_by_hand": wrong, "nyquist": RIGHT, "my_psnr": LOOP}
    ann = answered(FIRST, mixed, tmp_path / "ann.ipynb", TAMPERED)
    ends = "import os\n\n\ndef degrade_by_hand(x, r):\n    os._exit(0)\n"
    broken = {"degrade_by_hand": ends, "nyquist": RIGHT, "my_psnr": "def my_psnr(x, y:"}
    bob = answered(FIRST, broken, tmp_path / "bob.ipynb")
    out = tmp_path / "grades.csv"
    assert teach.main(["grade", FIRST.stem, str(ann), str(bob), "--out", str(out), "--seconds", "10"]) == 0
    rows = list(csv.DictReader(out.read_text(encoding="utf-8").splitlines()))
    found = {(row["student"], row["function"]): row for row in rows}
    assert len(rows) == 6
    assert {key for key, row in found.items() if row["passed"] == "1"} == {("ann", "nyquist"), ("bob", "nyquist")}
    assert "bought" not in found["ann", "degrade_by_hand"]["message"]
    assert found["ann", "my_psnr"]["message"] == "no answer within 10 seconds."
    assert found["bob", "degrade_by_hand"]["message"] == "it ended the process."
    assert "there is no function my_psnr" in found["bob", "my_psnr"]["message"]
    assert "ann: 1 of 3\nbob: 1 of 3\n" in capsys.readouterr().out


def test_new_cell_ids_make_no_difference(tmp_path: Path) -> None:
    path = answered(FIRST, {"nyquist": RIGHT}, tmp_path / "a.ipynb")
    notebook = json.loads(path.read_text(encoding="utf-8"))
    for number, cell in enumerate(notebook["cells"]):
        cell["id"] = f"new-{number}"
    path.write_text(json.dumps(notebook), encoding="utf-8")
    one = next(one for one in teach.exercises(FIRST) if one.function == "nyquist")
    assert teach.grade_one(FIRST, path, one).passed


def test_a_check_that_a_submission_replaces_is_not_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not by what is run when a function is defined, and not for the exercises after it."""
    for one in teach.exercises(FIRST):
        monkeypatch.setattr(check, one.check, getattr(check, one.check))  # put back afterwards
    gift = "from cadnet_edu import check\n\n\nclass Gift:\n"
    for one in teach.exercises(FIRST):
        gift += f"    check.{one.check} = lambda function: Report(True, 'bought')\n"
    path = answered(FIRST, {}, tmp_path / "a.ipynb", "from cadnet_edu.exercises.report import Report\n" + gift)
    teach._work(FIRST, path, tmp_path / "told", 0)
    assert "bought" in check.check_degrade(None).message, "the attack itself works"
    told = [json.loads(line) for line in (tmp_path / "told").read_text().splitlines()[1:]]
    assert len(told) == len(teach.exercises(FIRST))
    assert not any(one["passed"] or "bought" in one["message"] for one in told)


def test_a_file_that_is_no_notebook_is_told_and_costs_the_others_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {"cut": '{"cells": [', "other": "[1, 2]", "empty": "", "strange": '{"cells": [1]}'}
    for name, text in files.items():
        (tmp_path / f"{name}.ipynb").write_text(text)
    out = tmp_path / "grades.csv"
    assert teach.main(["grade", FIRST.stem, *(str(tmp_path / f"{n}.ipynb") for n in files), "--out", str(out)]) == 0
    rows = list(csv.DictReader(out.read_text(encoding="utf-8").splitlines()))
    assert len(rows) == len(files) * len(teach.exercises(FIRST))
    assert {row["message"] for row in rows} == {"the file is no notebook."}


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
    with pytest.raises(KeyboardInterrupt):
        teach.main(["grade", FIRST.stem, "ann/work.ipynb", "bob/work.ipynb"])
    rows = list(csv.DictReader(Path("grades.csv").read_text(encoding="utf-8").splitlines()))
    assert [row["student"] for row in rows] == ["ann/work"]
    monkeypatch.setattr(teach, "grade", lambda *_: [])
    assert teach.main(["grade", FIRST.stem, "ann/work.ipynb", "--out", "ann/work.ipynb/grades.csv"]) == 1
    assert "teach: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["handout", "99_no_such"], "99_no_such: there is no such chapter. Choose one of: 01_"),
        (["grade", FIRST.stem, "nobody.ipynb"], "there is no file nobody.ipynb"),
    ],
)
def test_what_is_not_there_is_told(words: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert teach.main(words) == 1
    assert told in capsys.readouterr().err


def test_the_command_hands_out(tmp_path: Path) -> None:
    assert teach.main(["handout", FIRST.stem, "--out", str(tmp_path)]) == 0
    assert (tmp_path / FIRST.name).read_text(encoding="utf-8") == teach.handout(FIRST)


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
    asked = []
    monkeypatch.setattr(teach, "grade", lambda *given: asked.append(given) or [])
    for line in lines:
        answered(FIRST, {}, tmp_path / "submissions" / "ann.ipynb")
        words = [word.replace("*.ipynb", "ann.ipynb") for word in line.split()]
        assert teach.main(words) == 0, line
    assert len(asked) == 1
    assert (tmp_path / "grades.csv").exists()
