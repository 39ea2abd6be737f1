"""Planning a run: operations by hand and as published, memory as measured, and sentences that say what to do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as nnf
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from cadnet_edu.cli.main import main
from cadnet_edu.config import Config, profile
from cadnet_edu.data.checks import PUBLISHED
from cadnet_edu.data.walkers import SIZES
from cadnet_edu.methods import METHODS, method
from cadnet_edu.models.backbone import resnet
from cadnet_edu.plan import GPUS, plan
from cadnet_edu.plan.estimate import SHARES, advice, larger_gpus, seconds_of
from cadnet_edu.plan.gpus import GIB, Gpu, known_gpu
from cadnet_edu.plan.rehearsal import Ledger, Watch, Work, rehearse
from cadnet_edu.plan.sizes import training_size
from cadnet_edu.runs import open_split

ROOT = Path(__file__).parents[1]
MIB = 2**20


def tiny(**changes: Any) -> Config:
    small = dict(height=32, width=16, backbone_width=8, decoder_width=2, discriminator_width=8, identities=3,
                 images_per_identity=2, steps=10, device="cpu", precision="fp32")
    return profile("smoke", **{**small, **changes})


# --------------------------------------------------------------------------------------------------------- operations
def test_a_convolution_costs_what_it_costs_by_hand() -> None:
    """b c_out h w outputs, each a sum of c_in k k products; the backward pass does it once for x and once for W."""
    b, c_in, c_out, k, h, w = 2, 3, 5, 3, 8, 4
    forward = 2 * b * c_out * h * w * c_in * k * k
    ledger = Ledger()
    with FakeTensorMode(), Watch(ledger):
        conv = nn.Conv2d(c_in, c_out, k, padding=1, bias=False)
        x = torch.empty(b, c_in, h, w, requires_grad=True)
        ledger.start()
        out = conv(x)
        assert ledger.flops == forward
        read_and_written = 4 * (x.numel() + conv.weight.numel() + out.numel())
        assert ledger.bytes == read_and_written
        out.sum().backward()
    assert ledger.flops == 3 * forward


def watched_resnet50(images: int, half: bool = False) -> Ledger:
    """The ledger of a training step of the published network at 224 x 224."""
    ledger = Ledger()
    with FakeTensorMode(), Watch(ledger):
        net, fc = resnet("resnet50"), nn.Linear(2048, 1000)
        sgd = torch.optim.SGD([*net.parameters(), *fc.parameters()], lr=0.1, momentum=0.9, foreach=True)
        x, y = torch.empty(images, 3, 224, 224), torch.empty(images, dtype=torch.int64)
        ledger.start()
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            logits = fc(net(x)[-1].mean((2, 3)))
        nnf.cross_entropy(logits.float(), y).backward()
        sgd.step()
    return ledger


def test_resnet50_has_the_published_number_of_operations() -> None:
    """4.1 x 10^9 multiplications an image forwards; backwards twice that, but for the gradient of the image."""
    flops = watched_resnet50(1).flops
    forward = 2 * 4.089e9
    first = 2 * 64 * 112 * 112 * 3 * 7 * 7
    assert flops == pytest.approx(3 * forward - first, rel=0.002)


@pytest.mark.parametrize(
    ("gpu", "half", "images_a_second"),
    [("a100-80", False, 938), ("a100-80", True, 2470), ("v100", False, 367), ("v100", True, 1200)],
)
def test_published_trainings_lie_in_the_range(gpu: str, half: bool, images_a_second: float) -> None:
    """Those of NVIDIA's DeepLearningExamples, ResNet-50 v1.5 with PyTorch on one GPU: tf32 or fp32, and 16 bits."""
    images = 256
    bound = seconds_of(watched_resnet50(images, half).work, GPUS[gpu], "fp16")
    assert bound / SHARES[1] <= images / images_a_second <= bound / SHARES[0]


def test_an_operation_takes_as_long_as_the_slowest_of_its_limits() -> None:
    gpu = Gpu("example", memory=1, bandwidth=1, fp32=1, bf16=2, fp16=4, start=1e-3)
    assert seconds_of([Work(10**12, 1, False)], gpu) == 1
    assert seconds_of([Work(10**12, 1, True)], gpu) == 0.5
    assert seconds_of([Work(10**12, 1, True)], gpu, "fp16") == 0.25
    assert seconds_of([Work(10**12, 1, True)], Gpu("old", 1, 1, fp32=1), "fp16") == 1  # no faster than float32
    assert seconds_of([Work(0, 3 * 10**9, False)], gpu) == 3
    assert seconds_of([Work(1, 1, False)] * 5, gpu) == pytest.approx(5e-3)


# ------------------------------------------------------------------------------------------------------------- memory
def test_the_ledger_knows_what_is_alive() -> None:
    ledger = Ledger()
    with Watch(ledger, fake=False):
        a = torch.zeros(256)  # 1 KiB
        b = a.view(16, 16)  # the same memory
        assert ledger.now == 1024
        c = a + 1
        assert (ledger.now, ledger.peak) == (2048, 2048)
        del a
        assert ledger.now == 2048  # b holds it
        del b
        assert ledger.now == 1024
        c += 1
    assert ledger.peak == 2048
    assert [w.bytes for w in ledger.work] == [1024, 2048, 2048]


MEASURE = """
import json, sys
import torch
from torch.profiler import ProfilerActivity, profile as profiler
from cadnet_edu.config import profile
from cadnet_edu.plan.measure import measure, noise_split
from cadnet_edu.training.trainer import Trainer
torch.set_num_threads(1)
changes = json.loads(sys.argv[1])
config = profile(changes.pop("profile"), device="cpu", weights="none", **changes)
peak = measure(config, 20).peak
with profiler(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
    trainer = Trainer(config, noise_split(config, 20))
    for _ in range(2):
        trainer.step()
events = [e for e in profiled.profiler.kineto_results.events() if e.name() == "[memory]"]
now = most = 0
for event in sorted(events, key=lambda e: e.start_ns()):
    now += event.nbytes()
    most = max(most, now)
print(json.dumps({"process": peak, "allocator": most - trainer.batches.images.nbytes}))
"""
SMALL = {
    "slim 64 x 32": dict(profile="smoke", backbone_width=16, identities=16),
    "slim 64 x 32 in bf16": dict(profile="smoke", backbone_width=16, identities=16, precision="bf16"),
    "resnet18 96 x 64": dict(
        profile="reduced", backbone="resnet18", height=96, width=64, backbone_width=16, identities=8, subpixel=1
    ),
    "resnet50 64 x 32 of the paper's run": dict(
        profile="full", height=64, width=32, identities=4, backbone_width=32, decoder_width=16
    ),
}


@pytest.mark.parametrize("name", SMALL)
def test_the_estimate_is_what_a_real_step_takes(name: str) -> None:
    """PyTorch's own allocator, told by its profiler, within 5 %; the whole process, told by the system, within 20 %.

    A process also holds what no tensor does (workspaces of convolutions, code loaded late), some 50 MiB at these sizes;
    it is told to give freed memory back at once.
    """
    changes = {"precision": "fp32", **SMALL[name]}
    command = [sys.executable, "-c", MEASURE, json.dumps(changes)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT, timeout=500,
                          env={**os.environ, "MALLOC_MMAP_THRESHOLD_": str(MIB // 4)})  # fmt: skip
    measured = json.loads(done.stdout.splitlines()[-1])
    config = profile(changes.pop("profile"), device="cpu", **{**changes, "weights": "none"})
    estimate = rehearse(config, 20, str(changes["precision"]), foreach=False).memory
    told = {"estimated": estimate.peak, **measured}
    print(f"\n{name}: " + ", ".join(f"{k} {(v or 0) / MIB:.1f} MiB" for k, v in told.items()))
    assert estimate.peak == pytest.approx(measured["allocator"], rel=0.05)
    if measured["process"] is not None:  # as on systems other than Linux
        assert estimate.peak == pytest.approx(measured["process"], rel=0.20, abs=60 * MIB)


@pytest.mark.parametrize("name", METHODS)
def test_every_method_can_be_rehearsed(name: str) -> None:
    seen = rehearse(method(name, tiny()), 5).memory
    assert min(vars(seen).values()) >= 0
    assert seen.weights > 0
    assert seen.activations > 0


@pytest.mark.parametrize("changes", [
    dict(mining="batch_all"), dict(encoder_passes=1), dict(optimiser="sgd", momentum=0.0), dict(branch_heads=False),
    dict(skips="none"), dict(adversarial="minimax"), dict(unlabelled_images=4), dict(features="f", branch_heads=False),
])  # fmt: skip
def test_every_setting_can_be_rehearsed(changes: dict[str, Any]) -> None:
    seen = rehearse(tiny(**changes), 5)
    assert seen.memory.peak > 0
    assert seen.memory.optimiser == 0 if changes.get("momentum") == 0 else seen.memory.optimiser > 0


def test_memory_grows_with_the_batch_and_weights_do_not() -> None:
    one, two = (rehearse(tiny(identities=n, judged_images=0), 5) for n in (4, 8))
    assert one.memory.weights == two.memory.weights
    assert two.memory.activations > 1.6 * one.memory.activations
    assert two.flops > 1.8 * one.flops


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_16_bits_keep_weights_and_shrink_maps(precision: str) -> None:
    full, half = rehearse(tiny(), 5, "fp32"), rehearse(tiny(), 5, precision)
    assert half.memory.optimiser == full.memory.optimiser > 0
    assert full.memory.weights == half.memory.weights
    assert half.memory.activations < 0.75 * full.memory.activations
    assert any(w.half for w in half.work)
    assert not any(w.half for w in full.work)


def test_devices_share_the_work_and_the_maps_and_keep_all_weights() -> None:
    one, four = (rehearse(tiny(identities=8, judged_images=0), 5, devices=n) for n in (1, 4))
    few = rehearse(tiny(identities=2, judged_images=0), 5)
    assert four.parameters == one.parameters
    assert (four.memory.weights, four.kept) == (one.memory.weights, one.kept)
    assert four.flops == few.flops < 0.3 * one.flops
    assert few.memory.activations <= four.memory.activations < 0.5 * one.memory.activations
    assert four.bytes > few.bytes  # the gradients are put together to travel


# --------------------------------------------------------------------------------------------------------------- plans
@pytest.fixture(scope="module")
def on_t4() -> Any:
    return plan(profile("full"), "t4")


def test_the_papers_run_on_a_t4(on_t4: Any) -> None:
    """ResNet-50 twice, G, 751 identities: 106 M parameters, 15 GiB of tensors in float32, which a T4 has not."""
    assert on_t4.precision == "fp32"
    assert (on_t4.size.images, on_t4.size.identities) == (12_936, 751)
    assert on_t4.parameters["E"] == on_t4.parameters["F"] == 23_508_032
    assert on_t4.parameters["C"] == 4096 * 751 + 751
    assert on_t4.passes == pytest.approx(60_000 * 32 / 12_936)
    assert 12 * GIB < on_t4.tensors.peak < 18 * GIB
    assert not on_t4.fits
    fitting = [change for change in on_t4.changes if change.fits]
    assert fitting
    assert all(change.memory < on_t4.memory for change in on_t4.changes)
    assert larger_gpus(on_t4.memory)[0] in ("l4", "rtx4090", "rtx3090")


def test_what_is_printed(on_t4: Any) -> None:
    text = str(on_t4)
    for words in ("IT DOES NOT FIT", "Tesla T4", "no bfloat16", "25% to 85% of the speed on the data sheet",
                  "--identities 4", "60,000 steps = 148 passes", "D_I 11.18", "it fits in: "):  # fmt: skip
        assert words in text
    assert max(map(len, text.splitlines())) <= 130


def test_lower_precision_is_the_first_advice(on_t4: Any) -> None:
    first = on_t4.changes[0]
    assert (first.what, first.fits) == ("--precision 16-mixed", True)
    half = plan(profile("full", precision="16-mixed"), "t4")
    assert half.precision == "fp16"
    assert half.memory == first.memory < 0.7 * on_t4.memory
    assert half.hours == first.hours < on_t4.hours
    assert "fp16: maps and matrix products in float16, losses scaled" in str(half)
    assert plan(profile("full", precision="fp32"), "rtx3060").changes[0].what == "--precision bf16-mixed"


def test_several_devices() -> None:
    one, four = (plan(tiny(identities=8, images_per_identity=4, judged_images=0, devices=n), "l4") for n in (1, 4))
    assert four.memory < one.memory
    assert four.passes == one.passes
    assert four.exchanged == 4 * sum(one.parameters.values())
    assert four.to_dict()["devices"] == 4
    assert "4, each with 8 HR + 8 LR images of a step" in str(four)
    assert "without what the devices exchange: 0.00 GiB of gradients" in str(four)
    assert "exchange" not in str(one)
    with pytest.raises(ValueError, match=r"identities = 3"):
        plan(tiny(devices=2), "l4")
    assert plan(tiny(devices="auto"), "l4").devices == 1


def test_advice_leaves_out_what_cannot_be_shared_out() -> None:
    """Such a batch is refused by name when somebody asks for it; here nobody did."""
    odd = plan(tiny(identities=8, judged_images=6), "l4")
    assert [c.what for c in advice(odd, False) if "accumulate" in c.what] == ["--accumulate 2"]
    parts = plan(tiny(identities=8, judged_images=0, accumulate=4), "l4")
    assert not [c.what for c in advice(parts, False) if "identities" in c.what]


def test_fewer_labels_make_a_smaller_classifier() -> None:
    every, half = (plan(tiny(labelled=share), "t4").parameters["C"] for share in (1.0, 0.5))
    assert half < 0.6 * every


def test_a_larger_gpu_needs_no_advice() -> None:
    made = plan(profile("full"), "a100")
    assert made.precision == "bf16"
    assert made.fits
    assert made.changes == ()
    assert "it fits" in str(made)
    assert made.seconds[0] == pytest.approx(made.bound / SHARES[1])


@pytest.mark.parametrize("name", ["market1501", "dukemtmc_reid", "cuhk03", "viper", "caviar"])
def test_published_sizes(name: str) -> None:
    size = training_size(Config(dataset=name))
    assert size.identities == PUBLISHED[name]["train identities"]
    assert size.images >= 2 * size.identities


@pytest.mark.parametrize("name", ["S", "M"])
def test_the_walkers_are_as_many_as_are_drawn(name: str) -> None:
    config = Config(dataset="walkers", size=name, height=32, width=16)  # type: ignore[arg-type]
    size = training_size(config)
    assert size.identities == SIZES[name].train
    if name == "S":
        split = open_split(config)
        assert (size.images, size.identities) == (len(split.train), len({s.pid for s in split.train}))


def test_mistakes_end_in_sentences() -> None:
    with pytest.raises(ValueError, match=r"no GPU 'rtx9' in the table. Choose one of: gtx1080"):
        plan(tiny(), "rtx9")
    with pytest.raises(ValueError, match=r"Tesla T4 has no bfloat16: plan with --precision 16-mixed or fp32"):
        plan(tiny(precision="bf16"), "t4")
    with pytest.raises(ValueError, match=r"own lies on your disk: say where with --root"):
        plan(tiny(dataset="own"), "t4")


def test_this_processor_is_measured() -> None:
    gpu = known_gpu("cpu")
    assert gpu.fp32 > 1e-4
    assert gpu.bandwidth > 0.05
    assert gpu.memory > 0.1
    assert plan(tiny(), "cpu").seconds[0] > 0


# --------------------------------------------------------------------------------------------------- the command line
def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--profile", "smoke", "--gpu", "l4", "--steps", "7"]) == 0
    text = capsys.readouterr().out
    assert "cadnet at profile smoke" in text
    assert "7 steps" in text
    assert "it fits" in text


def test_the_command_measures_and_prints_json(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["plan", "--profile", "smoke", "--gpu", "gtx1080", "--json", "--measure", "--device", "cpu"]
    assert main([*command, "--precision", "fp32"]) == 0
    out, err = capsys.readouterr()
    told = json.loads(out)
    assert told["fits"] is True
    assert told["config"]["profile"] == "smoke"
    assert told["measured"]["seconds_per_step"] > 0
    assert told["tensors_bytes"]["peak"] == sum(v for k, v in told["tensors_bytes"].items() if k != "peak")
    assert "two real steps on cpu in fp32" in err
    assert "estimated for it" in err


def test_the_command_refuses_with_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--profile", "full", "--gpu", "gtx1080", "--precision", "bf16"]) == 2
    assert "has no bfloat16" in capsys.readouterr().err


def test_planning_fetches_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The published weights are part of the paper's run; to plan it nobody asks for them."""

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("asked for weights")

    monkeypatch.setattr("torchvision.models.get_weight", refuse)
    config = replace(tiny(), backbone="resnet18", weights="imagenet", backbone_width=64, height=64, width=32)
    assert plan(config, "t4").fits
