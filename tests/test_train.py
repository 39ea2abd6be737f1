"""Training: which gradient goes where, what is logged, and that a run can be stopped by anything and go on."""

from __future__ import annotations

import json
import math
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as nnf
from updates import update_D, update_G

from cadnet_edu.config import Config, LossConfig, preset
from cadnet_edu.data.samples import Split
from cadnet_edu.data.sampling import Batch
from cadnet_edu.losses import triplet
from cadnet_edu.methods import method
from cadnet_edu.models.backbone import resnet
from cadnet_edu.training import trainer as train_module
from cadnet_edu.training.checkpoints import check_same_config, load_checkpoint, read_history
from cadnet_edu.training.devices import autocast, choose_device, choose_precision
from cadnet_edu.training.objective import classification_terms
from cadnet_edu.training.signals import StopSignals
from cadnet_edu.training.trainer import Trainer, TrainingDiverged, frozen, load_network, lr_factor, not_finite

ROOT = Path(__file__).parents[1]


def tiny(**changes: Any) -> Config:
    """The smallest network that has every part, and ten steps of it."""
    small = dict(
        lambda_rec=1,
        auxiliary_heads=False,
        bnneck=False,
        skips="encoder",
        lr=1e-3,
        lr_D=1e-4,
        warmup_steps=0,
        pixel_shuffle=1,
        smooth_l1_beta=0,
        d_batch_size=0,
        joint_batchnorm=False,
        weight_decay=5e-4,
        height=32,
        width=16,
        backbone_width=8,
        decoder_width=2,
        discriminator_width=8,
        num_identities=3,
        num_instances=2,
        steps=10,
        log_every=2,
        checkpoint_every=5,
        device="cpu",
        precision="fp32",
    )
    return preset("smoke", **{**small, **changes})


NO_GAN = dict(lambda_adv_DF=0, lambda_rec=0, lambda_adv_DI=0)


def snapshot(net: torch.nn.Module) -> dict[str, torch.Tensor]:
    """A copy of all weights and buffers."""
    return {name: value.clone() for name, value in net.state_dict().items()}


def moved(net: torch.nn.Module, before: dict[str, torch.Tensor]) -> set[str]:
    """The names of the weights and buffers that are no longer what they were."""
    return {name for name, value in net.state_dict().items() if not torch.equal(value, before[name])}


def same(a: Any, b: Any) -> bool:
    """Whether two nested states are equal bit for bit."""
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and a.shape == b.shape and torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return bool(a == b)


def timeless(history: list[dict[str, float]]) -> list[dict[str, float]]:
    """A history without how long it took."""
    return [{k: v for k, v in record.items() if k != "seconds"} for record in history]


def assert_same_run(a: Trainer, b: Trainer) -> None:
    """Two trainers stand at the same point: weights, optimizers, draws to come, random numbers, history."""
    state_a, state_b = a.state_dict(), b.state_dict()
    for name in set(state_a) - {"seconds", "codes"}:  # somebody may edit the code while another process is tested
        assert same(state_a[name], state_b[name]), name
    assert timeless(a.history) == timeless(b.history)


def is_judge(name: str) -> bool:
    return name.startswith(("D_F.", "D_I."))


# ------------------------------------------------------------------------------------------------ gradient routing


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("joint_batchnorm", [True, False])
def test_the_discriminators_update_moves_them_and_nothing_else(
    tiny_split: Split, precision: str, joint_batchnorm: bool
) -> None:
    t = Trainer(tiny(precision=precision, joint_batchnorm=joint_batchnorm), tiny_split)
    t.net.train()
    batch = next(t.batches)
    with autocast(t.device, t.precision):
        out_H, out_L = t.forward(batch)
    before = snapshot(t.net)
    update_D(t, batch, out_H, out_L)
    changed = moved(t.net, before)
    judges = {name for name, _ in t.net.named_parameters() if is_judge(name)}
    assert all(is_judge(name) for name in changed)
    assert {name for name in judges if name.endswith("weight")} <= changed  # every layer of both judges learns
    assert all(p.grad is None for name, p in t.net.named_parameters() if not is_judge(name))


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_networks_update_moves_everything_but_the_discriminators(tiny_split: Split, precision: str) -> None:
    t = Trainer(tiny(precision=precision), tiny_split)
    t.net.train()
    batch = next(t.batches)
    with autocast(t.device, t.precision):
        out_H, out_L = t.forward(batch)
    update_D(t, batch, out_H, out_L)
    before = snapshot(t.net)
    update_G(t, batch, out_H, out_L)
    changed = moved(t.net, before)
    assert not any(is_judge(name) for name in changed)
    assert {name for name, _ in t.net.named_parameters() if not is_judge(name) and name.endswith("weight")} <= changed
    for name, p in t.net.named_parameters():
        assert p.requires_grad, name  # frozen for the step, not for good
        if is_judge(name):
            assert p.grad is None, f"a gradient was left in {name}"


def test_frozen_lets_go_even_when_the_step_fails() -> None:
    layer = torch.nn.Linear(2, 2)
    with frozen(layer, None):
        assert not layer.weight.requires_grad
    assert layer.weight.requires_grad
    with pytest.raises(RuntimeError), frozen(layer, None):
        layer(torch.zeros(2)).sum().backward()  # there is nothing left to send a gradient to
    assert layer.weight.requires_grad


def reaches(value: torch.Tensor, net: torch.nn.Module) -> set[str]:
    """The names of the networks (E, G, F, C, ...) to which a loss sends a gradient that is not zero."""
    net.zero_grad()
    value.backward(retain_graph=True)
    return {n.split(".")[0] for n, p in net.named_parameters() if p.grad is not None and bool(p.grad.abs().sum() > 0)}


def test_each_loss_reaches_the_networks_that_the_paper_says(tiny_split: Split) -> None:
    t = Trainer(tiny(), tiny_split)
    t.net.train()
    batch = next(t.batches)
    out_H, out_L = t.forward(batch)
    ident, tri, _ = classification_terms(out_H, out_L, batch, t.loss)
    assert out_H.x_hat is not None
    assert out_L.x_hat is not None
    assert t.net.D_F is not None
    assert t.net.D_I is not None
    assert reaches(ident, t.net) == {"E", "G", "F", "C"}  # L_id reaches G: recovery that serves re-identification
    assert reaches(tri, t.net) == {"E", "G", "F"}
    assert reaches(nnf.l1_loss(out_L.x_hat, batch.x_L_gt), t.net) == {"E", "G"}
    with frozen(t.net.D_F, t.net.D_I):
        assert reaches(t.net.D_F(out_L.f).mean(), t.net) == {"E"}
        assert reaches(t.net.D_I(out_L.x_hat).mean(), t.net) == {"E", "G"}


def literal_L(t: Trainer, batch: Batch, loss: LossConfig) -> torch.Tensor:
    """Eq. (6) written out once more, without the package's losses."""
    out_H, out_L = t.forward(batch)
    b = len(batch.y_H)

    def ident(logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        p = torch.softmax(logits, 1)
        return -sum(p[i, y[i]].log() for i in range(b)) / b  # type: ignore[return-value]

    def tri(u: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        total = torch.zeros(())
        for i in range(b):
            d = [(u[i] - u[j]).square().sum().sqrt() if i != j else torch.zeros(()) for j in range(b)]
            far = max((d[j] for j in range(b) if j != i and y[j] == y[i]), key=lambda x: x.item())
            near = min((d[j] for j in range(b) if y[j] != y[i]), key=lambda x: x.item())
            total = total + torch.clamp(2 + far - near, min=0) / b
        return total

    L = ident(out_H.logits, batch.y_H) + ident(out_L.logits, batch.y_L)
    L = L + tri(out_H.u, batch.y_H) + tri(out_L.u, batch.y_L)
    if loss.lambda_rec:
        assert out_H.x_hat is not None
        assert out_L.x_hat is not None
        L = L + loss.lambda_rec * ((out_H.x_hat - batch.x_H).abs().mean() + (out_L.x_hat - batch.x_L_gt).abs().mean())
    if loss.lambda_adv_DF:
        assert t.net.D_F is not None
        L = L + loss.lambda_adv_DF * -torch.sigmoid(t.net.D_F(out_L.f)).log().mean()
    if loss.lambda_adv_DI:
        assert t.net.D_I is not None
        assert out_H.x_hat is not None
        assert out_L.x_hat is not None
        for z in t.net.D_I(torch.cat([out_L.x_hat, out_H.x_hat])).chunk(2):  # all that is recovered, in one batch
            L = L + loss.lambda_adv_DI * -torch.sigmoid(z).log().mean()
    return L


@pytest.mark.parametrize("lam", [(1, 1, 1), (0.5, 3, 0.1), (0, 1, 0), (1, 0, 0), (0, 0, 1), (0, 0, 0)])
def test_the_network_descends_equation_6_with_its_weights(tiny_split: Split, lam: tuple[float, float, float]) -> None:
    lambdas = dict(zip(("lambda_adv_DF", "lambda_rec", "lambda_adv_DI"), lam, strict=True))
    config = tiny(**lambdas, optimizer="sgd", momentum=0, weight_decay=0, lr=0.5)
    t, twin = Trainer(config, tiny_split), Trainer(config, tiny_split)
    batch = next(t.batches)
    for trainer in (t, twin):
        trainer.net.train()
    L = literal_L(twin, batch, config.loss)
    L.backward()
    record = update_G(t, batch, *t.forward(batch))
    assert record["L"].item() == pytest.approx(L.item(), rel=1e-5)
    wanted = dict(twin.net.named_parameters())
    for name, p in t.net.named_parameters():
        if not is_judge(name):
            grad = wanted[name].grad
            step = torch.zeros_like(p) if grad is None else 0.5 * grad
            torch.testing.assert_close(p, wanted[name] - step, atol=1e-5, rtol=1e-4, msg=lambda m, n=name: f"{n}: {m}")


def test_the_discriminators_ascend_equations_1_and_3(tiny_split: Split) -> None:
    config = tiny(optimizer="sgd", momentum=0, weight_decay=0, lr_D=0.5)
    t, twin = Trainer(config, tiny_split), Trainer(config, tiny_split)
    batch = next(t.batches)
    t.net.train()
    out_H, out_L = t.forward(batch)
    record = update_D(t, batch, out_H, out_L)
    D_F, D_I = twin.net.D_F, twin.net.D_I
    assert D_F is not None
    assert D_I is not None
    f_H, f_L = (torch.sigmoid(D_F(out.f.detach())) for out in (out_H, out_L))
    assert out_H.x_hat is not None
    assert out_L.x_hat is not None
    real = torch.sigmoid(D_I(batch.x_H))
    rec_L, rec_H = torch.sigmoid(D_I(torch.cat([out_L.x_hat, out_H.x_hat]).detach())).chunk(2)
    eq_1 = f_H.log().mean() + (1 - f_L).log().mean()
    eq_3 = real.log().mean() + (1 - rec_L).log().mean() + real.log().mean() + (1 - rec_H).log().mean()
    (eq_1 + eq_3).backward()
    assert record["L_adv_DF"].item() == pytest.approx(eq_1.item(), rel=1e-5)
    assert record["L_adv_DI"].item() == pytest.approx(eq_3.item(), rel=1e-5)
    # D's mean answers are probabilities
    answers = {"D_F(f_H)": f_H, "D_F(f_L)": f_L, "D_I(x_H)": real, "D_I(G(f_L))": rec_L}
    for name, value in answers.items():
        assert record[name].item() == pytest.approx(value.mean().item(), abs=1e-6)
    wanted = dict(twin.net.named_parameters())
    for name, p in t.net.named_parameters():
        if is_judge(name):
            grad = wanted[name].grad
            assert grad is not None
            torch.testing.assert_close(p, wanted[name] + 0.5 * grad, atol=1e-5, rtol=1e-4)


KEYS_D_F = {"L_adv_DF", "L_adv_DF_G", "D_F(f_H)", "D_F(f_L)"}
KEYS_D_I = {"L_adv_DI", "L_adv_DI_G", "D_I(x_H)", "D_I(G(f_L))"}


@pytest.mark.parametrize(
    ("changes", "missing", "keys"),
    [
        (dict(lambda_adv_DF=0), {"D_F"}, KEYS_D_F),
        (dict(lambda_adv_DI=0), {"D_I"}, KEYS_D_I),
        (dict(lambda_rec=0), set(), {"L_rec"}),
        (NO_GAN, {"D_F", "D_I"}, KEYS_D_F | KEYS_D_I | {"L_rec"}),
    ],
)
def test_a_weight_of_0_removes_the_term_and_its_network(
    tiny_split: Split, changes: dict[str, float], missing: set[str], keys: set[str]
) -> None:
    t = Trainer(tiny(**changes, steps=2), tiny_split)
    record = t.fit(bar=False)[0]
    assert {name for name in ("E", "G", "F", "C", "D_F", "D_I") if getattr(t.net, name) is None} == missing
    assert ALL_KEYS - set(record) == keys
    assert (t.opt_D is None) == (missing == {"D_F", "D_I"})


@pytest.mark.parametrize("name", ["baseline_hr", "baseline_mlr", "baseline_long"])
def test_a_baseline_is_an_encoder_and_a_classifier(tiny_split: Split, name: str) -> None:
    config = method(name, tiny(steps=2))
    t = Trainer(config, tiny_split)
    assert [n for n in ("E", "G", "F", "C", "D_F", "D_I") if getattr(t.net, n) is not None] == ["E", "C"]
    batch = next(t.batches)
    assert torch.equal(batch.x_L, batch.x_L_gt) == (name == "baseline_hr")
    record = t.fit(bar=False)[0]
    assert record["L"] == pytest.approx(record["L_id"] + record["L_tri"], rel=1e-5)


@pytest.mark.parametrize(
    "changes",
    [
        dict(features="g"),
        dict(features="f"),
        dict(auxiliary_heads=True),
        dict(skips="none"),
        dict(skips="encoder+residual"),
        dict(decoder_grad_scale=0.1),
        dict(mining="batch_all"),
        dict(gan_loss="minimax"),
        dict(reduction="sum"),
        dict(max_shift=2),
        dict(last_stride=2),
        dict(joint_batchnorm=True, auxiliary_heads=True),
        dict(joint_batchnorm=True, features="f", lambda_rec=0, lambda_adv_DI=0),
        dict(pixel_shuffle=2),
        dict(smooth_l1_beta=0.02),
        dict(d_batch_size=2),
        dict(use_decoder=False, **NO_GAN),
        dict(label_fraction=0.5, unlabelled_batch_size=3),
        dict(label_fraction=0.5, unlabelled_batch_size=3, joint_batchnorm=True),
        dict(skips="encoder+residual", joint_batchnorm=True, pixel_shuffle=2, smooth_l1_beta=0.02),
        dict(backbone="resnet18", height=64, width=32),
        dict(rates=(2.5, 8)),
        dict(optimizer="sgd"),
    ],
    ids=str,
)
def test_every_choice_trains(tiny_split: Split, changes: dict[str, Any]) -> None:
    t = Trainer(tiny(steps=2, **changes), tiny_split)
    before = snapshot(t.net)
    record = t.fit(bar=False)[-1]
    assert all(math.isfinite(value) for value in record.values())
    assert {name.split(".")[0] for name in moved(t.net, before)} >= {"E", "C"}


def test_branch_heads_add_the_classification_loss_on_f_and_on_g(tiny_split: Split) -> None:
    t = Trainer(tiny(auxiliary_heads=True), tiny_split)
    t.net.eval()
    batch = next(t.batches)
    out_H, out_L = t.forward(batch)
    ident, tri, _ = classification_terms(out_H, out_L, batch, t.loss)
    by_hand = nnf.cross_entropy(out_H.logits, batch.y_H) + nnf.cross_entropy(out_L.logits, batch.y_L)
    for out, y in ((out_H, batch.y_H), (out_L, batch.y_L)):
        assert len(out.branch_logits) == 2
        by_hand = by_hand + sum(nnf.cross_entropy(logits, y) for logits in out.branch_logits)
    assert ident.item() == pytest.approx(by_hand.item(), rel=1e-6)
    by_hand = torch.zeros(())
    for out, y in ((out_H, batch.y_H), (out_L, batch.y_L)):
        assert out.g is not None
        for u in (out.u, out.f.mean((2, 3)), out.g.mean((2, 3))):
            by_hand = by_hand + triplet(u, y, t.config.loss.margin)[0]
    assert tri.item() == pytest.approx(by_hand.item(), rel=1e-6)


def test_one_pass_or_two_differ_in_batchnorm_only(tiny_split: Split) -> None:
    one, two = (Trainer(tiny(joint_batchnorm=n), tiny_split) for n in (1, 2))
    batch = next(one.batches)
    for t in (one, two):
        t.net.eval()
    for a, b in zip(one.forward(batch), two.forward(batch), strict=True):
        torch.testing.assert_close(a, b)  # with fixed statistics there is nothing to tell them apart
    for t in (one, two):
        t.net.train()
    x_one, x_two = one.forward(batch)[1].x_hat, two.forward(batch)[1].x_hat
    assert x_one is not None
    assert not torch.allclose(x_one, x_two)  # type: ignore[arg-type]
    assert (one.net.E.resnet.bn1.num_batches_tracked, two.net.E.resnet.bn1.num_batches_tracked) == (1, 2)


# ------------------------------------------------------------------------------------------------ what is logged

ALL_KEYS = {
    "step",
    "L",
    "L_id",
    "L_tri",
    "L_adv_DF",
    "L_adv_DF_G",
    "L_rec",
    "L_adv_DI",
    "L_adv_DI_G",
    "D_F(f_H)",
    "D_F(f_L)",
    "D_I(x_H)",
    "D_I(G(f_L))",
    "active",
    "lr",
    "seconds",
    "accuracy",
}


def test_history_has_every_number_by_its_symbol(tiny_split: Split, tmp_path: Path) -> None:
    seen: list[dict[str, float]] = []
    t = Trainer(tiny(steps=7, log_every=3), tiny_split, tmp_path)
    history = t.fit(callback=seen.append, bar=False)
    assert [r["step"] for r in history] == [3, 6, 7]  # the last steps are logged too when log_every does not divide
    assert seen == history == t.history == read_history(tmp_path)
    for record in history:
        assert set(record) == ALL_KEYS
        for name in ("D_F(f_H)", "D_F(f_L)", "D_I(x_H)", "D_I(G(f_L))", "active", "accuracy"):
            assert 0 <= record[name] <= 1, name
        assert record["L_adv_DF"] <= 0
        assert record["L_adv_DI"] <= 0
    assert all(a["seconds"] <= b["seconds"] for a, b in pairwise(history))


def test_a_record_is_the_mean_over_its_steps(tiny_split: Split) -> None:
    each = Trainer(tiny(steps=6, log_every=1), tiny_split).fit(bar=False)
    means = Trainer(tiny(steps=6, log_every=3), tiny_split).fit(bar=False)
    for i, record in enumerate(means):
        for name in ALL_KEYS - {"step", "lr", "seconds"}:
            assert record[name] == pytest.approx(sum(r[name] for r in each[3 * i : 3 * i + 3]) / 3, rel=1e-5, abs=1e-6)


def test_active_and_accuracy_count_what_they_say(tiny_split: Split) -> None:
    t = Trainer(tiny(margin=0), tiny_split)
    batch = next(t.batches)
    t.net.eval()
    out_H, out_L = t.forward(batch)
    far_H, far_L = (100 * nnf.one_hot(y, 6).float() for y in (batch.y_H, batch.y_L))
    apart_H, apart_L = out_H._replace(u=far_H, logits=far_H), out_L._replace(u=far_L, logits=-far_L)
    record = update_G(t, batch, apart_H, apart_L)
    assert record["active"] == 0  # all identities are 100 apart: no triplet is left
    assert record["accuracy"] == 0.5  # HR all right, LR all wrong
    t = Trainer(tiny(margin=1e6), tiny_split)
    assert classification_terms(apart_H, apart_L, batch, t.loss)[2] == 1  # and with a huge margin all are active


@pytest.mark.parametrize(
    ("schedule", "warmup", "values"),
    [
        ("constant", 0, {0: 1, 50: 1, 99: 1}),
        ("step", 0, {0: 1, 49: 1, 50: 0.1, 74: 0.1, 75: 0.01, 99: 0.01}),
        ("cosine", 0, {0: 1, 25: 0.5 + 0.5 * 2**-0.5, 50: 0.5, 99: 0.5 * (1 + math.cos(0.99 * math.pi))}),
        ("constant", 4, {0: 0.25, 1: 0.5, 3: 1, 4: 1}),
    ],
)
def test_learning_rate_schedule(schedule: Any, warmup: int, values: dict[int, float]) -> None:
    config = tiny(steps=100, lr_schedule=schedule, warmup_steps=warmup)
    for step, factor in values.items():
        assert lr_factor(step, config) == pytest.approx(factor), step


def test_both_optimisers_follow_the_schedule(tiny_split: Split) -> None:
    t = Trainer(tiny(steps=4, log_every=1, lr_schedule="step", lr=0.01, lr_D=0.002), tiny_split)
    rates: list[tuple[float, float]] = []
    assert t.opt_D is not None
    opt_D = t.opt_D
    t.fit(callback=lambda r: rates.append((r["lr"], opt_D.param_groups[0]["lr"])), bar=False)
    assert rates == [pytest.approx(pair) for pair in ((0.01, 0.002), (0.01, 0.002), (0.001, 0.0002), (0.0001, 0.00002))]


def test_the_seed_decides_everything(tiny_split: Split) -> None:
    runs = [timeless(Trainer(tiny(steps=3, log_every=1, seed=s), tiny_split).fit(bar=False)) for s in (0, 0, 1)]
    assert runs[0] == runs[1] != runs[2]


def test_training_learns(tiny_split: Split) -> None:
    config = tiny(steps=40, log_every=8, lr=3e-3, decoder_width=4, lambda_rec=10, lambda_adv_DI=0.1)
    history = Trainer(config, tiny_split).fit(bar=False)
    assert history[-1]["L_id"] < 0.8 * history[0]["L_id"]
    assert history[-1]["L_rec"] < 0.85 * history[0]["L_rec"]
    assert history[-1]["accuracy"] > history[0]["accuracy"]


# ------------------------------------------------------------------------------------------------ bad numbers


@pytest.mark.parametrize(("log_every", "checkpoint_every"), [(1, 1), (10, 1), (1, 10), (10, 10)])
def test_nan_stops_and_keeps_the_last_good_checkpoint(
    tiny_split: Split, tmp_path: Path, log_every: int, checkpoint_every: int
) -> None:
    t = Trainer(tiny(log_every=log_every, checkpoint_every=checkpoint_every), tiny_split, tmp_path)
    t.fit(until=3, bar=False)
    good = (tmp_path / "checkpoint.pt").read_bytes()
    with torch.no_grad():
        t.net.C.fc.weight[0, 0] = float("nan")
    with pytest.raises(TrainingDiverged, match="no longer a number") as stopped:
        t.fit(bar=False)
    assert str(tmp_path / "checkpoint.pt") in str(stopped.value)
    assert "smaller lr" in str(stopped.value)
    assert (tmp_path / "checkpoint.pt").read_bytes() == good
    again = Trainer(t.config, tiny_split, tmp_path)
    assert again.resume()
    assert again.step_number == 3
    again.fit(bar=False)  # and from there it goes on
    reference = Trainer(t.config, tiny_split)
    reference.fit(bar=False)
    assert_same_run(again, reference)


def test_weights_that_blow_up_before_the_loss_does_are_not_saved(tiny_split: Split, tmp_path: Path) -> None:
    """The last step of a run can ruin the weights without any loss showing it: the loss was computed before."""
    config = tiny(steps=2, log_every=1, checkpoint_every=1, optimizer="sgd", lr=1e38, lr_schedule="constant")
    t = Trainer(config, tiny_split, tmp_path)
    with pytest.raises(TrainingDiverged, match="no longer a number"):
        t.fit(bar=False)
    if (tmp_path / "checkpoint.pt").exists():
        assert not not_finite(load_checkpoint(tmp_path / "checkpoint.pt")["net"])


def test_nan_before_the_first_checkpoint_says_so(tiny_split: Split) -> None:
    t = Trainer(tiny(), tiny_split)
    with torch.no_grad():
        t.net.C.fc.weight[0, 0] = float("inf")
    with pytest.raises(TrainingDiverged, match=r"no checkpoint yet"):
        t.fit(bar=False)


# ------------------------------------------------------------------------------------------------ checkpoints


@pytest.mark.parametrize(
    ("precision", "changes"),
    [
        ("fp32", {}),
        ("bf16", {}),
        ("fp32", dict(optimizer="sgd", joint_batchnorm=True, max_shift=2)),
        ("bf16", dict(auxiliary_heads=True)),
    ],
    ids=str,
)
def test_ten_steps_are_five_and_a_pause_and_five(
    tiny_split: Split, tmp_path: Path, precision: str, changes: dict[str, Any]
) -> None:
    config = tiny(precision=precision, log_every=3, **changes)  # 5 is in the middle of a record
    whole = Trainer(config, tiny_split, tmp_path / "whole")
    whole.fit(bar=False)
    first = Trainer(config, tiny_split, tmp_path / "parts")
    first.fit(until=5, bar=False)
    torch.manual_seed(999)  # whatever happens in between
    second = Trainer(config, tiny_split, tmp_path / "parts")
    assert second.resume()
    assert second.step_number == 5
    second.fit(bar=False)
    assert_same_run(whole, second)
    assert timeless(read_history(tmp_path / "whole")) == timeless(read_history(tmp_path / "parts"))
    assert same(next(whole.batches), next(second.batches))
    assert second.seconds > first.seconds  # time adds up over the parts


def test_a_baseline_without_judges_resumes_too(tiny_split: Split, tmp_path: Path) -> None:
    config = method("baseline_mlr", tiny(steps=4))
    whole, first = Trainer(config, tiny_split), Trainer(config, tiny_split, tmp_path)
    whole.fit(bar=False)
    first.fit(until=2, bar=False)
    second = Trainer(config, tiny_split, tmp_path)
    assert second.resume()
    second.fit(bar=False)
    assert_same_run(whole, second)


def test_a_checkpoint_holds_all_that_the_rest_depends_on(tiny_split: Split, tmp_path: Path) -> None:
    t = Trainer(tiny(steps=3), tiny_split, tmp_path)
    t.fit(bar=False)
    state = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert state["step"] == 3
    assert state["pids"] == sorted({s.pid for s in tiny_split.train})
    assert {"net", "opt_G", "opt_D", "batches", "rng", "seconds"} <= set(state)
    assert Config.from_dict(json.loads(state["config"])) == t.config
    assert Config.from_dict(json.loads((tmp_path / "config.json").read_text())) == t.config
    assert state["opt_G"]["state"][0]["step"] == 3
    assert set(state["batches"]) == {"H", "L", "generator"}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["checkpoint.pt", "config.json", "history.jsonl"]


def test_without_a_folder_nothing_is_written(
    tiny_split: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    t = Trainer(tiny(steps=2), tiny_split)
    t.fit(bar=False)
    assert not t.resume()
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_is_found_before_the_first_step(tiny_split: Split, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    t = Trainer(tiny(), tiny_split, tmp_path / "file" / "run")
    with pytest.raises(OSError, match="Choose another folder"):
        t.fit(bar=False)
    assert t.step_number == 0


def test_device_precision_and_logging_may_change_on_the_way(tiny_split: Split, tmp_path: Path) -> None:
    Trainer(tiny(), tiny_split, tmp_path).fit(until=4, bar=False)
    other = Trainer(tiny(precision="bf16", log_every=1, checkpoint_every=2, device="auto"), tiny_split, tmp_path)
    assert other.resume()
    assert other.step_number == 4


def test_a_setting_younger_than_a_checkpoint_had_its_default() -> None:
    theirs = tiny().to_dict()
    del theirs["optim"]["accumulate_grad_batches"]
    for state in ({"config": json.dumps(theirs)}, {"config": "{}", "identity": json.dumps(theirs)}):
        check_same_config(state, tiny())
        with pytest.raises(ValueError, match=r"configuration: .*accumulate_grad_batches was 1, now 2"):
            check_same_config(state, tiny(num_identities=4, accumulate_grad_batches=2))


def test_a_weights_file_may_move_on_the_way_and_not_change(tiny_split: Split, tmp_path: Path) -> None:
    first, second = tmp_path / "start.pth", tmp_path / "moved.pth"
    torch.save(resnet("slim", 8).state_dict(), first)
    Trainer(tiny(weights=str(first)), tiny_split, tmp_path / "run").fit(until=2, bar=False)
    first.rename(second)
    assert Trainer(tiny(weights=str(second)), tiny_split, tmp_path / "run").resume()
    torch.save(resnet("slim", 8).state_dict(), second)  # drawn anew
    with pytest.raises(ValueError, match=r"weights was 'file of SHA-256 .*, now 'file of SHA-256"):
        Trainer(tiny(weights=str(second)), tiny_split, tmp_path / "run").resume()


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        (dict(lr=0.5), r"lr was 0\.001, now 0\.5"),
        (dict(lambda_rec=2.0), r"lambda_rec was 1\.0, now 2\.0"),
        (dict(steps=20, margin=1.0), r"margin was 2\.0, now 1\.0; steps was 10, now 20"),
        (dict(lr=1, lr_D=1, margin=1, max_shift=1, seed=9), "and 1 more"),
    ],
)
def test_a_checkpoint_of_another_configuration_is_refused_by_name(
    tiny_split: Split, tmp_path: Path, changes: dict[str, Any], named: str
) -> None:
    Trainer(tiny(), tiny_split, tmp_path).fit(until=2, bar=False)
    kept = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    other = Trainer(tiny(**changes), tiny_split, tmp_path)
    with pytest.raises(ValueError, match=named) as refused:
        other.resume()
    assert "another folder" in str(refused.value)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == kept


def test_a_checkpoint_of_other_people_is_refused(tiny_split: Split, tmp_path: Path) -> None:
    Trainer(tiny(), tiny_split, tmp_path).fit(until=2, bar=False)
    others = replace(tiny_split, train=tuple(s for s in tiny_split.train if s.pid != 0))
    with pytest.raises(ValueError, match="other identities"):
        Trainer(tiny(), others, tmp_path).resume()


def test_a_checkpoint_of_other_images_of_these_people_is_refused(tiny_split: Split, tmp_path: Path) -> None:
    Trainer(tiny(), tiny_split, tmp_path).fit(until=2, bar=False)
    n = len(tiny_split.train)
    moved = (replace(tiny_split.train[0], camera=5), *tiny_split.train[1:])
    for train, count in ((tiny_split.train[1:], n - 1), (tiny_split.train[::-1], n), (moved, n)):
        other = Trainer(tiny(), replace(tiny_split, train=train), tmp_path)
        with pytest.raises(ValueError, match=rf"other images: {n} images .* {count} images .* now"):
            other.resume()
    state = load_checkpoint(tmp_path / "checkpoint.pt")
    del state["fingerprint"], state["identity"], state["codes"]  # as checkpoints were before they told
    torch.save(state, tmp_path / "checkpoint.pt")
    assert Trainer(tiny(), tiny_split, tmp_path).resume()


def test_a_checkpoint_knows_the_code_of_all_its_steps(
    tiny_split: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def go_on(code: str, until: int) -> Trainer:
        monkeypatch.setattr("cadnet_edu.training.trainer.code_version", lambda: code)
        t = Trainer(tiny(), tiny_split, tmp_path)
        t.resume()
        t.estimate(1)
        t.fit(until=until, bar=False)
        return t

    go_on("one", 2)
    go_on("one", 3)
    assert go_on("two", 4).codes == ["one", "two"]
    assert load_checkpoint(tmp_path / "checkpoint.pt")["codes"] == ["one", "two"]
    assert go_on("one", 5).codes == ["two", "one"]


def test_a_run_that_was_not_resumed_is_left_alone(tiny_split: Split, tmp_path: Path) -> None:
    Trainer(tiny(), tiny_split, tmp_path).fit(until=2, bar=False)
    kept = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    fresh = Trainer(tiny(), tiny_split, tmp_path)
    fresh.step()
    for begin in (fresh.save, fresh.fit):
        with pytest.raises(ValueError, match=r"there is a run in this folder\. Call resume\(\) before fit\(\)"):
            begin()
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == kept
    assert fresh.resume()
    assert [r["step"] for r in fresh.fit(bar=False)] == [r["step"] for r in read_history(tmp_path)]


def test_what_a_run_without_a_checkpoint_left_is_cleared_away(tiny_split: Split, tmp_path: Path) -> None:
    (tmp_path / "history.jsonl").write_text('{"step": 1, "L": 5.0}\n')
    t = Trainer(tiny(log_every=1), tiny_split, tmp_path)
    t.fit(until=2, bar=False)
    t.fit(until=3, bar=False)  # its own history goes on
    assert [r["step"] for r in read_history(tmp_path)] == [1, 2, 3]


class Evil:
    """An object whose unpickling runs code."""

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, ("touch hacked",)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def scribble(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[200:400] = bytes(200)
    data[-200:] = bytes(200)
    path.write_bytes(bytes(data))


DAMAGE: dict[str, Callable[[Path], Any]] = {
    "cut short": cut,
    "empty": lambda path: path.write_bytes(b""),
    "overwritten": scribble,
    "text": lambda path: path.write_text("hello"),
    "code": lambda path: torch.save(Evil(), path),
    "bare weights": lambda path: torch.save({"weight": torch.zeros(2)}, path),
    "a tensor": lambda path: torch.save(torch.zeros(2), path),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_a_damaged_checkpoint_is_told_in_a_sentence(
    tiny_split: Split, tmp_path: Path, damage: Callable[[Path], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    out = tmp_path / "run"
    Trainer(tiny(), tiny_split, out).fit(until=1, bar=False)
    damage(out / "checkpoint.pt")
    for attempt in (Trainer(tiny(), tiny_split, out).resume, lambda: load_network(out)):
        with pytest.raises(ValueError, match=r"checkpoint\.pt: .*(damaged|no checkpoint)") as told:
            attempt()
        assert "\n" not in str(told.value)
    assert not (tmp_path / "hacked").exists()


def test_a_missing_checkpoint_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Train first: cadnet-edu train"):
        load_network(tmp_path)


def test_weights_of_another_version_are_refused_and_nothing_is_half_loaded(tiny_split: Split, tmp_path: Path) -> None:
    t = Trainer(tiny(), tiny_split, tmp_path)
    t.fit(until=1, bar=False)
    state = load_checkpoint(tmp_path / "checkpoint.pt")
    state["net"]["C.fc.bias"] = torch.zeros(99)
    torch.save(state, tmp_path / "checkpoint.pt")
    fresh = Trainer(tiny(), tiny_split, tmp_path)
    with pytest.raises(ValueError, match=r"do not fit this network \(.*C\.fc\.bias"):
        fresh.resume()
    assert fresh.step_number == 0
    with pytest.raises(ValueError, match="another version"):
        load_network(tmp_path)


def test_load_network_gives_what_was_trained_and_leaves_random_numbers_alone(tiny_split: Split, tmp_path: Path) -> None:
    t = Trainer(tiny(), tiny_split, tmp_path)
    t.fit(until=3, bar=False)
    torch.manual_seed(5)
    before = torch.get_rng_state()
    net, config = load_network(tmp_path)
    assert torch.equal(torch.get_rng_state(), before)
    assert config == t.config
    assert not any(m.training for m in net.modules())
    assert same(dict(net.state_dict()), dict(t.net.state_dict()))
    x = torch.rand(2, 3, 32, 16)
    assert torch.equal(net.embed(x), t.net.eval().embed(x))


def test_a_network_loads_without_asking_for_imagenet_weights_again(tiny_split: Split, tmp_path: Path) -> None:
    t = Trainer(tiny(), tiny_split, tmp_path)
    t.fit(until=1, bar=False)
    state = load_checkpoint(tmp_path / "checkpoint.pt")
    state["config"] = json.dumps(t.config.replace(weights="/no/such/file").to_dict())
    torch.save(state, tmp_path / "checkpoint.pt")
    assert load_network(tmp_path)[1].model.weights == "/no/such/file"


def test_tensors_are_read_onto_the_cpu_to_resume(
    tiny_split: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a GPU the states of random number generators must not follow the weights there: they cannot be set from it."""
    Trainer(tiny(), tiny_split, tmp_path).fit(until=1, bar=False)
    asked: list[Any] = []
    load = torch.load

    def spy(*arguments: Any, **named: Any) -> Any:
        asked.append(named["map_location"])
        return load(*arguments, **named)

    monkeypatch.setattr(torch, "load", spy)
    Trainer(tiny(), tiny_split, tmp_path).resume()
    assert [str(a) for a in asked] == ["cpu"]


def test_estimate_leaves_no_trace(tiny_split: Split, tmp_path: Path) -> None:
    plain, estimated = Trainer(tiny(), tiny_split), Trainer(tiny(), tiny_split, tmp_path)
    assert estimated.estimate() > 0
    assert not list(tmp_path.iterdir())
    assert_same_run(plain, estimated)
    for t in (plain, estimated):
        t.fit(until=5, bar=False)
    assert estimated.estimate(2) > 0  # in the middle as well
    assert_same_run(plain, estimated)
    for t in (plain, estimated):
        t.fit(bar=False)
    assert_same_run(plain, estimated)
    assert estimated.estimate() == 0  # nothing is left to do


# ------------------------------------------------------------------------------------------------ killed, cut, full

SCRIPT = """
import json, os, signal, sys, time
tests, out, config, die_in_save = sys.argv[1:]
sys.path.insert(0, tests)
from people import noise_split
from cadnet_edu.config import Config
from cadnet_edu.training.trainer import Trainer

replace, saves = os.replace, [0]

def deadly(source, target):
    if str(target).endswith("checkpoint.pt"):
        saves[0] += 1
        if saves[0] == int(die_in_save):
            os.kill(os.getpid(), signal.SIGKILL)  # the new file is written, but not yet in its place
    replace(source, target)

os.replace = deadly
trainer = Trainer(Config.from_dict(json.loads(config)), noise_split(), out)
print("resumed", trainer.resume(), trainer.step_number, flush=True)

def slowly(record):
    print("step", record["step"], flush=True)
    time.sleep(0.05)

trainer.fit(callback=slowly, bar=False)
"""


def start(config: Config, out: Path, die_in_save: int = 0) -> subprocess.Popen[str]:
    """Train in a process of its own; it can be made to kill itself while it puts its n-th checkpoint in place."""
    arguments = [str(Path(__file__).parent), str(out), json.dumps(config.to_dict()), str(die_in_save)]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, "-c", SCRIPT, *arguments], stdout=subprocess.PIPE, text=True, env=env)


def test_kill_9_and_resume_is_never_interrupted(tiny_split: Split, tmp_path: Path) -> None:
    """Killed before the first checkpoint, begun again and killed while it wrote the second: nothing is lost."""
    out, config = tmp_path / "run", tiny(log_every=1, checkpoint_every=3)

    def run_until(line: str | None, die_in_save: int = 0) -> list[str]:
        process, said = start(config, out, die_in_save), []
        assert process.stdout is not None
        for text in process.stdout:
            said.append(text.strip())
            if said[-1] == line:
                process.send_signal(signal.SIGKILL)
                break
        process.stdout.close()
        assert process.wait() == -signal.SIGKILL
        return said

    run_until("step 2")
    assert not (out / "checkpoint.pt").exists()
    said = run_until(None, die_in_save=2)  # of checkpoints at 3 and 6
    assert said[:2] == ["resumed False 0", "step 1"]
    assert said[-1] == "step 6"
    assert load_checkpoint(out / "checkpoint.pt")["step"] == 3
    assert list(out.glob(".*.part"))
    last, whole = Trainer(config, tiny_split, out), Trainer(config, tiny_split, tmp_path / "whole")
    assert last.resume()
    assert last.step_number == 3
    last.fit(bar=False)
    whole.fit(bar=False)
    assert_same_run(last, whole)
    assert timeless(read_history(out)) == timeless(read_history(tmp_path / "whole"))
    assert [r["step"] for r in read_history(out)] == list(range(1, 11))
    assert sorted(p.name for p in out.iterdir()) == ["checkpoint.pt", "config.json", "history.jsonl"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_run_that_is_told_to_stop_saves_what_it_has(
    tiny_split: Split, tmp_path: Path, number: signal.Signals
) -> None:
    """Long before its first checkpoint is due; and it goes on as if nothing had been."""
    out, config = tmp_path / "run", tiny(steps=200, log_every=1, checkpoint_every=200)
    process = start(config, out)
    assert process.stdout is not None
    for text in process.stdout:
        if text == "step 3\n":
            process.send_signal(number)
            break
    rest = process.stdout.read()
    assert process.wait() in ([143] if number == signal.SIGTERM else [1, 130, -signal.SIGINT]), rest
    done = load_checkpoint(out / "checkpoint.pt")["step"]
    assert 3 <= done < 200
    assert [r["step"] for r in read_history(out)] == list(range(1, done + 1))
    last, whole = Trainer(config, tiny_split, out), Trainer(config, tiny_split)
    assert last.resume()
    last.fit(until=done + 2, bar=False)
    whole.fit(until=done + 2, bar=False)
    assert_same_run(last, whole)


def test_signals_are_left_as_they_were(tiny_split: Split) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    seen: list[Any] = []
    Trainer(tiny(log_every=1), tiny_split).fit(
        until=1, bar=False, callback=lambda _: seen.append(signal.getsignal(signal.SIGINT))
    )
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
    assert seen
    assert seen[0] not in before


def test_a_second_interrupt_ends_at_once_and_an_ignored_signal_stays_ignored() -> None:
    with StopSignals() as stop:
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.number == signal.SIGINT
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as of a command that a shell put into the background
    try:
        with StopSignals() as stop:
            os.kill(os.getpid(), signal.SIGINT)
            assert stop.number is None
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def float64_by_default() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize(
    ("setting", "named"),
    [
        (float64_by_default, r"torch\.set_default_dtype\(torch\.float32\)"),
        (torch.no_grad, r"no_grad\(\) block, or call torch\.set_grad_enabled\(True\)"),
        (torch.inference_mode, r"in torch\.inference_mode\(\)"),
    ],
)
def test_global_settings_of_torch_that_are_in_the_way_are_named(
    tiny_split: Split, setting: Callable[[], Any], named: str
) -> None:
    trainer = Trainer(tiny(), tiny_split)
    with setting():
        with pytest.raises(ValueError, match=named):
            Trainer(tiny(), tiny_split)
        with pytest.raises(ValueError, match=named):
            trainer.fit(bar=False)
    assert trainer.step_number == 0


def test_a_history_line_cut_short_is_left_out_and_made_again(tiny_split: Split, tmp_path: Path) -> None:
    config = tiny(log_every=1, checkpoint_every=3)
    t = Trainer(config, tiny_split, tmp_path)
    t.fit(until=3, bar=False)
    for _ in range(2):  # two more records after the last checkpoint, the second only in part
        t._add(t.step())
        t._log()
    path = tmp_path / "history.jsonl"
    path.write_text(path.read_text()[:-20])
    assert [r["step"] for r in read_history(tmp_path)] == [1, 2, 3, 4]
    again, whole = Trainer(config, tiny_split, tmp_path), Trainer(config, tiny_split)
    again.resume()
    assert [r["step"] for r in again.history] == [1, 2, 3]
    again.fit(bar=False)
    whole.fit(bar=False)
    assert_same_run(again, whole)
    assert timeless(read_history(tmp_path)) == timeless(whole.history)


@contextmanager
def disk_of(size: int) -> Iterator[None]:
    """No file may grow beyond this many bytes: the operating system itself refuses to write on, as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("room", [0, 2000, 30_000])
def test_a_full_disk_keeps_the_old_checkpoint(tiny_split: Split, tmp_path: Path, room: int) -> None:
    config = tiny(log_every=10)
    t = Trainer(config, tiny_split, tmp_path)
    t.fit(until=4, bar=False)
    kept = (tmp_path / "checkpoint.pt").read_bytes()
    assert len(kept) > 30_000
    t._add(t.step())
    with disk_of(room), pytest.raises(OSError, match="could not be saved") as told:
        t.save()
    assert "What was there before is untouched" in str(told.value)
    assert "Free some space" in str(told.value)
    assert (tmp_path / "checkpoint.pt").read_bytes() == kept
    assert not list(tmp_path.glob(".*"))
    again, whole = Trainer(config, tiny_split, tmp_path), Trainer(config, tiny_split)
    assert again.resume()
    assert again.step_number == 4
    again.fit(bar=False)
    whole.fit(bar=False)
    assert_same_run(again, whole)


def test_a_full_disk_while_logging_is_told_and_loses_nothing(tiny_split: Split, tmp_path: Path) -> None:
    config = tiny(log_every=1, checkpoint_every=3)
    t = Trainer(config, tiny_split, tmp_path)
    t.fit(until=3, bar=False)
    size = (tmp_path / "history.jsonl").stat().st_size
    room = max(size + 50, (tmp_path / "config.json").stat().st_size + 10)
    with disk_of(room), pytest.raises(OSError, match=r"history\.jsonl cannot be written"):
        t.fit(bar=False)
    again, whole = Trainer(config, tiny_split, tmp_path), Trainer(config, tiny_split)
    assert again.resume()
    again.fit(bar=False)
    whole.fit(bar=False)
    assert_same_run(again, whole)
    assert timeless(read_history(tmp_path)) == timeless(whole.history)


# ------------------------------------------------------------------------------------------------ devices


@pytest.mark.parametrize("name", ["gpu", "cuda:99", "", "xpu:77", "hpu", "cpu:-3"])
def test_a_device_that_is_not_there_is_told_in_a_sentence(name: str) -> None:
    with pytest.raises(ValueError, match=r"cannot be used here .*Use device cpu") as told:
        choose_device(name)
    assert "\n" not in str(told.value)


def test_auto_takes_the_best_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert choose_device("auto") == torch.device("cpu") == choose_device("cpu")


@pytest.mark.parametrize(
    ("capabilities", "precision"),
    [
        ({}, "fp32"),
        ({"avx512_bf16": False, "amx_bf16": False}, "fp32"),
        ({"avx512_bf16": True}, "bf16"),
        ({"amx_bf16": True}, "bf16"),
    ],
    ids=str,
)
def test_precision_auto_asks_the_processor(
    monkeypatch: pytest.MonkeyPatch, capabilities: dict[str, bool], precision: str
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    assert choose_precision("auto", torch.device("cpu")) == precision
    assert choose_precision("fp32", torch.device("cpu")) == "fp32"
    assert choose_precision("bf16", torch.device("cpu")) == "bf16"


def test_precision_auto_on_an_older_torch_that_cannot_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert choose_precision("auto", torch.device("cpu")) == "fp32"
    assert choose_precision("auto", torch.device("mps")) == "fp32"


def test_bf16_keeps_weights_and_losses_in_float32(tiny_split: Split) -> None:
    t = Trainer(tiny(precision="bf16"), tiny_split)
    record = t.step()
    assert {v.dtype for v in record.values()} == {torch.float32}
    assert {p.dtype for p in t.net.parameters()} == {torch.float32}
    with autocast(t.device, t.precision):
        assert t.forward(next(t.batches))[0].f.dtype == torch.bfloat16  # and yet the maps really are


def test_the_paper_s_network_steps_on_a_device_without_memory(
    monkeypatch: pytest.MonkeyPatch, tiny_split: Split
) -> None:
    """Sec. 4.1 to the letter, on the ``meta`` device: every shape is computed, no number is.

    Nothing in a step may ask for a number on its way: on a GPU each such question makes the processor wait. Only the
    mining of triplets asks, so it is stood in for.
    """

    def L_tri(u_H: torch.Tensor, y_H: torch.Tensor, u_L: torch.Tensor, y_L: torch.Tensor, *_: Any) -> Any:
        assert u_H.shape == u_L.shape == (32, 4096)
        return u_H.sum() + u_L.sum(), u_H.sum().detach()

    monkeypatch.setattr("cadnet_edu.training.objective.L_tri", L_tri)
    monkeypatch.setattr(train_module, "autocast", lambda *_: torch.autocast("cpu", enabled=False))
    monkeypatch.setattr(torch.nn.init, "kaiming_normal_", lambda w, **_: w)  # random numbers nobody will look at
    monkeypatch.setattr(torch.nn.init, "xavier_uniform_", lambda w, **_: w)
    monkeypatch.setattr(torch.nn.init, "kaiming_uniform_", lambda w, **_: w)
    config = Config().replace(weights="none", device="meta", num_identities=4, num_instances=8)
    t = Trainer(config, tiny_split)
    batch = next(t.batches)
    assert batch.x_H.shape == batch.x_L.shape == (32, 3, 256, 128)
    out_H, out_L = t.forward(batch)
    for out in (out_H, out_L):
        assert out.x_hat is not None
        assert out.g is not None
        assert out.f.shape == out.g.shape == (32, 2048, 8, 4)
        assert out.v.shape == (32, 4096, 8, 4)
        assert out.x_hat.shape == (32, 3, 256, 128)
        assert out.logits.shape == (32, 6)
    assert ALL_KEYS - {"step", "lr", "seconds"} == set(t.step(batch))
    assert t.opt_D is not None
    assert len(t.opt_G.state) + len(t.opt_D.state) == len(list(t.net.parameters()))  # each had a gradient


# ------------------------------------------------------------------------------------------------ data that cannot work


@pytest.mark.parametrize(("identities", "images"), [(7, 2), (60, 4)])
def test_too_many_identities_for_the_data_is_a_sentence(tiny_split: Split, identities: int, images: int) -> None:
    with pytest.raises(ValueError, match=rf"{identities} identities cannot be drawn from 6"):
        Trainer(tiny(num_identities=identities, num_instances=images), tiny_split)


def test_an_identity_with_one_image_is_a_sentence(tiny_split: Split) -> None:
    lonely = replace(tiny_split, train=tiny_split.train[5:])  # of the first identity's six images one is left
    with pytest.raises(ValueError, match="have a single image"):
        Trainer(tiny(), lonely)


@pytest.mark.parametrize(
    "field",
    [
        "optimizer",
        "lr_schedule",
        "mining",
        "gan_loss",
        "reduction",
        "features",
        "skips",
        "backbone",
        "precision",
        "walkers_size",
        "last_stride",
    ],
)
def test_a_misspelt_choice_is_refused_and_not_taken_for_another(field: str) -> None:
    with pytest.raises(ValueError, match=rf"{field} = 'sdg': choose one of"):
        tiny(**{field: "sdg"})


# ------------------------------------------------------------------------------------------------ parts and stages


def test_images_without_labels_teach_recovery_only(tiny_split: Split) -> None:
    """They join eq. (1)-(3) and stay out of eq. (4): L_cls and its gradient are those of the labelled images alone."""
    t = Trainer(tiny(label_fraction=0.5, unlabelled_batch_size=3, joint_batchnorm=True), tiny_split)
    t.net.eval()  # BatchNorm would make every answer depend on the whole batch
    batch = next(t.batches)
    n = len(batch.y_H)
    assert (len(batch.x_H), len(batch.x_L), len(batch.x_L_gt), len(batch.r_L)) == (n + 3,) * 4
    out_H, out_L = t.forward(batch)
    for out, x in ((out_H, batch.x_H), (out_L, batch.x_L)):
        assert out.x_hat is not None
        assert (len(out.f), len(out.x_hat), len(out.u), len(out.logits)) == (n + 3, n + 3, n, n)
        alone = t.net(x)
        torch.testing.assert_close(out.x_hat, alone.x_hat)
        torch.testing.assert_close(out.logits, alone.logits[:n])


def test_labels_of_a_share_of_the_identities(tiny_split: Split) -> None:
    everyone = {s.pid for s in tiny_split.train}
    t = Trainer(tiny(label_fraction=0.5), tiny_split)
    assert set(t.pids) < everyone
    assert len(t.pids) == round(len(everyone) / 2)
    assert t.net.C.fc.out_features == len(t.pids)
    assert int((t.batches.y >= 0).sum()) == sum(s.pid in t.pids for s in tiny_split.train)
    assert len(t.batches.images) == len(tiny_split.train)  # the others stay, as images


def test_the_control_has_two_encoders_that_see_the_same_image(tiny_split: Split) -> None:
    t = Trainer(method("two_encoders", tiny(auxiliary_heads=True)), tiny_split)
    assert [n for n in ("E", "G", "F", "C", "D_F", "D_I") if getattr(t.net, n) is not None] == ["E", "F", "C"]
    t.net.eval()
    x = torch.rand(2, 3, 32, 16)
    out = t.net(x)
    torch.testing.assert_close(out.g, t.net.F(x).f)
    assert out.x_hat is None


@pytest.mark.parametrize("name", ["f_only", "g_only", "without_adv_DI", "without_adv_DF", "without_rec", "without_cls"])
def test_an_ablation_takes_away_what_its_name_says(tiny_split: Split, name: str) -> None:
    t = Trainer(method(name, tiny(auxiliary_heads=True, steps=2)), tiny_split)
    before = snapshot(t.net)
    record = t.step()
    parts = {part for part in ("E", "G", "F", "C", "D_F", "D_I") if getattr(t.net, part) is not None}
    missing = {"f_only": {"F"}, "without_adv_DI": {"D_I"}, "without_adv_DF": {"D_F"}}.get(name, set())
    assert parts == {"E", "G", "F", "C", "D_F", "D_I"} - missing
    assert ("L_rec" in record) == (name != "without_rec")
    learning = {n.split(".")[0] for n in moved(t.net, before) if "running" not in n and "num_batches" not in n}
    assert ("C" in learning) == (name != "without_cls")
    assert {"E", "G"} <= learning
