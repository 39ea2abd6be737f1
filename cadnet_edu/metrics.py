"""How well a list of images answers the question "who is this?": CMC, mean average precision, rank lists.

Everything here follows from one count. For each right answer of a query (a *positive*: a gallery image of the same
person from another camera), how many wrong images are at most as far away as it is? No ranking is ever written down.

The image-quality metrics :func:`psnr`, :func:`ssim` and :func:`lpips` live in :mod:`cadnet_edu.image_metrics`
and can be imported from here too.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import numpy as np
import torch

from cadnet_edu.image_metrics import LPIPS, lpips, psnr, ssim

__all__ = [
    "LPIPS",
    "RankList",
    "cmc",
    "euclidean",
    "lpips",
    "mean_average_precision",
    "psnr",
    "rank_list",
    "retrieval",
    "single_shot_cmc",
    "ssim",
]

Array = np.ndarray | torch.Tensor
Ids = Array | list[int] | tuple[int, ...]
Meaning = Literal["cuhk03", "open-reid", "torchreid", "dil"]
Protocol = Literal["market1501", "single_shot"]

JUNK = -1  # the identity Market-1501 gives to boxes that hold no whole person
BLOCK = 1 << 20  # distances looked at together: bounds the memory, whatever the size of the gallery
WHOLE_CAMERA = {"cuhk03": True, "open-reid": True, "torchreid": False, "dil": False}


class RankList(NamedTuple):
    """The ``k`` gallery images nearest to each query.

    Args:
        index: int array ``(q, k)``, positions in the gallery, nearest first; -1 where the gallery has run out.
        right: bool array ``(q, k)``, True where the image shows the person asked for.
    """

    index: np.ndarray
    right: np.ndarray


class _Task(NamedTuple):
    """Checked input: distances ``(q, g)``, ids and cameras as ``int64`` vectors."""

    distances: np.ndarray
    q_pids: np.ndarray
    g_pids: np.ndarray
    q_cams: np.ndarray
    g_cams: np.ndarray


class _Block(NamedTuple):
    """Some queries against the whole gallery, all ``(c, g)``: distances, the right images, the wrong images."""

    rows: slice
    distances: np.ndarray
    right: np.ndarray
    wrong: np.ndarray


def cmc(distances: Array, q_pids: Ids, g_pids: Ids, q_cams: Ids, g_cams: Ids, topk: int = 10) -> np.ndarray:
    """How often the right person is among the first k images, for k = 1 ... ``topk`` (Market-1501's meaning).

    All gallery images stay in, so a person with many images is easier to find. Per query, images of the same
    identity from the query's own camera are removed, and so is junk (identity -1). Distractors (identity 0) are
    ordinary wrong images.

    Args:
        distances: ``(q, g)``, small means alike; any float type, NumPy or torch, also memory-mapped.
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
    return _market1501(_check(distances, q_pids, g_pids, q_cams, g_cams, topk), topk)[0]


def mean_average_precision(distances: Array, q_pids: Ids, g_pids: Ids, q_cams: Ids, g_cams: Ids) -> float:
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
    return _market1501(_check(distances, q_pids, g_pids, q_cams, g_cams), 1)[1]


def single_shot_cmc(
    distances: Array,
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
    return _single_shot(_check(distances, q_pids, g_pids, q_cams, g_cams, topk), topk, _whole_camera(meaning))


def retrieval(
    distances: Array,
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
        ``unmatched`` (how many were left out, having no right answer in the gallery).

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
    task = _check(distances, q_pids, g_pids, q_cams, g_cams)
    curve, mAP, scored = _market1501(task, 10)
    if _own_camera_leaves(protocol, meaning) is not None:
        curve = _single_shot(task, 10, _whole_camera(meaning))
    scores = {"rank1": float(curve[0]), "rank5": float(curve[4]), "rank10": float(curve[9]), "mAP": mAP}
    return {**scores, "queries": scored, "unmatched": len(task.q_pids) - scored}
