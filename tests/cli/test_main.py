"""What all commands have in common: help, error messages and exit codes, standard output of any kind."""

import io
import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from commands import cli, refused
from people import environment

from cadnet_edu.cli import data
from cadnet_edu.cli.main import COMMANDS, main
from cadnet_edu.config import Config, preset

ROOT = Path(__file__).parents[2]
NAMES = [[name] for name in COMMANDS] + [["data", name] for name in data.COMMANDS]


def test_without_a_command_the_commands_are_listed() -> None:
    assert cli().code == 2
    assert all(f"\n  {name}" in cli("--help").out for name in COMMANDS)


@pytest.mark.parametrize("command", NAMES, ids=" ".join)
def test_every_command_has_help(command: Sequence[str]) -> None:
    said = cli(*command, "--help")
    assert said.code == 0
    assert f"usage: cadnet-edu {' '.join(command)}" in said.out
    assert any(option in said.out for option in ("--out", "--json", "--root", "--clear"))


def test_the_help_of_train_shows_five_groups_and_the_defaults_of_the_preset() -> None:
    for name, steps in (("smoke", preset("smoke").optim.steps), ("full", Config().optim.steps)):
        said = cli("train", "--preset", name, "--help")
        assert f"(default: {steps})" in " ".join(said.out.replace("│", " ").split())
        places = [said.out.index(f" {group} options ") for group in ("data", "model", "loss", "optim", "run")]
        assert places == sorted(places)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("trian", "there is no command 'trian'"),
        ("plan --gpu t4", "cadnet-edu train --dry-run"),
        ("reproduce table1 --plan", "--plan is now called --dry-run"),
        ("reproduce table1 --headline-seeds=3", "--headline-seeds is now called --main-seeds"),
        ("reproduce table1 --any-code", "--any-code is now called --allow-stale-code"),
        ("evaluate x --boxes labeled", "--boxes is now called --bbox"),
        ("train --phi=1", "--phi is now called --margin"),
        ("train --rec 2", "--rec is now called --lambda-rec"),
        ("train --accumulate 2", "--accumulate is now called --accumulate-grad-batches"),
        ("train --profile smoke", "--profile is now called --preset"),
        ("train --no-neck", "--no-neck is now called --no-bnneck"),
        ("train --preset huge --out x", "cadnet-edu train: there is no preset 'huge'. Choose one of: smoke, quick"),
        ("train --encoder-passes=1", "give --joint-batchnorm for 1, --no-joint-batchnorm for 2"),
        ("train --recover-first 0", "no such setting any more"),
        ("evaluate", "The --out folder of a training run"),
        ("recover x", "image"),
    ],
)
def test_mistyped_and_earlier_names(arguments: str, words: str) -> None:
    refused(cli(*arguments.split()), words)


def test_the_earlier_name_of_the_variable_for_the_preset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CADNET_EDU_PRESET", raising=False)
    monkeypatch.setenv("CADNET_EDU_PROFILE", "smoke")
    refused(cli("train", "--out", "x"), "set CADNET_EDU_PRESET=smoke instead")


@pytest.mark.parametrize("command", ["evaluate", "recover"])
def test_a_folder_without_a_run(tmp_path: Path, command: str) -> None:
    more = ("x.png",) if command == "recover" else ()
    refused(cli(command, tmp_path / "nowhere", *more), "no such folder", "Give the --out folder")
    refused(cli(command, tmp_path, *more), "there is no checkpoint", "cadnet-edu train")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (MemoryError(), ("not enough memory", "--devices")),
        (torch.OutOfMemoryError("CUDA out of memory."), ("not enough memory", "--devices")),
        (FileNotFoundError(2, "No such file or directory", "missing.bin"), ("missing.bin", "No such file")),
    ],
)
def test_errors_of_the_system_are_sentences(
    monkeypatch: pytest.MonkeyPatch, error: Exception, words: tuple[str, ...]
) -> None:
    def fail(arguments: Sequence[str]) -> None:
        raise error

    monkeypatch.setitem(COMMANDS, "evaluate", fail)
    refused(cli("evaluate"), *words)


@pytest.mark.parametrize(
    ("encoding", "name", "shown"),
    [
        ("cp1252", "Zoë王", "Zoë\\u738b".encode("cp1252")),
        ("ascii", "Zoë王", b"Zo\\xeb\\u738b"),
        ("utf-8", os.fsdecode(b"Zo\xeb"), b"Zo\\udceb"),
    ],
)
@pytest.mark.skipif(sys.platform != "linux", reason="names of other bytes")
def test_what_an_encoding_lacks_is_escaped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoding: str, name: str, shown: bytes
) -> None:
    monkeypatch.setenv("CADNET_EDU_CACHE", str(tmp_path / name))
    content = io.BytesIO()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", io.TextIOWrapper(content, encoding=encoding))
        assert main(["data", "cache"]) == 0
        assert shown in content.getvalue()


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        ("{ CADNET data cache; echo $? >&2; } | true", 0, ["141"]),  # a closed pipe is no error to report
        ("CADNET data cache >/dev/full", 1, ["No space left on device"]),
        ("CADNET evaluate --help >/dev/full", 1, ["No space left on device"]),
        ("CADNET data cache >&-", 0, []),
    ],
)
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_output_that_cannot_be_written(tmp_path: Path, line: str, code: int, said: list[str]) -> None:
    shell = ["sh", "-c", line.replace("CADNET", f"{shlex.quote(sys.executable)} -m cadnet_edu")]
    variables = environment(CADNET_EDU_CACHE=str(tmp_path))
    done = subprocess.run(shell, env=variables, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == code
    lines = done.stderr.splitlines()
    assert len(lines) == len(said)
    assert all(words in shown for words, shown in zip(said, lines, strict=True))
