"""One small data set on disk and one run trained on it, for the tests of all commands."""

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from commands import TINY, Said, cli


@pytest.fixture(scope="session")
def tiny() -> list[str]:
    """Options of a training run of four steps."""
    return [*TINY, "--num-identities", "3", "--checkpoint-every", "2"]


@pytest.fixture(scope="session")
def train(tiny: list[str], market: Path) -> list[Any]:
    """The command that trains on that set, without its --out."""
    return ["train", *tiny, "--dataset", "market1501", "--root", market, "--seed", 5, "--mining", "batch_all"]


@pytest.fixture(scope="session")
def training(train: list[Any], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Said]:
    """The folder of a finished run, whose name needs quotes, and what its training printed."""
    out = tmp_path_factory.mktemp("runs") / "My Drive (1)" / "a 'run' [2026]"
    return out, cli(*train, "--out", out)


@pytest.fixture(scope="session")
def trained(training: tuple[Path, Said]) -> Path:
    """The folder of a finished run, to read only."""
    out, said = training
    assert said.code == 0, said.err
    return out


@pytest.fixture
def copied(trained: Path, tmp_path: Path) -> Path:
    """A copy of that run, to write into."""
    return Path(shutil.copytree(trained, tmp_path / "run"))


@pytest.fixture
def read_only(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Call it, and no file can be written through ``write_atomically``, and no lock be taken."""

    def start(number: int = errno.EROFS) -> None:
        def refuse(path: Any, write: Any) -> None:
            raise OSError(number, f"cannot write into {path} ({os.strerror(number)})")

        monkeypatch.setattr("cadnet_edu.io.write_atomically", refuse)
        monkeypatch.setattr("cadnet_edu.training.trainer.write_atomically", refuse)
        monkeypatch.setattr("filelock.FileLock.acquire", lambda self: pytest.fail("a lock in a read-only folder"))

    return start


@pytest.fixture(autouse=True)
def elsewhere(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands run in an empty folder: one that does more than its test expects leaves nothing in the project."""
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
