import itertools
import math

import numpy as np


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


def saved_by_g(f, g):
    return np.mean((f + g > 0) & (f <= 0))


RIGHT = [
    ("expected_best", expected_best, expected_best_by_rank),
    ("kink", kink, kink_by_interp),
    ("surely", lambda low, high, margin: [low > 0, high < 0, -margin <= low and high <= margin]),
    ("surely", lambda low, high, m: np.array([low > 0, high < 0, max(abs(low), abs(high)) <= m])),
    ("saved_by_g", saved_by_g, lambda f, g: sum(a + b > 0 and not a > 0 for a, b in zip(f, g)) / len(f)),
]
WRONG = [
    ("expected_best", lambda scores, k: max(scores), "best of all runs"),
    ("expected_best", lambda scores, k: np.mean(scores), "the mean of all runs"),
    (
        "expected_best",
        lambda scores, k: np.mean([max(some) for some in itertools.product(scores, repeat=k)]),
        "drawn twice",
    ),
    ("expected_best", lambda scores, k: np.sort(scores)[-k:].mean(), "the mean of the k best"),
    ("expected_best", lambda scores, k: scores[:k].max(), "the first k runs alone"),
    ("expected_best", lambda scores, k: -expected_best(-scores, k), "the worst of each choice"),
    ("expected_best", lambda scores, k: expected_best_by_rank(scores, k, list), "sort them first"),
    ("kink", lambda curve, r: kink(curve, r, middle=True), "the middle of the neighbours"),
    ("kink", lambda curve, r: kink(curve, r, exchanged=True), "the weights are exchanged"),
    ("kink", lambda curve, r: -kink(curve, r), "the sign is turned"),
    ("kink", lambda curve, r: curve[r] - kink(curve, r), "this is what the line says"),
    ("kink", lambda curve, r: kink(curve, r, order=list), "wherever they stand in the dict"),
    ("kink", lambda c, r: c[r] - np.interp(r, [min(c), max(c)], [c[min(c)], c[max(c)]]), "from the first rate to"),
    ("surely", lambda low, high, m: [low > 0, high < 0, low <= 0 <= high], "what open looks like"),
    ("surely", lambda low, high, m: [low + high > 0, low + high < 0, False], "you let the middle decide"),
    ("surely", lambda low, high, m: [high > 0, low < 0, False], "does not make it both"),
    ("surely", lambda low, high, m: [low > m, high < -m, -m <= low and high <= m], "asks about 0"),
    ("surely", lambda low, high, m: [low > 0, high < 0, high <= m], "only one end was asked"),
    ("surely", lambda low, high, m: [low > 0, high < 0, -m <= low <= 0 and high <= m], "may be sure and"),
    ("saved_by_g", lambda f, g: saved_by_g(f, g) / np.mean(f + g > 0), "share of the right queries;"),
    ("saved_by_g", lambda f, g: np.mean((f <= 0) & (g > 0)), "too weak to save them"),
    ("saved_by_g", lambda f, g: np.mean(g > 0), "how often g alone is right"),
    ("saved_by_g", lambda f, g: np.mean((f + g > 0) & (g > f)), "right, and g above f"),
    ("saved_by_g", lambda f, g: saved_by_g(g, f), "the queries that f saves"),
    ("saved_by_g", lambda f, g: np.sum((f + g > 0) & (f <= 0)), "give it as a share"),
    ("saved_by_g", lambda f, g: np.mean((f + g > 0) & (f < 0)), "a tie counts as wrong"),
]
