"""`same` and the exercise checks: the right answer passes, each known mistake is told by its own message."""

from __future__ import annotations

import functools
import math

import answers_ablations
import answers_alignment
import answers_detail
import answers_full_runs
import answers_inside
import answers_ledger
import answers_real_data
import answers_realism
import answers_recovered
import answers_unseen
import answers_whole
import numpy as np
import pytest
import torch
import torch.nn.functional as nnf
from torch import nn

from cadnet_edu.teach import check
from cadnet_edu.teach.check import Report, same
from cadnet_edu.teach.exercises.report import as_array, reports, show


# ---------------------------------------------------------------------------------------------------- same()
def test_same_prints_one_line_for_equal_functions(capsys):
    same(
        lambda x, y: (x - y).abs().mean(), nnf.l1_loss, (torch.rand(3), torch.rand(3)), (torch.ones(2), torch.zeros(2))
    )
    line = capsys.readouterr().out
    assert line.count("\n") == 1
    assert "same values, same gradients" in line
    assert "over 2 inputs" in line


def test_same_tells_where_values_first_differ():
    def mine(x):
        y = x * 2
        y[1, 2] += 0.5
        return {"out": (x, y)}

    with pytest.raises(AssertionError, match=r"input 1 of 1, value\.out\[1\]\[1, 2\]: yours is 2\.5.*is 2 \(1 of 6"):
        same(mine, lambda x: {"out": (x, x * 2)}, torch.ones(2, 3))


def test_same_sees_equal_values_with_other_gradients():
    with pytest.raises(AssertionError, match="gradient for argument 1"):
        same(lambda x: x.detach() + 0 * x, lambda x: x + 0, torch.ones(3))


def test_same_sees_a_gradient_that_is_given_by_one_version_only():
    with pytest.raises(AssertionError, match="gradient for argument 1 is given by one version only"):
        same(lambda x: x.detach(), lambda x: x.clone(), torch.ones(3))


def test_same_sees_another_shape():
    with pytest.raises(AssertionError, match=r"your shape is \(3,\), the package's is \(1, 3\)"):
        same(lambda x: x[0], lambda x: x * 1, torch.ones(1, 3))


def test_same_says_nothing_of_gradients_where_there_are_none(capsys):
    same(np.sort, lambda x: np.array(sorted(x)), np.array([3, 1, 2]))
    assert "there is no gradient to compare" in capsys.readouterr().out


def test_same_gives_both_the_same_noise(capsys):
    same(nnf.dropout, lambda x: nnf.dropout(x), torch.ones(100))
    assert "largest difference 0 " in capsys.readouterr().out


def test_same_lends_a_network_the_weights_of_the_other_and_leaves_both_alone(capsys):
    mine, package = nn.Linear(3, 2), nn.Linear(3, 2)
    before = mine.weight.clone()
    same(mine, package, torch.rand(4, 3))
    assert "same values, same gradients" in capsys.readouterr().out
    assert torch.equal(mine.weight, before)
    assert mine.weight.grad is None


def test_same_sees_a_weight_that_gets_no_gradient():
    class Cut(nn.Linear):
        def forward(self, x):
            return nnf.linear(x, self.weight.detach(), self.bias)

    with pytest.raises(AssertionError, match="gradient for weight"):
        same(Cut(3, 2), nn.Linear(3, 2), torch.rand(4, 3))


def test_same_refuses_networks_with_other_weights():
    with pytest.raises(AssertionError, match="different weights"):
        same(nn.Linear(3, 2), nn.Linear(3, 4), torch.rand(4, 3))


def test_same_explains_arguments_that_do_not_fit():
    with pytest.raises(AssertionError, match="go into a tuple"):
        same(nnf.l1_loss, nnf.l1_loss, torch.ones(2), torch.ones(2))
    with pytest.raises(ValueError, match="at least one example"):
        same(torch.sin, torch.sin)


# ------------------------------------------------------------------------- solutions and mistakes, by exercise
def degrade(x, r):
    small = x.unflatten(2, (-1, r)).mean(3).unflatten(3, (-1, r)).mean(4)
    return small.repeat_interleave(r, 2).repeat_interleave(r, 3)


def degrade_bilinear(x, r):
    return nnf.interpolate(nnf.avg_pool2d(x, r), size=x.shape[2:], mode="bilinear", align_corners=False)


def degrade_antialiased(x, r):
    small = nnf.interpolate(x, scale_factor=1 / r, mode="bilinear", antialias=True) if r > 1 else x
    return nnf.interpolate(small, size=x.shape[2:], mode="bilinear", align_corners=False)


def psnr(x, y):
    return 10 * (1 / (x - y).square().mean((1, 2, 3))).log10()


def rank_of_first_match(distances, query_pid, gallery_pids):
    found = np.flatnonzero(gallery_pids[distances.argsort()] == query_pid)
    return found[0] + 1 if len(found) else math.inf


def rank_by_counting(distances, query_pid, gallery_pids):
    nearest = min((d for d, pid in zip(distances, gallery_pids) if pid == query_pid), default=None)
    return math.inf if nearest is None else 1 + sum(d < nearest for d in distances)


def cmc(distances, q_pids, g_pids, q_cams, g_cams, topk, junk="both", count="first", cumulate=True):
    curve = np.zeros(topk)
    for i, row in enumerate(distances):
        drop = {
            "both": (g_pids == q_pids[i]) & (g_cams == q_cams[i]),
            "none": np.zeros_like(g_pids, bool),
            "camera": g_cams == q_cams[i],
        }[junk]
        order = [j for j in row.argsort() if not drop[j]]
        hits = [k for k, j in enumerate(order) if g_pids[j] == q_pids[i]]
        for k in hits[:1] if count == "first" else hits:
            curve[k] += 1 / len(distances)
    return curve.cumsum() if cumulate else curve


def average_precision(correct):
    ranks = np.flatnonzero(correct) + 1
    return np.mean(np.arange(1, len(ranks) + 1) / ranks)


def average_precision_by_loop(correct):
    right, total = 0, 0.0
    for rank, hit in enumerate(correct, start=1):
        if hit:
            right += 1
            total += right / rank
    return total / right


def trapezoid(correct):
    total, old_recall, old_precision, hits = 0.0, 0.0, 1.0, 0
    for rank, hit in enumerate(correct, start=1):
        hits += hit
        recall, precision = hits / sum(correct), hits / rank
        total += (recall - old_recall) * (old_precision + precision) / 2
        old_recall, old_precision = recall, precision
    return total


def single_shot_rank1(distances, query_pid, gallery_pids):
    chances = []
    for d in distances[gallery_pids == query_pid]:
        others = [np.mean(distances[gallery_pids == p] > d) for p in np.unique(gallery_pids) if p != query_pid]
        chances.append(np.prod(others))
    return np.mean(chances)


def single_shot_by_enumeration(distances, query_pid, gallery_pids):
    import itertools

    people = np.unique(gallery_pids)
    draws = list(itertools.product(*(np.flatnonzero(gallery_pids == p) for p in people)))
    return np.mean([gallery_pids[min(draw, key=lambda j: distances[j])] == query_pid for draw in draws])


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


def pairwise_centred(a, b):
    return pairwise_by_product(a - b.mean(0), b - b.mean(0))


def batch_hard(u, y, phi, active_only=False, itself=False, squared=False, positive="amax", negative="amin", eps=1e-12):
    d = (u[:, None] - u[None]).square().sum(2)
    d = d if squared else (d + eps).sqrt()
    same_person = y[:, None] == y[None]
    positives = same_person if itself else same_person & ~torch.eye(len(y), dtype=torch.bool)
    fill = {"amax": -math.inf, "amin": math.inf}
    d_pos = getattr(d.masked_fill(~positives, fill[positive]), positive)(1)
    d_neg = getattr(d.masked_fill(same_person, fill[negative]), negative)(1)
    loss = (phi + d_pos - d_neg).clamp(min=0)
    return loss[loss > 0].mean() if active_only else loss.mean()


def batch_hard_by_loop(u, y, phi):
    total = u.new_zeros(())
    for i in range(len(u)):
        d = [torch.sqrt((u[i] - u[j]).square().sum() + 1e-12) for j in range(len(u))]
        pos = max(d[j] for j in range(len(u)) if y[j] == y[i] and j != i)
        neg = min(d[j] for j in range(len(u)) if y[j] != y[i])
        total = total + torch.relu(phi + pos - neg)
    return total / len(u)


RIGHT = [
    (check.check_degrade, degrade),
    (check.check_degrade, degrade_bilinear),
    (check.check_degrade, degrade_antialiased),
    (check.check_nyquist, lambda r, height: height / r / 2),
    (check.check_nyquist, lambda r, height: np.float32(0.5 * height / r)),
    (check.check_psnr, psnr),
    (check.check_psnr, lambda x, y: -20 * torch.log10(nnf.mse_loss(x, y, reduction="none").mean((1, 2, 3)).sqrt())),
    (check.check_rank_of_first_match, rank_of_first_match),
    (check.check_rank_of_first_match, rank_by_counting),
    (check.check_cmc, cmc),
    (check.check_cmc, lambda *a: torch.tensor(cmc(*a))),
    (check.check_average_precision, average_precision),
    (check.check_average_precision, average_precision_by_loop),
    (check.check_single_shot_rank1, single_shot_rank1),
    (check.check_single_shot_rank1, single_shot_by_enumeration),
    (check.check_cross_entropy, cross_entropy),
    (check.check_cross_entropy, lambda z, y, smoothing=0.0: nnf.cross_entropy(z, y, label_smoothing=smoothing)),
    (check.check_batch_hard, batch_hard),
    (check.check_batch_hard, batch_hard_by_loop),
    (check.check_pairwise_distance, pairwise),
    (check.check_pairwise_distance, pairwise_centred),
    (check.check_pairwise_distance, lambda a, b: torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist")),
]

WRONG = [
    (check.check_degrade, lambda x, r: nnf.interpolate(x[:, :, ::r, ::r], size=x.shape[2:]), "aliasing"),
    (check.check_degrade, lambda x, r: nnf.avg_pool2d(x, r), "the small image"),
    (check.check_degrade, lambda x, r: x.clone(), "nothing was lost"),
    (check.check_degrade, lambda x, r: degrade(x, 2), "a fixed 2"),
    (check.check_degrade, lambda x, r: degrade(x, r**4), "only once"),
    (check.check_degrade, lambda x, r: degrade(x, r).mean(0, keepdim=True).expand_as(x), "wrong for r = 1"),
    (check.check_nyquist, lambda r, height: height / r, "one pixel a cycle"),
    (check.check_nyquist, lambda r, height: 1 / (2 * r), "cycles per pixel"),
    (check.check_nyquist, lambda r, height: height / 2, "the limit of the full image"),
    (check.check_nyquist, lambda r, height: 2 * r, "length of one cycle"),
    (check.check_nyquist, lambda r, height: height // (2 * r), "wrong for r = 1.5"),
    (check.check_psnr, lambda x, y: 10 * (1 / (x - y).square().mean((1, 2, 3))).log(), "natural log"),
    (check.check_psnr, lambda x, y: 10 * (1 / (x - y).square().sum((1, 2, 3))).log10(), "MSE without mean"),
    (check.check_psnr, lambda x, y: psnr(x, y) + 20 * math.log10(255), "data range 255"),
    (check.check_psnr, lambda x, y: psnr(x, y) / 2, "the root"),
    (check.check_psnr, lambda x, y: -psnr(x, y), "the sign"),
    (check.check_psnr, lambda x, y: psnr(x, y).mean(), "one number for the whole batch"),
    (check.check_rank_of_first_match, lambda d, q, g: rank_of_first_match(d, q, g) - 1, "counted from 0"),
    (
        check.check_rank_of_first_match,
        lambda d, q, g: list(g).index(q) + 1,
        "as it is stored; sort it by distance first.",
    ),
    (check.check_rank_of_first_match, lambda d, q, g: rank_of_first_match(-d, q, g), "from far to near"),
    (check.check_rank_of_first_match, lambda d, q, g: np.flatnonzero(g[d.argsort()] == q)[-1] + 1, "the last match"),
    (check.check_rank_of_first_match, lambda d, q, g: np.argmax(g[d.argsort()] == q) + 1, "not in the gallery"),
    (check.check_cmc, lambda *a: cmc(*a, junk="none"), "forgot to drop"),
    (check.check_cmc, lambda *a: cmc(*a, junk="camera"), "only those of the same person"),
    (check.check_cmc, lambda *a: cmc(*a, count="all"), "you counted every match; "),
    (check.check_cmc, lambda *a: cmc(*a, count="all", cumulate=False), "at its own rank"),
    (check.check_cmc, lambda *a: cmc(*a, cumulate=False), "exactly at rank k"),
    (check.check_cmc, lambda *a: 100 * cmc(*a), "per cent"),
    (check.check_average_precision, trapezoid, "trapezoid: some evaluation scripts"),
    (check.check_average_precision, lambda c: average_precision(c) * sum(c) / len(c), "divided by the gallery size"),
    (check.check_average_precision, lambda c: (c.cumsum() / np.arange(1, len(c) + 1)).mean(), "over all ranks"),
    (check.check_average_precision, lambda c: 1 / (np.argmax(c) + 1), "stopped at the first match"),
    (check.check_single_shot_rank1, lambda d, q, g: float(g[d.argmin()] == q), "multi-shot"),
    (
        check.check_single_shot_rank1,
        lambda d, q, g: single_shot_rank1(np.append(d[g != q], d[g == q].min()), q, np.append(g[g != q], q)),
        "only the nearest image",
    ),
    (check.check_single_shot_rank1, lambda d, q, g: single_shot_rank1(d, q, g) * sum(g == q), "you summed"),
    (check.check_cross_entropy, lambda z, y, smoothing=0.0: cross_entropy(z, y, smoothing) * len(y), "the sum over"),
    (check.check_cross_entropy, lambda z, y, smoothing=0.0: cross_entropy(z.softmax(1), y, smoothing), "softmax twice"),
    (check.check_cross_entropy, lambda z, y, smoothing=0.0: cross_entropy(z, y), "no effect"),
    (check.check_cross_entropy, cross_entropy_other_smoothing, "over the k - 1 wrong classes"),
    (check.check_cross_entropy, cross_entropy_naive, "overflow"),
    (check.check_batch_hard, lambda u, y, phi: batch_hard(u, y, phi, active_only=True), "active triplets only"),
    (check.check_batch_hard, lambda u, y, phi: batch_hard(u, y, phi, squared=True), "squared distances"),
    (check.check_batch_hard, lambda u, y, phi: batch_hard(u, y, phi, positive="amin"), "easiest positive"),
    (check.check_batch_hard, lambda u, y, phi: batch_hard(u, y, phi, negative="amax"), "easiest negative"),
    (check.check_batch_hard, lambda u, y, phi: batch_hard(u, y, phi, eps=0.0), "the gradient is NaN"),
    (check.check_batch_hard, lambda u, y, phi: batch_hard(u, y, phi).detach(), "no gradient comes back"),
    (check.check_batch_hard, lambda u, y, phi: batch_hard(u, y, phi) * len(u), "this is a sum"),
    (check.check_pairwise_distance, lambda a, b: pairwise(a, b) ** 2, "take the root"),
    (check.check_pairwise_distance, pairwise_by_product, "far from the origin"),
    (check.check_pairwise_distance, lambda a, b: (a[:, None] - b[None]).square().sum(2).sqrt(), "gradient is NaN"),
    (check.check_pairwise_distance, lambda a, b: pairwise(b, a), "exchanged"),
]


# ------------------------------------------------------------------------------- chapter 07: recover to identify
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


RIGHT += [
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
WRONG += [
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
]


RIGHT += answers_real_data.RIGHT + answers_full_runs.RIGHT
WRONG += answers_real_data.WRONG + answers_full_runs.WRONG


RIGHT += answers_alignment.RIGHT
WRONG += answers_alignment.WRONG
RIGHT += answers_whole.RIGHT
WRONG += answers_whole.WRONG
RIGHT += answers_realism.RIGHT
WRONG += answers_realism.WRONG
RIGHT += answers_detail.RIGHT
RIGHT += answers_unseen.RIGHT
WRONG += answers_detail.WRONG
WRONG += answers_unseen.WRONG
RIGHT += answers_ablations.RIGHT
WRONG += answers_ablations.WRONG
RIGHT += answers_recovered.RIGHT
WRONG += answers_recovered.WRONG
RIGHT += answers_ledger.RIGHT
WRONG += answers_ledger.WRONG
RIGHT += answers_inside.RIGHT
WRONG += answers_inside.WRONG
CHECKS = [getattr(check, name) for name in check.__all__ if name.startswith("check_")]


@pytest.mark.parametrize(("check_it", "solution"), RIGHT)
def test_a_right_answer_passes(check_it, solution):
    report = check_it(solution)
    assert report.passed, report


@pytest.mark.parametrize(("check_it", "mistake", "message"), WRONG)
def test_a_known_mistake_is_named(check_it, mistake, message):
    report = check_it(mistake)
    assert not report.passed
    assert message in report.message


def test_batch_hard_sees_the_image_itself_among_the_positives():
    report = check.check_batch_hard(
        lambda u, y, phi: batch_hard(u, y, phi, itself=True, positive="amin") if phi == 2 else batch_hard(u, y, phi)
    )
    assert "include the image itself" in report.message


@pytest.mark.parametrize("check_it", CHECKS)
def test_every_check_has_two_right_answers_and_two_mistakes(check_it):
    assert sum(case[0] is check_it for case in RIGHT) >= 2
    assert sum(case[0] is check_it for case in WRONG) >= 2


def unwritten(*given, **named):
    raise NotImplementedError


def empty(*given, **named):
    return None


def broken(*given, **named):
    return undefined_name  # noqa: F821


def words(*given, **named):
    return "what is this?"


@pytest.mark.parametrize("check_it", CHECKS)
@pytest.mark.parametrize(
    ("answer", "message"),
    [(unwritten, "not written yet"), (empty, "returned nothing"), (broken, "NameError"), (words, "numbers is needed")],
)
def test_an_empty_or_broken_answer_fails_kindly(check_it, answer, message):
    report = check_it(answer)
    assert not report.passed
    assert message in report.message


def generator(*given, **named):
    yield 1


def leaves(*given, **named):
    raise SystemExit


def by_itself(*given, **named):
    return by_itself(*given, **named)


class Answer:
    def __init__(self, *given, **named):
        pass


def gives(value):
    return lambda *given, **named: value


ODD = {
    "generator": generator,
    "leaves": leaves,
    "endless recursion": by_itself,
    "class": Answer,
    "module": nn.Identity(),
    "partial": functools.partial(words, "more"),
    "no argument": lambda: 1,
    "ten arguments": lambda a, b, c, d, e, f, g, h, i, j: 1,
    "gives the function": gives(words),
    "dict": gives({"a": 1}),
    "objects": gives(np.array([None, "a"], dtype=object)),
    "large": gives(10**400),
    "complex": gives(1j),
    "ragged": gives([[1.0], [2.0, 3.0]]),
    "empty list": gives([]),
    "empty tensor": gives(torch.zeros(0, 3)),
    "five axes": gives(torch.zeros(1, 1, 1, 1, 1)),
    "slopes": gives([torch.tensor(1e9, requires_grad=True)]),
    "numpy": gives(np.full((2, 3), 1e9)),
    "nan": gives(math.nan),
    "infinity": gives(torch.tensor(-math.inf)),
    "sparse": gives(torch.eye(2).to_sparse()),
}


@pytest.mark.parametrize("check_it", CHECKS)
def test_no_answer_makes_a_check_raise(check_it):
    for name, odd in ODD.items():
        report = check_it(odd)
        assert not report.passed, name
        assert report.message, name


def test_an_answer_that_works_with_numpy_or_another_shape_in_place_is_told():
    assert (
        "no gradient comes back"
        in check.check_joint_vector(
            lambda f, g: np.concatenate([f.detach().numpy(), g.detach().numpy()], 1).mean((2, 3))
        ).message
    )
    assert "in place" in check.check_degrade(lambda x, r: x.resize_(1)).message


def test_a_check_that_fails_itself_says_so_and_does_not_raise():
    @reports("right.")
    def check_broken(student):
        raise IndexError("of the check")

    report = check_broken(abs)
    assert not report
    assert report.message == "the answer could not be judged: the check stopped with IndexError: of the check."


def test_a_list_of_tensors_with_a_graph_counts_as_numbers():
    rows = [torch.ones(2, requires_grad=True), [1, torch.tensor(2.0)]]
    assert np.array_equal(as_array(rows), [[1, 1], [1, 2]])


@pytest.mark.parametrize("check_it", CHECKS)
def test_a_call_instead_of_a_function_is_explained(check_it):
    assert "without calling it" in check_it(3.0).message


def test_an_answer_that_spoils_its_input_is_told():
    def in_place(x, r):
        x *= 0
        return x

    assert "in place" in check.check_degrade(in_place).message


def test_a_report_reads_as_a_sentence_and_as_a_truth():
    assert repr(Report(True, "right.")) == "✓ right."
    assert repr(Report(False, "wrong.")) == "✗ wrong."
    assert Report(True, "")
    assert not Report(False, "")
    assert show(np.zeros((4, 4))) == "an array of shape (4, 4)"
