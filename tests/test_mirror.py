"""A second copy of the runs: whole files, in an order that can be continued from, whatever Drive does."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from filelock import FileLock

from cadnet_edu import method, profile, train_or_load
from cadnet_edu.checkpoints import load_checkpoint
from cadnet_edu.mirror import Mirror


class SessionEnds(Exception):
    """What Colab does after some hours."""


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    run = tmp_path / "here" / "a run"
    run.mkdir(parents=True)
    for name in ("run.json", "config.json", "history.jsonl", "checkpoint.pt", ".lock", ".checkpoint.pt.0.part"):
        (run / name).write_text(name)
    return tmp_path / "here", tmp_path / "there"


def test_what_changed_is_copied_and_nothing_else(folders: tuple[Path, Path]) -> None:
    here, there = folders
    mirror = Mirror(here, there)
    assert mirror.push() == 4
    names = sorted(path.name for path in (there / "a run").iterdir())
    assert names == ["checkpoint.pt", "config.json", "history.jsonl", "run.json"]
    assert mirror.push() == 0
    (here / "a run" / "history.jsonl").write_text("another line")
    assert mirror.push() == 1
    assert (there / "a run" / "history.jsonl").read_text() == "another line"


def test_a_run_is_called_finished_only_when_all_of_it_is_there(
    folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The copy may end after any file: then the later ones are missing, never the earlier ones."""
    order: list[str] = []
    mirror = Mirror(*folders)
    monkeypatch.setattr(mirror, "_copy", lambda file: order.append(file.name) or True)
    mirror.push()
    assert order == ["config.json", "checkpoint.pt", "history.jsonl", "run.json"]


def test_what_is_only_there_is_fetched_and_what_is_here_is_left_alone(folders: tuple[Path, Path]) -> None:
    here, there = folders
    for name in ("a run", "another"):
        (there / name).mkdir(parents=True)
        (there / name / "checkpoint.pt").write_text("from there")
    assert Mirror(here, there).fetch() == ["another"]
    assert (here / "another" / "checkpoint.pt").read_text() == "from there"
    assert (here / "a run" / "checkpoint.pt").read_text() == "checkpoint.pt"


def test_a_run_that_is_further_there_is_fetched_and_never_overwritten(tmp_path: Path) -> None:
    """Whoever trains first and asks for the copies afterwards must not lose what lies there."""
    config = replace(method("baseline_mlr", profile("smoke")), steps=6, log_every=1, checkpoint_every=2)
    first, second, drive = tmp_path / "first", tmp_path / "second", tmp_path / "drive"

    def ends_at(step: int) -> Callable[[dict[str, float]], None]:
        def end(record: dict[str, float]) -> None:
            if record["step"] == step:
                raise SessionEnds

        return end

    for folder, step in ((first, 5), (second, 3)):
        with pytest.raises(SessionEnds):
            train_or_load(config, callback=ends_at(step), folder=folder / "run")
    Mirror(first, drive).push()
    with FileLock(second / "run" / ".lock"):
        assert Mirror(second, drive).fetch() == [], "somebody trains it at this moment"
    mirror = Mirror(second, drive)
    assert mirror.fetch() == ["run"]
    assert mirror.fetch() == []
    mirror.push()
    for place in (second, drive):
        assert load_checkpoint(place / "run" / "checkpoint.pt")["step"] == 4
    assert not list(second.glob(".*.part"))
    assert Mirror(first, second).fetch() == [], "as far is not further"
    (second / "run" / "checkpoint.pt").unlink()  # nothing but a history yet
    assert Mirror(second, drive).fetch() == ["run"]


def test_a_drive_that_fails_costs_the_copy_only(
    folders: tuple[Path, Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = folders
    mirror = Mirror(here, there, every=0.01)
    looks, twice = [], threading.Event()
    push = mirror.push

    def counted() -> int:
        looks.append(1)
        if len(looks) == 3:
            twice.set()
        return push()

    monkeypatch.setattr(mirror, "push", counted)
    mirror.start()
    shutil.rmtree(there)
    there.write_text("the Drive is gone")
    (here / "a run" / "history.jsonl").write_text("more")
    looks.clear()
    twice.clear()
    assert twice.wait(20)
    assert "Training goes on" in (told := capsys.readouterr().out)
    assert told.count("\n") == 1, "said once, not at every look"
    there.unlink()
    mirror.stop()
    assert (there / "a run" / "history.jsonl").read_text() == "more"
    assert mirror.trouble == ""


def test_training_goes_on_from_the_copy_as_if_nothing_had_happened(tmp_path: Path) -> None:
    config = replace(method("baseline_mlr", profile("smoke")), steps=6, log_every=1, checkpoint_every=2)
    first, second, drive = tmp_path / "first session", tmp_path / "second session", tmp_path / "drive"

    def end(record: dict[str, float]) -> None:
        if record["step"] == 5:
            raise SessionEnds

    mirror = Mirror(first, drive, every=1000).start()
    with pytest.raises(SessionEnds):
        train_or_load(config, callback=end, folder=first / "run")
    mirror.stop()
    half = drive / "run" / ".checkpoint.pt.0.part"
    half.write_bytes(b"as far as it came")

    steps: list[float] = []
    mirror = Mirror(second, drive, every=1000).start()
    again = train_or_load(config, callback=lambda record: steps.append(record["step"]), folder=second / "run")
    mirror.stop()
    assert not half.exists()
    assert steps == [5, 6], "the copy was taken at step 4"
    assert [record["step"] for record in again.history] == [1, 2, 3, 4, 5, 6]

    whole = train_or_load(config, folder=tmp_path / "one long session")
    for name, weight in whole.net.state_dict().items():
        assert torch.equal(weight, again.net.state_dict()[name]), name
    assert (drive / "run" / "run.json").exists()
