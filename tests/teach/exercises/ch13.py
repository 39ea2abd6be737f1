import math

import numpy as np
import torch
from scipy import stats


def says(low, high, bound, wanted):
    return wanted * (int(low > bound) - int(high < bound))


def says_by_signs(low, high, bound, wanted):
    ends = np.sign([low - bound, high - bound]) * wanted
    return ends[0] if ends[0] == ends[1] else 0


def says_turned(low, high, bound, wanted, open_=0, closed=False):
    low, high = sorted((wanted * (low - bound), wanted * (high - bound)))
    if low > 0 or (closed and low == 0):
        return 1
    return -1 if high < 0 or (closed and high == 0) else open_


def by_luck(k, n, p=0.025):
    return 1 - sum(math.comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(k))


def holm(p, level):
    kept = [False] * len(p)
    for done, i in enumerate(sorted(range(len(p)), key=lambda i: p[i])):
        if p[i] >= level / (len(p) - done):
            break
        kept[i] = True
    return kept


def holm_by_arrays(p, level, end=np.minimum.accumulate):
    passed = end(np.sort(p) < level / np.arange(len(p), 0, -1))
    return passed[np.argsort(np.argsort(p))]


def benjamini_hochberg(p, level):
    n = len(p)
    below = np.nonzero(np.sort(p) <= level * np.arange(1, n + 1) / n)[0]
    return p <= (np.sort(p)[below[-1]] if len(below) else -1)


def seeds_needed(deviation, effect, factor=lambda n: stats.t.ppf(0.975, n - 1), root=0.5):
    return next(n for n in range(2, 10_001) if n == 10_000 or factor(n) * deviation / n**root < effect)


def information(joint):
    independent = joint.sum(1, keepdim=True) * joint.sum(0)
    there = joint > 0
    return (joint[there] * (joint[there] / independent[there]).log2()).sum()


def information_by_entropies(joint):
    def entropy(p):
        return -sum(q * math.log2(q) for q in p.flatten().tolist() if q)

    return entropy(joint.sum(0)) + entropy(joint.sum(1)) - entropy(joint)


def information_naive(joint):
    return (joint * (joint / (joint.sum(1, keepdim=True) * joint.sum(0))).log2()).sum()


def information_where(joint):
    ratio = joint / (joint.sum(1, keepdim=True) * joint.sum(0))
    return torch.where(ratio == 0, 0, joint * ratio.clamp(min=1e-30).log2()).sum()


RIGHT = [
    ("says", says, says_by_signs),
    ("by_luck", by_luck, lambda k, n: stats.binom.sf(k - 1, n, 0.025)),
    ("holm", holm, holm_by_arrays),
    ("seeds_needed", seeds_needed, lambda s, d: np.array(seeds_needed(s, d, lambda n: -stats.t.ppf(0.025, n - 1)))),
    ("information", information, information_by_entropies),
]
WRONG = [
    ("says", lambda *given: says_turned(*given, open_=-1), "counts as the opposite"),
    ("says", lambda *given: says_turned(*given, open_=1), "counts as a yes"),
    ("says", lambda *given: max(0, says(*given)), "the opposite is missing"),
    ("says", lambda low, high, bound, wanted: says(low, high, 0, wanted), "the bound has no effect"),
    ("says", lambda low, high, bound, wanted: says(low, high, bound, 1), "the direction has no effect"),
    ("says", lambda *given: says_turned(*given, closed=True), "touches the bound"),
    ("by_luck", lambda k, n: by_luck(k, n, 0.05), "both sides count here"),
    ("by_luck", lambda k, n: 1 - by_luck(k, n), "take it from 1"),
    ("by_luck", lambda k, n: n * 0.025, "number to be expected"),
    ("by_luck", lambda k, n: by_luck(k + 1, n), "k itself counts"),
    ("by_luck", lambda k, n: by_luck(1, n), "k has no effect"),
    ("by_luck", lambda k, n: by_luck(k, n) - by_luck(k + 1, n), "exactly one clears"),
    ("holm", lambda p, level: p < level, "nothing is corrected"),
    ("holm", lambda p, level: p < level / len(p), "Bonferroni"),
    ("holm", lambda p, level: sorted(holm(p, level), reverse=True), "in order of size"),
    ("holm", benjamini_hochberg, "Benjamini"),
    ("holm", lambda p, level: holm_by_arrays(p, level, end=np.array), "went on after the first"),
    ("seeds_needed", lambda s, d: seeds_needed(s, d, lambda n: 1.96), "you took 1.96"),
    ("seeds_needed", lambda s, d: seeds_needed(s, d, root=0) if s < 4 else 2, "the root of n is missing"),
    ("seeds_needed", lambda s, d: seeds_needed(2 * s, d), "the whole width"),
    ("seeds_needed", lambda s, d: seeds_needed(s, d, lambda n: stats.t.ppf(0.975, n)), "degrees of freedom"),
    ("seeds_needed", lambda s, d: seeds_needed(s, d, lambda n: stats.t.ppf(0.95, n - 1)), "on one side"),
    ("seeds_needed", lambda s, d: 1 if s < d / 50 else seeds_needed(s, d), "begin with 2"),
    ("information", lambda joint: information(joint) * math.log(2), "in nats"),
    ("information", lambda joint: -(joint * joint.log2()).sum(), "entropy of person and picture"),
    ("information", lambda joint: -(joint.sum(1) * joint.sum(1).log2()).sum(), "entropy of the person"),
    ("information", lambda joint: -information(joint), "the sign is turned"),
    ("information", information_naive, "0 times log 0"),
    ("information", information_where, "0 / 0 became NaN"),
]
