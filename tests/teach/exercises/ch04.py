import torch
import torch.nn.functional as nnf


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


RIGHT = [
    ("best_judge", lambda p_H, p_L: p_H / (p_H + p_L), best_judge_by_search),
    ("pull", pull, pull_by_autograd),
    ("meet_halfway", meet_halfway, meet_by_cross_entropy),
    ("judge_loss", judge_loss, judge_loss_without_graph),
]
WRONG = [
    ("best_judge", lambda p_H, p_L: p_L / (p_H + p_L), "the share of the blurred"),
    ("best_judge", lambda p_H, p_L: p_H / p_L, "these are odds"),
    ("best_judge", lambda p_H, p_L: (p_H > p_L).float(), "a hard verdict"),
    ("best_judge", lambda p_H, p_L: (p_H >= p_L).float(), "a hard verdict"),
    ("best_judge", lambda p_H, p_L: 2 * p_H / (p_H + p_L), "not by their mean"),
    ("best_judge", lambda p_H, p_L: p_H, "the density of the sharp alone"),
    ("pull", lambda D, form: 1 - pull(D, form), "exchanged"),
    ("pull", lambda D, form: 1 / (1 - pull(D, form)), "chain rule"),
    ("pull", lambda D, form: -pull(D, form), "leave the sign away"),
    ("pull", lambda D, form: D * (1 - D), "the logarithm before it"),
    ("pull", lambda D, form: -(1 - D).log() if form == "minimax" else -D.log(), "not its slope"),
    ("meet_halfway", lambda z_H, z_L: -nnf.logsigmoid(z_L).mean(), "only the blurred walk"),
    ("meet_halfway", lambda z_H, z_L: -nnf.logsigmoid(-z_H).mean(), "only the sharp walk"),
    ("meet_halfway", lambda z_H, z_L: meet_halfway(z_L, z_H), "this is what D_F descends"),
    ("meet_halfway", lambda z_H, z_L: -meet_halfway(-z_H, -z_L), "the minimax form"),
    ("meet_halfway", lambda z_H, z_L: -meet_halfway(z_H, z_L), "the sign is turned"),
    ("meet_halfway", lambda z_H, z_L: nnf.softplus(torch.cat([-z_L, z_H])).sum(), "each expectation is a mean"),
    ("meet_halfway", lambda z_H, z_L: nnf.softplus(torch.cat([-z_L, z_H])).mean(), "weighs the larger batch"),
    ("meet_halfway", lambda z_H, z_L: -z_L.sigmoid().log().mean() - (1 - z_H.sigmoid()).log().mean(), "overflow"),
    ("judge_loss", lambda *given: -judge_loss(*given), "climbs eq. (1)"),
    ("judge_loss", lambda E, D, x_H, x_L: judge_loss(E, D, x_L, x_H), "exchanged"),
    ("judge_loss", lambda E, D, x_H, x_L: nnf.softplus(-D(E(x_L))).mean(), "for being fooled"),
    ("judge_loss", lambda *given: judge_loss(*given) / 2, "added, not averaged"),
    ("judge_loss", helpful, "E moves too"),
    ("judge_loss", lambda E, D_F, x_H, x_L: helpful(E, D_F, x_H, x_L).detach(), "no gradient reaches D_F"),
]
