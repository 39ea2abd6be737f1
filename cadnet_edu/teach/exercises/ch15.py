"""Checks for chapter 15: what parts have in common, how many steps a run needs, and where its trouble began."""

import math
from collections.abc import Callable

import numpy as np

from cadnet_edu.teach.exercises.report import answer, expect, reports

__all__ = ["check_mean_gradient", "check_pooled", "check_steps_for", "check_trouble_at"]


@reports("the spread within the parts, plus the spread between them.")
def check_pooled(student: Callable) -> None:
    """Check ``pooled(means, variances)``: mean and variance of all images, from those of equally large parts.

    Both are arrays ``(k,)``, the variances without correction (divided by n). The result is a pair.
    """
    mistakes = {
        "the mean of the variances is too small: parts that lie apart spread the whole. Add that of the means.": [
            2, 2.5,
        ],
        "the variance of the means is divided by k - 1 here; all parts are there, so divide by k.": [2, 4.5],
        "the variances are added up; take their mean, plus the variance of the means.": [2, 6],
        "you averaged standard deviations; variances are what adds up.": [2, 2.25],
        "only the spread between the parts is there; add the mean of the variances within them.": [2, 1],
        "this is a standard deviation; give the variance.": [2, math.sqrt(3.5)],
    }  # fmt: skip
    means, variances = arrays([1.0, 3.0], [1.0, 4.0])
    expect(answer(student, means, variances), [2, 3.5], "two parts with means 1, 3 and variances 1, 4", mistakes)
    three = arrays([0.0, 0.0, 6.0], [1.0, 2.0, 3.0])
    expect(answer(student, *three), [2, 10], "three parts")


@reports("each part weighs as many images as it has.")
def check_mean_gradient(student: Callable) -> None:
    """Check ``mean_gradient(gradients, sizes)``: the gradient of the mean loss of all images, from those of parts.

    ``gradients`` is ``(k, d)``: each row the gradient of the *mean* loss over one part. ``sizes`` is ``(k,)``: its
    images. The result is ``(d,)``.
    """
    gradients, sizes = arrays([[1.0, 2.0], [4.0, 8.0]], [1.0, 3.0])
    mistakes = {
        "the parts weigh alike here, so the image of the small part counts three times as much as another.": [2.5, 5],
        "this is the sum: with every further part the step would become longer.": [5, 10],
        "weighted, but not divided by the number of all images.": [13, 26],
        "weighted, then divided by the number of parts; divide by the number of all images.": [6.5, 13],
        "the weights are turned round: the larger part counts more.": [1.75, 3.5],
    }
    expect(answer(student, gradients, sizes), [3.25, 6.5], "parts of 1 and 3 images", mistakes)
    alike = arrays([[2.0], [4.0], [9.0]], [8.0, 8.0, 8.0])
    expect(answer(student, *alike), [5], "three parts of 8 images")


@reports("the batch is the batch, however many hands carry it.")
def check_steps_for(student: Callable) -> None:
    """Check ``steps_for(passes, images, batch, devices, accumulate)``: how many steps make so many passes.

    ``batch`` is the whole batch of one resolution, as ``config.data.batch_size``. Devices share it out, and
    ``accumulate`` takes it in parts.
    """
    down = {"you rounded down, and a part of the last pass is missing.": 312, "a step is whole: round up.": 312.5}
    expect(answer(student, 10, 1000, 32, 1, 1), 313, "10 passes over 1,000 images, batch 32, one device", down)
    mistakes = {
        "you counted the batch once for each device; here devices share one batch, they do not multiply it.": 79,
        "accumulate does not make the batch larger here: it takes the same batch in parts.": 157,
        "neither devices nor accumulate change the batch: it is shared out and taken in parts.": 40,
        "each part was counted as a step; the optimizer steps once, after the last part.": 625,
        "each part was counted as a step, rounded up; the optimizer steps once, after the last part.": 626,
        "a device's share was taken for the batch; together they see all of it in one step.": 1250,
        "a part of a device's share was taken for the batch; all of it makes one step.": 2500,
    }
    expect(answer(student, 10, 1000, 32, 4, 2), 313, "the same with 4 devices, in 2 parts", mistakes)
    expect(answer(student, 150, 12_936, 32, 8, 1), 60_638, "150 passes over Market-1501 on 8 GPUs")


@reports("the first record that is far above the best so far, or no number.")
def check_trouble_at(student: Callable) -> None:
    """Check ``trouble_at(losses, factor)``: the index of the first record at which a run went wrong, or -1.

    Wrong is a loss that is infinite or not a number, or larger than ``factor`` times the smallest one before it.
    """
    losses = [8.0, 2.0, 1.0, 1.2, 4.0, 12.0, 70.0, 85.0, 110.0]
    mistakes = {
        "you compared with the first loss; a run that had come far down is in trouble long before it is back there.": 7,
        "you compared with the record just before; trouble that grows slowly slips through.": -1,
        "this is the largest loss; asked is where it began.": 8,
        "you counted records from 1; give the index, from 0.": 6,
        "this is the best record; asked is the first bad one after it.": 2,
        "this is the value; give its index.": 12,
    }
    expect(answer(student, losses, 10), 5, "a loss that fell to 1 and rises again", mistakes)
    silent = {"NaN slipped through: every comparison with it is false. Ask math.isfinite first.": -1}
    expect(answer(student, [2.0, 1.0, math.nan, math.nan], 10), 2, "a loss that becomes NaN", silent)
    expect(answer(student, [2.0, 1.0, math.inf], 10), 2, "a loss that becomes infinite")
    none = {"nothing was found, and argmax says 0 for that; give -1.": 0, "this is the best record; it is fine.": 3}
    expect(answer(student, [3.0, 2.0, 2.5, 1.0], 10), -1, "a healthy run", none)


def arrays(*values: list) -> tuple[np.ndarray, ...]:
    """Lists as float arrays."""
    return tuple(np.array(value, dtype=float) for value in values)
