"""Evaluating a model: retrieval at each rate, and image quality."""

import importlib
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio
from torch import Tensor, nn
from tqdm.auto import tqdm

from cadnet_edu.data.resolution import degrade, mlr
from cadnet_edu.data.samples import Sample, Split, load_images
from cadnet_edu.evaluation.evaluate import Evaluator, embed, evaluate, image_quality
from cadnet_edu.evaluation.image_quality import ssim
from cadnet_edu.evaluation.model import Model
from cadnet_edu.methods.cadnet import model_of
from cadnet_edu.models.cadnet import CADNet

SIZE = (32, 16)


def mean_colours(x: Tensor) -> Tensor:
    """A model without weights: mean colours of eight stripes."""
    return nn.functional.adaptive_avg_pool2d(x, (8, 1)).flatten(1)


def network(features: str = "joint") -> CADNet:
    """A small network with BatchNorm everywhere, as it comes out of training: in training mode."""
    torch.manual_seed(0)
    net = CADNet(4, SIZE, backbone="slim", backbone_width=8, decoder_width=2, discriminator_width=8, features=features)
    for _ in range(3):
        net(torch.rand(8, 3, *SIZE))
    return net.train()


def test_queries_are_low_resolution_and_the_gallery_never_is(tiny_split: Split) -> None:
    seen: list[Tensor] = []

    def model(x: Tensor) -> Tensor:
        seen.append(x.clone())
        return mean_colours(x)

    assert list(evaluate(model, tiny_split, (1, 2.5, 8.0), size=SIZE, quality=False)) == ["1", "2.5", "8"]
    query, gallery = (load_images(part, *SIZE).float() / 255 for part in (tiny_split.query, tiny_split.gallery))
    assert len(seen) == 4
    for got, wanted in zip(seen, (gallery, query, degrade(query, 2.5), degrade(query, 8)), strict=True):
        assert torch.equal(got, wanted)


def test_without_recovery_the_floor_of_bilinear_up_sampling_is_scored(tiny_split: Split) -> None:

    def l1(x: Tensor, y: Tensor) -> Tensor:
        return (x - y).abs().mean((1, 2, 3))

    results = evaluate(mean_colours, tiny_split, (1, 3), size=SIZE, extra={"l1": l1})
    assert results["1"]["psnr"] is None  # nothing differs, and infinity is no number to write down
    assert results["1"]["l1"] == 0
    assert results["1"]["ssim"] == pytest.approx(1, abs=1e-6)
    assert "psnr" not in evaluate(mean_colours, tiny_split, (4,), size=SIZE, quality=False)["4"]
    truth = load_images(tiny_split.query, *SIZE).float() / 255
    floor = degrade(truth, 3)
    by_hand = [peak_signal_noise_ratio(t.numpy(), x.numpy(), data_range=1) for t, x in zip(truth, floor, strict=True)]
    assert results["3"]["psnr"] == pytest.approx(np.mean(by_hand), rel=1e-5)
    assert results["3"]["ssim"] == pytest.approx(ssim(floor, truth).mean().item(), rel=1e-6)
    assert results["3"]["l1"] == pytest.approx(l1(floor, truth).mean().item(), rel=1e-5)


@pytest.mark.parametrize("batch_size", [1, 3, 5])
def test_batch_size_does_not_matter_even_for_a_network_in_training_mode(tiny_split: Split, batch_size: int) -> None:
    net = network()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    whole = evaluate(model_of(net), tiny_split, (1, 4), SIZE)
    parts = evaluate(model_of(net), tiny_split, (1, 4), SIZE, batch_size=batch_size)
    for r in whole:
        assert parts[r] == pytest.approx(whole[r], rel=1e-4)
    images = load_images(tiny_split.query, *SIZE)
    torch.testing.assert_close(embed(net.embed, images, 2, batch_size=batch_size), embed(net.embed, images, 2))
    u = embed(net.embed, images, precision="bf16")
    assert (u.dtype, u.device.type, u.requires_grad) == (torch.float32, "cpu", False)
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())  # nothing was learnt from test images
    assert all(m.training for m in net.modules())  # and the network comes back as it came


def test_white_and_black_images_stay_in_range() -> None:
    """Rounding in the resampling must not push a white image beyond 1, where the scores refuse it."""
    images = torch.stack([torch.full((3, 96, 48), v, dtype=torch.uint8) for v in (0, 255)])
    for r in (1.5, 2, 3, 7, 8):
        assert image_quality(None, images, r)["ssim"] == pytest.approx(1, abs=1e-5)


def test_own_rates_are_those_of_the_samples(tiny_split: Split) -> None:
    """Each image of an MLR split is seen at its own rate, gallery included, and scored once."""
    seen: list[Tensor] = []

    def model(x: Tensor) -> Tensor:
        seen.append(x.clone())
        return mean_colours(x)

    low = mlr(tiny_split, rates=(2, 8), seed=1)
    results = evaluate(model, low, "own", size=SIZE, batch_size=1000)
    assert list(results) == ["mlr"]
    for part, images in zip((low.gallery, low.query), seen, strict=True):
        x, rates = load_images(part, *SIZE).float() / 255, torch.tensor([s.rate for s in part])
        assert torch.equal(images, degrade(x, rates))
    assert not torch.equal(seen[1], load_images(low.query, *SIZE).float() / 255)
    same = Split(low.train, tuple(replace(s, rate=4) for s in low.query), low.gallery)
    four = evaluate(mean_colours, same, (4,), size=SIZE, camera_rule="torchreid")["4"]
    assert evaluate(mean_colours, same, "own", size=SIZE)["mlr"] == four


def test_with_own_rates_nobody_else_leaves_the_gallery() -> None:
    """Each person has an LR camera of their own, so a query's camera took HR images of others, who must stay."""

    def grey(pid: int, camera: int) -> Sample:
        return Sample(np.full((*SIZE, 3), 20 * pid, np.uint8), pid, camera)

    split = Split((), (grey(1, 0), grey(2, 1)), (grey(1, 1), grey(2, 0)), "two people")
    blind = {"model": lambda x: x.new_zeros(len(x), 1), "split": split, "size": SIZE, "quality": False}
    assert evaluate(rates="own", **blind)["mlr"]["rank1"] == 0  # of two, ties against us
    assert evaluate(rates=(1,), **blind)["1"]["rank1"] == 1  # the other one was taken out: no search at all


STRANGERS: Any = dict(query=lambda split: tuple(Sample(s.image, s.pid + 1000, s.camera) for s in split.query))
RATES = "give at least one down-sampling rate, each 1 or more"


@pytest.mark.parametrize(
    ("changes", "given", "message"),
    [
        *(({}, dict(rates=rates), RATES) for rates in ((), (0.5,), (1, 0), (float("nan"),), (float("inf"),), (-2,))),
        ({}, dict(rates="mine"), r"rates = 'mine': give numbers.*or 'own'"),
        # in version 0.1 the fourth argument recovered images
        ({}, dict(size=lambda x: x), r"size = <function .*: give \(H, W\)\. What recovers images belongs into a Model"),
        (dict(query=lambda split: ()), {}, "needs query images and gallery images"),
        (dict(gallery=lambda split: ()), {}, "needs query images and gallery images"),
        (STRANGERS, {}, "a match in the gallery"),
    ],
)
def test_what_cannot_be_scored_is_a_sentence(
    tiny_split: Split, changes: dict[str, Any], given: dict[str, Any], message: str
) -> None:
    split = replace(tiny_split, **{part: change(tiny_split) for part, change in changes.items()})
    with pytest.raises(ValueError, match=message):
        evaluate(mean_colours, split, **{"rates": (2,), "size": SIZE, **given})


def test_no_image_is_a_sentence() -> None:
    nothing = torch.empty(0, 3, *SIZE, dtype=torch.uint8)
    with pytest.raises(ValueError, match="no image to embed"):
        embed(mean_colours, nothing)
    with pytest.raises(ValueError, match="no image to score"):
        image_quality(None, nothing, 2)


def test_a_bar_shows_how_many_images_are_done(
    tiny_split: Split, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    module = importlib.import_module("cadnet_edu.evaluation.evaluate")
    monkeypatch.setattr(module, "tqdm", lambda **options: tqdm(**{**options, "delay": 0, "mininterval": 0}))
    evaluate(mean_colours, tiny_split, (1, 4), size=SIZE, batch_size=4)
    assert capsys.readouterr().err == ""  # none without bar=True
    n, m = len(tiny_split.query), len(tiny_split.gallery)
    for quality, total in ((False, m + 2 * n), (True, m + 4 * n)):
        evaluate(mean_colours, tiny_split, (1, 4), size=SIZE, batch_size=4, bar=True, quality=quality)
        last = capsys.readouterr().err.strip().split("\r")[-1]
        assert "Evaluating: 100%" in last
        assert f"{total}/{total}" in last


def literal_scores(u_q: np.ndarray, u_g: np.ndarray, split: Split) -> tuple[float, float]:
    """Rank-1 of one random image an identity, and mAP, a query and an image at a time."""
    rank1, precisions = [], []
    for u, q in zip(u_q.astype(float), split.query, strict=True):
        d = [math.sqrt(((u - v) ** 2).sum()) for v in u_g.astype(float)]
        kept = [j for j, s in enumerate(split.gallery) if s.camera != q.camera]
        people = {s.pid: [d[j] for j in kept if split.gallery[j].pid == s.pid] for s in split.gallery}
        right = people.pop(q.pid)
        alone = [math.prod(1 - np.mean([e <= t for e in other]) for other in people.values()) for t in right]
        rank1.append(np.mean(alone))
        ranks = [1 + sum(d[k] < t for k in kept) for t in sorted(right)]
        precisions.append(np.mean([i / rank for i, rank in enumerate(ranks, 1)]))
    return float(np.mean(rank1)), float(np.mean(precisions))


@pytest.mark.parametrize("features", ["joint", "g"])
def test_every_score_is_that_of_a_literal_computation(tiny_split: Split, features: str) -> None:
    net = network(features).eval()
    results = evaluate(model_of(net), tiny_split, (1, 4), SIZE, batch_size=4, views=True)
    query, gallery = (load_images(p, *SIZE).float() / 255 for p in (tiny_split.query, tiny_split.gallery))
    d = net.E.d
    views = {"u": slice(None)} | ({"f": slice(0, d), "g": slice(d, 2 * d)} if features == "joint" else {})
    for r in (1, 4):
        row = results[str(r)]
        assert set(row.get("views", {})) == set(views) - {"u"}
        with torch.inference_mode():
            u_q, u_g = (torch.cat([net(x[None]).u for x in degrade(images, rate)]).numpy()
                        for images, rate in ((query, r), (gallery, 1)))  # fmt: skip
            x_hat = torch.cat([net.recover(x[None]) for x in degrade(query, r)])
        for name, part in views.items():
            scores = row if name == "u" else row["views"][name]
            rank1, mAP = literal_scores(u_q[:, part], u_g[:, part], tiny_split)
            assert (scores["rank1"], scores["mAP"]) == pytest.approx((rank1, mAP), abs=1e-6)
        truth = query.numpy()
        decibels = [peak_signal_noise_ratio(t, x, data_range=1) for t, x in zip(truth, x_hat.numpy(), strict=True)]
        assert row["psnr"] == pytest.approx(np.mean(decibels), rel=1e-4)


def test_a_model_may_need_the_rate_and_have_distances_of_its_own(tiny_split: Split) -> None:
    seen: list[list[float]] = []

    def embed_with_rate(x: Tensor, r: Tensor) -> Tensor:
        seen.append(r.tolist())
        return torch.cat([mean_colours(x), r[:, None]], dim=1)

    def without_rate(u_q: Tensor, u_g: Tensor) -> Tensor:
        return torch.cdist(u_q[:, :-1], u_g[:, :-1])

    model = Model(embed_with_rate, distances=without_rate)
    got = evaluate(model, tiny_split, (1, 8), size=SIZE, quality=False)
    assert seen == [[1.0] * len(tiny_split.gallery), [1.0] * len(tiny_split.query), [8.0] * len(tiny_split.query)]
    plain = evaluate(mean_colours, tiny_split, (1, 8), size=SIZE, quality=False)
    assert got == {r: pytest.approx(row) for r, row in plain.items()}


def test_an_evaluator_that_keeps_embeds_once(tiny_split: Split) -> None:
    calls: list[int] = []
    evaluator = Evaluator(Model(lambda x, r: calls.append(len(x)) or mean_colours(x)), tiny_split, SIZE, keep=True)
    first = evaluator.evaluate((1, 4), quality=False)
    assert evaluator.evaluate((4, 1), quality=False) == first
    assert evaluator.embeddings("query", 4).pids.tolist() == [s.pid for s in tiny_split.query]
    assert calls == [len(tiny_split.gallery), len(tiny_split.query), len(tiny_split.query)]
