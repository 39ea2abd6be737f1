"""Checks for chapter 06: what L1 answers, what the best judge answers, and how much of painted detail is right."""

import math
from collections.abc import Callable

import numpy as np
import torch

from cadnet_edu.teach.exercises.report import answer, expect, reports, require

__all__ = ["check_best_L1_guess", "check_best_image_judge", "check_right_detail"]


@reports("the median, weighted by the chances: half of the truth lies on either side.")
def check_best_L1_guess(student: Callable) -> None:
    """Check ``best_L1_guess(values, chances)``: the one value with the smallest expected absolute error.

    Both are NumPy arrays ``(n,)``; the chances sum to 1. The result is one of the values.
    """
    values, chances = np.array([0.0, 0.2, 0.6, 1.0]), np.array([0.3, 0.3, 0.05, 0.35])
    mistakes = {
        "this is the mean: it has the smallest expected squared error, L2.": 0.44,
        "this is the likeliest value. A judge would like it; L1 does not ask how likely a value is by itself.": 1.0,
        "this is the median of the values as if all were equally likely: weigh them by their chances.": 0.4,
        "this is the middle of the range.": 0.5,
        "this is the least likely value.": 0.6,
    }
    expect(answer(student, values, chances), 0.2, "values 0, 0.2, 0.6, 1 with chances 0.3, 0.3, 0.05, 0.35", mistakes)
    order = [3, 0, 2, 1]
    mistakes = {"the values come in any order: sort them, and the chances with them, before you add up.": 0.0}
    expect(answer(student, values[order], chances[order]), 0.2, "the same values in another order", mistakes)
    expect(answer(student, np.array([5.0]), np.array([1.0])), 5.0, "a single value")


@reports("real against recovered, and real counts twice, as in eq. (3).")
def check_best_image_judge(student: Callable) -> None:
    """Check ``best_image_judge(p_real, p_rec_L, p_rec_H)``: the answer of the judge that climbs eq. (3) to its top.

    Each argument is a NumPy array ``(n,)``: how often each of n pictures comes among real images, images recovered from
    LR and images recovered from HR. The result ``(n,)`` is D_I of each picture.
    """
    real, low, high = np.array([0.5, 0.2, 0.3]), np.array([0.1, 0.2, 0.7]), np.array([0.4, 0.5, 0.1])
    want = 2 * real / (2 * real + low + high)
    mistakes = {
        "real counts once here; in eq. (3) its term stands twice.": real / (real + low + high),
        "turned round: D_I is the probability that a picture is real.": 1 - want,
        "the images recovered from HR are missing.": real / (real + low),
        "the images recovered from LR are missing.": real / (real + high),
        "this is the odds, real : recovered; the probability is odds / (1 + odds).": 2 * real / (low + high),
        "real counts twice above the line only; it counts twice below, too.": 2 * real / (real + low + high),
    }
    expect(answer(student, real, low, high), want, "three pictures", mistakes)
    expect(answer(student, real, real, real), np.full(3, 0.5), "a G that paints what is real: the judge can only guess")


@reports("painted detail against missing detail, image by image.")
def check_right_detail(student: Callable) -> None:
    """Check ``right_detail(x_hat, x_L, x_H)``: the cosine between painted and missing detail, for each image.

    All three are ``(b, c, H, W)``. Painted is what G has added to the input, missing is what it should have added. The
    result ``(b,)`` is 1 for the right detail, 0 for unrelated detail or none, below 0 for the opposite.
    """
    x_L = torch.tensor([[0.5, 0.5], [0.2, 0.8]]).view(2, 1, 1, 2)
    x_H = torch.tensor([[0.9, 0.5], [0.2, 0.4]]).view(2, 1, 1, 2)
    x_hat = torch.tensor([[0.7, 0.7], [0.2, 1.0]]).view(2, 1, 1, 2)
    want = np.array([math.sqrt(0.5), -1.0])

    def cosine(a: torch.Tensor, b: torch.Tensor) -> np.ndarray:
        return torch.nn.functional.cosine_similarity(a.flatten(1), b.flatten(1), dim=1).numpy()

    painted, missing, error = x_hat - x_L, x_H - x_L, x_hat - x_H
    whole = (painted * missing).sum() / (painted.norm() * missing.norm())
    mistakes = {
        "these are the images themselves, alike without any detail: take x_L away from both.": cosine(x_hat, x_H),
        "one number for the whole batch: each image has its own.": whole,
        "this is the mean over images: each image has its own.": want.mean(),
        "painted against the error left (x_hat - x_H); take what was missing, x_H - x_L.": cosine(painted, error),
        "this is the sum of products; divide by both lengths.": (painted * missing).flatten(1).sum(1),
        "the sign is turned.": -want,
    }
    expect(answer(student, x_hat, x_L, x_H), want, "two images of two pixels", mistakes)
    lazy = answer(student, x_L, x_L, x_H)
    require(np.isfinite(lazy).all(), "0 / 0 when nothing was painted: keep the lengths above a tiny number.")
    expect(lazy, np.zeros(2), "a G that paints nothing")
