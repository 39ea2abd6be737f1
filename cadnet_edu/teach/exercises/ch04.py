"""Checks for chapter 04: a judge of features, and the two sides of eq. (1)."""

import copy
import math
from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from cadnet_edu.teach.exercises.report import answer, expect, reports, require

__all__ = ["check_best_judge", "check_judge_loss", "check_meet_halfway", "check_pull"]


@reports("the share of the sharp among all that falls there: no judge can do better.")
def check_best_judge(student: Callable) -> None:
    """Check ``best_judge(p_H, p_L)``: what the best possible D_F answers where features fall with these densities.

    ``p_H`` and ``p_L`` are tensors ``(n,)``: how densely sharp and blurred features lie at n places, both counted
    alike. The result is a probability for each place.
    """
    p_H, p_L = torch.tensor([0.2, 0.5, 0.0, 0.3]), torch.tensor([0.2, 0.1, 0.4, 0.9])
    a, b = p_H.numpy(), p_L.numpy()
    mistakes = {
        "this is the share of the blurred; D_F answers how likely the feature is sharp.": b / (a + b),
        "these are odds, p_H to p_L; a probability is the share of the sum.": a / b,
        "a hard verdict: where both kinds fall, the best judge says how sure it is.": (a > b).astype(float),
        "a hard verdict: where both kinds fall, the best judge says how sure it is. ": (a >= b).astype(float),
        "this is half of it: divide by the sum of the two densities, not by their mean.": 2 * a / (a + b),
        "this is the density of the sharp alone; compare it with the blurred that fall there too.": a,
    }
    expect(answer(student, p_H, p_L), a / (a + b), "four places", mistakes)
    expect(answer(student, torch.tensor([0.75]), torch.tensor([0.25])), 0.75, "one place, three to one")


@reports("minimax pulls with D, non-saturating with 1 - D: weak and strong just where E is losing.")
def check_pull(student: Callable) -> None:
    """Check ``pull(D, form)``: the size of the slope of E's loss with respect to D_F's logit z.

    ``D`` is a tensor ``(n,)`` of answers of D_F to blurred features, ``form`` is ``"minimax"``, where E descends
    ``log(1 - D)``, or ``"non_saturating"``, where it descends ``-log D``; ``D = sigmoid(z)``. No signs.
    """
    D = torch.tensor([0.01, 0.5, 0.9])
    p = D.numpy()
    by_D = "this is the slope by D; go on to z with the chain rule: dD/dz = D (1 - D)."
    for form, want, other, wrong in (("minimax", p, 1 - p, 1 / (1 - p)), ("non_saturating", 1 - p, p, 1 / p)):
        mistakes = {
            "the two forms are exchanged: at D = 0.01 minimax hardly pulls at all.": other,
            by_D: wrong,
            "leave the sign away: how hard it pulls is asked, not which way.": -want,
            "this is the slope of D itself; the logarithm before it is missing.": p * (1 - p),
            "this is the loss, not its slope.": -np.log(1 - p) if form == "minimax" else -np.log(p),
        }
        expect(answer(student, D, form), want, f"D = 0.01, 0.5 and 0.9, {form}", mistakes)


def _softplus(z: float) -> float:
    """log(1 + e^z): minus the log of 1 - sigmoid(z)."""
    return math.log1p(math.exp(z))


@reports("both kinds walk towards each other, and no logarithm overflows.")
def check_meet_halfway(student: Callable) -> None:
    """Check ``meet_halfway(z_H, z_L)``: E's loss when it wants blurred to pass for sharp and sharp for blurred.

    ``z_H`` and ``z_L`` are tensors of D_F's logits, not always equally many. The result is
    ``-E[log D_F(f_L)] - E[log(1 - D_F(f_H))]``, each expectation a mean.
    """
    sharp, blurred = [2.0, 0.0], [-2.0, 1.0, 2.5]
    z_H, z_L = torch.tensor(sharp), torch.tensor(blurred)
    fool_L, fool_H = [_softplus(-z) for z in blurred], [_softplus(z) for z in sharp]
    own_H, own_L = [_softplus(-z) for z in sharp], [_softplus(z) for z in blurred]
    judge = sum(own_H) / 2 + sum(own_L) / 3
    want, added = sum(fool_L) / 3 + sum(fool_H) / 2, sum(fool_L) + sum(fool_H)
    mistakes = {
        "only the blurred walk: the term of the sharp features is missing.": sum(fool_L) / 3,
        "only the sharp walk: the term of the blurred features is missing.": sum(fool_H) / 2,
        "this is what D_F descends; E wants the opposite answers.": judge,
        "this is eq. (1) itself, the minimax form: its slope fades where E is losing.": -judge,
        "the sign is turned: E descends minus the logarithms.": -want,
        "these are sums; each expectation is a mean.": added,
        "one mean over all logits weighs the larger batch more; take a mean of each, then add.": added / 5,
    }
    expect(answer(student, z_H, z_L), want, "two sharp and three blurred features", mistakes)
    got = answer(student, torch.tensor([200.0]), torch.tensor([-200.0]))
    require(
        np.isfinite(got).all(),
        "overflow: for a judge that is sure, sigmoid gives exactly 0 or 1, and the log of 0 is infinite. "
        "Use logsigmoid(z) for log D and logsigmoid(-z) for log(1 - D).",
    )
    expect(got, 400.0, "logits of 200 and -200")


@reports("D_F learns from it, E does not notice.")
def check_judge_loss(student: Callable) -> None:
    """Check ``judge_loss(E, D_F, x_H, x_L)``: what an optimizer descends so that D_F climbs eq. (1).

    ``E`` and ``D_F`` are modules, ``D_F`` answers with logits. The result is a number whose gradient reaches every
    weight of D_F and none of E.
    """
    E, D_F = nn.Linear(2, 2, bias=False), nn.Linear(2, 1, bias=False)
    with torch.no_grad():
        E.weight.copy_(torch.tensor([[1.0, 1.0], [0.0, 2.0]]))
        D_F.weight.copy_(torch.tensor([[1.0, -0.5]]))
    x_H, x_L = torch.tensor([[1.0, 0.0], [3.0, 2.0], [0.0, 5.0]]), torch.tensor([[2.0, 1.0], [-1.0, 4.0]])
    sharp, blurred = [1.0, 3.0, 0.0], [2.0, -1.0]  # the logits, by hand: x_1 + x_2 - 0.5 * 2 x_2 = x_1
    want = sum(_softplus(-z) for z in sharp) / 3 + sum(_softplus(z) for z in blurred) / 2
    turned = sum(_softplus(z) for z in sharp) / 3 + sum(_softplus(-z) for z in blurred) / 2
    mistakes = {
        "D_F climbs eq. (1), and optimizers descend: turn the sign.": -want,
        "sharp and blurred are exchanged: D_F is the probability that a feature is sharp.": turned,
        "this is E's loss: it rewards D_F for being fooled.": sum(_softplus(-z) for z in blurred) / 2,
        "this is minus a half of eq. (1): its two expectations are added, not averaged.": want / 2,
    }
    expect(answer(student, E, D_F, x_H, x_L), want, "two small linear networks", mistakes)
    E, D_F = copy.deepcopy(E), copy.deepcopy(D_F)
    loss = student(E, D_F, x_H, x_L)
    weights = [*E.parameters(), *D_F.parameters()]
    reaches = isinstance(loss, torch.Tensor) and loss.requires_grad
    require(reaches, "no gradient reaches D_F: detach the features that go into it, not what it answers.")
    to_E, to_D = torch.autograd.grad(loss, weights, allow_unused=True)
    require(
        to_E is None or not to_E.any(),
        "E moves too: this loss would teach E to help the judge. Cut the graph between them: D_F(f.detach()).",
    )
    require(to_D is not None, "no gradient reaches D_F: detach the features that go into it, not what it answers.")
