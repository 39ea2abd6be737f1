"""The objective: each equation beside its literal twin, which network each loss reaches, and what is logged of it."""

import pytest
import torch
import torch.nn.functional as nnf
from torch import Tensor, nn
from updates import in_D, plain, update_D, update_G

from cadnet_edu.config import LossConfig
from cadnet_edu.data.samples import Split
from cadnet_edu.data.sampling import Batch
from cadnet_edu.losses import triplet
from cadnet_edu.models.cadnet import Output
from cadnet_edu.training.objective import classification_terms
from cadnet_edu.training.trainer import Trainer, frozen


def forward(t: Trainer, training: bool = True) -> tuple[Batch, Output, Output]:
    t.net.train(training)
    batch = next(t.batches)
    return batch, *t.forward(batch)


def reaches(value: Tensor, net: nn.Module) -> set[str]:
    """The names of the networks (E, G, F, C, ...) to which a loss sends a gradient that is not zero."""
    net.zero_grad()
    value.backward(retain_graph=True)
    return {n.split(".")[0] for n, p in net.named_parameters() if p.grad is not None and bool(p.grad.abs().sum() > 0)}


def test_each_loss_reaches_the_networks_that_the_paper_says(tiny_split: Split) -> None:
    t = Trainer(plain(), tiny_split)
    batch, H, L = forward(t)
    ident, tri, _ = classification_terms(H, L, batch, t.loss)
    assert reaches(ident, t.net) == {"E", "G", "F", "C"}  # L_id reaches G: recovery that serves re-identification
    assert reaches(tri, t.net) == {"E", "G", "F"}
    assert reaches(nnf.l1_loss(L.x_hat, batch.x_L_gt), t.net) == {"E", "G"}
    with frozen(t.net.D_F, t.net.D_I):
        assert reaches(t.net.D_F(L.f).mean(), t.net) == {"E"}
        assert reaches(t.net.D_I(L.x_hat).mean(), t.net) == {"E", "G"}


def literal_L(t: Trainer, batch: Batch, loss: LossConfig) -> Tensor:
    """Eq. (6) written out once more, without the package's losses."""
    H, L_ = t.forward(batch)
    b = len(batch.y_H)

    def ident(logits: Tensor, y: Tensor) -> Tensor:
        p = torch.softmax(logits, 1)
        return -sum(p[i, y[i]].log() for i in range(b)) / b

    def tri(u: Tensor, y: Tensor) -> Tensor:
        total = torch.zeros(())
        for i in range(b):
            d = [(u[i] - u[j]).square().sum().sqrt() if i != j else torch.zeros(()) for j in range(b)]
            far = max((d[j] for j in range(b) if j != i and y[j] == y[i]), key=lambda x: x.item())
            near = min((d[j] for j in range(b) if y[j] != y[i]), key=lambda x: x.item())
            total = total + torch.clamp(2 + far - near, min=0) / b
        return total

    L = ident(H.logits, batch.y_H) + ident(L_.logits, batch.y_L) + tri(H.u, batch.y_H) + tri(L_.u, batch.y_L)
    if loss.lambda_rec:
        L = L + loss.lambda_rec * ((H.x_hat - batch.x_H).abs().mean() + (L_.x_hat - batch.x_L_gt).abs().mean())
    if loss.lambda_adv_DF:
        L = L + loss.lambda_adv_DF * -torch.sigmoid(t.net.D_F(L_.f)).log().mean()
    if loss.lambda_adv_DI:
        recovered = torch.cat([L_.x_hat, H.x_hat])
        for z in t.net.D_I(recovered).chunk(2):  # all that is recovered, in one batch
            L = L + loss.lambda_adv_DI * -torch.sigmoid(z).log().mean()
    return L


@pytest.mark.parametrize("lam", [(0.5, 3, 0.1), (0, 1, 0), (1, 0, 0), (0, 0, 1), (0, 0, 0)])
def test_the_network_descends_equation_6_with_its_weights(tiny_split: Split, lam: tuple[float, float, float]) -> None:
    lambdas = dict(zip(("lambda_adv_DF", "lambda_rec", "lambda_adv_DI"), lam, strict=True))
    config = plain(**lambdas, optimizer="sgd", momentum=0, weight_decay=0, lr=0.5)
    t, twin = Trainer(config, tiny_split), Trainer(config, tiny_split)
    batch, H, L_ = forward(t)
    twin.net.train()
    L = literal_L(twin, batch, config.loss)
    L.backward()
    assert update_G(t, batch, H, L_)["L"].item() == pytest.approx(L.item(), rel=1e-5)
    wanted = dict(twin.net.named_parameters())
    for name, p in t.net.named_parameters():
        if not in_D(name):
            grad = wanted[name].grad
            step = torch.zeros_like(p) if grad is None else 0.5 * grad
            torch.testing.assert_close(p, wanted[name] - step, atol=1e-5, rtol=1e-4, msg=lambda m, n=name: f"{n}: {m}")


def test_the_discriminators_ascend_equations_1_and_3(tiny_split: Split) -> None:
    config = plain(optimizer="sgd", momentum=0, weight_decay=0, lr_D=0.5)
    t, twin = Trainer(config, tiny_split), Trainer(config, tiny_split)
    batch, H, L = forward(t)
    record = update_D(t, batch, H, L)
    D_F, D_I = twin.net.D_F, twin.net.D_I
    f_H, f_L = (torch.sigmoid(D_F(out.f.detach())) for out in (H, L))
    real = torch.sigmoid(D_I(batch.x_H))
    rec_L, rec_H = torch.sigmoid(D_I(torch.cat([L.x_hat, H.x_hat]).detach())).chunk(2)
    eq_1 = f_H.log().mean() + (1 - f_L).log().mean()
    eq_3 = real.log().mean() + (1 - rec_L).log().mean() + real.log().mean() + (1 - rec_H).log().mean()
    (eq_1 + eq_3).backward()
    assert record["L_adv_DF"].item() == pytest.approx(eq_1.item(), rel=1e-5)
    assert record["L_adv_DI"].item() == pytest.approx(eq_3.item(), rel=1e-5)
    probabilities = {"D_F(f_H)": f_H, "D_F(f_L)": f_L, "D_I(x_H)": real, "D_I(G(f_L))": rec_L}
    for name, value in probabilities.items():
        assert record[name].item() == pytest.approx(value.mean().item(), abs=1e-6)
    wanted = dict(twin.net.named_parameters())
    for name, p in t.net.named_parameters():
        if in_D(name):
            grad = wanted[name].grad
            torch.testing.assert_close(p, wanted[name] + 0.5 * grad, atol=1e-5, rtol=1e-4)


def test_branch_heads_add_the_classification_loss_on_f_and_on_g(tiny_split: Split) -> None:
    t = Trainer(plain(auxiliary_heads=True), tiny_split)
    batch, H, L = forward(t, training=False)
    ident, tri, _ = classification_terms(H, L, batch, t.loss)
    by_hand = [torch.zeros(()), torch.zeros(())]
    for out, y in ((H, batch.y_H), (L, batch.y_L)):
        assert len(out.branch_logits) == 2
        by_hand[0] = by_hand[0] + sum(nnf.cross_entropy(logits, y) for logits in (out.logits, *out.branch_logits))
        for u in (out.u, out.f.mean((2, 3)), out.g.mean((2, 3))):
            by_hand[1] = by_hand[1] + triplet(u, y, t.config.loss.margin)[0]
    assert [ident.item(), tri.item()] == pytest.approx([value.item() for value in by_hand], rel=1e-6)


def test_active_and_accuracy_count_what_they_say(tiny_split: Split) -> None:
    t = Trainer(plain(margin=0), tiny_split)
    batch, H, L = forward(t, training=False)
    far_H, far_L = (100 * nnf.one_hot(y, 6).float() for y in (batch.y_H, batch.y_L))
    apart_H, apart_L = H._replace(u=far_H, logits=far_H), L._replace(u=far_L, logits=-far_L)
    record = update_G(t, batch, apart_H, apart_L)
    assert record["active"] == 0  # all identities are 100 apart: no triplet is left
    assert record["accuracy"] == 0.5  # HR all right, LR all wrong
    huge = plain(margin=1e6).loss
    assert classification_terms(apart_H, apart_L, batch, huge)[2] == 1


def test_images_without_labels_teach_recovery_only(tiny_split: Split) -> None:
    """They join eq. (1)-(3) and stay out of eq. (4): L_cls and its gradient are those of the labelled images alone."""
    t = Trainer(plain(label_fraction=0.5, unlabelled_batch_size=3, joint_batchnorm=True), tiny_split)
    batch, H, L = forward(t, training=False)  # BatchNorm would make every output depend on the whole batch
    n = len(batch.y_H)
    assert (len(batch.x_H), len(batch.x_L), len(batch.x_L_gt), len(batch.r_L)) == (n + 3,) * 4
    for out, x in ((H, batch.x_H), (L, batch.x_L)):
        assert (len(out.f), len(out.x_hat), len(out.u), len(out.logits)) == (n + 3, n + 3, n, n)
        alone = t.net(x)
        torch.testing.assert_close(out.x_hat, alone.x_hat)
        torch.testing.assert_close(out.logits, alone.logits[:n])
