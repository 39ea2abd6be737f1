"""Where to compute and how precisely: what a device lacks is said before anything is computed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from updates import plain

from cadnet_edu.data.samples import Split
from cadnet_edu.training.devices import autocast, choose_device, choose_precision
from cadnet_edu.training.trainer import Trainer

CPU = torch.device("cpu")


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
    trainer = Trainer(plain(), tiny_split)
    with setting():
        with pytest.raises(ValueError, match=named):
            Trainer(plain(), tiny_split)
        with pytest.raises(ValueError, match=named):
            trainer.fit(bar=False)
    assert trainer.step_number == 0


@pytest.mark.parametrize("name", ["gpu", "cuda:99", "", "xpu:77", "hpu", "cpu:-3"])
def test_a_device_that_is_not_there_is_told_in_a_sentence(name: str) -> None:
    with pytest.raises(ValueError, match=r"cannot be used here .*Use device cpu") as told:
        choose_device(name)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("capabilities", "precision"),
    [
        (None, "fp32"),  # an older torch, which does not know
        ({"avx512_bf16": False, "amx_bf16": False}, "fp32"),
        ({"avx512_bf16": True}, "bf16"),
        ({"amx_bf16": True}, "bf16"),
    ],
    ids=str,
)
def test_precision_auto_depends_on_the_processor(
    monkeypatch: pytest.MonkeyPatch, capabilities: dict[str, bool] | None, precision: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert choose_device("auto") == CPU == choose_device("cpu")
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    if capabilities is None:
        monkeypatch.delattr(torch.cpu, "get_capabilities")
    assert choose_precision("auto", CPU) == precision
    assert choose_precision("fp32", CPU) == choose_precision("auto", torch.device("mps")) == "fp32"
    assert choose_precision("bf16", CPU) == "bf16"


def test_bf16_keeps_weights_and_losses_in_float32(tiny_split: Split) -> None:
    t = Trainer(plain(precision="bf16"), tiny_split)
    record = t.step()
    assert {v.dtype for v in record.values()} == {torch.float32}
    assert {p.dtype for p in t.net.parameters()} == {torch.float32}
    with autocast(t.device, t.precision):
        assert t.forward(next(t.batches))[0].f.dtype == torch.bfloat16  # and yet the maps really are


@pytest.mark.parametrize("name", ["fp16", "16-mixed"])
def test_fp16_is_refused_without_a_gpu(name: str, tiny_split: Split) -> None:
    with pytest.raises(ValueError, match=r"precision 'fp16' \(16-mixed\) needs a CUDA GPU, and this is cpu"):
        Trainer(plain(precision=name), tiny_split)
    assert choose_precision("fp16", CPU, instead=True) == choose_precision("auto", CPU)


def test_bf16_is_refused_by_a_gpu_that_only_emulates_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation)
    gpu = torch.device("cuda")
    with pytest.raises(ValueError, match=r"precision 'bf16' \(bf16-mixed\) is only emulated .*fp16 \(16-mixed\)"):
        choose_precision("bf16", gpu)
    assert choose_precision("bf16", gpu, instead=True) == choose_precision("auto", gpu) == "fp32"
    assert choose_precision("fp16", gpu) == "fp16"


def test_autocast_takes_the_precision_by_its_name() -> None:
    with autocast(CPU, "fp16"):
        assert torch.get_autocast_dtype("cpu") == torch.float16
    for name, dtype in (("bf16", torch.bfloat16), ("fp32", torch.float32)):
        with autocast(CPU, name):
            assert (torch.ones(1, 1) @ torch.ones(1, 1)).dtype == dtype
