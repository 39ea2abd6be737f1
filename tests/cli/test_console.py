"""Options as they are typed, ``~`` in paths, and commands to paste."""

import dataclasses
import os
import shlex
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest
import tyro

from cadnet_edu.cli import data
from cadnet_edu.cli.console import command, fields, join_lists, list_options, read
from cadnet_edu.cli.evaluate import Evaluate
from cadnet_edu.cli.export import Export
from cadnet_edu.cli.main import COMMANDS
from cadnet_edu.cli.recover import Recover
from cadnet_edu.cli.reproduce import Reproduce
from cadnet_edu.cli.train import Train
from cadnet_edu.config import Config, expand

ROOT = Path(__file__).parents[2]
OPTIONS: dict[str, type] = {
    "train": Train, "evaluate": Evaluate, "recover": Recover, "reproduce": Reproduce, "export": Export,
    "data walkers": data.Walkers, "data prepare": data.Prepare, "data check": data.Check,
    "data manifest": data.Manifest, "data cache": data.Cache,
}  # fmt: skip
DEFAULTS = {"train": Train(Config())}
LISTS = [(name, option) for name, kind in OPTIONS.items() for option in sorted(list_options(kind))]


def words(hint: Any) -> list[str]:
    """What can be typed for an option of this type."""
    if get_origin(hint) is Literal:
        return [str(get_args(hint)[0])]
    if get_args(hint):  # several of them, or a union
        return words(get_args(hint)[0])
    return {Path: ["~/x"], str: ["cadnet"], int: ["1"], float: ["2"]}[hint]


def arguments(kind: type, wanted: Any) -> list[str]:
    """Words for all options that a command needs, and for those that are wanted."""
    given: list[str] = []
    hints = get_type_hints(kind, include_extras=True)
    needed = {f.name for f in dataclasses.fields(kind) if f.default is f.default_factory is dataclasses.MISSING}
    for name, hint in fields(kind).items():
        if name in needed or wanted(name, hint):
            positional = tyro.conf.Positional in getattr(hints.get(name), "__metadata__", ())
            given += words(hint) if positional else [f"--{name.replace('_', '-')}", *words(hint)]
    return given


def leaves(value: Any) -> dict[str, Any]:
    """Option -> value, of the options of nested dataclasses as well."""
    found = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    nested = [leaves(inner) for inner in found.values() if dataclasses.is_dataclass(inner)]
    return {name: inner for each in (found, *nested) for name, inner in each.items()}


def test_all_commands_are_here_and_parse_in_one_place() -> None:
    assert {name.split()[0] for name in OPTIONS} == set(COMMANDS)
    assert [name.split()[1] for name in OPTIONS if name.startswith("data ")] == list(data.COMMANDS)
    calls = [p.name for p in (ROOT / "cadnet_edu").rglob("*.py") if "tyro.cli(" in p.read_text(encoding="utf-8")]
    assert calls == ["console.py"]
    assert {("train", "--rates"), ("evaluate", "--rates"), ("reproduce", "--rows")} <= set(LISTS)
    assert ("train", "--seed") not in LISTS


@pytest.mark.parametrize("name", OPTIONS)
def test_home_is_expanded_in_every_path(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    kind = OPTIONS[name]
    has_path = {option: Path in (hint, *get_args(hint)) for option, hint in fields(kind).items()}
    got = leaves(read(kind, arguments(kind, lambda option, hint: has_path[option]), name, DEFAULTS.get(name)))
    for option, path in has_path.items():
        if path:
            assert got[option] in (tmp_path / "x", (tmp_path / "x",)), option


def test_only_a_home_is_expanded(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Config().replace(weights="~/w.pth").model.weights == str(Path.home() / "w.pth")
    assert expand(Path("a/~/b")) == Path("a/~/b")
    assert expand(Path("~no-user-of-this-name.jpg")) == Path("~no-user-of-this-name.jpg")

    def unknown(self: Path) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "expanduser", unknown)
    with pytest.raises(ValueError, match=r"~/a: there is no home folder here .* Give the whole path"):
        expand(Path("~/a"))


@pytest.mark.parametrize(("name", "option"), [each for each in LISTS if each != ("recover", "--images")])
def test_a_list_can_be_written_in_any_way(name: str, option: str) -> None:
    kind, field = OPTIONS[name], option[2:].replace("-", "_")
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
    needed = arguments(kind, lambda *_: False)
    found = [leaves(read(kind, [*needed, *way], name, DEFAULTS.get(name)))[field] for way in ways]
    assert found == [found[0]] * len(ways)
    assert [str(value) for value in found[0]] == (["2.0", "4.0"] if element is float else [a, b])


@pytest.mark.parametrize("typed", ["--rates 1 --json run", "--rates 1 -h", "--rates -1 2", "--name a,b c,d", "--rates"])
def test_lists_end_at_the_next_option(typed: str) -> None:
    assert join_lists(typed.split(), {"--rates"}) == typed.split()
    assert join_lists(["--rates", "-1", "--rates", "2"], {"--rates"}) == ["--rates", "-1", "2"]


@pytest.mark.skipif(os.name == "nt", reason="another shell")
def test_a_printed_command_can_be_pasted() -> None:
    out = Path("My Drive (1)/Schüler's [2026] #1 %20 $HOME")
    assert shlex.split(command("evaluate", out)) == ["cadnet-edu", "evaluate", str(out)]
