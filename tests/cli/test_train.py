"""``cadnet-edu train``: from the options to a finished run, and its error messages."""

import json
import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from commands import Said, cli, refused

from cadnet_edu.cli.train import NO_GPU, locked_folder
from cadnet_edu.config import Config
from cadnet_edu.training.checkpoints import load_checkpoint, read_history
from cadnet_edu.training.trainer import Trainer, build_network

Words = list[Any]


def next_command(said: Said) -> list[str]:
    line = re.search(r"^next: (.*)$", said.err, re.MULTILINE)
    return shlex.split(line[1])


def test_a_run_is_trained_and_recorded(training: tuple[Path, Said], market: Path) -> None:
    out, said = training
    assert said.code == 0, said.err
    assert said.out == ""
    for words in (
        "cadnet at preset smoke, seed 5, on cpu in fp32",
        "train 36 images of 6 identities",
        "M parameters",
        "this will take about",
        "trained 4 steps in",
    ):
        assert words in said.err
    assert next_command(said) == ["cadnet-edu", "evaluate", str(out)]
    config = Config.from_dict(json.loads((out / "config.json").read_text()))
    assert (config.run.seed, config.loss.mining, config.data.height, config.data.root) == (5, "batch_all", 32, market)
    assert [r["step"] for r in read_history(out)] == [1, 2, 3, 4]
    assert json.loads((out / "run.json").read_text())["config"] == json.loads((out / "config.json").read_text())


def test_a_finished_run_is_left_as_it_is(trained: Path, train: Words, read_only: Callable[[], None]) -> None:
    before = {path: path.stat().st_mtime_ns for path in trained.iterdir()}
    read_only()
    said = cli(*train, "--out", trained)
    assert said.code == 0, said.err
    assert "holds this run already, finished after 4 steps" in said.err
    assert "this will take" not in said.err
    assert next_command(said) == ["cadnet-edu", "evaluate", str(trained)]
    assert {path: path.stat().st_mtime_ns for path in trained.iterdir()} == before


def test_a_dry_run_measures_two_steps_and_writes_nothing(
    tiny: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CADNET_EDU_CACHE", str(tmp_path / "cache"))
    said = cli("train", *tiny, "--steps", 7200, "--dataset", "market1501", "--root", "absent", "--weights", "imagenet",
               "--backbone", "resnet50", "--dry-run")  # fmt: skip
    assert said.code == 0, said.err
    assert list(tmp_path.iterdir()) == []
    found = re.search(r"a step: +(\S+) s\nwhole run: +about (\S+) (s|min|h) \(steps: 7200;.*\npeak memory: +(\S+) GiB",
                      said.out)  # fmt: skip
    assert found, said.out
    total = float(found[2]) * {"s": 1, "min": 60, "h": 3600}[found[3]]
    assert total == pytest.approx(7200 * float(found[1]), rel=0.06)
    assert 0.1 < float(found[4]) < 64


def test_a_run_goes_on_after_an_interrupt(
    train: Words, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C after the first checkpoint; then the same command resumes and ends in the same weights."""
    log = Trainer._log

    def interrupted(self: Trainer) -> Any:
        if self.step_number == 3:
            raise KeyboardInterrupt
        return log(self)

    monkeypatch.setattr(Trainer, "_log", interrupted)
    said = cli(*train, "--out", tmp_path)
    assert said.code == 130
    assert "goes on from the last checkpoint" in said.err
    monkeypatch.undo()
    said = cli(*train, "--out", tmp_path)
    assert said.code == 0
    assert "going on from step 2 of 4" in said.err
    wanted, got = (load_checkpoint(folder / "checkpoint.pt")["net"] for folder in (trained, tmp_path))
    assert all(torch.equal(wanted[name], got[name]) for name in wanted)


def test_a_finished_run_is_trained_further_from_its_weights(copied: Path, train: Words, tmp_path: Path) -> None:
    before = (copied / "checkpoint.pt").read_bytes()
    said = cli(*train, "--steps", 8, "--out", copied)
    refused(said, "holds a run of 4 steps", "choose another --out")
    assert (copied / "checkpoint.pt").read_bytes() == before
    option, weights = shlex.split(said.err.split("add: ")[1])
    assert (option, weights) == ("--weights", str(copied / "checkpoint.pt"))
    said = cli(*train, "--steps", 8, "--out", tmp_path / "further", option, weights)
    assert said.code == 0, said.err
    state = load_checkpoint(copied / "checkpoint.pt")
    config = Config.from_dict(json.loads((tmp_path / "further" / "config.json").read_text()))
    net = build_network(config, len(state["pids"])).state_dict()
    assert all(torch.equal(net[name], value) for name, value in state["net"].items())


@pytest.mark.parametrize(("name", "warned"), [("full", True), ("reduced", False)])
def test_a_preset_for_gpus_warns_on_a_cpu(
    train: Words, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, warned: bool
) -> None:
    def interrupt(self: Trainer) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr(Trainer, "resume", interrupt)
    said = cli(*train, "--backbone", "slim", "--weights", "none", "--preset", name, "--out", tmp_path / name)
    assert said.code == 130, said.err
    assert (NO_GPU in said.err) == warned
    assert "--preset quick" in NO_GPU


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--preset huge", ("there is no preset 'huge'", "smoke, quick, reduced, full")),
        ("--preset", ("expected one argument",)),
        ("--method sr", ("there is no method 'sr'", "baseline_hr")),
        ("--stepz 3", ("--stepz", "Perhaps you meant", "--steps")),
        ("--steps many", ("--steps", "many")),
        ("--height 33", ("multiples of 16",)),
        ("--optimizer sdg", ("--optimizer", "sdg", "adamw")),
        ("--lr -1", ("learning rates must be positive",)),
        ("--rates 0.5", ("down-sampling rate",)),
        ("--lambda-rec -1", ("loss weight",)),
        ("--device gpu", ("device 'gpu' cannot be used here",)),
        ("--dataset market", ("there is no data set 'market'", "market1501")),
        ("--dataset market1501", ("--root",)),
        ("--optimizer sgd --lr 1e38 --lr-schedule constant", ("no longer a number",)),
    ],
)
def test_wrong_options(tiny: list[str], tmp_path: Path, options: str, words: tuple[str, ...]) -> None:
    refused(cli("train", *tiny, "--out", tmp_path / "x", *options.split()), *words)
    assert "1e38" in options or not list(tmp_path.iterdir())
    refused(cli("train", *tiny), "--out FOLDER", "--dry-run")


def test_training_into_a_file_or_beside_another_process(train: Words, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")
    refused(cli(*train, "--out", tmp_path / "file"), "there is a file of that name")
    refused(cli(*train, "--out", tmp_path / "file" / "run"), "cannot be written", "Choose another folder")
    refused(cli(*train, "--out", tmp_path / ("n" * 300)), "too long", "shorter name")
    assert (tmp_path / "file").read_text() == "kept"
    with locked_folder(tmp_path / "run"):
        refused(cli(*train, "--out", tmp_path / "run"), "another process is training into this folder")
    with locked_folder(tmp_path / "run"):
        pass  # now it is free


def remove_training_images(root: Path, kept: str = "none") -> None:
    """Leave only the training images that a pattern fits."""
    for image in (root / "bounding_box_train").iterdir():
        if not image.match(kept):
            image.unlink()


BAD_DATA: dict[str, tuple[Callable[[Path], Any], str]] = {
    "no folder": (shutil.rmtree, "there is no such folder. Give the folder"),
    "empty folder": (remove_training_images, "no image"),
    "nothing in it": (lambda root: [shutil.rmtree(p) for p in root.iterdir()], "only nothing"),
    "query missing": (lambda root: shutil.rmtree(root / "query"), "query"),
    "one image each": (lambda root: remove_training_images(root, "*_00000[17]_01.jpg"), "single image"),
    "too few people": (lambda root: remove_training_images(root, "000[12]_*"), "3 identities cannot be drawn from 2"),
    "odd name": (lambda root: (root / "query" / "me.jpg").write_bytes(b""), "me.jpg"),
    "truncated": (lambda root: min(root.glob("*_train/*")).write_bytes(b"\xff\xd8"), "cannot be read as an image"),
}


@pytest.mark.parametrize("kind", BAD_DATA)
def test_bad_data_is_reported_before_anything_is_written(market: Path, train: Words, tmp_path: Path, kind: str) -> None:
    spoil, words = BAD_DATA[kind]
    root = Path(shutil.copytree(market, tmp_path / "data"))
    spoil(root)
    refused(cli(*train, "--root", root, "--out", tmp_path / "run"), words)
    assert not (tmp_path / "run").exists()
