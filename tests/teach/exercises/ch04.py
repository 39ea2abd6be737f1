"""Right and wrong answers to the exercises of chapter 04, each wrong one with words of the message meant for it."""

from __future__ import annotations

import torch
import torch.nn.functional as nnf

from cadnet_edu.teach import check


def best_judge(p_H, p_L):
    return p_H / (p_H + p_L)


def best_judge_by_search(p_H, p_L):
    answers = torch.linspace(1e-6, 1 - 1e-6, 100_001, dtype=torch.double)
    marks = p_H[:, None] * answers.log() + p_L[:, None] * (1 - answers).log()
    return answers[marks.argmax(1)]


def pull(D, form):
    return D if form == "minimax" else 1 - D


def pull_by_autograd(D, form):
    z = D.logit().requires_grad_()
    loss = nnf.logsigmoid(-z) if form == "minimax" else -nnf.logsigmoid(z)
    return torch.autograd.grad(loss.sum(), z)[0].abs()


def meet_halfway(z_H, z_L):
    return -nnf.logsigmoid(z_L).mean() - nnf.logsigmoid(-z_H).mean()


def meet_by_cross_entropy(z_H, z_L):
    loss = nnf.binary_cross_entropy_with_logits
    return loss(z_L, torch.ones_like(z_L)) + loss(z_H, torch.zeros_like(z_H))


def judge_loss(E, D_F, x_H, x_L):
    z_H, z_L = D_F(E(x_H).detach()), D_F(E(x_L).detach())
    return -nnf.logsigmoid(z_H).mean() - nnf.logsigmoid(-z_L).mean()


def judge_loss_without_graph(E, D_F, x_H, x_L):
    with torch.no_grad():
        f_H, f_L = E(x_H), E(x_L)
    return nnf.softplus(-D_F(f_H)).mean() + nnf.softplus(D_F(f_L)).mean()


def helpful(E, D_F, x_H, x_L):
    return nnf.softplus(-D_F(E(x_H))).mean() + nnf.softplus(D_F(E(x_L))).mean()


def deaf(E, D_F, x_H, x_L):
    return helpful(E, D_F, x_H, x_L).detach()


def meet_naive(z_H, z_L):
    return -z_L.sigmoid().log().mean() - (1 - z_H.sigmoid()).log().mean()


RIGHT = [
    (check.check_best_judge, best_judge),
    (check.check_best_judge, best_judge_by_search),
    (check.check_pull, pull),
    (check.check_pull, pull_by_autograd),
    (check.check_meet_halfway, meet_halfway),
    (check.check_meet_halfway, meet_by_cross_entropy),
    (check.check_judge_loss, judge_loss),
    (check.check_judge_loss, judge_loss_without_graph),
]

WRONG = [
    (check.check_best_judge, lambda p_H, p_L: p_L / (p_H + p_L), "the share of the blurred"),
    (check.check_best_judge, lambda p_H, p_L: p_H / p_L, "these are odds"),
    (check.check_best_judge, lambda p_H, p_L: (p_H > p_L).float(), "a hard verdict"),
    (check.check_best_judge, lambda p_H, p_L: (p_H >= p_L).float(), "a hard verdict"),
    (check.check_best_judge, lambda p_H, p_L: 2 * p_H / (p_H + p_L), "not by their mean"),
    (check.check_best_judge, lambda p_H, p_L: p_H, "the density of the sharp alone"),
    (check.check_pull, lambda D, form: 1 - pull(D, form), "exchanged"),
    (check.check_pull, lambda D, form: 1 / (1 - pull(D, form)), "chain rule"),
    (check.check_pull, lambda D, form: -pull(D, form), "leave the sign away"),
    (check.check_pull, lambda D, form: D * (1 - D), "the logarithm before it"),
    (check.check_pull, lambda D, form: -(1 - D).log() if form == "minimax" else -D.log(), "not its slope"),
    (check.check_meet_halfway, lambda z_H, z_L: -nnf.logsigmoid(z_L).mean(), "only the blurred walk"),
    (check.check_meet_halfway, lambda z_H, z_L: -nnf.logsigmoid(-z_H).mean(), "only the sharp walk"),
    (check.check_meet_halfway, lambda z_H, z_L: meet_halfway(z_L, z_H), "this is what D_F descends"),
    (check.check_meet_halfway, lambda z_H, z_L: -meet_halfway(-z_H, -z_L), "the minimax form"),
    (check.check_meet_halfway, lambda z_H, z_L: -meet_halfway(z_H, z_L), "the sign is turned"),
    (
        check.check_meet_halfway,
        lambda z_H, z_L: nnf.softplus(torch.cat([-z_L, z_H])).sum(),
        "each expectation is a mean",
    ),
    (check.check_meet_halfway, lambda z_H, z_L: nnf.softplus(torch.cat([-z_L, z_H])).mean(), "weighs the larger batch"),
    (check.check_meet_halfway, meet_naive, "overflow"),
    (check.check_judge_loss, lambda *given: -judge_loss(*given), "climbs eq. (1)"),
    (check.check_judge_loss, lambda E, D, x_H, x_L: judge_loss(E, D, x_L, x_H), "exchanged"),
    (check.check_judge_loss, lambda E, D, x_H, x_L: nnf.softplus(-D(E(x_L))).mean(), "for being fooled"),
    (check.check_judge_loss, lambda *given: judge_loss(*given) / 2, "added, not averaged"),
    (check.check_judge_loss, helpful, "E moves too"),
    (check.check_judge_loss, deaf, "no gradient reaches D_F"),
]
