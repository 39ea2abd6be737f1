"""Exercise checks: a right answer passes, a known mistake gets its own message, and no answer makes a check raise.

The answers lie beside this file, ``ch01.py`` for ``cadnet_edu/teach/exercises/ch01.py`` and so on.
"""

from __future__ import annotations

import functools
import math
import re
import runpy
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from cadnet_edu.teach import check
from cadnet_edu.teach.check import Report
from cadnet_edu.teach.exercises import report
from cadnet_edu.teach.exercises.report import as_array, reports, show

ANSWERS = {path.stem: runpy.run_path(str(path)) for path in sorted(Path(__file__).parent.glob("ch[0-9][0-9].py"))}
RIGHT = [case for answers in ANSWERS.values() for case in answers["RIGHT"]]
WRONG = [case for answers in ANSWERS.values() for case in answers["WRONG"]]
CHECKS = [getattr(check, name) for name in check.__all__ if name.startswith("check_")]


def test_every_check_that_is_written_is_offered():
    chapters = Path(report.__file__).parent.glob("ch[0-9][0-9].py")
    written = {name for path in chapters for name in re.findall(r"^def (check_\w+)", path.read_text("utf-8"), re.M)}
    assert written == {one.__name__ for one in CHECKS}


@pytest.mark.parametrize(("check_it", "solution"), RIGHT)
def test_a_right_answer_passes(check_it, solution):
    report = check_it(solution)
    assert report.passed, report


@pytest.mark.parametrize(("check_it", "mistake", "message"), WRONG)
def test_a_known_mistake_is_named(check_it, mistake, message):
    report = check_it(mistake)
    assert not report.passed
    assert message in report.message


@pytest.mark.parametrize("check_it", CHECKS)
def test_every_check_has_two_right_answers_and_two_mistakes(check_it):
    assert sum(case[0] is check_it for case in RIGHT) >= 2
    assert sum(case[0] is check_it for case in WRONG) >= 2


def unwritten(*given, **named):
    raise NotImplementedError


def empty(*given, **named):
    return None


def broken(*given, **named):
    return undefined_name  # noqa: F821


def words(*given, **named):
    return "what is this?"


@pytest.mark.parametrize("check_it", CHECKS)
@pytest.mark.parametrize(
    ("answer", "message"),
    [(unwritten, "not written yet"), (empty, "returned nothing"), (broken, "NameError"), (words, "numbers is needed")],
)
def test_an_empty_or_broken_answer_fails_kindly(check_it, answer, message):
    report = check_it(answer)
    assert not report.passed
    assert message in report.message


def generator(*given, **named):
    yield 1


def leaves(*given, **named):
    raise SystemExit


def by_itself(*given, **named):
    return by_itself(*given, **named)


class Answer:
    def __init__(self, *given, **named):
        pass


def gives(value):
    return lambda *given, **named: value


ODD = {
    "generator": generator,
    "leaves": leaves,
    "endless recursion": by_itself,
    "class": Answer,
    "module": nn.Identity(),
    "partial": functools.partial(words, "more"),
    "no argument": lambda: 1,
    "ten arguments": lambda a, b, c, d, e, f, g, h, i, j: 1,
    "gives the function": gives(words),
    "dict": gives({"a": 1}),
    "objects": gives(np.array([None, "a"], dtype=object)),
    "large": gives(10**400),
    "complex": gives(1j),
    "ragged": gives([[1.0], [2.0, 3.0]]),
    "empty list": gives([]),
    "empty tensor": gives(torch.zeros(0, 3)),
    "five axes": gives(torch.zeros(1, 1, 1, 1, 1)),
    "slopes": gives([torch.tensor(1e9, requires_grad=True)]),
    "numpy": gives(np.full((2, 3), 1e9)),
    "nan": gives(math.nan),
    "infinity": gives(torch.tensor(-math.inf)),
    "sparse": gives(torch.eye(2).to_sparse()),
}


@pytest.mark.parametrize("check_it", CHECKS)
def test_no_answer_makes_a_check_raise(check_it):
    for name, odd in ODD.items():
        report = check_it(odd)
        assert not report.passed, name
        assert report.message, name


def test_a_check_that_fails_itself_says_so_and_does_not_raise():
    @reports("right.")
    def check_broken(student):
        raise IndexError("of the check")

    report = check_broken(abs)
    assert not report
    assert report.message == "the answer could not be checked: the check stopped with IndexError: of the check."


def test_a_list_of_tensors_with_a_graph_counts_as_numbers():
    rows = [torch.ones(2, requires_grad=True), [1, torch.tensor(2.0)]]
    assert np.array_equal(as_array(rows), [[1, 1], [1, 2]])


@pytest.mark.parametrize("check_it", CHECKS)
def test_a_call_instead_of_a_function_is_explained(check_it):
    assert "without calling it" in check_it(3.0).message


def test_a_report_reads_as_a_sentence_and_as_a_truth():
    assert repr(Report(True, "right.")) == "✓ right."
    assert repr(Report(False, "wrong.")) == "✗ wrong."
    assert Report(True, "")
    assert not Report(False, "")
    assert show(np.zeros((4, 4))) == "an array of shape (4, 4)"
