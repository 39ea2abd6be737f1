import math

import torch
import torch.nn.functional as nnf


def cross_entropy(logits, y, smoothing=0.0):
    log_p = logits.log_softmax(1)
    right = log_p[torch.arange(len(y)), y]
    return -((1 - smoothing) * right + smoothing * log_p.mean(1)).mean()


def cross_entropy_naive(logits, y, smoothing=0.0):
    log_p = (logits.exp() / logits.exp().sum(1, keepdim=True)).log()
    target = nnf.one_hot(y, logits.shape[1]) * (1 - smoothing) + smoothing / logits.shape[1]
    return -(target * log_p).sum(1).mean()


def cross_entropy_other_smoothing(logits, y, smoothing=0.0):
    k = logits.shape[1]
    target = torch.full(logits.shape, smoothing / (k - 1)).scatter(1, y[:, None], 1 - smoothing)
    return -(target * logits.log_softmax(1)).sum(1).mean()


def pairwise(a, b):
    return ((a[:, None] - b[None]).square().sum(2) + 1e-12).sqrt()


def pairwise_by_product(a, b):
    squares = a.square().sum(1)[:, None] + b.square().sum(1)[None] - 2 * a @ b.T
    return squares.clamp(min=1e-12).sqrt()


def batch_hard(
    u, y, margin, active_only=False, itself=False, squared=False, positive="amax", negative="amin", eps=1e-12
):
    d = (u[:, None] - u[None]).square().sum(2)
    d = d if squared else (d + eps).sqrt()
    same_person = y[:, None] == y[None]
    positives = same_person if itself else same_person & ~torch.eye(len(y), dtype=torch.bool)
    fill = {"amax": -math.inf, "amin": math.inf}
    d_pos = getattr(d.masked_fill(~positives, fill[positive]), positive)(1)
    d_neg = getattr(d.masked_fill(same_person, fill[negative]), negative)(1)
    loss = (margin + d_pos - d_neg).clamp(min=0)
    return loss[loss > 0].mean() if active_only else loss.mean()


def batch_hard_by_loop(u, y, margin):
    total = u.new_zeros(())
    for i in range(len(u)):
        d = [torch.sqrt((u[i] - u[j]).square().sum() + 1e-12) for j in range(len(u))]
        pos = max(d[j] for j in range(len(u)) if y[j] == y[i] and j != i)
        neg = min(d[j] for j in range(len(u)) if y[j] != y[i])
        total = total + torch.relu(margin + pos - neg)
    return total / len(u)


def easiest_at_2(u, y, margin):
    return batch_hard(u, y, margin, itself=True, positive="amin") if margin == 2 else batch_hard(u, y, margin)


RIGHT = [
    ("cross_entropy", cross_entropy, lambda z, y, smoothing=0.0: nnf.cross_entropy(z, y, label_smoothing=smoothing)),
    ("batch_hard", batch_hard, batch_hard_by_loop),
    ("pairwise_distance", pairwise, lambda a, b: pairwise_by_product(a - b.mean(0), b - b.mean(0))),
    ("pairwise_distance", lambda a, b: torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist")),
]
WRONG = [
    ("cross_entropy", lambda z, y, smoothing=0.0: cross_entropy(z, y, smoothing) * len(y), "the sum over"),
    ("cross_entropy", lambda z, y, smoothing=0.0: cross_entropy(z.softmax(1), y, smoothing), "softmax twice"),
    ("cross_entropy", lambda z, y, smoothing=0.0: cross_entropy(z, y), "no effect"),
    ("cross_entropy", cross_entropy_other_smoothing, "over the k - 1 wrong classes"),
    ("cross_entropy", cross_entropy_naive, "overflow"),
    ("batch_hard", lambda u, y, margin: batch_hard(u, y, margin, active_only=True), "active triplets only"),
    ("batch_hard", lambda u, y, margin: batch_hard(u, y, margin, squared=True), "squared distances"),
    ("batch_hard", lambda u, y, margin: batch_hard(u, y, margin, positive="amin"), "easiest positive"),
    ("batch_hard", lambda u, y, margin: batch_hard(u, y, margin, negative="amax"), "easiest negative"),
    ("batch_hard", lambda u, y, margin: batch_hard(u, y, margin, eps=0.0), "the gradient is NaN"),
    ("batch_hard", lambda u, y, margin: batch_hard(u, y, margin).detach(), "no gradient comes back"),
    ("batch_hard", lambda u, y, margin: batch_hard(u, y, margin) * len(u), "this is a sum"),
    ("pairwise_distance", lambda a, b: pairwise(a, b) ** 2, "take the root"),
    ("pairwise_distance", pairwise_by_product, "far from the origin"),
    ("pairwise_distance", lambda a, b: (a[:, None] - b[None]).square().sum(2).sqrt(), "gradient is NaN"),
    ("pairwise_distance", lambda a, b: pairwise(b, a), "exchanged"),
    ("batch_hard", easiest_at_2, "include the image itself"),
]
