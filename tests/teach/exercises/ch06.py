import numpy as np
import torch
import torch.nn.functional as nnf


def best_L1_guess(values, chances):
    order = np.argsort(values)
    return values[order][np.searchsorted(np.cumsum(chances[order]), 0.5)]


def best_image_judge(p_real, p_rec_L, p_rec_H):
    return 2 * p_real / (2 * p_real + p_rec_L + p_rec_H)


def right_detail(x_hat, x_L, x_H):
    return nnf.cosine_similarity((x_hat - x_L).flatten(1), (x_H - x_L).flatten(1), dim=1)


def right_detail_by_hand(x_hat, x_L, x_H, tiny=1e-12):
    painted, missing = (x_hat - x_L).flatten(1), (x_H - x_L).flatten(1)
    return (painted * missing).sum(1) / (painted.norm(dim=1) * missing.norm(dim=1) + tiny)


RIGHT = [
    ("best_L1_guess", best_L1_guess),
    ("best_L1_guess", lambda values, chances: min(values, key=lambda v: (chances * abs(values - v)).sum())),
    ("best_image_judge", best_image_judge, lambda r, low, high: 1 / (1 + (low + high) / (2 * r))),
    ("right_detail", right_detail, right_detail_by_hand),
]
WRONG = [
    ("best_L1_guess", lambda v, p: (v * p).sum(), "this is the mean"),
    ("best_L1_guess", lambda v, p: v[p.argmax()], "the likeliest value"),
    ("best_L1_guess", lambda v, p: np.median(v), "all were equally likely"),
    ("best_L1_guess", lambda v, p: (v.min() + v.max()) / 2, "the middle of the range"),
    ("best_L1_guess", lambda values, chances: values[np.searchsorted(np.cumsum(chances), 0.5)], "in any order"),
    ("best_image_judge", lambda r, low, high: r / (r + low + high), "real counts once"),
    ("best_image_judge", lambda r, low, high: 1 - best_image_judge(r, low, high), "turned round"),
    ("best_image_judge", lambda r, low, high: r / (r + low), "recovered from HR are missing"),
    ("best_image_judge", lambda r, low, high: 2 * r / (low + high), "the odds"),
    ("best_image_judge", lambda r, low, high: 2 * r / (r + low + high), "above the line only"),
    ("right_detail", lambda x_hat, x_L, x_H: right_detail(x_hat, 0 * x_L, x_H), "the images themselves"),
    ("right_detail", lambda x_hat, x_L, x_H: right_detail(x_hat, x_L, x_H).mean(), "the mean over images"),
    (
        "right_detail",
        lambda x_hat, x_L, x_H: torch.cosine_similarity((x_hat - x_L).flatten(), (x_H - x_L).flatten(), dim=0),
        "for the whole batch",
    ),
    ("right_detail", lambda x_hat, x_L, x_H: -right_detail(x_hat, x_L, x_H), "the sign is turned"),
    ("right_detail", lambda *x: right_detail_by_hand(*x, tiny=0), "when nothing was painted"),
]
