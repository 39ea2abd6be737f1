"""Analyse feature vectors: resolution and identity in w, margins in f and g, confusions."""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from cadnet_edu.analysis.projection import silhouette
from cadnet_edu.evaluation.distances import Array, Distances
from cadnet_edu.evaluation.retrieval import Ids, blocks, check, query_chunks


def resolution_probe(
    w: Mapping[float, Array], pids: Ids, folds: int = 5, most: int = 1000, seed: int = 0
) -> dict[str, Any]:
    """The accuracy of a linear classifier that predicts from w the down-sampling rate of an image.

    Logistic regression on standardised features, cross-validated over identities. If w were free of resolution, its
    accuracy would be at chance.

    Args:
        w: rate -> features ``(n, d)`` of the same n images at that rate.
        pids: their identities ``(n,)``.
        folds: of the cross-validation; at most the number of identities.
        most: images used, drawn at random.
        seed: of that draw and of the folds.

    Returns:
        ``accuracy`` (mean over folds), ``low`` and ``high`` (the worst and best fold), ``chance``, ``rates``,
        ``confusion`` (rows: true rate, columns: predicted rate, as fractions of the row) and ``images``.

    Raises:
        ValueError: for fewer than two rates or two people.

    Example:
        >>> w = {r: np.full((6, 1), r) for r in (1.0, 2.0)}
        >>> found = resolution_probe(w, [1, 1, 2, 2, 3, 3], folds=3)
        >>> found["accuracy"], found["chance"]
        (1.0, 0.5)
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rates = sorted(w)
    pids, rng = np.asarray(pids), np.random.default_rng(seed)
    people = np.unique(pids)
    if len(rates) < 2 or len(people) < 2:
        raise ValueError(f"{len(rates)} rates and {len(people)} people: the probe needs two of each at least.")
    kept = np.sort(rng.permutation(len(pids))[:most])
    people = rng.permutation(np.unique(pids[kept]))
    x = np.concatenate([np.asarray(w[r], dtype=np.float64)[kept] for r in rates])
    y = np.repeat(np.arange(len(rates)), len(kept))
    who = np.tile(pids[kept], len(rates))
    counts, accuracies = np.zeros((len(rates), len(rates))), []
    for held_out in np.array_split(people, min(folds, len(people))):
        test = np.isin(who, held_out)
        model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500, tol=1e-3))
        answers = model.fit(x[~test], y[~test]).predict(x[test])
        accuracies.append(float((answers == y[test]).mean()))
        np.add.at(counts, (y[test], answers), 1)
    return {
        "accuracy": float(np.mean(accuracies)),
        "low": min(accuracies),
        "high": max(accuracies),
        "chance": 1 / len(rates),
        "rates": list(rates),
        "confusion": (counts / counts.sum(1, keepdims=True)).tolist(),
        "images": len(kept),
    }


def separation(w: Mapping[float, Array], pids: Ids, most: int = 400, seed: int = 0) -> dict[str, float]:
    """Silhouettes of w over all rates together, by identity and by rate.

    Args:
        w: rate -> features ``(n, d)`` of the same n images.
        pids: their identities.
        most: images used, drawn at random.
        seed: of that draw.

    Returns:
        ``identity`` and ``rate``, each from -1 to 1; the paper aims at a high one and one of 0 or below.
    """
    rates, pids = sorted(w), np.asarray(pids)
    kept = np.sort(np.random.default_rng(seed).permutation(len(pids))[:most])
    x = np.concatenate([np.asarray(w[r])[kept] for r in rates])
    return {
        "identity": silhouette(x, np.tile(pids[kept], len(rates))),
        "rate": silhouette(x, np.repeat(np.arange(len(rates)), len(kept))),
    }


class Nearest(NamedTuple):
    """The nearest right and the nearest wrong gallery image of each query, without those of the query's camera."""

    right: np.ndarray  # positions in the gallery ``(q,)``; -1 where there is none
    wrong: np.ndarray
    d_right: np.ndarray  # their distances ``(q,)``; infinity where there is none
    d_wrong: np.ndarray


def nearest(distances: Array | Distances, q_pids: Ids, g_pids: Ids, q_cams: Ids, g_cams: Ids) -> Nearest:
    """See ``Nearest``.

    Args:
        distances: ``(q, g)``, or the ``Distances`` of vectors.
        q_pids, g_pids, q_cams, g_cams: identities and cameras, as in ``cadnet_edu.evaluation.retrieval.cmc``.

    >>> nearest(np.array([[0.3, 0.1, 0.2]]), [7], [7, 3, 7], [0], [1, 1, 1])
    Nearest(right=array([2]), wrong=array([1]), d_right=array([0.2]), d_wrong=array([0.1]))
    """
    task = check(distances, q_pids, g_pids, q_cams, g_cams)
    columns: list[list[np.ndarray]] = [[], [], [], []]
    for part in query_chunks(task):
        for block in blocks(part, whole_camera=True, cells=len(part.g_pids)):
            for k, mask in enumerate((block.right, block.wrong)):
                seen = np.where(mask, block.distances, np.inf)
                place = seen.argmin(1)
                d = np.take_along_axis(seen, place[:, None], 1)[:, 0]
                columns[k].append(np.where(np.isfinite(d), place, -1))
                columns[2 + k].append(d)
    return Nearest(*(np.concatenate(column) for column in columns))


class Margins(NamedTuple):
    """By how much each query prefers its nearest right image to its nearest wrong one, in f and in g."""

    f: np.ndarray  # ``(q,)``. Their sum is the margin in u; above 0, rank 1 is correct
    g: np.ndarray

    def summary(self) -> dict[str, float | None]:
        """Means over the queries, and which branch decides.

        Returns:
            ``margin_f`` and ``margin_g`` (means over all queries); ``share_g``, the contribution of g to the margins of
            the correct queries (None when none is); and fractions of all queries: ``right``, ``right_by_both`` (each
            of f and g alone prefers the right image), ``saved_by_f`` (g alone would err), ``saved_by_g``.

        >>> Margins(np.array([3.0, -1.0, -4.0]), np.array([1.0, 3.0, 1.0])).summary()["share_g"]
        0.6666666666666666
        """
        f, g = self.f, self.g
        right = f + g > 0
        return {
            "margin_f": float(f.mean()),
            "margin_g": float(g.mean()),
            "share_g": float(g[right].sum() / (f + g)[right].sum()) if right.any() else None,
            "right": float(right.mean()),
            "right_by_both": float((right & (f > 0) & (g > 0)).mean()),
            "saved_by_f": float((right & (g <= 0)).mean()),
            "saved_by_g": float((right & (f <= 0)).mean()),
        }


def margins(q_u: Array, g_u: Array, q_pids: Ids, g_pids: Ids, q_cams: Ids, g_cams: Ids) -> Margins:
    """Each query's margin, split exactly into the contributions of f and g.

    u = [f, g], so the squared distance of two images is ``|f - f'|^2 + |g - g'|^2``. Hence the margin of a query,
    the squared distance to its nearest wrong image minus that to its nearest right one (nearest in u), is the sum of
    the same difference in f and in g. The whole gallery is searched, without the query's camera.

    Args:
        q_u: u of the queries ``(q, 2d)``.
        g_u: u of the gallery ``(g, 2d)``.
        q_pids, g_pids, q_cams, g_cams: identities and cameras, as in ``cadnet_edu.evaluation.retrieval.cmc``.

    Returns:
        the margins of all queries that have a right image and a wrong one.

    Raises:
        ValueError: when u cannot be halved, or no query has both.

    Example:
        The right image (7) is at (1, 0) and the wrong one at (0, 2), the query at the origin:

        >>> margins(np.array([[0.0, 0.0]]), np.array([[1.0, 0.0], [0.0, 2.0]]), [7], [7, 3], [0], [1, 1])
        Margins(f=array([-1.]), g=array([4.]))
    """
    q, g = np.asarray(q_u, dtype=np.float64), np.asarray(g_u, dtype=np.float64)
    d = q.shape[1] // 2
    if q.shape[1] != 2 * d or d == 0:
        raise ValueError(f"u of length {q.shape[1]} has no two halves f and g: give u of a joint network.")
    near = nearest(Distances(q, g), q_pids, g_pids, q_cams, g_cams)
    both = (near.right >= 0) & (near.wrong >= 0)
    if not both.any():
        raise ValueError("no query has both a right and a wrong image in the gallery; nothing can be split.")
    x, p, n = q[both], g[near.right[both]], g[near.wrong[both]]
    difference = (x - n) ** 2 - (x - p) ** 2  # (queries, 2d)
    return Margins(difference[:, :d].sum(1), difference[:, d:].sum(1))


def confusions(
    distances: Array | Distances,
    q_pids: Ids,
    g_pids: Ids,
    q_cams: Ids,
    g_cams: Ids,
    top: int = 10,
    group: Callable[[int], int] | None = None,
) -> dict[str, Any]:
    """The identities that are confused: queries whose nearest image shows another person.

    The whole gallery is searched, without the query's camera.

    Args:
        distances: ``(q, g)``, or the ``Distances`` of vectors.
        q_pids, g_pids, q_cams, g_cams: identities and cameras, as in ``cadnet_edu.evaluation.retrieval.cmc``.
        top: number of pairs that are listed.
        group: identity -> group of look-alikes, where such groups are known.

    Returns:
        ``wrong``: fraction of queries that are wrong at rank 1. ``pairs``: the pairs confused most often, each
        ``[one, other, times, rate]``, with rate = times over the queries of the two. With ``group``: ``alike``, the
        fraction of errors within a group (None without errors), and ``alike_by_chance``, for errors drawn at random.

    Example:
        >>> d = np.array([[0.1, 0.9], [0.2, 0.8]])
        >>> confusions(d, [1, 2], [1, 2], [0, 0], [1, 1])
        {'wrong': 0.5, 'pairs': [[1, 2, 1, 0.5]]}
    """
    near = nearest(distances, q_pids, g_pids, q_cams, g_cams)
    scored = (near.right >= 0) & (near.wrong >= 0)
    truth, people = np.asarray(q_pids)[scored], np.unique(np.asarray(g_pids))
    wrong = near.d_wrong[scored] <= near.d_right[scored]  # at equal distance wrong comes first, as in the metrics
    predicted = np.asarray(g_pids)[near.wrong[scored]]
    queries: Counter[int] = Counter(truth.tolist())
    pairs: Counter[tuple[int, int]] = Counter()
    for a, b in zip(truth[wrong].tolist(), predicted[wrong].tolist()):
        pairs[min(a, b), max(a, b)] += 1
    listed = sorted(pairs.items(), key=lambda pair: (-pair[1], pair[0]))[:top]
    found: dict[str, Any] = {
        "wrong": float(wrong.mean()),
        "pairs": [[a, b, n, n / (queries[a] + queries[b])] for (a, b), n in listed],
    }
    if group is not None:
        groups = {int(p): group(int(p)) for p in (*people, *np.unique(truth))}
        alike = [groups[a] == groups[b] for a, b in zip(truth[wrong].tolist(), predicted[wrong].tolist())]
        others = [np.mean([groups[int(b)] == groups[a] for b in people if b != a]) for a in truth.tolist()]
        found["alike"] = float(np.mean(alike)) if alike else None
        found["alike_by_chance"] = float(np.mean(others))
    return found
