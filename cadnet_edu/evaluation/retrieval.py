"""Retrieval scores: CMC, mean average precision, rank lists.

All scores follow from one count, without sorting the gallery: for each positive of a query (a gallery image of the same
identity from another camera), the number of negatives at most as far away.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, NamedTuple

import numpy as np
import torch

from cadnet_edu.evaluation.distances import Array, Distances, euclidean, to_array
from cadnet_edu.evaluation.expected_cmc import enough_ahead, expected_curves, shares_ahead

Ids = Array | list[int] | tuple[int, ...]
CameraRule = Literal["cuhk03", "open-reid", "torchreid", "dil"]
Protocol = Literal["market1501", "single_shot"]

JUNK = -1  # Market-1501's identity of boxes without a complete person
BLOCK = 1 << 21  # numbers processed at once: bounds the memory
NUMBERING = (
    "Number the identities (or cameras) first, from 0 or 1, query and gallery alike: more than 2^63 - 1 has no room "
    "in 64 bits, and as text '7' and '007' differ, as numbers they do not."
)
WHOLE_CAMERA = {"cuhk03": True, "open-reid": True, "torchreid": False, "dil": False}

__all__ = [
    "Distances", "RankList", "cmc", "euclidean", "mean_average_precision", "rank_list", "retrieval", "single_shot_cmc",
    "unmatched_note",
]  # fmt: skip


class RankList(NamedTuple):
    """The ``k`` gallery images nearest to each query."""

    gallery: np.ndarray  # int ``(q, k)``, positions in the gallery, nearest first; -1 where there are no more
    right: np.ndarray  # bool array ``(q, k)``, True where the image has the query's identity


class Task(NamedTuple):
    """Validated input: distances ``(q, g)``, ids and cameras as ``int64`` vectors."""

    distances: np.ndarray | Distances
    q_pids: np.ndarray
    g_pids: np.ndarray
    q_cams: np.ndarray
    g_cams: np.ndarray


class Block(NamedTuple):
    """Some queries against the whole gallery, all ``(c, g)``: distances, positives, negatives."""

    rows: slice
    distances: np.ndarray
    right: np.ndarray
    wrong: np.ndarray


def cmc(distances: Array | Distances, q_pids: Ids, g_pids: Ids, q_cams: Ids, g_cams: Ids, topk: int = 10) -> np.ndarray:
    """The CMC curve of Market-1501's protocol: how often a positive is within rank k, for k = 1 ... ``topk``.

    All gallery images are kept, so an identity with many images is easier to find. For each query, images of the same
    identity from the query's camera are removed, and so is junk (identity -1). Distractors (identity 0) are negatives.

    Args:
        distances: ``(q, g)``, small for similar images; any float type, NumPy or torch, also memory-mapped. Or
            :class:`Distances`, which computes them from vectors, some queries at a time.
        q_pids, g_pids: identities of queries ``(q,)`` and gallery ``(g,)``, integers.
        q_cams, g_cams: camera numbers, integers.
        topk: length of the curve.

    Returns:
        float64 array ``(topk,)``; entry ``k - 1`` is the fraction (0 to 1) of queries with a positive within rank k.
        With fewer than ``topk`` gallery images the curve stays at its last value.

    Raises:
        ValueError: for shapes that do not match, ids that are no integers, distances that are not finite, or when no
            query has a positive.

    Choice:
        Ties: a negative at the *same* distance counts as ahead. The result then does not depend on the gallery's
        order, and a network that maps every image to one point scores 0. Queries without a positive are left out of
        the mean; :func:`retrieval` reports their number.

    Example:
        The positive (identity 7) is second nearest.

        >>> cmc(np.array([[0.2, 0.1, 0.9]]), [7], [7, 3, 4], [0], [1, 1, 1], topk=3)
        array([0., 1., 1.])
    """
    task = check(distances, q_pids, g_pids, q_cams, g_cams, topk)
    return _mean(task, (_market1501(part, topk) for part in query_chunks(task)))[:topk]


def mean_average_precision(distances: Array | Distances, q_pids: Ids, g_pids: Ids, q_cams: Ids, g_cams: Ids) -> float:
    """mAP: the mean over queries of the average precision.

    The i-th positive, with ``a_i`` negatives ahead of it, has rank ``i + a_i``, where the precision is
    ``i / (i + a_i)``. Average precision is the mean of these over the positives (the area under the precision-recall
    steps, as in Market-1501's Python evaluators; the trapezoid version differs slightly).

    Args:
        distances, q_pids, g_pids, q_cams, g_cams: as in :func:`cmc`; the same images are removed.

    Returns:
        A number from 0 to 1.

    Raises:
        ValueError: as in :func:`cmc`.

    Choice:
        Ties and queries without a positive: as in :func:`cmc`.

    Example:
        Positives at ranks 1 and 3: the precisions there are 1/1 and 2/3.

        >>> round(mean_average_precision(np.array([[0.1, 0.2, 0.3]]), [7], [7, 3, 7], [0], [1, 1, 1]), 4)
        0.8333
    """
    task = check(distances, q_pids, g_pids, q_cams, g_cams)
    return float(_mean(task, (_market1501(part, 1) for part in query_chunks(task)))[1])


def single_shot_cmc(
    distances: Array | Distances,
    q_pids: Ids,
    g_pids: Ids,
    q_cams: Ids,
    g_cams: Ids,
    topk: int = 10,
    camera_rule: CameraRule = "open-reid",
) -> np.ndarray:
    """The CMC curve for a gallery of *one* image of each identity (Sec. 4.4), as an exact expectation.

    Public code averages over repeated random draws of one image for each identity; this is the expectation in closed
    form. Let the draw for the query's identity be a positive at distance ``t``. Identity j is then ahead with
    probability ``a_j`` = (images of j at most ``t`` away) / (images of j), independently of the others. The number
    ``S`` of identities ahead is a sum of independent coin flips (Poisson-binomial), and the positive is within rank k
    when ``S <= k - 1``. ``P(S = 0), P(S = 1), ...`` follow by adding one identity at a time:
    ``P(S = s) <- P(S = s) (1 - a_j) + P(S = s - 1) a_j``, never beyond ``s = topk - 1``. Last, average over the
    positives, each equally likely to be drawn, and over the queries.

    For large galleries, positives with far more than ``topk`` identities ahead on average
    (``expected_cmc.enough_ahead``) and identities with ``a_j = 0`` are skipped.

    Args:
        distances, q_pids, g_pids, q_cams, g_cams, topk: as in :func:`cmc`. All distractors (identity 0) together
            are one identity, of which one image is drawn, as in the public code.
        camera_rule: which gallery images are removed before the draw. ``"open-reid"`` (also called ``"cuhk03"``): all
            images from the query's own camera. ``"torchreid"`` (also ``"dil"``): only those of the same identity
            from the query's own camera.

    Returns:
        float64 array ``(topk,)``, fractions from 0 to 1. With fewer identities than ``topk`` the curve stays at 1.

    Raises:
        ValueError: as in :func:`cmc`, or for an unknown ``camera_rule``.

    Choice:
        The paper only says "single-shot"; ``"open-reid"`` is the protocol with two disjoint sets of cameras, as first
        used for CUHK03 and VIPeR. Ties and queries without a positive: as in :func:`cmc`.

    Example:
        Identity 3 has two images, one of them nearer than the positive: ahead in half of the draws.

        >>> single_shot_cmc(np.array([[0.2, 0.1, 0.9]]), [7], [7, 3, 3], [0], [1, 1, 1], topk=2)
        array([0.5, 1. ])
    """
    task = check(distances, q_pids, g_pids, q_cams, g_cams, topk)
    whole_camera, person = removes_camera("single_shot", camera_rule), _person_of(task)
    return _mean(task, (_single_shot(part, person, topk, whole_camera) for part in query_chunks(task)))


def retrieval(
    distances: Array | Distances,
    q_pids: Ids,
    g_pids: Ids,
    q_cams: Ids,
    g_cams: Ids,
    protocol: Protocol = "single_shot",
    camera_rule: CameraRule = "open-reid",
) -> dict[str, float]:
    """All scores of a results table.

    Args:
        distances, q_pids, g_pids, q_cams, g_cams: as in :func:`cmc`.
        protocol: ``"single_shot"`` (the paper's, :func:`single_shot_cmc`) or ``"market1501"`` (:func:`cmc`).
        camera_rule: of single-shot; see :func:`single_shot_cmc`. Not used by ``"market1501"``.

    Returns:
        ``rank1, rank5, rank10, mAP`` as fractions from 0 to 1, ``queries`` (number of scored ones) and ``unmatched``
        (number of those left out, without a positive in the gallery); see :func:`unmatched_note`.

    Raises:
        ValueError: as in :func:`cmc`, or for an unknown ``protocol``.

    Choice:
        mAP is always that of the whole gallery, :func:`mean_average_precision`, under either protocol: with one image
        for each identity it would add nothing to CMC.

    Example:
        >>> scores = retrieval(np.array([[0.2, 0.1, 0.9]]), [7], [7, 3, 4], [0], [1, 1, 1])
        >>> [scores[name] for name in ("rank1", "rank5", "mAP", "queries", "unmatched")]
        [0.0, 1.0, 0.5, 1, 0]
    """
    task = check(distances, q_pids, g_pids, q_cams, g_cams)
    whole_camera = removes_camera(protocol, camera_rule)
    person = _person_of(task) if protocol == "single_shot" else None
    whole, drawn = [], []
    for part in query_chunks(task):  # distances are computed once, for both
        whole.append(_market1501(part, 10))
        if person is not None:
            drawn.append(_single_shot(part, person, 10, whole_camera))
    *curve, mAP = _mean(task, whole).tolist()
    if drawn:
        curve = _mean(task, drawn).tolist()
    scored = sum(len(rows) for rows in whole)
    scores = {"rank1": curve[0], "rank5": curve[4], "rank10": curve[9], "mAP": mAP}
    return {**scores, "queries": scored, "unmatched": len(task.q_pids) - scored}


def unmatched_note(scores: Mapping[str, Mapping[str, Any]]) -> str:
    """A note on the number of queries that the scores leave out.

    Args:
        scores: name (such as a rate) -> scores of :func:`retrieval`, as ``evaluate`` returns them.

    Returns:
        The note for the row that leaves most queries out; empty if none does.

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
    camera_rule: CameraRule = "open-reid",
) -> RankList:
    """The k nearest gallery images of each query, after removal, with the positives marked.

    Args:
        distances, q_pids, g_pids, q_cams, g_cams: as in :func:`cmc`.
        k: images for each query.
        protocol, camera_rule: which images are removed; as in :func:`retrieval`.

    Returns:
        A :class:`RankList`. At equal distance negatives come first, then the gallery's order decides.

    Raises:
        ValueError: as in :func:`cmc`.

    Example:
        >>> rank_list(np.array([[0.2, 0.1, 0.9]]), [7], [7, 3, 4], [0], [1, 1, 1], k=2)
        RankList(gallery=array([[1, 0]]), right=array([[False,  True]]))
    """
    task = check(distances, q_pids, g_pids, q_cams, g_cams, k)
    whole_camera, cells = removes_camera(protocol, camera_rule), len(task.g_pids)
    found = [_nearest(block, k) for part in query_chunks(task) for block in blocks(part, whole_camera, cells)]
    return RankList(*(np.concatenate(column) for column in zip(*found, strict=True)))


def _nearest(block: Block, k: int) -> RankList:
    """The rank list of some queries, padded to ``k`` for small galleries."""
    kept = block.right | block.wrong
    order = np.lexsort((block.right, np.where(kept, block.distances, np.inf)))[:, :k]
    short = ((0, 0), (0, k - order.shape[1]))
    index = np.where(np.take_along_axis(kept, order, 1), order, -1)
    right = np.take_along_axis(block.right, order, 1)
    return RankList(np.pad(index, short, constant_values=-1), np.pad(right, short))


def _market1501(part: Task, topk: int) -> np.ndarray:
    """One row for each query with a positive, for the whole gallery: its CMC, then its average precision."""
    rows = []
    for block in blocks(part, whole_camera=False, cells=len(part.g_pids)):
        t = _thresholds(block)
        wrong = np.where(block.wrong, block.distances, np.inf)
        wrong.sort(axis=1)
        ahead = torch.searchsorted(torch.from_numpy(wrong), torch.from_numpy(t), right=True).numpy()  # (c, n)
        real = np.isfinite(t)  # the rest is padding
        i = np.arange(1, t.shape[1] + 1)
        precision = np.where(real, i / (i + ahead), 0).cumsum(1)[:, -1:] / np.maximum(real.sum(1, keepdims=True), 1)
        rows.append(np.hstack([ahead[:, :1] < np.arange(1, topk + 1), precision])[real[:, 0]])
    return np.concatenate(rows)


def _person_of(task: Task) -> np.ndarray:
    """The identity of each gallery image, numbered from 0 without gaps."""
    return np.unique(task.g_pids, return_inverse=True)[1]


def _single_shot(part: Task, person: np.ndarray, topk: int, whole_camera: bool) -> np.ndarray:
    """One row for each query with a positive: its expected CMC when one image of each identity is drawn."""
    m, limit = int(person.max()) + 1, enough_ahead(topk)
    rows = [np.empty((0, topk))]
    for block in blocks(part, whole_camera, len(part.g_pids)):
        shares, positives = [], []
        for d, right, wrong in zip(block.distances, block.right, block.wrong, strict=True):
            if right.any():
                others = np.flatnonzero(wrong)
                shares.append(shares_ahead(np.sort(d[right]), d[others], person[others], m, limit))
                positives.append(int(right.sum()))
        if shares:
            ends = np.cumsum([len(a) for a in shares])
            curves = np.split(expected_curves(np.concatenate(shares), topk), ends[:-1])
            rows.append(np.array([c.sum(0) / n for c, n in zip(curves, positives, strict=True)]))
    return np.concatenate(rows)


def _mean(task: Task, parts_of_table: Iterable[np.ndarray]) -> np.ndarray:
    """The mean over queries; the chunk size does not change its rounding."""
    rows = np.concatenate(list(parts_of_table))
    if not len(rows):
        raise ValueError(
            f"None of the {len(task.q_pids)} queries has a match in the gallery: an image of the same identity "
            f"from another camera. Cameras seen: query {np.unique(task.q_cams)[:6].tolist()}, gallery "
            f"{np.unique(task.g_cams)[:6].tolist()}; identities in both: "
            f"{len(np.intersect1d(task.q_pids, task.g_pids))}. Usual causes: every image carries the same camera "
            "number; identities were numbered anew for the gallery, or read from names differently; query and "
            "gallery come from different splits."
        )
    return rows.mean(0)


def _thresholds(block: Block) -> np.ndarray:
    """The distances of each query's positives, ascending, ``(c, n)``, padded with infinity."""
    row, column = np.nonzero(block.right)
    count = np.bincount(row, minlength=len(block.right))
    t = np.full((len(count), max(1, int(count.max()))), np.inf, dtype=block.distances.dtype)
    t[row, np.arange(len(row)) - (count.cumsum() - count)[row]] = block.distances[row, column]
    t.sort(axis=1)
    return t


# ------------------------------------------------------------------------------------ camera rules and checks


def query_chunks(task: Task) -> Iterator[Task]:
    """Iterate over the task, some queries at a time, with their distances as an array; all at once for an array."""
    if isinstance(task.distances, np.ndarray):
        yield task
        return
    for rows in task.distances.chunks():
        d = _finite(task.distances[rows])
        yield task._replace(distances=d, q_pids=task.q_pids[rows], q_cams=task.q_cams[rows])


def blocks(task: Task, whole_camera: bool, cells: int) -> Iterator[Block]:
    """Iterate over queries, ``cells`` numbers each; images neither positive nor negative are removed.

    Args:
        task: distances and ids.
        whole_camera: whether all images of the query's camera are removed, or only those of the same person.
        cells: how many numbers one query takes.
    """
    assert isinstance(task.distances, np.ndarray)
    size = max(1, BLOCK // cells)
    known = task.g_pids != JUNK
    narrow = task.distances.dtype.kind == "f" and task.distances.dtype.itemsize <= 4
    for start in range(0, len(task.q_pids), size):
        rows = slice(start, start + size)
        same_person = task.q_pids[rows, None] == task.g_pids
        other_camera = task.q_cams[rows, None] != task.g_cams
        wrong = ~same_person & known & (other_camera | (not whole_camera))
        d = np.array(task.distances[rows], dtype=np.float32 if narrow else np.float64, order="C")
        yield Block(rows, d, same_person & other_camera & known, wrong)


def removes_camera(protocol: str, camera_rule: str) -> bool:
    """Whether all gallery images of the query's camera are removed, not only those of the same identity."""
    if protocol not in ("single_shot", "market1501"):
        raise ValueError(f"There is no protocol {protocol!r}. Give 'single_shot' or 'market1501'.")
    if camera_rule not in WHOLE_CAMERA:
        raise ValueError(f"There is no camera_rule {camera_rule!r}. Give one of: {', '.join(WHOLE_CAMERA)}.")
    return protocol == "single_shot" and WHOLE_CAMERA[camera_rule]


def check(distances: Array | Distances, q_pids: Ids, g_pids: Ids, q_cams: Ids, g_cams: Ids, topk: int = 1) -> Task:
    """Validate the input, and convert it to NumPy arrays.

    Args:
        distances, q_pids, g_pids, q_cams, g_cams, topk: as in :func:`cmc`.

    Raises:
        ValueError: which names what does not fit.
    """
    if not isinstance(topk, int | np.integer) or topk < 1:
        raise ValueError(f"The number of ranks must be a whole number >= 1; given {topk!r}.")
    d = distances if isinstance(distances, Distances) else to_array(distances)
    if len(d.shape) != 2 or 0 in d.shape or d.dtype.kind not in "fiu":
        raise ValueError(
            f"The distances must be a matrix of numbers, one row a query and one column a gallery image, neither "
            f"empty; given {d.dtype} of shape {d.shape}."
        )
    given = {"q_pids": q_pids, "g_pids": g_pids, "q_cams": q_cams, "g_cams": g_cams}
    ids = {name: _integers(values, name) for name, values in given.items()}
    for name, values in ids.items():
        side, n = ("queries", d.shape[0]) if name.startswith("q") else ("gallery images", d.shape[1])
        if len(values) != n:
            raise ValueError(
                f"The distances are {d.shape[0]} x {d.shape[1]}, that is {n} {side}, but {name} has {len(values)} "
                "entries. Rows are queries and columns are gallery images; is the matrix transposed?"
            )
    return Task(_finite(d) if isinstance(d, np.ndarray) else d, **ids)


def _finite(distances: np.ndarray) -> np.ndarray:
    """The distances, if they can be ranked."""
    if not (np.isfinite(distances.min()) and np.isfinite(distances.max())):
        raise ValueError(
            "The distances hold NaN or infinity, so nothing can be ranked. Usual causes: training that diverged, or "
            "a feature vector of length zero that was normalised."
        )
    return distances


def _integers(values: Ids, name: str) -> np.ndarray:
    """Identities or cameras as an int64 vector."""
    array = to_array(values)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        example = f", for example {array.ravel()[:1].tolist()[0]!r}" if array.size else ""
        raise ValueError(
            f"{name} must be a list of whole numbers; given {array.dtype} of shape {array.shape}{example}. "
            f"{_cure(array)}"
        )
    if array.size and array.max() > np.iinfo(np.int64).max:  # would become negative, 2^64 - 1 even junk
        raise ValueError(f"{name} holds {array.max()}, more than 2^63 - 1. {NUMBERING}")
    return array.astype(np.int64)


def _cure(array: np.ndarray) -> str:
    """The remedy for ids that are no integers."""
    if array.dtype.kind == "f" and np.isnan(array).any():
        return f"{np.isnan(array).sum()} of them NaN: leave images without identity out, or give them {JUNK}, junk."
    if array.dtype.kind == "f" and (np.abs(array) < 2**53).all():  # beyond, whole numbers share a float
        return "Give integers: .astype('int64') in NumPy, .long() in torch."
    return NUMBERING
