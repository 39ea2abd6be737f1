"""Answers to the exercises of chapter 15: right ones, and mistakes with a part of the message meant for them."""

from __future__ import annotations

import math

import numpy as np

from cadnet_edu.teach import check


def pooled(means, variances):
    return means.mean(), variances.mean() + means.var()


def pooled_by_squares(means, variances):
    return means.mean(), (variances + means**2).mean() - means.mean() ** 2


def mean_gradient(gradients, sizes):
    return np.average(gradients, axis=0, weights=sizes)


def mean_gradient_by_loop(gradients, sizes):
    total = 0
    for row, n in zip(gradients, sizes):
        total = total + row * n
    return total / sum(sizes)


def steps_for(passes, images, batch, devices, accumulate):
    return math.ceil(passes * images / batch)


def trouble_at(losses, factor):
    best = math.inf
    for i, loss in enumerate(losses):
        if not math.isfinite(loss) or loss > factor * best:
            return i
        best = min(best, loss)
    return -1


def trouble_at_once(losses, factor):
    losses = np.array(losses)
    before = np.concatenate([[np.inf], np.minimum.accumulate(losses)[:-1]])
    bad = np.flatnonzero(~np.isfinite(losses) | (losses > factor * before))
    return bad[0] if len(bad) else -1


def first_above(losses, limits):
    return next((i for i, (loss, limit) in enumerate(zip(losses, limits)) if loss > limit), -1)


def without_isfinite(losses, factor):
    return first_above(losses, [math.inf, *(factor * min(losses[:i]) for i in range(1, len(losses)))])


def by_argmax(losses, factor):
    losses = np.array(losses)
    before = np.concatenate([[np.inf], np.minimum.accumulate(losses)[:-1]])
    return int(np.argmax(~np.isfinite(losses) | (losses > factor * before)))


RIGHT = [
    (check.check_pooled, pooled),
    (check.check_pooled, pooled_by_squares),
    (check.check_mean_gradient, mean_gradient),
    (check.check_mean_gradient, mean_gradient_by_loop),
    (check.check_steps_for, steps_for),
    (check.check_steps_for, lambda passes, images, batch, *rest: -(-passes * images // batch)),
    (check.check_trouble_at, trouble_at),
    (check.check_trouble_at, trouble_at_once),
]

WRONG = [
    (check.check_pooled, lambda m, v: (m.mean(), v.mean()), "the mean of the variances is too small"),
    (check.check_pooled, lambda m, v: (m.mean(), v.mean() + m.var(ddof=1)), "divided by k - 1"),
    (check.check_pooled, lambda m, v: (m.mean(), v.sum() + m.var()), "the variances are added up"),
    (check.check_pooled, lambda m, v: (m.mean(), np.sqrt(v).mean() ** 2), "standard deviations; variances"),
    (check.check_pooled, lambda m, v: (m.mean(), m.var()), "only the spread between"),
    (check.check_pooled, lambda m, v: (m.mean(), np.sqrt(pooled(m, v)[1])), "this is a standard deviation"),
    (check.check_mean_gradient, lambda g, n: g.mean(0), "the parts weigh alike"),
    (check.check_mean_gradient, lambda g, n: g.sum(0), "the step would become longer"),
    (check.check_mean_gradient, lambda g, n: n @ g, "not divided by the number of all images"),
    (check.check_mean_gradient, lambda g, n: n @ g / len(g), "divided by the number of parts"),
    (check.check_mean_gradient, lambda g, n: np.average(g, axis=0, weights=1 / n), "turned round"),
    (check.check_steps_for, lambda p, i, b, d, a: p * i // b, "rounded down"),
    (check.check_steps_for, lambda p, i, b, d, a: p * i / b, "round up"),
    (check.check_steps_for, lambda p, i, b, d, a: math.ceil(p * i / (b * d)), "once for each device"),
    (check.check_steps_for, lambda p, i, b, d, a: math.ceil(p * i / (b * a)), "does not make the batch larger"),
    (check.check_steps_for, lambda p, i, b, d, a: math.ceil(p * i / (b * d * a)), "neither devices nor"),
    (check.check_steps_for, lambda p, i, b, d, a: math.ceil(p * i / (b / a)), "each part was counted as a step"),
    (check.check_steps_for, lambda p, i, b, d, a: math.ceil(p * i / b) * a, "counted as a step, rounded up"),
    (check.check_steps_for, lambda p, i, b, d, a: math.ceil(p * i / (b / d)), "a device's share"),
    (check.check_trouble_at, lambda x, f: first_above(x, [f * x[0]] * len(x)), "compared with the first loss"),
    (check.check_trouble_at, lambda x, f: first_above(x, [math.inf, *(f * v for v in x)]), "slips through"),
    (check.check_trouble_at, lambda x, f: int(np.argmax(x)), "the largest loss"),
    (check.check_trouble_at, lambda x, f: 1 + trouble_at(x, f), "from 1"),
    (check.check_trouble_at, lambda x, f: int(np.argmin(x)), "the best record; asked"),
    (check.check_trouble_at, lambda x, f: x[trouble_at(x, f)], "this is the value"),
    (check.check_trouble_at, without_isfinite, "NaN slipped through"),
    (check.check_trouble_at, by_argmax, "argmax says 0"),
]
