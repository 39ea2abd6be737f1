"""Checkpoints: a run resumes bit for bit, others' checkpoints are refused by name, and a full disk loses nothing."""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import torch
from people import disk_of
from updates import assert_same_run, content, plain, resumed, same, timeless, trained

from cadnet_edu.config import Config
from cadnet_edu.data.samples import Split
from cadnet_edu.methods import method
from cadnet_edu.models.backbone import resnet
from cadnet_edu.training.checkpoints import check_same_config, load_checkpoint, read_history
from cadnet_edu.training.code_version import code_version
from cadnet_edu.training.trainer import Trainer, network_of


@pytest.fixture(scope="module")
def two_steps(tmp_path_factory: pytest.TempPathFactory, tiny_split: Split) -> Path:
    """A run of ``plain()`` that was stopped after two steps."""
    return trained(plain(), tiny_split, tmp_path_factory.mktemp("run"), until=2).out


@pytest.fixture
def out(two_steps: Path, tmp_path: Path) -> Path:
    return shutil.copytree(two_steps, tmp_path / "run")


def change_checkpoint(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    state = load_checkpoint(folder / "checkpoint.pt")
    change(state)
    torch.save(state, folder / "checkpoint.pt")


@pytest.mark.parametrize(
    "config",
    [
        plain(optimizer="sgd", joint_batchnorm=True, max_shift=2),
        plain(precision="bf16", auxiliary_heads=True),
        method("baseline_mlr", plain()),
    ],
    ids=["fp32", "bf16", "baseline"],
)
def test_six_steps_are_four_and_a_pause_and_two(tiny_split: Split, tmp_path: Path, config: Config) -> None:
    config = config.replace(steps=6, log_every=3)  # 4 is in the middle of a record
    whole = trained(config, tiny_split, tmp_path / "whole")
    first = trained(config, tiny_split, tmp_path / "parts", until=4)
    torch.manual_seed(999)  # whatever happens in between
    second = resumed(config, tiny_split, tmp_path / "parts")
    assert_same_run(whole, second)
    assert timeless(read_history(tmp_path / "whole")) == timeless(read_history(tmp_path / "parts"))
    assert same(next(whole.batches), next(second.batches))
    assert second.seconds > first.seconds  # time adds up over the parts


def test_without_a_folder_nothing_is_written(
    tiny_split: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert not trained(plain(), tiny_split, until=1).resume()
    assert not list(tmp_path.iterdir())


def test_device_precision_and_logging_may_change_on_the_way(tiny_split: Split, out: Path) -> None:
    other = plain(precision="bf16", log_every=1, checkpoint_every=2, device="auto")
    torch.manual_seed(999)
    t = Trainer(other, tiny_split, out)
    assert t.resume()
    assert t.step_number == 2
    assert torch.equal(torch.get_rng_state(), load_checkpoint(out / "checkpoint.pt")["rng"])


def test_a_setting_younger_than_a_checkpoint_had_its_default() -> None:
    theirs = plain().to_dict()
    del theirs["optim"]["accumulate_grad_batches"]
    for state in ({"config": json.dumps(theirs)}, {"config": "{}", "identity": json.dumps(theirs)}):
        check_same_config(state, plain())
        with pytest.raises(ValueError, match=r"configuration: .*accumulate_grad_batches was 1, now 2"):
            check_same_config(state, plain(num_identities=4, accumulate_grad_batches=2))


def test_a_weights_file_may_move_on_the_way_and_not_change(tiny_split: Split, tmp_path: Path) -> None:
    first, second = tmp_path / "start.pth", tmp_path / "moved.pth"
    torch.save(resnet("slim", 8).state_dict(), first)
    trained(plain(weights=str(first)), tiny_split, tmp_path / "run", until=1)
    first.rename(second)
    resumed(plain(weights=str(second)), tiny_split, tmp_path / "run", until=1)
    torch.save(resnet("slim", 8).state_dict(), second)  # drawn anew
    with pytest.raises(ValueError, match=r"weights was 'file of SHA-256 .*, now 'file of SHA-256"):
        Trainer(plain(weights=str(second)), tiny_split, tmp_path / "run").resume()


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        (dict(lr=0.5), r"lr was 0\.001, now 0\.5"),
        (dict(steps=20, margin=1.0, lambda_rec=2.0), r"(?=.*lambda_rec was 1\.0, now 2\.0).*steps was 10, now 20"),
        (dict(lr=1, lr_D=1, margin=1, max_shift=1, seed=9), "and 1 more"),
    ],
)
def test_a_checkpoint_of_another_configuration_is_refused_by_name(
    tiny_split: Split, out: Path, changes: dict[str, Any], named: str
) -> None:
    kept = content(out)
    with pytest.raises(ValueError, match=f"{named}.*another folder"):
        Trainer(plain(**changes), tiny_split, out).resume()
    assert content(out) == kept


def test_a_checkpoint_of_other_people_or_images_is_refused(tiny_split: Split, out: Path) -> None:
    train, n = tiny_split.train, len(tiny_split.train)
    moved = (replace(train[0], camera=5), *train[1:])
    for other, named in (
        (tuple(s for s in train if s.pid != 0), "other identities"),
        (train[1:], rf"other images: {n} images .* {n - 1} images .* now"),
        (train[::-1], rf"other images: {n} images .* {n} images .* now"),
        (moved, rf"other images: {n} images .* {n} images .* now"),
    ):
        with pytest.raises(ValueError, match=named):
            Trainer(plain(), replace(tiny_split, train=other), out).resume()

    def as_before_they_said(state: dict[str, Any]) -> None:
        del state["fingerprint"], state["identity"], state["codes"]

    change_checkpoint(out, as_before_they_said)
    resumed(plain(), tiny_split, out, until=2)


@pytest.mark.parametrize(
    ("before", "after"), [(["one"], ["one", "now"]), (["one", "now"], ["one", "now"]), (["now", "two"], ["two", "now"])]
)
def test_a_checkpoint_knows_the_code_of_all_its_steps(
    tiny_split: Split, out: Path, before: list[str], after: list[str]
) -> None:
    now = code_version()
    assert load_checkpoint(out / "checkpoint.pt")["codes"] == [now]
    change_checkpoint(out, lambda state: state.update(codes=[now if c == "now" else c for c in before]))
    resumed(plain(), tiny_split, out, until=3)
    assert load_checkpoint(out / "checkpoint.pt")["codes"] == [now if c == "now" else c for c in after]


def test_a_run_that_was_not_resumed_is_left_alone(tiny_split: Split, out: Path) -> None:
    kept, fresh = content(out), Trainer(plain(steps=3), tiny_split, out)
    fresh.step()
    for begin in (fresh.save, fresh.fit):
        with pytest.raises(ValueError, match=r"there is a run in this folder\. Call resume\(\) before fit\(\)"):
            begin()
    assert content(out) == kept


def test_what_a_run_without_a_checkpoint_left_is_cleared_away(tiny_split: Split, tmp_path: Path) -> None:
    (tmp_path / "history.jsonl").write_text('{"step": 1, "L": 5.0}\n')
    t = trained(plain(log_every=1), tiny_split, tmp_path, until=1)
    t.fit(until=2, bar=False)  # its own history goes on
    assert [r["step"] for r in read_history(tmp_path)] == [1, 2]


class Evil:
    """An object whose unpickling runs code."""

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, ("touch hacked",)


DAMAGE: dict[str, Callable[[Path], Any]] = {
    "cut short": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "overwritten": lambda path: path.write_bytes(path.read_bytes()[:200] + bytes(path.stat().st_size - 200)),
    "text": lambda path: path.write_text("hello"),
    "code": lambda path: torch.save(Evil(), path),
    "bare weights": lambda path: torch.save({"weight": torch.zeros(2)}, path),
    "a tensor": lambda path: torch.save(torch.zeros(2), path),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_checkpoint_is_told_in_a_sentence(
    tiny_split: Split, out: Path, tmp_path: Path, damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    DAMAGE[damage](out / "checkpoint.pt")
    for attempt in (Trainer(plain(), tiny_split, out).resume, lambda: load_checkpoint(out / "checkpoint.pt")):
        with pytest.raises(ValueError, match=r"checkpoint\.pt: .*(damaged .*train again|no checkpoint)") as told:
            attempt()
        assert "\n" not in str(told.value)
    assert not (tmp_path / "hacked").exists()


def test_a_missing_checkpoint_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Train first: cadnet-edu train"):
        load_checkpoint(tmp_path / "checkpoint.pt")


def test_weights_of_another_version_are_refused_and_nothing_is_half_loaded(tiny_split: Split, out: Path) -> None:
    change_checkpoint(out, lambda state: state["net"].update({"C.fc.bias": torch.zeros(99)}))
    fresh = Trainer(plain(), tiny_split, out)
    with pytest.raises(ValueError, match=r"do not fit this network \(.*C\.fc\.bias.*another version"):
        fresh.resume()
    assert fresh.step_number == 0
    with pytest.raises(ValueError, match="another version"):
        network_of(load_checkpoint(out / "checkpoint.pt"))


def test_network_of_gives_what_was_trained_and_leaves_random_numbers_alone(tiny_split: Split, out: Path) -> None:
    t = resumed(plain(), tiny_split, out, until=3)
    torch.manual_seed(5)
    before = torch.get_rng_state()
    net = network_of(load_checkpoint(out / "checkpoint.pt"))
    assert torch.equal(torch.get_rng_state(), before)
    assert not any(m.training for m in net.modules())
    assert same(dict(net.state_dict()), dict(t.net.state_dict()))
    gone = t.config.replace(weights="/no/such/file").to_dict()  # what it started from is not read again
    change_checkpoint(out, lambda state: state.update(config=json.dumps(gone)))
    assert same(dict(network_of(load_checkpoint(out / "checkpoint.pt")).state_dict()), dict(t.net.state_dict()))


def test_tensors_are_read_onto_the_cpu_to_resume(tiny_split: Split, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a GPU the states of random number generators must not follow the weights there: they cannot be set from it."""
    load = Mock(wraps=torch.load)
    monkeypatch.setattr(torch, "load", load)
    Trainer(plain(), tiny_split, out).resume()
    assert [str(call.kwargs["map_location"]) for call in load.call_args_list] == ["cpu"]


def test_estimate_leaves_no_trace(tiny_split: Split, tmp_path: Path) -> None:
    config = plain(steps=3)
    twin, estimated = Trainer(config, tiny_split), Trainer(config, tiny_split, tmp_path)
    assert estimated.estimate(2) > 0
    assert not list(tmp_path.iterdir())
    assert_same_run(twin, estimated)
    for until in (2, 3):
        for t in (twin, estimated):
            t.fit(until=until, bar=False)
        assert (estimated.estimate(2) > 0) == (until == 2)  # at the end nothing is left to do
        assert_same_run(twin, estimated)


def test_a_full_disk_keeps_the_old_checkpoint(tiny_split: Split, out: Path) -> None:
    t = resumed(plain(), tiny_split, out, until=2)
    kept = content(out)
    t.step()
    with disk_of(30_000), pytest.raises(OSError, match=r"could not be saved.*before is untouched.*Free some space"):
        t.save()
    assert content(out) == kept


def test_a_full_disk_while_logging_is_told_and_loses_nothing(tiny_split: Split, tmp_path: Path) -> None:
    """A line of the history that was cut short is left out and made again."""
    config = plain(steps=6, log_every=1, checkpoint_every=3)
    t = trained(config, tiny_split, tmp_path, until=3)
    path = tmp_path / "history.jsonl"
    room = max(path.stat().st_size + 50, (tmp_path / "config.json").stat().st_size + 10)
    with disk_of(room), pytest.raises(OSError, match=r"history\.jsonl cannot be written"):
        t.fit(bar=False)
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:3]) + '{"step": 4, "L": 1}\n{"step": 5, "L')
    assert [r["step"] for r in read_history(tmp_path)] == [1, 2, 3, 4]
    again, whole = resumed(config, tiny_split, tmp_path), trained(config, tiny_split)
    assert_same_run(again, whole)
    assert timeless(read_history(tmp_path)) == timeless(whole.history)
