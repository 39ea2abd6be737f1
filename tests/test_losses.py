"""Equations (1) to (6), each beside its literal twin: probabilities and loops, in float64, values and gradients."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from cadnet_edu.losses import (
    L_adv_DF,
    L_adv_DF_G,
    L_adv_DI,
    L_adv_DI_G,
    L_cls,
    L_id,
    L_rec,
    L_total,
    L_tri,
    pairwise_distances,
    triplet,
)

MININGS = ["batch_hard", "batch_all"]


def normal(*shape: int, seed: int = 0, scale: float = 1.0) -> Tensor:
    return scale * torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def equal(mine: Callable[..., Tensor], twin: Callable[..., Tensor], *inputs: Tensor) -> None:
    results = []
    for function in (mine, twin):
        leaves = [x.clone().requires_grad_() for x in inputs]
        value = function(*leaves)
        assert value.shape == ()
        assert value.dtype == torch.float64
        grads = torch.autograd.grad(value, leaves, allow_unused=True)
        results.append((value, [torch.zeros_like(x) if g is None else g for x, g in zip(leaves, grads)]))
    (a, grads_a), (b, grads_b) = results
    torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)
    for g, h in zip(grads_a, grads_b):
        torch.testing.assert_close(g, h, rtol=1e-10, atol=1e-12)


def D(z: Tensor) -> Tensor:
    """The probability that a logit stands for."""
    return 1 / (1 + torch.exp(-z))


def mean(values: list[Tensor]) -> Tensor:
    return torch.stack(values).mean()


def literal_adv_DF(z_H: Tensor, z_L: Tensor) -> Tensor:
    return mean([torch.log(D(z)) for z in z_H.flatten()]) + mean([torch.log(1 - D(z)) for z in z_L.flatten()])


def literal_adv_DI(z_real: Tensor, z_L: Tensor, z_H: Tensor) -> Tensor:
    return (
        mean([torch.log(D(z)) for z in z_real])
        + mean([torch.log(1 - D(z)) for z in z_L])
        + mean([torch.log(D(z)) for z in z_real])
        + mean([torch.log(1 - D(z)) for z in z_H])
    )


def test_eq_1_in_probabilities():
    equal(L_adv_DF, literal_adv_DF, normal(3, 1, 2, 2, seed=1, scale=2), normal(5, 1, 2, 2, seed=2, scale=2))


def test_eq_3_in_probabilities():
    equal(L_adv_DI, literal_adv_DI, normal(4, seed=1), normal(3, seed=2), normal(5, seed=3))


def test_the_side_of_E_in_probabilities():
    z_H, z_L = normal(3, 4, seed=1), normal(2, 4, seed=2)
    equal(L_adv_DF_G, lambda a, b: -mean([torch.log(D(z)) for z in b.flatten()]) + 0 * a.sum(), z_H, z_L)
    equal(lambda a, b: L_adv_DF_G(a, b, form="minimax"), literal_adv_DF, z_H, z_L)


def test_the_side_of_G_in_probabilities():
    z_L, z_H = normal(3, seed=1), normal(4, seed=2)
    equal(L_adv_DI_G, lambda a, b: -mean([torch.log(D(z)) for z in a]) - mean([torch.log(D(z)) for z in b]), z_L, z_H)
    # Minimax: eq. (3) itself; its terms of x_H are constants for G.
    z_real = normal(4, seed=3)
    equal(
        lambda a, b: L_adv_DI_G(a, b, form="minimax") + 2 * torch.log(D(z_real)).mean(),
        lambda a, b: literal_adv_DI(z_real, a, b),
        z_L,
        z_H,
    )


@pytest.mark.parametrize("z", [200.0, -200.0])
def test_sure_discriminators_neither_overflow_nor_lose_the_gradient(z):
    answer = torch.full((2,), z, requires_grad=True)
    for loss in (L_adv_DF(answer, answer), L_adv_DI(answer, answer, answer)):
        assert loss.isfinite()
        assert loss.item() == pytest.approx(-200 if loss.item() > -300 else -400)
        (gradient,) = torch.autograd.grad(loss, answer)
        assert gradient.isfinite().all()
        assert gradient.abs().sum() > 0.9


def test_unknown_forms_are_refused():
    z = torch.zeros(2)
    for call in (
        lambda: L_adv_DF_G(z, z, form="min_max"),
        lambda: L_adv_DI_G(z, z, form="min_max"),
        lambda: L_rec(z[None], z[None], z[None], z[None], reduction="none"),
        lambda: triplet(z[:, None], torch.tensor([0, 0]), mining="hard"),
    ):
        with pytest.raises(ValueError, match="choose one of"):
            call()


def test_minimax_needs_both_kinds_of_answers():
    z = torch.zeros(2)
    assert L_adv_DF_G(None, z).item() == pytest.approx(math.log(2))
    with pytest.raises(ValueError, match="needs z_H"):
        L_adv_DF_G(None, z, form="minimax")


@pytest.mark.parametrize(("d", "value"), [(0.0, 0.0), (0.01, 0.0025), (0.02, 0.01), (0.5, 0.49)])
def test_a_rounded_norm_is_a_square_near_zero_and_plain_l1_less_a_constant_beyond(d, value):
    x = torch.zeros(1, 3, 2, 2)
    assert L_rec(x + d, x, x, x, smooth_l1_beta=0.02).item() == pytest.approx(value, abs=1e-7)


def literal_rec(x_hat_H: Tensor, x_H: Tensor, x_hat_L: Tensor, x_L_gt: Tensor, per_pixel: bool) -> Tensor:
    terms = []
    for x_hat, x in ((x_hat_H, x_H), (x_hat_L, x_L_gt)):
        norms = [torch.stack([abs(p - q) for p, q in zip(a.flatten(), b.flatten())]).sum() for a, b in zip(x_hat, x)]
        terms.append(mean(norms) / (x[0].numel() if per_pixel else 1))
    return terms[0] + terms[1]


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_eq_2_in_loops(reduction):
    images = [normal(b, 3, 4, 2, seed=s) for s, b in enumerate((2, 2, 3, 3))]  # HR and LR batches of unequal size
    equal(lambda *x: L_rec(*x, reduction=reduction), lambda *x: literal_rec(*x, per_pixel=reduction == "mean"), *images)


def test_identity_loss_in_probabilities():
    y = torch.tensor([2, 0, 4])

    def literal(logits: Tensor) -> Tensor:
        p = logits.exp() / logits.exp().sum(1, keepdim=True)  # the softmax
        one_hot = torch.eye(5, dtype=torch.float64)[y]
        return mean([-(one_hot[i] * p[i].log()).sum() for i in range(3)])

    equal(lambda logits: L_id(logits, y), literal, normal(3, 5))


def test_eq_4_is_a_sum():
    equal(L_cls, lambda a, b: a + b, normal(seed=1), normal(seed=2))


def distance(a: Tensor, b: Tensor) -> Tensor:
    return ((a - b) ** 2).sum().sqrt()


def literal_triplet(u: Tensor, y: list[int], margin: float, mining: str) -> tuple[Tensor, float]:
    """Each anchor with each positive and each negative, and only then the mining."""
    hinges = []
    for a in range(len(y)):
        positives = [p for p in range(len(y)) if y[p] == y[a] and p != a]
        negatives = [n for n in range(len(y)) if y[n] != y[a]]
        if not positives or not negatives:
            continue
        if mining == "batch_hard":
            positives = [max(positives, key=lambda p: distance(u[a], u[p]).item())]
            negatives = [min(negatives, key=lambda n: distance(u[a], u[n]).item())]
        for p in positives:
            for n in negatives:
                hinges.append(torch.relu(margin + distance(u[a], u[p]) - distance(u[a], u[n])))
    return mean(hinges), sum(h.item() > 0 for h in hinges) / len(hinges)


LABELS = {
    "P x K": [0, 0, 0, 1, 1, 1, 2, 2, 2],
    "unequal counts": [0, 1, 1, 2, 2, 2, 2, 1, 0],
    "an identity with one image": [0, 0, 1, 2, 2, 2],
}


@pytest.mark.parametrize("mining", MININGS)
@pytest.mark.parametrize("y", LABELS.values(), ids=LABELS.keys())
@pytest.mark.parametrize("margin", [0.3, 2.0])
def test_triplets_in_loops(y, margin, mining):
    u, labels = normal(len(y), 4, seed=len(y)), torch.tensor(y)
    equal(lambda u: triplet(u, labels, margin, mining)[0], lambda u: literal_triplet(u, y, margin, mining)[0], u)
    share = triplet(u, labels, margin, mining)[1]
    assert share.item() == pytest.approx(literal_triplet(u, y, margin, mining)[1])
    assert not share.requires_grad


@pytest.mark.parametrize("mining", MININGS)
def test_identical_vectors_give_the_margin_and_no_nan(mining):
    u = (normal(1, 64, scale=30).float().repeat(6, 1)).requires_grad_()
    loss, share = triplet(u, torch.tensor([0, 0, 0, 1, 1, 1]), 2.0, mining)
    loss.backward()
    assert loss.item() == 2.0
    assert share.item() == 1.0
    assert u.grad.isfinite().all()


@pytest.mark.parametrize("mining", MININGS)
def test_features_that_are_no_number_are_not_hidden(mining):
    u = normal(4, 3).float()
    u[0, 0] = float("nan")
    assert triplet(u, torch.tensor([0, 0, 1, 1]), 2.0, mining)[0].isnan()


@pytest.mark.parametrize("y", [[0, 1, 2], [0, 0, 0], [0], []])
def test_a_batch_without_a_triplet_is_an_error(y):
    labels = torch.tensor(y, dtype=torch.int64)
    with pytest.raises(ValueError, match=f"{len(y)} images of {len(set(y))} identities hold no triplet"):
        triplet(normal(len(y), 3), labels)


@pytest.mark.parametrize("mining", MININGS)
def test_eq_5_is_two_expectations(mining):
    y_H, y_L = [0, 0, 1, 1, 2, 2], [5, 5, 5, 2, 2]
    u_H, u_L = normal(6, 3, seed=1), normal(5, 3, seed=2)
    equal(
        lambda a, b: L_tri(a, torch.tensor(y_H), b, torch.tensor(y_L), 2.0, mining)[0],
        lambda a, b: literal_triplet(a, y_H, 2.0, mining)[0] + literal_triplet(b, y_L, 2.0, mining)[0],
        u_H,
        u_L,
    )
    shares = [literal_triplet(u, y, 0.2, mining)[1] for u, y in ((u_H, y_H), (u_L, y_L))]
    active = L_tri(u_H, torch.tensor(y_H), u_L, torch.tensor(y_L), 0.2, mining)[1]
    assert active.item() == pytest.approx(sum(shares) / 2)


def test_distances_are_exact_between_long_vectors():
    u = torch.full((3, 512), 100.0)
    u[1] += 1e-3
    d = pairwise_distances(u)
    torch.testing.assert_close(d, torch.cdist(u.double(), u.double()).float(), rtol=1e-3, atol=1e-6)
    assert (d.diagonal() == 0).all()
    assert d[0, 2] == 0
    torch.testing.assert_close(d, d.T)


def test_distances_of_half_precision_vectors_are_float32():
    u = normal(4, 8).bfloat16()
    assert pairwise_distances(u).dtype == torch.float32
    torch.testing.assert_close(pairwise_distances(u), torch.cdist(u.float(), u.float()))


def test_distances_have_the_gradient_of_the_formula():
    torch.autograd.gradcheck(pairwise_distances, normal(4, 3).requires_grad_())


def test_eq_6_is_the_weighted_sum():
    terms = [normal(seed=s) for s in range(4)]
    equal(
        lambda cls, adv_DF, rec, adv_DI: L_total(cls, adv_DF, rec, adv_DI, adv_DF=0.5, rec=3.0, adv_DI=0.1),
        lambda cls, adv_DF, rec, adv_DI: cls + 0.5 * adv_DF + 3 * rec + 0.1 * adv_DI,
        *terms,
    )


@pytest.mark.parametrize("off", [0, 1, 2])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), 7.0])
def test_a_weight_of_0_removes_its_term_whatever_it_is(off, value):
    weights = [0.5, 3.0, 0.1]
    weights[off] = 0
    terms = [torch.tensor(float(i + 2), requires_grad=True) for i in range(3)]
    broken = torch.tensor(value, requires_grad=True)
    given = [broken if i == off else t for i, t in enumerate(terms)]
    L = L_total(torch.tensor(1.0, requires_grad=True), *given, *weights)
    assert L.item() == pytest.approx(1 + sum(w * t.item() for w, t in zip(weights, terms)))
    L.backward()
    assert broken.grad is None  # no path at all
    assert [t.grad.item() for i, t in enumerate(terms) if i != off] == pytest.approx([w for w in weights if w])
