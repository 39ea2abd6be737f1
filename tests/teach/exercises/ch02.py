import math

import numpy as np
import torch


def rank_of_first_match(distances, query_pid, gallery_pids):
    found = np.flatnonzero(gallery_pids[distances.argsort()] == query_pid)
    return found[0] + 1 if len(found) else math.inf


def rank_by_counting(distances, query_pid, gallery_pids):
    nearest = min((d for d, pid in zip(distances, gallery_pids) if pid == query_pid), default=None)
    return math.inf if nearest is None else 1 + sum(d < nearest for d in distances)


def cmc(distances, q_pids, g_pids, q_cams, g_cams, topk, junk="both", count="first", cumulate=True):
    curve = np.zeros(topk)
    for i, row in enumerate(distances):
        drop = {
            "both": (g_pids == q_pids[i]) & (g_cams == q_cams[i]),
            "none": np.zeros_like(g_pids, bool),
            "camera": g_cams == q_cams[i],
        }[junk]
        order = [j for j in row.argsort() if not drop[j]]
        hits = [k for k, j in enumerate(order) if g_pids[j] == q_pids[i]]
        for k in hits[:1] if count == "first" else hits:
            curve[k] += 1 / len(distances)
    return curve.cumsum() if cumulate else curve


def average_precision(correct):
    ranks = np.flatnonzero(correct) + 1
    return np.mean(np.arange(1, len(ranks) + 1) / ranks)


def average_precision_by_loop(correct):
    right, total = 0, 0.0
    for rank, hit in enumerate(correct, start=1):
        if hit:
            right += 1
            total += right / rank
    return total / right


def trapezoid(correct):
    total, old_recall, old_precision, hits = 0.0, 0.0, 1.0, 0
    for rank, hit in enumerate(correct, start=1):
        hits += hit
        recall, precision = hits / sum(correct), hits / rank
        total += (recall - old_recall) * (old_precision + precision) / 2
        old_recall, old_precision = recall, precision
    return total


def single_shot_rank1(distances, query_pid, gallery_pids):
    chances = []
    for d in distances[gallery_pids == query_pid]:
        others = [np.mean(distances[gallery_pids == p] > d) for p in np.unique(gallery_pids) if p != query_pid]
        chances.append(np.prod(others))
    return np.mean(chances)


def single_shot_by_enumeration(distances, query_pid, gallery_pids):
    import itertools

    people = np.unique(gallery_pids)
    draws = list(itertools.product(*(np.flatnonzero(gallery_pids == p) for p in people)))
    return np.mean([gallery_pids[min(draw, key=lambda j: distances[j])] == query_pid for draw in draws])


RIGHT = [
    ("rank_of_first_match", rank_of_first_match, rank_by_counting),
    ("cmc", cmc, lambda *a: torch.tensor(cmc(*a))),
    ("average_precision", average_precision, average_precision_by_loop),
    ("single_shot_rank1", single_shot_rank1, single_shot_by_enumeration),
]
WRONG = [
    ("rank_of_first_match", lambda d, q, g: rank_of_first_match(d, q, g) - 1, "counted from 0"),
    ("rank_of_first_match", lambda d, q, g: list(g).index(q) + 1, "as it is stored; sort it by distance first."),
    ("rank_of_first_match", lambda d, q, g: rank_of_first_match(-d, q, g), "from far to near"),
    ("rank_of_first_match", lambda d, q, g: np.flatnonzero(g[d.argsort()] == q)[-1] + 1, "the last match"),
    ("rank_of_first_match", lambda d, q, g: np.argmax(g[d.argsort()] == q) + 1, "not in the gallery"),
    ("cmc", lambda *a: cmc(*a, junk="none"), "forgot to drop"),
    ("cmc", lambda *a: cmc(*a, junk="camera"), "only those of the same person"),
    ("cmc", lambda *a: cmc(*a, count="all"), "you counted every match; "),
    ("cmc", lambda *a: cmc(*a, count="all", cumulate=False), "at its own rank"),
    ("cmc", lambda *a: cmc(*a, cumulate=False), "exactly at rank k"),
    ("cmc", lambda *a: 100 * cmc(*a), "per cent"),
    ("average_precision", trapezoid, "trapezoid: some evaluation scripts"),
    ("average_precision", lambda c: average_precision(c) * sum(c) / len(c), "divided by the gallery size"),
    ("average_precision", lambda c: (c.cumsum() / np.arange(1, len(c) + 1)).mean(), "over all ranks"),
    ("average_precision", lambda c: 1 / (np.argmax(c) + 1), "stopped at the first match"),
    ("single_shot_rank1", lambda d, q, g: float(g[d.argmin()] == q), "multi-shot"),
    (
        "single_shot_rank1",
        lambda d, q, g: single_shot_rank1(np.append(d[g != q], d[g == q].min()), q, np.append(g[g != q], q)),
        "only the nearest image",
    ),
    ("single_shot_rank1", lambda d, q, g: single_shot_rank1(d, q, g) * sum(g == q), "you summed"),
]
