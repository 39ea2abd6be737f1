"""Answers to the exercises of chapter 07: right ones, and mistakes with a part of the message meant for them."""

from __future__ import annotations

import torch
import torch.nn.functional as nnf

from cadnet_edu.teach import check


def joint_vector(f, g):
    return torch.cat([f, g], dim=1).mean((2, 3))


def logit_gradient(logits, y):
    return (logits.softmax(1) - nnf.one_hot(y, logits.shape[1])) / len(y)


def logit_gradient_by_autograd(logits, y):
    logits = logits.clone().requires_grad_()
    return torch.autograd.grad(nnf.cross_entropy(logits, y), logits)[0]


def logit_gradient_naive(logits, y):
    p = logits.exp() / logits.exp().sum(1, keepdim=True)
    return (p - nnf.one_hot(y, logits.shape[1])) / len(y)


class Slowed(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, share):
        ctx.share = share
        return x.clone()

    @staticmethod
    def backward(ctx, slope):
        return slope * ctx.share, None


RIGHT = [
    (check.check_joint_vector, joint_vector),
    (check.check_joint_vector, lambda f, g: torch.cat([m.flatten(2).mean(2) for m in (f, g)], 1)),
    (check.check_slowed, lambda x, share: share * x + (1 - share) * x.detach()),
    (check.check_slowed, lambda x, share: x.detach() + share * (x - x.detach())),
    (check.check_slowed, Slowed.apply),
    (check.check_logit_gradient, logit_gradient),
    (check.check_logit_gradient, logit_gradient_by_autograd),
    (check.check_best_reader, lambda joint: joint.max(0).sum()),
    (check.check_best_reader, lambda joint: sum(max(column) for column in joint.T)),
]
WRONG = [
    (check.check_joint_vector, lambda f, g: joint_vector(g, f), "g comes first"),
    (check.check_joint_vector, lambda f, g: torch.cat([f, g], 1).amax((2, 3)), "GAP takes the mean"),
    (check.check_joint_vector, lambda f, g: torch.cat([f, g], 1).sum((2, 3)), "this is the sum over all places"),
    (check.check_joint_vector, lambda f, g: (f + g).mean((2, 3)), "f and g are added"),
    (check.check_joint_vector, lambda f, g: torch.cat([f, g], 3).mean((2, 3)), "along a side of the map"),
    (check.check_joint_vector, lambda f, g: torch.cat([f, g], 0).mean((2, 3)), "along the batch"),
    (check.check_joint_vector, lambda f, g: torch.cat([f.mean((1, 2, 3)), g.mean((1, 2, 3))])[None], "over channels"),
    (check.check_joint_vector, lambda f, g: joint_vector(f, g.detach()), "no gradient comes back"),
    (check.check_slowed, lambda x, share: share * x, "Going forward nothing may change"),
    (check.check_slowed, lambda x, share: x + share * x.detach(), "sum to x"),
    (check.check_slowed, lambda x, share: x, "the whole gradient flows"),
    (check.check_slowed, lambda x, share: (1 - share) * x + share * x.detach(), "exchanged"),
    (check.check_slowed, lambda x, share: x.detach(), "no gradient comes back"),
    (check.check_logit_gradient, lambda z, y: logit_gradient(z, y) * len(y), "not divided by"),
    (check.check_logit_gradient, lambda z, y: -logit_gradient(z, y), "the sign is turned: this is the way down"),
    (check.check_logit_gradient, lambda z, y: z.softmax(1) / len(y), "take 1 away at the right person"),
    (check.check_logit_gradient, lambda z, y: (z.softmax(0) - nnf.one_hot(y, z.shape[1])) / len(y), "over the batch"),
    (check.check_logit_gradient, lambda z, y: (z - nnf.one_hot(y, z.shape[1])) / len(y), "scores are no"),
    (check.check_logit_gradient, logit_gradient_naive, "overflow"),
    (check.check_best_reader, lambda joint: joint.max(1).sum(), "the best picture for each person"),
    (check.check_best_reader, lambda joint: joint.sum(1).max(), "blind guessing"),
    (check.check_best_reader, lambda joint: joint.max(), "the likeliest single case"),
    (check.check_best_reader, lambda joint: (joint / joint.sum(0)).max(0).mean(), "every picture counts alike"),
    (check.check_best_reader, lambda joint: (joint * joint / joint.sum(0)).sum(), "in proportion to the odds"),
    (check.check_joint_vector, lambda f, g: joint_vector(f.detach(), g.detach()).numpy(), "no gradient comes back"),
]
