"""The closed form of the expected single-shot CMC curve of one query."""

import math
from bisect import bisect_left

import numpy as np

TOGETHER = 256  # positives that are computed together: fits a CPU cache


def poisson_binomial(a: np.ndarray, topk: int) -> np.ndarray:
    """The Poisson-binomial distribution: the number S of heads of unlike coins, ``P(S = 0) ... P(S = topk - 1)``.

    One coin is added at a time: either it shows tails and S stays, or heads and S grows by one.

    Args:
        a: probabilities of heads, ``(m, p)``: m coins, for p independent problems.
        topk: number of probabilities to compute.

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
    """The mean number of identities ahead at which a rank within ``topk`` becomes negligible.

    With a mean of ``mu`` identities ahead, the probability that at most s = ``topk`` - 1 are is at most
    ``e^(s - mu) (mu / s)^s`` (Chernoff's bound, for mu > s). Below 1e-17 it is less than the rounding error of a number
    near 1, and is not computed. This holds for most positives of a poor model, which would otherwise take longer to
    score, partly because of denormal numbers.

    >>> enough_ahead(1), enough_ahead(10)  # the smallest such mean, in steps of 1
    (40.0, 67.0)
    """
    s, mu = topk - 1, float(topk)
    while s - mu + s * math.log(mu / max(s, 1)) > math.log(1e-17):
        mu += 1
    return mu


def shares_ahead(t: np.ndarray, d: np.ndarray, person: np.ndarray, m: int, limit: float) -> np.ndarray:
    """The share of each identity's images within distance ``t``, for one query: ``(n, m)``.

    The sum of a row is the mean number of identities ahead, which grows with ``t``. Only the n positives for which it
    is below the limit are returned.

    Args:
        t: distances of the query's positives, ascending.
        d, person: of its negatives: distance, and index of the identity, from 0 to m - 1.
        m: number of identities.
        limit: see :func:`enough_ahead`.
    """
    images = np.maximum(np.bincount(person, minlength=m), 1)
    weight = (1 / images)[person]  # contribution of an image to the mean number of identities ahead
    n = bisect_left(t, limit, key=lambda distance: weight @ (d <= distance))
    near = np.flatnonzero(d <= t[n - 1]) if n else np.empty(0, dtype=np.int64)
    first = np.searchsorted(t[:n], d[near])  # the nearest positive behind the image
    counts = np.bincount(first * m + person[near], minlength=n * m).reshape(n, m).cumsum(0)
    return counts / images


def expected_curves(shares: np.ndarray, topk: int) -> np.ndarray:
    """``P(S <= k - 1)`` for k = 1 ... ``topk`` and each row of shares, ``(p, topk)``; sorts the rows in place.

    Identities of share 0 have no effect: they are sorted to the front and left out, for rows with similar numbers of
    others together.
    """
    shares.sort(axis=1)
    others = np.count_nonzero(shares, axis=1)
    order, curves = np.argsort(others), np.empty((len(shares), topk))
    for start in range(0, len(shares), TOGETHER):
        rows = order[start : start + TOGETHER]
        a = shares[rows, shares.shape[1] - others[rows[-1]] :]
        curves[rows] = poisson_binomial(np.ascontiguousarray(a.T), topk).cumsum(0).T
    return curves
