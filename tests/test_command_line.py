"""What all commands share: the spelling of options, paths below home, lines to paste, and output on any stream."""

from __future__ import annotations

import dataclasses
import errno
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest
import tyro
from commands import cli

from cadnet_edu.cli.console import command, expand, fields, join_lists, list_options, read
from cadnet_edu.cli.main import COMMANDS
from cadnet_edu.config import Config
from cadnet_edu.io import remedy

ROOT = Path(__file__).parents[1]
DATA = re.findall(r"\w+", cli("data", "nothing").err.split("one of ")[1].split(", as in")[0])
NAMES = [[name] for name in COMMANDS if name != "data"] + [["data", name] for name in DATA]


def parsed(name: list[str]) -> tuple[type, Any]:
    """The dataclass of a command's options, and its default."""
    found = []

    def cli_of(kind: type, args: Any, prog: str, default: Any = None) -> Any:
        found.append((kind, default))
        raise SystemExit(0)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tyro, "cli", cli_of)
        cli(*name, "--help")
    return found[0]


KINDS = {" ".join(name): parsed(name) for name in NAMES}


def words(hint: Any) -> list[str]:
    """What can be typed for an option of this type."""
    if get_origin(hint) is Literal:
        return [str(get_args(hint)[0])]
    if get_args(hint):  # several of them, or a union
        return words(get_args(hint)[0])
    return {Path: ["~/x"], str: ["cadnet"], int: ["1"], float: ["2"]}[hint]


def options(kind: type, wanted: Any) -> list[str]:
    """Words for all options that a command needs, and for those that are wanted."""
    given: list[str] = []
    hints = get_type_hints(kind, include_extras=True)
    needed = {f.name for f in dataclasses.fields(kind) if f.default is f.default_factory is dataclasses.MISSING}
    for name, hint in fields(kind).items():
        if name in needed or wanted(name, hint):
            positional = tyro.conf.Positional in getattr(hints.get(name), "__metadata__", ())
            given += words(hint) if positional else [f"--{name.replace('_', '-')}", *words(hint)]
    return given


def has_path(name: str, hint: Any) -> bool:
    return Path in (hint, *get_args(hint))


def paths_of(value: Any) -> list[Path]:
    if isinstance(value, Path):
        return [value]
    if isinstance(value, tuple):
        return [path for each in value for path in paths_of(each)]
    return (
        [path for f in dataclasses.fields(value) for path in paths_of(getattr(value, f.name))]
        if (dataclasses.is_dataclass(value))
        else []
    )


def test_all_commands_are_here_and_parse_in_one_place() -> None:
    assert len(KINDS) >= 9
    assert {"train", "evaluate", "data manifest"} <= set(KINDS)
    calls = [p.name for p in (ROOT / "cadnet_edu").rglob("*.py") if "tyro.cli(" in p.read_text(encoding="utf-8")]
    assert calls == ["console.py"]


@pytest.mark.parametrize("name", KINDS)
def test_home_is_expanded_in_every_path(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    kind, default = KINDS[name]
    there = [option for option, hint in fields(kind).items() if has_path(option, hint)]
    got = read(kind, options(kind, has_path), name, default)
    found = paths_of(got)
    assert len(found) >= len(there)
    for path in found:
        assert path == tmp_path / "x", path


def test_home_in_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    config = Config().replace(root=Path("~/data"), weights="~/w.pth")
    assert config.data.root == tmp_path / "data"
    assert config.model.weights == str(tmp_path / "w.pth")
    assert Config().model.weights == "imagenet"


def test_only_a_home_is_expanded(monkeypatch: pytest.MonkeyPatch) -> None:
    assert expand(Path("a/~/b")) == Path("a/~/b")
    assert expand(Path("~nobody-of-this-name.jpg")) == Path("~nobody-of-this-name.jpg")

    def unknown(self: Path) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "expanduser", unknown)
    with pytest.raises(ValueError, match=r"~/a: there is no home folder here .* Give the whole path"):
        expand(Path("~/a"))


LISTS = [(name, option) for name, (kind, _) in KINDS.items() for option in sorted(list_options(kind))]


def test_the_lists_of_all_commands_are_found() -> None:
    lists = {("train", "--rates"), ("evaluate", "--rates"), ("reproduce", "--rows"), ("reproduce", "--regimes")}
    assert lists <= set(LISTS)
    assert ("train", "--seed") not in LISTS


@pytest.mark.parametrize(("name", "option"), [each for each in LISTS if each != ("recover", "--images")])
def test_a_list_can_be_written_in_any_way(name: str, option: str) -> None:
    kind, default = KINDS[name]
    field = option[2:].replace("-", "_")
    inner = fields(kind)[field]
    inner = inner if get_origin(inner) is tuple else next(a for a in get_args(inner) if get_origin(a) is tuple)
    element = get_args(inner)[0]
    a, b = ("2", "4") if element is float else get_args(element)[:2] if get_origin(element) is Literal else ("a", "b")
    ways = (
        [option, a, b],
        [option, a, option, b],
        [f"{option}={a}", f"{option}={b}"],
        [option, f"{a},{b}"],
        [f"{option}={a},{b}"],
        [option, f"{a},", b],
    )
    needed = options(kind, lambda *_: False)
    found = []
    for way in ways:
        got = read(kind, [*needed, *way], name, default)
        found.append(getattr(got, field) if hasattr(got, field) else getattr(got.config, field))
    assert found == [found[0]] * len(ways)
    assert [str(value) for value in found[0]] == (["2.0", "4.0"] if element is float else [a, b])


def test_lists_end_at_the_next_option() -> None:
    lists = {"--rates"}
    assert join_lists(["--rates", "1", "--json", "run"], lists) == ["--rates", "1", "--json", "run"]
    assert join_lists(["--rates", "1", "-h"], lists) == ["--rates", "1", "-h"]
    assert join_lists(["--rates", "-1", "--rates", "2"], lists) == ["--rates", "-1", "2"]
    assert join_lists(["--name", "a,b", "c,d"], lists) == ["--name", "a,b", "c,d"]
    assert join_lists(["--rates"], lists) == ["--rates"]


@pytest.mark.skipif(os.name == "nt", reason="another shell")
def test_a_printed_command_can_be_pasted() -> None:
    out = Path("My Drive (1)/Schüler's [2026] #1 %20 $HOME")
    line = command("evaluate", out)
    assert shlex.split(line) == ["cadnet-edu", "evaluate", str(out)]
    assert command("evaluate", Path("runs/a")) == "cadnet-edu evaluate runs/a"


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENAMETOOLONG, "shorter name"),
        (errno.ENOSPC, "Free some space"),
        (errno.EROFS, "may write to"),
        (errno.EACCES, "may write to"),
        (errno.EEXIST, "another folder"),
    ],
)
def test_each_error_of_the_disk_has_its_own_cure(number: int, words: str) -> None:
    assert words in remedy(OSError(number, os.strerror(number)))


def test_a_name_too_long_is_not_blamed_on_the_folder(tmp_path: Path) -> None:
    said = cli("train", "--preset", "smoke", "--out", tmp_path / ("n" * 300))
    assert said.code != 0
    assert "too long" in said.err
    assert "shorter name" in said.err


# ------------------------------------------------------------------------------------------------ streams


def run(*arguments: str, cache: str, stdout: Any = subprocess.PIPE, **env: str) -> tuple[int, bytes, bytes]:
    """Run a command in a process of its own; `data cache` is the quickest that prints a path on standard output."""
    variables = {**os.environ, "PYTHONPATH": str(ROOT), "CADNET_EDU_CACHE": cache, **env}
    line = [sys.executable, "-m", "cadnet_edu", *arguments]
    process = subprocess.Popen(line, stdout=stdout, stderr=subprocess.PIPE, env=variables)
    if stdout == subprocess.PIPE and "CLOSED" in env:
        assert process.stdout is not None
        process.stdout.close()
        process.stdout = None
    out, err = process.communicate(timeout=300)
    return process.returncode, out or b"", err


@pytest.mark.parametrize(
    ("encoding", "name", "shown"),
    [
        ("cp1252", "Zoë王", "Zoë\\u738b".encode("cp1252")),
        ("ascii", "Zoë王", b"Zo\\xeb\\u738b"),
        ("utf-8", os.fsdecode(b"Zo\xeb"), b"Zo\\udceb"),
    ],
)
@pytest.mark.skipif(sys.platform != "linux", reason="names of other bytes")
def test_no_name_is_lost_for_an_encoding(tmp_path: Path, encoding: str, name: str, shown: bytes) -> None:
    code, out, err = run("data", "cache", cache=str(tmp_path / name), PYTHONIOENCODING=encoding)
    assert (code, err) == (0, b"")
    assert shown in out


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("line", [["data", "cache"], ["--help"], ["evaluate", "--help"]], ids=" ".join)
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_output_that_nobody_takes(tmp_path: Path, line: list[str], unbuffered: str) -> None:
    """A reader that has gone is no error to tell; a full disk is one."""
    code, _, err = run(*line, cache=str(tmp_path), PYTHONUNBUFFERED=unbuffered, CLOSED="1")
    assert (code, err) == (141, b"")
    with open("/dev/full", "w") as full:
        code, _, err = run(*line, cache=str(tmp_path), stdout=full, PYTHONUNBUFFERED=unbuffered)
    assert code == 1
    assert b"No space left on device" in err
    assert len(err.strip().splitlines()) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="another shell")
def test_without_any_standard_output(tmp_path: Path) -> None:
    env = {**os.environ, "PYTHONPATH": str(ROOT), "CADNET_EDU_CACHE": str(tmp_path)}
    line = f"{shlex.quote(sys.executable)} -m cadnet_edu data cache >&-"
    done = subprocess.run(["sh", "-c", line], env=env, stderr=subprocess.PIPE, check=False, timeout=300)
    assert (done.returncode, done.stderr) == (0, b"")
