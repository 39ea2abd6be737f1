"""Checks for chapter 07: the joint vector, a scaled gradient, what both branches share, and the best reader."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from cadnet_edu.teach.exercises.report import answer, expect, gradient, reports, require

__all__ = ["check_best_reader", "check_joint_vector", "check_logit_gradient", "check_slowed"]


@reports("averaged over places, f first, and the gradient reaches g.")
def check_joint_vector(student: Callable) -> None:
    """Check ``joint_vector(f, g)``: u = GAP([f, g]) of Sec. 3.1, without the package's GAP.

    ``f`` and ``g`` are maps ``(b, d, h, w)``; the result is ``(b, 2 d)``.
    """
    f = torch.tensor([[[[1.0, 3.0]], [[0.0, 8.0]]]])  # (1, 2, 1, 2)
    g = torch.tensor([[[[5.0, 7.0]], [[10.0, 20.0]]]])
    batch = [[2, 4], [6, 15]]
    mistakes = {
        "g comes first; the paper writes v = [f, g].": [6, 15, 2, 4],
        "this is the maximum over all places; GAP takes the mean.": [3, 8, 7, 20],
        "this is the sum over all places; GAP takes the mean.": [4, 8, 12, 30],
        "f and g are added; they have to lie side by side, 2 d numbers for each image.": [8, 19],
        "f and g were joined along a side of the map (dim=2 or 3), so their means mix; join channels, dim=1.": [4, 9.5],
        "f and g were joined along the batch (dim=0): that is twice as many images; join channels, dim=1.": batch,
        "the mean went over channels too: d of them have to survive for each of f and g.": [3, 10.5],
    }
    expect(answer(student, f, g), [2, 4, 6, 15], "maps of 1 x 2 places and d = 2", mistakes)
    ramp = torch.arange(48.0).view(2, 3, 4, 2)
    want = np.concatenate([ramp.numpy().mean((2, 3)), -ramp.numpy().mean((2, 3))], axis=1)
    expect(answer(student, ramp, -ramp), want, "two images, d = 3, maps of 4 x 2 places")
    slope = gradient(lambda there: student(ramp, there), -ramp)
    expect(slope, np.full(slope.shape, 1 / 8), "the gradient at g: each of 8 places has its share")


@reports("the value passes untouched, and of the gradient just the share.")
def check_slowed(student: Callable) -> None:
    """Check ``slow_down(x, share)``: x itself, of whose gradient only a share flows back."""
    x = torch.tensor([1.0, -2.0, 4.0])
    mistakes: dict[str, Any] = {
        "you scaled the value. Going forward nothing may change; only the gradient is scaled.": 0.25 * x,
        "you scaled the value by 1 - share. Going forward nothing may change.": 0.75 * x,
        "value and share are added up to more than x: the two parts have to sum to x.": 1.25 * x,
    }
    expect(answer(student, x, 0.25), x, "share 0.25, going forward", mistakes)
    mistakes = {
        "the whole gradient flows: the share has no effect on it.": np.ones(3),
        "the parts are exchanged: the attached one must weigh share, the detached one 1 - share.": np.full(3, 0.75),
        "the gradient is the share squared: it is scaled twice.": np.full(3, 0.0625),
    }
    expect(gradient(student, x, 0.25), np.full(3, 0.25), "share 0.25, going back", mistakes)
    expect(answer(student, x, 0.0), x, "share 0, going forward")
    expect(gradient(student, x, 1.0), np.ones(3), "share 1, going back")


@reports("softmax minus truth, divided by the batch: once p is right, nobody is taught any more.")
def check_logit_gradient(student: Callable) -> None:
    """Check ``logit_gradient(logits, y)``: the gradient of L_id (a mean over the batch) at the logits, by hand.

    ``logits`` is ``(b, k)``, ``y`` holds ``b`` labels; the result is ``(b, k)``. No autograd is needed.
    """
    logits, y = torch.tensor([[0.0, 0.0], [math.log(3.0), 0.0]]), torch.tensor([0, 1])
    want = np.array([[-0.25, 0.25], [0.375, -0.375]])
    mistakes = {
        "not divided by the number of images: L_id is their mean.": 2 * want,
        "the sign is turned: this is the way down. The gradient points up.": -want,
        "the sign is turned, and it is not divided by the number of images.": -2 * want,
        "these are the probabilities alone; take 1 away at the right person.": [[0.25, 0.25], [0.375, 0.125]],
        "the softmax runs over the batch (dim=0); it belongs over the people, dim=1.": [[-0.375, 0.25], [0.375, -0.25]],
        "without the softmax: scores are no probabilities.": (logits.numpy() - np.eye(2)) / 2,
    }
    expect(answer(student, logits, y), want, "two images, two people", mistakes)
    large = answer(student, torch.tensor([[1000.0, 0.0, 0.0]]), torch.tensor([0]))
    require(
        np.isfinite(large).all(),
        "overflow: the exponential of a large logit is infinite. Use torch.softmax, which subtracts the largest first.",
    )
    expect(large, np.zeros((1, 3)), "a network that is certain, and right")


@reports("for each picture the likeliest person: no reader can do better.")
def check_best_reader(student: Callable) -> None:
    """Check ``best_reader(joint)``: the share of right answers of the best possible reader.

    ``joint`` is a NumPy array ``(people, pictures)`` of probabilities that sum to 1: how often this person shows this
    picture. The reader sees the picture, knows the table, and names a person.
    """
    joint = np.array([[6, 1, 0], [3, 3, 0], [0, 3, 2], [0, 1, 5]]) / 24
    columns = joint / joint.sum(0)
    in_proportion = (joint * columns).sum()
    mistakes = {
        "you took the best picture for each person; the reader sees the picture and has to name the person.": 17 / 24,
        "this is blind guessing, always the most frequent person: the reader may look at the picture.": 7 / 24,
        "this is the likeliest single case; add up the best person's probability over all pictures.": 6 / 24,
        "every picture counts alike here; frequent pictures have to count for more.": columns.max(0).mean(),
        "this sums how sure the reader is at each picture, not how often that picture comes.": columns.max(0).sum(),
        "this reader draws a person in proportion to the odds; the best one names the likeliest.": in_proportion,
    }
    expect(answer(student, joint), 14 / 24, "four people and three pictures", mistakes)
    merged = np.stack([joint[:, 0] + joint[:, 1], joint[:, 2]], axis=1)
    expect(answer(student, merged), 12 / 24, "the same after a G that makes one picture of the first two")
