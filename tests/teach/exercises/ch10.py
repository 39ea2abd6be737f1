"""Answers to the exercises of chapter 10: right ones, and mistakes with a part of the message meant for them."""

from __future__ import annotations

import itertools
import math

import numpy as np

from cadnet_edu.teach import check


def expected_best(scores, k):
    return np.mean([max(some) for some in itertools.combinations(scores, k)])


def expected_best_by_rank(scores, k, order=sorted):
    n = len(scores)
    return sum(s * math.comb(j, k - 1) for j, s in enumerate(order(scores))) / math.comb(n, k)


def kink(curve, r, order=sorted, middle=False, exchanged=False):
    rates = order(curve)
    left, right = rates[rates.index(r) - 1], rates[rates.index(r) + 1]
    share = 0.5 if middle else (r - left) / (right - left)
    share = 1 - share if exchanged else share
    return curve[r] - (1 - share) * curve[left] - share * curve[right]


def kink_by_interp(curve, r):
    rates = sorted(rate for rate in curve if rate != r)
    return curve[r] - np.interp(r, rates, [curve[rate] for rate in rates])


def line_from_end_to_end(curve, r):
    first, last = min(curve), max(curve)
    return curve[r] - curve[first] - (curve[last] - curve[first]) * (r - first) / (last - first)


def surely(low, high, margin):
    return [low > 0, high < 0, -margin <= low and high <= margin]


def saved_by_g(f, g):
    return np.mean((f + g > 0) & (f <= 0))


def saved_by_g_by_loop(f, g):
    return sum(a + b > 0 and not a > 0 for a, b in zip(f, g)) / len(f)


RIGHT = [
    (check.check_expected_best, expected_best),
    (check.check_expected_best, expected_best_by_rank),
    (check.check_kink, kink),
    (check.check_kink, kink_by_interp),
    (check.check_surely, surely),
    (check.check_surely, lambda low, high, m: np.array([low > 0, high < 0, max(abs(low), abs(high)) <= m])),
    (check.check_saved_by_g, saved_by_g),
    (check.check_saved_by_g, saved_by_g_by_loop),
]
WRONG = [
    (check.check_expected_best, lambda scores, k: max(scores), "best of all runs"),
    (check.check_expected_best, lambda scores, k: np.mean(scores), "the mean of all runs"),
    (
        check.check_expected_best,
        lambda scores, k: np.mean([max(some) for some in itertools.product(scores, repeat=k)]),
        "drawn twice",
    ),
    (check.check_expected_best, lambda scores, k: np.sort(scores)[-k:].mean(), "the mean of the k best"),
    (check.check_expected_best, lambda scores, k: scores[:k].max(), "the first k runs alone"),
    (check.check_expected_best, lambda scores, k: -expected_best(-scores, k), "the worst of each choice"),
    (check.check_expected_best, lambda scores, k: expected_best_by_rank(scores, k, list), "sort them first"),
    (check.check_kink, lambda curve, r: kink(curve, r, middle=True), "the middle of the neighbours"),
    (check.check_kink, lambda curve, r: kink(curve, r, exchanged=True), "the weights are exchanged"),
    (check.check_kink, lambda curve, r: -kink(curve, r), "the sign is turned"),
    (check.check_kink, lambda curve, r: curve[r] - kink(curve, r), "this is what the line says"),
    (check.check_kink, lambda curve, r: kink(curve, r, order=list), "wherever they stand in the dict"),
    (check.check_kink, line_from_end_to_end, "from the first rate to the last"),
    (check.check_surely, lambda low, high, m: [low > 0, high < 0, low <= 0 <= high], "what open looks like"),
    (check.check_surely, lambda low, high, m: [low + high > 0, low + high < 0, False], "you let the middle decide"),
    (check.check_surely, lambda low, high, m: [high > 0, low < 0, False], "does not make it both"),
    (check.check_surely, lambda low, high, m: [low > m, high < -m, -m <= low and high <= m], "asks about 0"),
    (check.check_surely, lambda low, high, m: [low > 0, high < 0, high <= m], "only one end was asked"),
    (check.check_surely, lambda low, high, m: [low > 0, high < 0, -m <= low <= 0 and high <= m], "may be sure and"),
    (check.check_saved_by_g, lambda f, g: saved_by_g(f, g) / np.mean(f + g > 0), "share of the right queries;"),
    (check.check_saved_by_g, lambda f, g: np.mean((f <= 0) & (g > 0)), "too weak to save them"),
    (check.check_saved_by_g, lambda f, g: np.mean(g > 0), "how often g alone is right"),
    (check.check_saved_by_g, lambda f, g: np.mean((f + g > 0) & (g > f)), "right, and g above f"),
    (check.check_saved_by_g, lambda f, g: saved_by_g(g, f), "the queries that f saves"),
    (check.check_saved_by_g, lambda f, g: np.sum((f + g > 0) & (f <= 0)), "give it as a share"),
    (check.check_saved_by_g, lambda f, g: np.mean((f + g > 0) & (f < 0)), "a tie counts as wrong"),
]
