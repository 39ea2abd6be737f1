"""Answers to the exercises of chapter 06: right ones, and mistakes with a part of the message meant for them."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as nnf

from cadnet_edu.teach import check


def best_L1_guess(values, chances):
    order = np.argsort(values)
    return values[order][np.searchsorted(np.cumsum(chances[order]), 0.5)]


def best_L1_guess_by_trying(values, chances):
    return min(values, key=lambda v: (chances * abs(values - v)).sum())


def best_L1_guess_unsorted(values, chances):
    return values[np.searchsorted(np.cumsum(chances), 0.5)]


def best_image_judge(p_real, p_rec_L, p_rec_H):
    return 2 * p_real / (2 * p_real + p_rec_L + p_rec_H)


def right_detail(x_hat, x_L, x_H):
    return nnf.cosine_similarity((x_hat - x_L).flatten(1), (x_H - x_L).flatten(1), dim=1)


def right_detail_by_hand(x_hat, x_L, x_H, tiny=1e-12):
    painted, missing = (x_hat - x_L).flatten(1), (x_H - x_L).flatten(1)
    return (painted * missing).sum(1) / (painted.norm(dim=1) * missing.norm(dim=1) + tiny)


RIGHT = [
    (check.check_best_L1_guess, best_L1_guess),
    (check.check_best_L1_guess, best_L1_guess_by_trying),
    (check.check_best_image_judge, best_image_judge),
    (check.check_best_image_judge, lambda r, low, high: 1 / (1 + (low + high) / (2 * r))),
    (check.check_right_detail, right_detail),
    (check.check_right_detail, right_detail_by_hand),
]
WRONG = [
    (check.check_best_L1_guess, lambda v, p: (v * p).sum(), "this is the mean"),
    (check.check_best_L1_guess, lambda v, p: v[p.argmax()], "the likeliest value"),
    (check.check_best_L1_guess, lambda v, p: np.median(v), "all were equally likely"),
    (check.check_best_L1_guess, lambda v, p: (v.min() + v.max()) / 2, "the middle of the range"),
    (check.check_best_L1_guess, best_L1_guess_unsorted, "in any order"),
    (check.check_best_image_judge, lambda r, low, high: r / (r + low + high), "real counts once"),
    (check.check_best_image_judge, lambda r, low, high: 1 - best_image_judge(r, low, high), "turned round"),
    (check.check_best_image_judge, lambda r, low, high: r / (r + low), "recovered from HR are missing"),
    (check.check_best_image_judge, lambda r, low, high: 2 * r / (low + high), "the odds"),
    (check.check_best_image_judge, lambda r, low, high: 2 * r / (r + low + high), "above the line only"),
    (check.check_right_detail, lambda x_hat, x_L, x_H: right_detail(x_hat, 0 * x_L, x_H), "the images themselves"),
    (check.check_right_detail, lambda x_hat, x_L, x_H: right_detail(x_hat, x_L, x_H).mean(), "the mean over images"),
    (
        check.check_right_detail,
        lambda x_hat, x_L, x_H: torch.cosine_similarity((x_hat - x_L).flatten(), (x_H - x_L).flatten(), dim=0),
        "for the whole batch",
    ),
    (check.check_right_detail, lambda x_hat, x_L, x_H: -right_detail(x_hat, x_L, x_H), "the sign is turned"),
    (check.check_right_detail, lambda *x: right_detail_by_hand(*x, tiny=0), "when nothing was painted"),
]
