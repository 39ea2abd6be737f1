"""The closed form of single-shot CMC for one query: probabilities in, an expected curve out."""

from __future__ import annotations

import math
from bisect import bisect_left

import numpy as np

TOGETHER = 256  # positives whose probabilities are computed side by side: small enough for a processor's cache


def poisson_binomial(a: np.ndarray, topk: int) -> np.ndarray:
    """How many of several unlike coins show heads: ``P(S = 0) ... P(S = topk - 1)``.

    One coin is added at a time: either it shows tails and S stays, or heads and S grows by one.

    Args:
        a: chances of heads, ``(m, p)``: m coins, for p separate questions.
        topk: how many probabilities; what lies beyond is not computed.

    Returns:
        float64 array ``(topk, p)``.

    Example:
        Two coins, one fair, one that shows heads three times in four:

        >>> poisson_binomial(np.array([[0.5], [0.75]]), topk=3).T
        array([[0.125, 0.5  , 0.375]])
    """
    probability = np.zeros((topk, a.shape[1]))
    probability[0] = 1
    for a_j in a[(a > 0).any(1)]:
        moved = probability * a_j
        probability -= moved
        probability[1:] += moved[:-1]
    return probability


def enough_ahead(topk: int) -> float:
    """How many people ahead, on average, leave no chance of a place among the first ``topk``.

    When ``mu`` people are ahead on average, the chance that s = ``topk`` - 1 or fewer are is at most
    ``e^(s - mu) (mu / s)^s`` (Chernoff's bound, for mu > s). Where that is below 1e-17 it is lost beside the rounding
    of a number near 1, and need not be computed. Most positives of a poor model are of this kind: without the bound a
    score would take the longer the worse the model is, and products of hundreds of small numbers would leave the
    range in which a processor computes at full speed.

    Args:
        topk: length of the CMC curve.

    Returns:
        The smallest such mean in steps of 1.

    Example:
        >>> enough_ahead(1), enough_ahead(10)
        (40.0, 67.0)
    """
    s, mu = topk - 1, float(topk)
    while s - mu + s * math.log(mu / max(s, 1)) > math.log(1e-17):
        mu += 1
    return mu


def shares_ahead(t: np.ndarray, d: np.ndarray, person: np.ndarray, m: int, limit: float) -> np.ndarray:
    """Which share of each person's images is at most ``t`` away, for one query: ``(n, m)``.

    The shares of a row add up to the mean number of people ahead, which grows with ``t``. Only the n positives for
    which it is below the limit are wanted, and only the images at most as far away as the last of these are counted.

    Args:
        t: distances of the query's right images, ascending.
        d, person: of its wrong images: the distance, and who it is, from 0 to m - 1.
        m: people.
        limit: see :func:`enough_ahead`.
    """
    images = np.maximum(np.bincount(person, minlength=m), 1)
    weight = (1 / images)[person]  # what an image adds to the mean number of people ahead
    n = bisect_left(t, limit, key=lambda distance: weight @ (d <= distance))
    near = np.flatnonzero(d <= t[n - 1]) if n else np.empty(0, dtype=np.int64)
    first = np.searchsorted(t[:n], d[near])  # the first positive that the image is ahead of
    counts = np.bincount(first * m + person[near], minlength=n * m).reshape(n, m).cumsum(0)
    return counts / images


def expected_curves(shares: np.ndarray, topk: int) -> np.ndarray:
    """``P(S <= k - 1)`` for k = 1 ... ``topk`` and each row of shares, ``(p, topk)``; sorts the rows in place.

    A person with share 0 changes nothing. So the zeros are sorted to the front, and rows that have about as many
    others are worked out together, without them.
    """
    shares.sort(axis=1)
    others = np.count_nonzero(shares, axis=1)
    order, curves = np.argsort(others), np.empty((len(shares), topk))
    for start in range(0, len(shares), TOGETHER):
        rows = order[start : start + TOGETHER]
        a = shares[rows, shares.shape[1] - others[rows[-1]] :]
        curves[rows] = poisson_binomial(np.ascontiguousarray(a.T), topk).cumsum(0).T
    return curves
