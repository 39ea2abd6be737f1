"""How well a list of images answers the question "who is this?": CMC, mean average precision, rank lists.

Everything here follows from one count. For each right answer of a query (a *positive*: a gallery image of the same
person from another camera), how many wrong images are at most as far away as it is? No ranking is ever written down.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch

from cadnet_edu.evaluation.distances import Array, Distances, euclidean
from cadnet_edu.evaluation.protocol import (
    Block,
    Ids,
    Meaning,
    Protocol,
    Task,
    blocks,
    check,
    parts,
    removes_camera,
    require_matches,
)

TOGETHER = 256  # right images whose chances are worked out side by side: small enough for a processor's cache

__all__ = [
    "Distances",
    "RankList",
    "cmc",
    "enough_ahead",
    "euclidean",
    "mean_average_precision",
    "poisson_binomial",
    "rank_list",
    "retrieval",
    "single_shot_cmc",
    "unmatched_note",
]


class RankList(NamedTuple):
    """The ``k`` gallery images nearest to each query.

    Args:
        gallery: int array ``(q, k)``, positions in the gallery, nearest first; -1 where the gallery has run out.
        right: bool array ``(q, k)``, True where the image shows the person asked for.
    """

    gallery: np.ndarray
    right: np.ndarray


class _People(NamedTuple):
    """Who is in the gallery: identities, which of them (by place in that list) each image shows, images of each."""

    pids: np.ndarray
    person: np.ndarray
    images: np.ndarray


def cmc(distances: Array | Distances, q_pids: Ids, g_pids: Ids, q_cams: Ids, g_cams: Ids, topk: int = 10) -> np.ndarray:
    """How often the right person is among the first k images, for k = 1 ... ``topk`` (Market-1501's meaning).

    All gallery images stay in, so a person with many images is easier to find. Per query, images of the same
    identity from the query's own camera are removed, and so is junk (identity -1). Distractors (identity 0) are
    ordinary wrong images.

    Args:
        distances: ``(q, g)``, small means alike; any float type, NumPy or torch, also memory-mapped. Or
            :class:`Distances`, which works them out from vectors, some queries at a time.
        q_pids, g_pids: identities of queries ``(q,)`` and gallery ``(g,)``, integers.
        q_cams, g_cams: camera numbers, integers.
        topk: length of the curve.

    Returns:
        float64 array ``(topk,)``; entry ``k - 1`` is the fraction (0 to 1) of queries answered within k images.
        In a gallery of fewer than ``topk`` images the curve stays at its last value.

    Raises:
        ValueError: for shapes that do not fit, ids that are no integers, distances that are not finite, or when no
            query has any right answer.

    Choice:
        Ties: a wrong image at the *same* distance counts as ahead. The result then does not depend on the
        gallery's order, and a network that maps every image to one point scores 0 rather than whatever the order
        gives. Queries without a right answer are left out of the mean; :func:`retrieval` reports how many.

    Example:
        The right image (identity 7) is second nearest, so one image is not enough and two are.

        >>> cmc(np.array([[0.2, 0.1, 0.9]]), [7], [7, 3, 4], [0], [1, 1, 1], topk=3)
        array([0., 1., 1.])
    """
    task = check(distances, q_pids, g_pids, q_cams, g_cams, topk)
    return _mean(task, (_market1501(part, topk) for part in parts(task)))[:topk]


def mean_average_precision(distances: Array | Distances, q_pids: Ids, g_pids: Ids, q_cams: Ids, g_cams: Ids) -> float:
    """How high *all* the right images stand: the mean over queries of the average precision.

    The i-th right image, with ``a_i`` wrong ones ahead of it, stands at rank ``i + a_i``, where the precision is
    ``i / (i + a_i)``. Average precision is the mean of these over the right images (the area under the
    precision-recall steps, as Market-1501's Python evaluators compute it; the trapezoid version is a bit different).

    Args:
        distances, q_pids, g_pids, q_cams, g_cams: as in :func:`cmc`; the same images are removed.

    Returns:
        A number from 0 to 1.

    Raises:
        ValueError: as in :func:`cmc`.

    Choice:
        Ties and queries without a right answer: as in :func:`cmc`.

    Example:
        Right images at ranks 1 and 3: the precisions there are 1/1 and 2/3.

        >>> round(mean_average_precision(np.array([[0.1, 0.2, 0.3]]), [7], [7, 3, 7], [0], [1, 1, 1]), 4)
        0.8333
    """
    task = check(distances, q_pids, g_pids, q_cams, g_cams)
    return float(_mean(task, (_market1501(part, 1) for part in parts(task)))[1])


def single_shot_cmc(
    distances: Array | Distances,
    q_pids: Ids,
    g_pids: Ids,
    q_cams: Ids,
    g_cams: Ids,
    topk: int = 10,
    meaning: Meaning = "open-reid",
) -> np.ndarray:
    """The CMC curve when the gallery holds *one* image of each person (Sec. 4.4), as an exact expectation.

    Public code draws one image an identity at random, again and again, and averages. The mean of infinitely many
    draws can be written down. Say the draw for the query's own person is a positive at distance ``t``. Person j is
    then ahead with probability ``a_j`` = (images of j at most ``t`` away) / (images of j), independently of the
    others. The number ``S`` of people ahead is a sum of independent coin flips (Poisson-binomial), and the query is
    answered within k images when ``S <= k - 1``. ``P(S = 0), P(S = 1), ...`` follow by adding one person at a time:
    ``P(S = s) <- P(S = s) (1 - a_j) + P(S = s - 1) a_j``, never beyond ``s = topk - 1``. Last, average over the
    positives, each equally likely to be drawn, and over the queries.

    A step for each positive and each person is too many for a large gallery, but few of them matter. A positive with
    far more than ``topk`` people ahead on average has no chance left (:func:`enough_ahead`), and a person with
    ``a_j = 0`` changes nothing.

    Args:
        distances, q_pids, g_pids, q_cams, g_cams, topk: as in :func:`cmc`. All distractors (identity 0) together
            are one person, of whom one image is drawn, as in the public code.
        meaning: which gallery images are removed before the draw. ``"open-reid"`` (also called ``"cuhk03"``): all
            images from the query's own camera. ``"torchreid"`` (also ``"dil"``): only those of the same identity
            from the query's own camera.

    Returns:
        float64 array ``(topk,)``, fractions from 0 to 1. With fewer people than ``topk`` the curve stays at 1.

    Raises:
        ValueError: as in :func:`cmc`, or for an unknown ``meaning``.

    Choice:
        The paper says "single-shot" and no more; ``"open-reid"`` is the reading with two disjoint sets of cameras,
        as CUHK03 and VIPeR were first used. Ties and queries without a right answer: as in :func:`cmc`.

    Example:
        Person 3 has two images, one of them nearer than the right image: ahead in half of the draws.

        >>> single_shot_cmc(np.array([[0.2, 0.1, 0.9]]), [7], [7, 3, 3], [0], [1, 1, 1], topk=2)
        array([0.5, 1. ])
    """
    task = check(distances, q_pids, g_pids, q_cams, g_cams, topk)
    whole_camera, people = removes_camera("single_shot", meaning), _people(task)
    return _mean(task, (_single_shot(part, people, topk, whole_camera) for part in parts(task)))


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


def retrieval(
    distances: Array | Distances,
    q_pids: Ids,
    g_pids: Ids,
    q_cams: Ids,
    g_cams: Ids,
    protocol: Protocol = "single_shot",
    meaning: Meaning = "open-reid",
) -> dict[str, float]:
    """The numbers of a results table, all at once.

    Args:
        distances, q_pids, g_pids, q_cams, g_cams: as in :func:`cmc`.
        protocol: ``"single_shot"`` (the paper's, :func:`single_shot_cmc`) or ``"market1501"`` (:func:`cmc`).
        meaning: of single-shot; see :func:`single_shot_cmc`. Not used by ``"market1501"``.

    Returns:
        ``rank1, rank5, rank10, mAP`` as fractions from 0 to 1, ``queries`` (how many were scored) and
        ``unmatched`` (how many were left out, having no right answer in the gallery); :func:`unmatched_note` makes a
        sentence of these two.

    Raises:
        ValueError: as in :func:`cmc`, or for an unknown ``protocol``.

    Choice:
        mAP is always that of the whole gallery, :func:`mean_average_precision`, under either protocol: with one
        image a person it would say nothing that CMC does not.

    Example:
        >>> scores = retrieval(np.array([[0.2, 0.1, 0.9]]), [7], [7, 3, 4], [0], [1, 1, 1])
        >>> [scores[name] for name in ("rank1", "rank5", "mAP", "queries", "unmatched")]
        [0.0, 1.0, 0.5, 1, 0]
    """
    task = check(distances, q_pids, g_pids, q_cams, g_cams)
    whole_camera = removes_camera(protocol, meaning)
    people = _people(task) if protocol == "single_shot" else None
    whole, drawn = [], []
    for part in parts(task):  # distances are worked out once, for both
        whole.append(_market1501(part, 10))
        if people is not None:
            drawn.append(_single_shot(part, people, 10, whole_camera))
    *curve, mAP = _mean(task, whole).tolist()
    if drawn:
        curve = _mean(task, drawn).tolist()
    scored = sum(len(rows) for rows in whole)
    scores = {"rank1": curve[0], "rank5": curve[4], "rank10": curve[9], "mAP": mAP}
    return {**scores, "queries": scored, "unmatched": len(task.q_pids) - scored}


def unmatched_note(scores: Mapping[str, Mapping[str, Any]]) -> str:
    """A sentence on how many queries the scores leave out, to be shown with them.

    Args:
        scores: name (a rate, for example) -> what :func:`retrieval` gave, as ``evaluate`` returns it.

    Returns:
        The sentence for the row that leaves most queries out; empty where none does, or where the rows do not say.

    Example:
        >>> unmatched_note({"4": {"rank1": 0.5, "queries": 32, "unmatched": 96}})
        '96 of 128 queries are left out: no image of the same identity from another camera is in the gallery.'
    """
    row = max(scores.values(), key=lambda row: row.get("unmatched", 0), default={})
    if not row.get("unmatched"):
        return ""
    return (
        f"{row['unmatched']} of {row['queries'] + row['unmatched']} queries are left out: no image of the same "
        "identity from another camera is in the gallery."
    )


def rank_list(
    distances: Array | Distances,
    q_pids: Ids,
    g_pids: Ids,
    q_cams: Ids,
    g_cams: Ids,
    k: int = 10,
    protocol: Protocol = "market1501",
    meaning: Meaning = "open-reid",
) -> RankList:
    """The k nearest gallery images of each query, after removal, with right and wrong marked: for figures.

    Args:
        distances, q_pids, g_pids, q_cams, g_cams: as in :func:`cmc`.
        k: images a query.
        protocol, meaning: which images are removed; as in :func:`retrieval`.

    Returns:
        A :class:`RankList`. At equal distance wrong images come first, then the gallery's order decides.

    Raises:
        ValueError: as in :func:`cmc`.

    Example:
        >>> rank_list(np.array([[0.2, 0.1, 0.9]]), [7], [7, 3, 4], [0], [1, 1, 1], k=2)
        RankList(gallery=array([[1, 0]]), right=array([[False,  True]]))
    """
    task = check(distances, q_pids, g_pids, q_cams, g_cams, k)
    whole_camera, cells = removes_camera(protocol, meaning), len(task.g_pids)
    found = [_nearest(block, k) for part in parts(task) for block in blocks(part, whole_camera, cells)]
    return RankList(*(np.concatenate(column) for column in zip(*found, strict=True)))


def _nearest(block: Block, k: int) -> RankList:
    """The rank list of some queries, filled up to ``k`` where the gallery has run out."""
    kept = block.right | block.wrong
    order = np.lexsort((block.right, np.where(kept, block.distances, np.inf)))[:, :k]
    short = ((0, 0), (0, k - order.shape[1]))
    index = np.where(np.take_along_axis(kept, order, 1), order, -1)
    right = np.take_along_axis(block.right, order, 1)
    return RankList(np.pad(index, short, constant_values=-1), np.pad(right, short))


def _market1501(part: Task, topk: int) -> np.ndarray:
    """One row for each query that has a right answer, the gallery being whole: its CMC, then its average precision."""
    rows = []
    for block in blocks(part, whole_camera=False, cells=len(part.g_pids)):
        t = _thresholds(block)
        wrong = np.where(block.wrong, block.distances, np.inf)
        wrong.sort(axis=1)
        ahead = torch.searchsorted(torch.from_numpy(wrong), torch.from_numpy(t), right=True).numpy()  # (c, n)
        real = np.isfinite(t)  # the rest of the table is padding
        i = np.arange(1, t.shape[1] + 1)
        precision = np.where(real, i / (i + ahead), 0).cumsum(1)[:, -1:] / np.maximum(real.sum(1, keepdims=True), 1)
        rows.append(np.hstack([ahead[:, :1] < np.arange(1, topk + 1), precision])[real[:, 0]])
    return np.concatenate(rows)


def _people(task: Task) -> _People:
    return _People(*np.unique(task.g_pids, return_inverse=True, return_counts=True))


def _single_shot(part: Task, people: _People, topk: int, whole_camera: bool) -> np.ndarray:
    """One row for each query that has a right answer: its expected CMC when one image of each person is drawn."""
    m, limit = len(people.pids), enough_ahead(topk)
    rows = [np.empty((0, topk))]
    for block in blocks(part, whole_camera, len(part.g_pids)):
        shares, positives = [], []
        for d, right, wrong in zip(block.distances, block.right, block.wrong, strict=True):
            if right.any():
                others = np.flatnonzero(wrong)
                shares.append(_shares_ahead(np.sort(d[right]), d[others], people.person[others], m, limit))
                positives.append(int(right.sum()))
        if shares:
            ends = np.cumsum([len(a) for a in shares])
            curves = np.split(_curves(np.concatenate(shares), topk), ends[:-1])
            rows.append(np.array([c.sum(0) / n for c, n in zip(curves, positives, strict=True)]))
    return np.concatenate(rows)


def _mean(task: Task, parts_of_table: Iterable[np.ndarray]) -> np.ndarray:
    """The mean over queries; the same to the last digit however many at a time they came."""
    rows = np.concatenate(list(parts_of_table))
    require_matches(task, len(rows))
    return rows.mean(0)


def _shares_ahead(t: np.ndarray, d: np.ndarray, person: np.ndarray, m: int, limit: float) -> np.ndarray:
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


def _curves(shares: np.ndarray, topk: int) -> np.ndarray:
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


def _thresholds(block: Block) -> np.ndarray:
    """The distances of each query's right images, ascending, ``(c, n)``, filled up with infinity."""
    row, column = np.nonzero(block.right)
    count = np.bincount(row, minlength=len(block.right))
    t = np.full((len(count), max(1, int(count.max()))), np.inf, dtype=block.distances.dtype)
    t[row, np.arange(len(row)) - (count.cumsum() - count)[row]] = block.distances[row, column]
    t.sort(axis=1)
    return t
