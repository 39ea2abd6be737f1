"""Checks for chapter 03: the losses and the distance of a strong baseline."""

import math
from collections.abc import Callable

import numpy as np
import torch

from cadnet_edu.teach.exercises.report import answer, expect, gradient, reports, require

__all__ = ["check_batch_hard", "check_cross_entropy", "check_pairwise_distance"]


@reports("mean over the batch, smoothing spread over all classes, and no overflow.")
def check_cross_entropy(student: Callable) -> None:
    """Check ``cross_entropy(logits, y, smoothing=0.0)``: the identity loss of eq. (4), with label smoothing.

    ``logits`` is ``(b, k)``, ``y`` holds ``b`` class indices; the result is a number. With smoothing e the target
    is ``1 - e`` on the right class plus ``e / k`` on every class.
    """
    logits, y = torch.tensor([[2.0, 0.0, 0.0], [0.0, 1.0, 0.0]]), torch.tensor([0, 2])
    a, b = math.log(math.e**2 + 2), math.log(math.e + 2)  # log of the sum of exponentials, row by row
    right = ((a - 2) + b) / 2
    p, q = [math.exp(2 - a), math.exp(-a), math.exp(-a)], [math.exp(-b), math.exp(1 - b), math.exp(-b)]
    twice = sum(math.log(sum(map(math.exp, row))) - row[k] for row, k in ((p, 0), (q, 2))) / 2
    mistakes = {
        "this is the sum over the batch; take the mean.": 2 * right,
        "the sign is turned: the loss is minus the log of the probability.": -right,
        "softmax twice: feed logits, not probabilities, to the log-softmax.": twice,
        "base-2 or base-10 logarithm: use the natural one.": right / math.log(2),
        "the log is missing: this is minus the mean probability of the right class.": -(p[0] + q[2]) / 2,
    }
    expect(answer(student, logits, y), right, "two examples, three classes", mistakes)
    others = ((a + a) / 2 + (b + b - 1) / 2) / 2  # the mean loss of the two wrong classes
    every = ((a - 2 / 3) + (b - 1 / 3)) / 2  # the mean loss of all three classes
    smooth, spread = (0.9 * right + 0.1 * rest for rest in (every, others))
    mistakes = {
        "the smoothing has no effect.": right,
        "you spread e over the k - 1 wrong classes; it goes to all k, the right one included.": spread,
        "you took e away from the right class and gave it to nobody: the target must sum to 1.": 0.9 * right,
        "you added e / k and did not take e from the right class: the target must sum to 1.": right + 0.1 * every,
    }
    expect(answer(student, logits, y, 0.1), smooth, "smoothing 0.1", mistakes)
    large = torch.tensor([[1000.0, 0.0]])
    got = answer(student, large, torch.tensor([1]))
    require(
        np.isfinite(got).all(),
        "overflow: the exponential of a large logit is infinite. Use log-softmax, or subtract the largest logit.",
    )
    expect(got, 1000.0, "a logit of 1000 on the wrong class")


@reports("hardest positive, hardest negative, mean over all anchors: batch-hard.")
def check_batch_hard(student: Callable) -> None:
    """Check ``batch_hard(u, y, margin)``: eq. (5) for one set of features, with the hardest pairs of the batch.

    ``u`` is ``(b, d)``, ``y`` holds ``b`` identities, ``margin`` is the margin; the result is the mean over all
    anchors of ``max(0, margin + d_pos - d_neg)``, with Euclidean distances.
    """
    u, y = torch.tensor([[0.0], [1.0], [3.0], [4.0], [6.0], [10.0]]), torch.tensor([0, 0, 0, 1, 1, 1])
    # On this line, by hand: hardest positive 3 2 3 6 4 6, hardest negative 4 3 1 1 3 7.
    mistakes = {
        "averaged over active triplets only: divide by the number of anchors, satisfied ones count as 0.": 8.75 / 3,
        "squared distances: eq. (5) uses the distance itself; take the root.": 50.75 / 6,
        "easiest positive: for each anchor take the farthest image of the same person, not the nearest.": 2.5 / 6,
        "easiest negative: for each anchor take the nearest image of another person.": 2.25 / 6,
        "the max(0, ...) is missing: satisfied anchors must not pay others' debts.": 6.5 / 6,
        "the margin has no effect.": 8 / 6,
        "this is a sum; take the mean over anchors.": 8.75,
        "d_pos and d_neg are exchanged.": 3.75 / 6,
    }
    expect(answer(student, u, y, 0.25), 8.75 / 6, "six points on a line, margin 0.25", mistakes)
    with_itself = "your positives include the image itself, at distance 0: leave the diagonal out."
    mistakes = {with_itself: 2 / 6, "easiest positive: take the farthest image of the same person.": 7 / 6}
    expect(answer(student, u, y, 2.0), 17 / 6, "the same points, margin 2", mistakes)
    expect(answer(student, u[:5], y[:5], 0.25), 3.5 / 5, "identities of three and two images")
    still = torch.zeros(4, 3)
    expect(answer(student, still, torch.tensor([0, 0, 1, 1]), 2.0), 2.0, "a collapsed network (all features equal)")
    twins = torch.tensor([[0.0, 1.0], [0.0, 1.0], [1.0, 0.0], [2.0, 0.0]])
    require(
        np.isfinite(gradient(student, twins, torch.tensor([0, 0, 1, 1]), 2.0)).all(),
        "the gradient is NaN when two features are equal: the root has an infinite slope at 0, so keep it above "
        "a tiny number, as in (d2 + 1e-12).sqrt() or .clamp(min=1e-12).sqrt().",
    )


@reports("right far from the origin too, and its gradient is finite everywhere.")
def check_pairwise_distance(student: Callable) -> None:
    """Check ``pairwise_distance(a, b)``: all Euclidean distances between two sets of features.

    ``a`` is ``(n, d)``, ``b`` is ``(m, d)``; the result is ``(n, m)``.
    """
    a, b = torch.tensor([[0.0, 0.0], [3.0, 4.0]]), torch.tensor([[0.0, 0.0], [6.0, 8.0], [3.0, 0.0]])
    want, city_block = np.array([[0, 10, 3], [5, 5, 4]]), [[0, 14, 3], [7, 7, 4]]
    mistakes = {
        "squared distances: take the root.": want**2,
        "the rows of the result belong to a, the columns to b; yours are exchanged.": want.T,
        "this is the sum of absolute differences (city-block distance); square, add, take the root.": city_block,
        "this is the inner product, a similarity; the distance is needed.": [[0, 0, 0], [0, 50, 9]],
    }
    expect(answer(student, a, b), want, "points of a 3-4-5 triangle", mistakes, atol=1e-3)
    steps = torch.tensor([[0.0], [0.25], [1.0]])
    far = answer(student, steps + 4000.0, steps + 4000.0)  # exactly representable in float32
    cancels = (
        "far from the origin the small difference of two large numbers is lost ({}). Subtract before you square, or "
        "move the origin to the mean of the features first."
    )
    require(np.isfinite(far).all(), cancels.format("the root of a negative number gave NaN"))
    exact = np.abs(steps.numpy() - steps.numpy().T)
    require(np.abs(far - exact).max() < 0.01, cancels.format(f"off by {np.abs(far - exact).max():.2g}"))
    require(
        np.isfinite(gradient(student, a, a.clone())).all(),
        "the gradient is NaN at distance 0: the root has an infinite slope there. Keep what is under it positive.",
    )
