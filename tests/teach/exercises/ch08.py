import math

import numpy as np
import torch

PARTS = ("E", "G", "F", "C", "D_F", "D_I")


def total(cls, adv_DF, rec, adv_DI, lam):
    return cls + sum(weight * term for weight, term in zip(lam, (adv_DF, rec, adv_DI)) if weight)


def total_by_loop(cls, *more):
    *terms, lam = more
    for weight, term in zip(lam, terms):
        cls = cls if weight == 0 else cls + weight * term
    return torch.tensor(cls)


def starts_with(name, part):
    return name.startswith(part + ".")


def moved(before, after, differ=lambda a, b: not torch.equal(a, b), belongs=starts_with):
    return [any(differ(before[n], after[n]) for n in before if belongs(n, part)) for part in PARTS]


def moved_by_set(before, after):
    parts = {name.split(".")[0] for name in before if (before[name] != after[name]).any()}
    return np.array([float(part in parts) for part in PARTS])


def moved_first_only(before, after):
    first = {part: next(n for n in before if n.startswith(part + ".")) for part in PARTS}
    return [not torch.equal(before[n], after[n]) for n in first.values()]


def lr_factor(step, steps, warmup, first=1, start=0.0, wave=math.pi):
    if step < warmup:
        return (step + first) / warmup
    return (1 + math.cos(wave * (step - start) / (steps - start))) / 2


RIGHT = [
    ("total", total, total_by_loop),
    ("moved", moved, moved_by_set),
    ("lr_factor", lr_factor, lambda s, n, w: (s + 1) / w if s < w else np.cos(np.pi * s / n / 2) ** 2),
]
WRONG = [
    ("total", lambda cls, a, rec, b, lam: cls + lam[0] * a + lam[1] * rec + lam[2] * b, "0 times NaN"),
    ("total", lambda cls, a, rec, b, lam: cls + a + rec + b, "the weights have no effect"),
    ("total", lambda cls, a, rec, b, lam: total(cls, -a, rec, -b, lam), "are taken away"),
    ("total", lambda cls, a, rec, b, lam: total(cls, a, b, rec, lam), "second and third weight"),
    ("total", lambda cls, *more: total(0, *more), "L_cls is missing"),
    ("moved", lambda b, a: moved(b, a, belongs=lambda name, part: part + "." in name), "holds an F too"),
    ("moved", lambda b, a: moved(b, a, lambda x, y: x is not y), "compared objects"),
    ("moved", lambda b, a: moved(b, a, lambda x, y: x.sum() != y.sum()), "cancel in a sum"),
    ("moved", lambda b, a: [not m for m in moved(b, a)], "did not move"),
    ("moved", moved_first_only, "in its second tensor"),
    ("lr_factor", lambda s, n, w: lr_factor(s, n, w, first=0), "is lost"),
    ("lr_factor", lambda s, n, w: lr_factor(s, n, 0), "the warm-up has no effect"),
    ("lr_factor", lambda s, n, w: lr_factor(s, n, w, wave=math.pi / 2), "runs over pi"),
    ("lr_factor", lambda s, n, w: lr_factor(s, n, w, wave=180), "radians"),
    ("lr_factor", lambda s, n, w: lr_factor(s, n, w) if s < w else math.cos(math.pi * s / n / 2), "quarter"),
    ("lr_factor", lambda s, n, w: lr_factor(s, n, w) if s < w else 1 - s / n, "take the cosine"),
    ("lr_factor", lambda s, n, w: lr_factor(s, n, w, start=w), "starts after the warm-up"),
]
