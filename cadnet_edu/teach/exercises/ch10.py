"""Checks for chapter 10: the best of k runs, what an interval says, whom g saves, and a kink between two rates."""

from collections.abc import Callable

import numpy as np

from cadnet_edu.teach.exercises.report import answer, expect, reports

__all__ = ["check_expected_best", "check_kink", "check_saved_by_g", "check_surely"]


@reports("every choice of k runs counts once, and the best of each is averaged.")
def check_expected_best(student: Callable) -> None:
    """Check ``expected_best(scores, k)``: the mean of the best of k, over all choices of k different runs.

    ``scores`` is an array of the results of all runs, in any order; ``k`` is at most their number.
    """
    mistakes = {
        "this is the best of all runs. Whoever makes k of them does not always have that one among them.": 5,
        "this is the mean of all runs, which is what an honest report gives; asked is what reporting the best of k "
        "gives.": 8 / 3,
        "a run was drawn twice here: the k runs are different ones.": 32 / 9,
        "this is the mean of the k best runs; asked is the mean of the best over all choices of k runs.": 3.5,
        "this is the worst of each choice: take the largest.": 4 / 3,
        "you took the first k runs alone; go through all choices of k.": 2,
    }
    expect(answer(student, np.array([1.0, 2.0, 5.0]), 2), 4, "scores 1, 2, 5 and k = 2", mistakes)
    unsorted = {
        "your formula wants the scores in ascending order: sort them first.": 2,
        "equal scores are still different runs: do not drop one of them.": 5,
    }
    expect(answer(student, np.array([5.0, 1.0, 2.0, 2.0]), 3), 4.25, "scores 5, 1, 2, 2 and k = 3", unsorted)
    expect(answer(student, np.array([3.0, 1.0]), 1), 2, "k = 1, a run picked blindly")


@reports("measured against the straight line between its two neighbours.")
def check_kink(student: Callable) -> None:
    """Check ``kink(curve, r)``: rank-1 at r minus what the line between the rates next to it would say.

    ``curve`` is a dict from rate to rank-1, in any order; ``r`` is one of its rates, neither the first nor the last.
    """
    mistakes = {
        "this is the middle of the neighbours; 4 is nearer to 2 than to 8, so the line is higher there.": 3,
        "the weights are exchanged: the neighbour that is nearer counts more.": 29 / 3,
        "the sign is turned: it is what was measured, minus what the line says.": 11 / 3,
        "this is what the line says; asked is how far the measured value lies from it.": 140 / 3,
        "this is the distance to the neighbour on the left; a falling curve is no kink.": -17,
        "this is the distance to the neighbour on the right; a falling curve is no kink.": 23,
    }
    expect(answer(student, {2.0: 60.0, 4.0: 43.0, 8.0: 20.0}, 4.0), -11 / 3, "60, 43, 20 at r = 2, 4, 8", mistakes)
    order = {
        "the rates do not come in order: the neighbours of 3 are 2 and 4, wherever they stand in the dict.": -5,
        "the line runs from the first rate to the last; take the two next to r.": -5 / 3,
    }
    curve = {4.0: 46.0, 3.0: 50.0, 8.0: 10.0, 2.0: 60.0}
    expect(answer(student, curve, 3.0), -3, "rates 2, 3, 4, 8, not in order", order)


@reports("better, worse and the same are three questions, and three times no is an answer: open.")
def check_surely(student: Callable) -> None:
    """Check ``surely(low, high, margin)``: three truth values: surely above 0, surely below 0, surely equal.

    Equal means that the whole interval lies between ``-margin`` and ``margin``, ends included.
    """
    mistakes = {
        "0 lies inside, and you said equal. That is what open looks like: this interval reaches 4, beyond the "
        "margin.": [0, 0, 1],
        "you let the middle decide; the whole interval has to lie above 0.": [1, 0, 0],
        "you let the middle decide, for both; the whole interval has to lie there.": [1, 0, 1],
        "part of it above 0 and part below does not make it both: the whole interval has to lie there.": [1, 1, 0],
    }
    expect(answer(student, -1.0, 4.0, 2.0), [0, 0, 0], "the interval from -1 to 4, margin 2", mistakes)
    strict = {
        "surely above asks about 0, not about the margin. How much above is another question.": [0, 0, 0],
        "not equal, does that mean worse? It lies above 0.": [0, 1, 0],
    }
    expect(answer(student, 1.0, 3.0, 2.0), [1, 0, 0], "the interval from 1 to 3, margin 2", strict)
    ends = {"only one end was asked; the interval reaches -5, and the margin ends at -2.": [0, 0, 1]}
    expect(answer(student, -5.0, 1.0, 2.0), [0, 0, 0], "the interval from -5 to 1, margin 2", ends)
    both = {
        "a difference may be sure and still too small to matter: it is above 0 and within the margin.": [1, 0, 0],
        "within the margin, yes; and the whole of it lies above 0 as well.": [0, 0, 1],
    }
    expect(answer(student, 0.5, 1.5, 2.0), [1, 0, 1], "the interval from 0.5 to 1.5, margin 2", both)
    expect(answer(student, -4.0, -3.0, 2.0), [0, 1, 0], "the interval from -4 to -3, margin 2")


@reports("right together, wrong with f alone: that is what g saves.")
def check_saved_by_g(student: Callable) -> None:
    """Check ``saved_by_g(f, g)``: the share of all queries that are right with f and g, and wrong with f alone.

    Both arrays hold a margin for each query, in f and in g. Above 0 means right; their sum is the margin in u.
    """
    f = np.array([3.0, -1.0, -4.0, 2.0, -1.0, -2.0, 1.0])
    g = np.array([1.0, 3.0, 1.0, -1.0, 0.5, 5.0, 2.0])
    mistakes = {
        "this is the share of the right queries; asked is the share of all.": 2 / 5,
        "f errs and g does not, yet some of these are wrong in the sum: g was too weak to save them.": 4 / 7,
        "this is how often g alone is right.": 6 / 7,
        "g above f does not mean saved: where f is right itself, nobody had to be saved.": 5 / 7,
        "right, and g above f; but where f is right itself, nobody had to be saved.": 3 / 7,
        "this is the share of the right queries' margin that g brings; asked is how many queries it saves.": 10 / 13,
        "these are the queries that f saves: right together, wrong with g alone.": 1 / 7,
        "this is a number of queries; give it as a share of all.": 2,
    }
    expect(answer(student, f, g), 2 / 7, "seven queries", mistakes)
    level = {"with a margin of 0 f alone is not right: a tie counts as wrong.": 0}
    expect(answer(student, np.array([0.0, 1.0]), np.ones(2)), 0.5, "a query that f alone cannot decide", level)
