"""The trainer: which update moves what, every variant trains, what a history holds, and where training must stop."""

import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from updates import NO_GAN, built, in_D, moved, plain, snapshot, timeless, trained, update_D, update_G

from cadnet_edu.data.samples import Split
from cadnet_edu.methods import method
from cadnet_edu.training import trainer as train_module
from cadnet_edu.training.checkpoints import load_checkpoint, read_history
from cadnet_edu.training.devices import autocast
from cadnet_edu.training.trainer import Trainer, TrainingDiverged, frozen, lr_factor, not_finite


@pytest.mark.parametrize(("precision", "joint"), [("fp32", False), ("bf16", True)])
def test_each_update_moves_its_own_networks_and_no_other(tiny_split: Split, precision: str, joint: bool) -> None:
    t = Trainer(plain(precision=precision, joint_batchnorm=joint), tiny_split)
    t.net.train()
    batch = next(t.batches)
    with autocast(t.device, t.precision):
        outs = t.forward(batch)
    weights = {name for name, _ in t.net.named_parameters() if name.endswith("weight")}
    before = snapshot(t.net)
    update_D(t, batch, *outs)
    changed = moved(t.net, before)
    assert all(in_D(name) for name in changed)
    assert {name for name in weights if in_D(name)} <= changed  # every layer of both discriminators learns
    assert all(p.grad is None for p in t.net.parameters())
    before = snapshot(t.net)
    update_G(t, batch, *outs)
    changed = moved(t.net, before)
    assert not any(in_D(name) for name in changed)
    assert {name for name in weights if not in_D(name)} <= changed
    for name, p in t.net.named_parameters():
        assert p.requires_grad, name  # frozen for the step, not for good
        assert p.grad is None or not in_D(name), f"a gradient was left in {name}"


def test_frozen_lets_go_even_when_the_step_fails() -> None:
    layer = torch.nn.Linear(2, 2)
    with frozen(layer, None):
        assert not layer.weight.requires_grad
    with pytest.raises(RuntimeError), frozen(layer, None):
        layer(torch.zeros(2)).sum().backward()  # there is nothing left to send a gradient to
    assert layer.weight.requires_grad


@pytest.mark.parametrize("name", ["baseline_hr", "baseline_mlr", "baseline_mlr_long"])
def test_a_baseline_is_an_encoder_and_a_classifier(tiny_split: Split, name: str) -> None:
    t = Trainer(method(name, plain()), tiny_split)
    assert built(t.net) == {"E", "C"}
    assert t.opt_D is None
    batch = next(t.batches)
    assert torch.equal(batch.x_L, batch.x_L_gt) == (name == "baseline_hr")
    record = t.step(batch)
    torch.testing.assert_close(record["L"], record["L_id"] + record["L_tri"])


LOGGED_D_F = {"L_adv_DF", "L_adv_DF_G", "D_F(f_H)", "D_F(f_L)"}
LOGGED_D_I = {"L_adv_DI", "L_adv_DI_G", "D_I(x_H)", "D_I(G(f_L))"}
LOGGED = {"L", "L_id", "L_tri", "L_rec", "active", "accuracy"} | LOGGED_D_F | LOGGED_D_I


@pytest.mark.parametrize(
    ("name", "network", "terms"),
    [
        ("cadnet", "", set()),
        ("f_only", "F", set()),
        ("g_only", "", set()),
        ("without_adv_DI", "D_I", LOGGED_D_I),
        ("without_adv_DF", "D_F", LOGGED_D_F),
        ("without_rec", "", {"L_rec"}),
        ("without_cls", "", set()),
    ],
)
def test_an_ablation_takes_away_what_its_name_says(tiny_split: Split, name: str, network: str, terms: set[str]) -> None:
    t = Trainer(method(name, plain(auxiliary_heads=True)), tiny_split)
    before = snapshot(t.net)
    assert LOGGED - set(t.step()) == terms
    assert built(t.net) == {"E", "G", "F", "C", "D_F", "D_I"} - {network}
    assert all(p.grad is None for p in t.net.parameters())  # none is left in a discriminator either
    learning = {n.split(".")[0] for n in moved(t.net, before) if "running" not in n and "num_batches" not in n}
    assert ("C" in learning) == (name != "without_cls")
    assert {"E", "G"} <= learning


def test_the_control_has_two_encoders_that_see_the_same_image(tiny_split: Split) -> None:
    t = Trainer(method("two_encoders", plain(auxiliary_heads=True)), tiny_split)
    assert built(t.net) == {"E", "F", "C"}
    t.net.eval()
    x = torch.rand(2, 3, 32, 16)
    out = t.net(x)
    torch.testing.assert_close(out.g, t.net.F(x).f)
    assert out.x_hat is None


@pytest.mark.parametrize(
    "changes",
    [
        dict(skips="none", mining="batch_all", gan_loss="minimax", reduction="sum", rates=(2.5, 8)),
        dict(skips="encoder+residual", joint_batchnorm=True, pixel_shuffle=2, smooth_l1_beta=0.02, bnneck=True,
             auxiliary_heads=True, d_batch_size=2, decoder_grad_scale=0.1),
        dict(joint_batchnorm=True, features="f", lambda_rec=0, lambda_adv_DI=0),
        dict(use_decoder=False, **NO_GAN),
        dict(label_fraction=0.5, unlabelled_batch_size=3, max_shift=2, last_stride=2, optimizer="sgd"),
        dict(label_fraction=0.5, unlabelled_batch_size=3, joint_batchnorm=True, flip=False),
        dict(backbone="resnet18", height=64, width=32),
    ],
    ids=str,
)  # fmt: skip
def test_every_choice_trains(tiny_split: Split, changes: dict[str, Any]) -> None:
    t = Trainer(plain(steps=2, **changes), tiny_split)
    before = snapshot(t.net)
    record = t.fit(bar=False)[-1]
    assert all(math.isfinite(value) for value in record.values())
    assert {name.split(".")[0] for name in moved(t.net, before)} >= {"E", "C"}


def test_one_pass_or_two_differ_in_batchnorm_only(tiny_split: Split) -> None:
    one, two = (Trainer(plain(joint_batchnorm=joint), tiny_split) for joint in (True, False))
    batch = next(one.batches)
    for t in (one, two):
        t.net.eval()
    for a, b in zip(one.forward(batch), two.forward(batch), strict=True):
        torch.testing.assert_close(a, b)  # with fixed statistics there is nothing to tell them apart
    for t in (one, two):
        t.net.train()
    x_one, x_two = one.forward(batch)[1].x_hat, two.forward(batch)[1].x_hat
    assert not torch.allclose(x_one, x_two)
    assert (one.net.E.resnet.bn1.num_batches_tracked, two.net.E.resnet.bn1.num_batches_tracked) == (1, 2)


def test_labels_of_a_share_of_the_identities(tiny_split: Split) -> None:
    everyone = {s.pid for s in tiny_split.train}
    t = Trainer(plain(label_fraction=0.5), tiny_split)
    assert set(t.pids) < everyone
    assert len(t.pids) == round(len(everyone) / 2) == t.net.C.fc.out_features
    assert int((t.batches.y >= 0).sum()) == sum(s.pid in t.pids for s in tiny_split.train)
    assert len(t.batches.images) == len(tiny_split.train)  # the others stay, as images


def test_history_has_every_number_by_its_symbol_and_each_is_the_mean_over_its_steps(
    tiny_split: Split, tmp_path: Path
) -> None:
    seen: list[dict[str, float]] = []
    t = Trainer(plain(steps=5, log_every=3), tiny_split, tmp_path)
    history = t.fit(callback=seen.append, bar=False)
    assert [r["step"] for r in history] == [3, 5]  # the last steps are logged too when log_every does not divide
    assert seen == history == t.history == read_history(tmp_path)
    assert all(a["seconds"] <= b["seconds"] for a, b in pairwise(history))
    each = trained(plain(steps=5, log_every=1), tiny_split).history
    for record, steps in zip(history, (each[:3], each[3:]), strict=True):
        assert record.keys() == each[0].keys() >= {"step", "L", "L_rec", "lr", "seconds", "accuracy"}
        for name in record.keys() - {"step", "lr", "seconds"}:
            assert record[name] == pytest.approx(sum(r[name] for r in steps) / len(steps), rel=1e-5, abs=1e-6)
        assert all(0 <= record[name] <= 1 for name in record if name.startswith("D_") or name in ("active", "accuracy"))
        assert record["L_adv_DF"] <= 0 >= record["L_adv_DI"]


@pytest.mark.parametrize(
    ("schedule", "warmup", "values"),
    [
        ("constant", 4, {0: 0.25, 1: 0.5, 3: 1, 4: 1, 99: 1}),
        ("step", 0, {0: 1, 49: 1, 50: 0.1, 74: 0.1, 75: 0.01, 99: 0.01}),
        ("cosine", 0, {0: 1, 25: 0.5 + 0.5 * 2**-0.5, 50: 0.5, 99: 0.5 * (1 + math.cos(0.99 * math.pi))}),
    ],
)
def test_learning_rate_schedule(schedule: str, warmup: int, values: dict[int, float]) -> None:
    config = plain(steps=100, lr_schedule=schedule, warmup_steps=warmup)
    for step, factor in values.items():
        assert lr_factor(step, config) == pytest.approx(factor), step


def test_both_optimisers_follow_the_schedule(tiny_split: Split) -> None:
    t = Trainer(plain(steps=4, log_every=1, lr_schedule="step", lr=0.01, lr_D=0.002), tiny_split)
    rates: list[tuple[float, float]] = []
    opt_D = t.opt_D
    t.fit(callback=lambda r: rates.append((r["lr"], opt_D.param_groups[0]["lr"])), bar=False)
    assert rates == [pytest.approx(pair) for pair in ((0.01, 0.002), (0.01, 0.002), (0.001, 0.0002), (0.0001, 0.00002))]


def test_the_seed_decides_everything(tiny_split: Split) -> None:
    runs = [timeless(trained(plain(steps=2, seed=s), tiny_split).history) for s in (0, 0, 1)]
    assert runs[0] == runs[1] != runs[2]


def test_training_learns(tiny_split: Split) -> None:
    config = plain(steps=40, log_every=8, lr=3e-3, decoder_width=4, lambda_rec=10, lambda_adv_DI=0.1)
    history = trained(config, tiny_split).history
    assert history[-1]["L_id"] < 0.8 * history[0]["L_id"]
    assert history[-1]["L_rec"] < 0.85 * history[0]["L_rec"]
    assert history[-1]["accuracy"] > history[0]["accuracy"]


@pytest.mark.parametrize(("log_every", "checkpoint_every"), [(10, 1), (1, 10)])
def test_nan_stops_and_keeps_the_last_good_checkpoint(
    tiny_split: Split, tmp_path: Path, log_every: int, checkpoint_every: int
) -> None:
    t = trained(plain(log_every=log_every, checkpoint_every=checkpoint_every), tiny_split, tmp_path, until=2)
    good = (tmp_path / "checkpoint.pt").read_bytes()
    with torch.no_grad():
        t.net.C.fc.weight[0, 0] = float("nan")
    with pytest.raises(TrainingDiverged, match=r"no longer a number.*smaller lr") as stopped:
        t.fit(bar=False)
    assert str(tmp_path / "checkpoint.pt") in str(stopped.value)
    assert (tmp_path / "checkpoint.pt").read_bytes() == good
    t = Trainer(plain(), tiny_split)
    with torch.no_grad():
        t.net.C.fc.weight[0, 0] = float("inf")
    with pytest.raises(TrainingDiverged, match=r"no checkpoint yet"):
        t.fit(bar=False)


def test_weights_that_blow_up_before_the_loss_does_are_not_saved(tiny_split: Split, tmp_path: Path) -> None:
    """The last step of a run can ruin the weights without any loss showing it: the loss was computed before."""
    config = plain(steps=2, log_every=1, checkpoint_every=1, optimizer="sgd", lr=1e38, lr_schedule="constant")
    with pytest.raises(TrainingDiverged, match="no longer a number"):
        trained(config, tiny_split, tmp_path)
    if (tmp_path / "checkpoint.pt").exists():
        assert not not_finite(load_checkpoint(tmp_path / "checkpoint.pt")["net"])


def test_a_step_reads_no_number_on_its_way(monkeypatch: pytest.MonkeyPatch, tiny_split: Split) -> None:
    """On the ``meta`` device every shape is computed and no number is: reading one would make a GPU's processor wait.

    Only the mining of triplets reads some, so it is stood in for.
    """

    def L_tri(u_H: torch.Tensor, y_H: torch.Tensor, u_L: torch.Tensor, *_: Any) -> Any:
        return u_H.sum() + u_L.sum(), u_H.sum().detach()

    monkeypatch.setattr("cadnet_edu.training.objective.L_tri", L_tri)
    monkeypatch.setattr(train_module, "autocast", lambda *_: torch.autocast("cpu", enabled=False))
    t = Trainer(plain(device="meta", optimizer="sgd"), tiny_split)
    assert {"L", "L_rec", "D_I(G(f_L))", "accuracy"} <= set(t.step())
    assert len(t.opt_G.state) + len(t.opt_D.state) == len(list(t.net.parameters()))  # each had a gradient
