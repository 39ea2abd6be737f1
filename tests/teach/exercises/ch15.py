import math

import numpy as np


def pooled(means, variances):
    return means.mean(), variances.mean() + means.var()


def trouble_at(losses, factor):
    best = math.inf
    for i, loss in enumerate(losses):
        if not math.isfinite(loss) or loss > factor * best:
            return i
        best = min(best, loss)
    return -1


def troubles(losses, factor):
    before = np.concatenate([[np.inf], np.minimum.accumulate(losses)[:-1]])
    return ~np.isfinite(losses) | (np.array(losses) > factor * before)


def first_above(losses, limits):
    return next((i for i, (loss, limit) in enumerate(zip(losses, limits)) if loss > limit), -1)


def without_isfinite(losses, factor):
    return first_above(losses, [math.inf, *(factor * min(losses[:i]) for i in range(1, len(losses)))])


RIGHT = [
    ("pooled", pooled, lambda m, v: (m.mean(), (v + m**2).mean() - m.mean() ** 2)),
    ("mean_gradient", lambda gradients, sizes: np.average(gradients, axis=0, weights=sizes)),
    ("mean_gradient", lambda gradients, sizes: sum(row * n for row, n in zip(gradients, sizes)) / sum(sizes)),
    ("steps_for", lambda passes, images, batch, devices, accumulate: math.ceil(passes * images / batch)),
    ("steps_for", lambda passes, images, batch, *rest: -(-passes * images // batch)),
    ("trouble_at", trouble_at, lambda x, f: next(iter(np.flatnonzero(troubles(x, f))), -1)),
]
WRONG = [
    ("pooled", lambda m, v: (m.mean(), v.mean()), "the mean of the variances is too small"),
    ("pooled", lambda m, v: (m.mean(), v.mean() + m.var(ddof=1)), "divided by k - 1"),
    ("pooled", lambda m, v: (m.mean(), v.sum() + m.var()), "the variances are added up"),
    ("pooled", lambda m, v: (m.mean(), np.sqrt(v).mean() ** 2), "standard deviations; variances"),
    ("pooled", lambda m, v: (m.mean(), m.var()), "only the spread between"),
    ("pooled", lambda m, v: (m.mean(), np.sqrt(pooled(m, v)[1])), "this is a standard deviation"),
    ("mean_gradient", lambda g, n: g.mean(0), "the parts weigh alike"),
    ("mean_gradient", lambda g, n: g.sum(0), "the step would become longer"),
    ("mean_gradient", lambda g, n: n @ g, "not divided by the number of all images"),
    ("mean_gradient", lambda g, n: n @ g / len(g), "divided by the number of parts"),
    ("mean_gradient", lambda g, n: np.average(g, axis=0, weights=1 / n), "turned round"),
    ("steps_for", lambda p, i, b, d, a: p * i // b, "rounded down"),
    ("steps_for", lambda p, i, b, d, a: p * i / b, "round up"),
    ("steps_for", lambda p, i, b, d, a: math.ceil(p * i / (b * d)), "once for each device"),
    ("steps_for", lambda p, i, b, d, a: math.ceil(p * i / (b * a)), "does not make the batch larger"),
    ("steps_for", lambda p, i, b, d, a: math.ceil(p * i / (b * d * a)), "neither devices nor"),
    ("steps_for", lambda p, i, b, d, a: math.ceil(p * i / (b / a)), "each part was counted as a step"),
    ("steps_for", lambda p, i, b, d, a: math.ceil(p * i / b) * a, "counted as a step, rounded up"),
    ("steps_for", lambda p, i, b, d, a: math.ceil(p * i / (b / d)), "a device's share"),
    ("trouble_at", lambda x, f: first_above(x, [f * x[0]] * len(x)), "compared with the first loss"),
    ("trouble_at", lambda x, f: first_above(x, [math.inf, *(f * v for v in x)]), "slips through"),
    ("trouble_at", lambda x, f: int(np.argmax(x)), "the largest loss"),
    ("trouble_at", lambda x, f: 1 + trouble_at(x, f), "from 1"),
    ("trouble_at", lambda x, f: int(np.argmin(x)), "the best record; asked"),
    ("trouble_at", lambda x, f: x[trouble_at(x, f)], "this is the value"),
    ("trouble_at", without_isfinite, "NaN slipped through"),
    ("trouble_at", lambda x, f: int(np.argmax(troubles(x, f))), "argmax says 0"),
]
