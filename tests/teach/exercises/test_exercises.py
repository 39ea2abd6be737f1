"""Exercise checks: a right answer passes, a known mistake gets its own message, and no answer makes a check raise.

The answers lie beside this file, ``ch01.py`` for ``cadnet_edu/teach/exercises/ch01.py`` and so on: right ones by check,
and mistakes, each with a part of the message that is meant for it.
"""

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
RIGHT = [(name, one) for answers in ANSWERS.values() for name, *some in answers["RIGHT"] for one in some]
WRONG = [case for answers in ANSWERS.values() for case in answers["WRONG"]]
CHECKS = [name.removeprefix("check_") for name in check.__all__ if name.startswith("check_")]


def checked(name, answer):
    return getattr(check, f"check_{name}")(answer)


def test_every_check_is_offered_and_has_two_right_answers_and_two_mistakes():
    chapters = Path(report.__file__).parent.glob("ch[0-9][0-9].py")
    written = {name for path in chapters for name in re.findall(r"^def check_(\w+)", path.read_text("utf-8"), re.M)}
    assert written == set(CHECKS)
    for cases in (RIGHT, WRONG):
        answered = [name for name, *_ in cases]
        assert {name for name in CHECKS if answered.count(name) < 2} == set()


@pytest.mark.parametrize(("name", "solution"), RIGHT)
def test_a_right_answer_passes(name, solution):
    report = checked(name, solution)
    assert report.passed, report


@pytest.mark.parametrize(("name", "mistake", "message"), WRONG)
def test_a_known_mistake_is_named(name, mistake, message):
    report = checked(name, mistake)
    assert not report.passed
    assert message in report.message


def raises(error):
    def answer(*given, **named):
        raise error

    return answer


def generator(*given, **named):
    yield 1


def by_itself(*given, **named):
    return by_itself(*given, **named)


class Answer:
    def __init__(self, *given, **named):
        pass


def gives(value):
    return lambda *given, **named: value


ODD = {  # the message may be any, where none is given
    "unwritten": (raises(NotImplementedError), "not written yet"),
    "empty": (gives(None), "returned nothing"),
    "broken": (raises(NameError("name 'x' is not defined")), "NameError"),
    "words": (gives("what is this?"), "numbers is needed"),
    "a call": (3.0, "without calling it"),
    "generator": generator,
    "leaves": raises(SystemExit),
    "endless recursion": by_itself,
    "class": Answer,
    "module": nn.Identity(),
    "partial": functools.partial(gives("what"), "more"),
    "no argument": lambda: 1,
    "ten arguments": lambda a, b, c, d, e, f, g, h, i, j: 1,
    "gives the function": gives(generator),
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


@pytest.mark.parametrize("name", CHECKS)
def test_an_odd_answer_fails_with_a_message_and_never_raises(name):
    for kind, odd in ODD.items():
        answer, message = odd if isinstance(odd, tuple) else (odd, "")
        report = checked(name, answer)
        assert not report.passed, kind
        assert report.message, kind
        assert message in report.message, kind


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


def test_a_report_reads_as_a_sentence_and_as_a_truth():
    assert repr(Report(True, "right.")) == "✓ right."
    assert repr(Report(False, "wrong.")) == "✗ wrong."
    assert Report(True, "")
    assert not Report(False, "")
    assert show(np.zeros((4, 4))) == "an array of shape (4, 4)"
