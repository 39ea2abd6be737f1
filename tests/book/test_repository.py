"""What a newcomer meets first is true: README, environment.yml, pinned tools, make targets, commands, citation."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from PIL import Image

import cadnet_edu
from cadnet_edu.cli import train
from cadnet_edu.cli.console import read
from cadnet_edu.cli.evaluate import Evaluate
from cadnet_edu.cli.export import Export
from cadnet_edu.cli.main import main
from cadnet_edu.cli.recover import Recover
from cadnet_edu.cli.reproduce import Reproduce
from cadnet_edu.config import preset
from cadnet_edu.methods import method

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def snippets(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_environment_yml_equals_the_project_file() -> None:
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    conda = [entry for entry in environment["dependencies"] if isinstance(entry, str)]
    (pip,) = [entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict)]
    extras = PROJECT["optional-dependencies"].values()
    wanted = [*PROJECT["dependencies"], *(bound for bounds in extras for bound in bounds)]
    assert pip == wanted
    assert conda == [f"python{PROJECT['requires-python']}", "pip"]
    assert environment["name"] == PROJECT["name"]


def test_only_the_books_tools_are_pinned() -> None:
    bounds = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["test"]]
    assert not [bound for bound in bounds if re.search(r"==|<|~=", bound)], "lower bounds only"


def test_installed_tools_are_the_pinned_ones() -> None:
    lines = (ROOT / "book" / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    assert {name: metadata.version(name) for name in pins} == pins


def test_every_sphinx_package_is_pinned() -> None:
    lines = (ROOT / "book" / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = {normal(line.split("==")[0]) for line in lines if "==" in line}
    installed = {normal(d.metadata["Name"]) for d in metadata.distributions()}
    family = {name for name in installed if re.match(r"sphinx|pydata-sphinx|myst|docutils|jupyter-book|jupytext", name)}
    assert family <= pinned


def test_links_of_the_readme_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)]+)\)", README)
    assert len(links) > 8
    inside = [link for link in links if not link.startswith("https://")]
    assert [link for link in inside if not (ROOT / link).exists()] == []


@pytest.mark.parametrize("code", snippets("python"))
def test_python_of_the_readme_runs(code: str, tmp_path: Path) -> None:
    run = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stdout.count("torch.Size") == code.count("print(")


COMMANDS = [line for block in snippets("bash") for line in block.splitlines() if line.strip()]


@pytest.mark.parametrize("line", [line for line in COMMANDS if line.startswith("make ")])
def test_make_targets_of_the_readme_exist(line: str) -> None:
    targets = [word for word in shlex.split(line, comments=True)[1:] if "=" not in word]
    assert targets
    for target in targets:
        assert re.search(rf"^{target}:", MAKEFILE, re.MULTILINE), f"make {target}"


def test_make_targets_named_in_words_exist() -> None:
    pages = [ROOT / "README.md", *sorted((ROOT / "book").glob("*.md"))]
    for path in pages:
        for target in re.findall(r"`make ([a-z-]+)", path.read_text(encoding="utf-8")):
            assert re.search(rf"^{target}:", MAKEFILE, re.MULTILINE), f"{path.name}: make {target}"


def test_the_readme_shows_commands_of_both_kinds() -> None:
    assert sum(line.startswith("make ") for line in COMMANDS) >= 2
    assert sum(line.startswith("cadnet-edu ") for line in COMMANDS) >= 4


def test_command_line_of_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All lines, in their order, at smoke and with few steps."""
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (30, 70), "gray").save("photo.png")
    for line in (line for line in COMMANDS if line.startswith("cadnet-edu ")):
        words = shlex.split(line.replace("--preset quick", "--preset smoke"))[1:]
        words += ["--steps", "2"] if words[0] == "train" else []
        words += ["--size", "S"] if words[0] == "data" else []
        assert main(words) == 0, line
    assert list((tmp_path / "recovered").iterdir())
    assert list((tmp_path / "data" / "walkers").iterdir())


def test_a_machine_without_a_new_python_is_told(tmp_path: Path) -> None:
    """`make` with nothing but old Pythons in reach says what to install and makes no environment."""
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("bash", "sh", "sed", "echo", "rm", "touch", "make"):
        found = next(Path(folder) / name for folder in os.environ["PATH"].split(":") if (Path(folder) / name).exists())
        (tools / name).symlink_to(found)
    for name in ("python3", "python"):
        (tools / name).write_text("#!/bin/sh\nexit 1\n")
        (tools / name).chmod(0o755)
    for name in ("Makefile", "pyproject.toml"):
        (tmp_path / name).write_text((ROOT / name).read_text(encoding="utf-8"))
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "constraints.txt").write_text("")
    run = subprocess.run(
        [str(tools / "make"), "book", f"SHELL={tools / 'bash'}"],
        cwd=tmp_path,
        env={"PATH": str(tools), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode != 0
    assert "no Python 3.11 or newer was found" in run.stderr
    assert not (tmp_path / ".venv").exists()


def test_the_citation_is_of_this_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == cadnet_edu.__version__ == metadata.version(PROJECT["name"])
    assert citation["preferred-citation"]["year"] == 2019
    assert f"https://github.com/{'/'.join(citation['repository-code'].split('/')[-2:])}" == citation["repository-code"]
    assert citation["repository-code"] == PROJECT["urls"]["Repository"]
    assert citation["repository-code"] == yaml.safe_load((ROOT / "_config.yml").read_text())["repository"]["url"]


def test_the_version_stands_in_one_place() -> None:
    assert "version" not in PROJECT
    assert PROJECT["dynamic"] == ["version"]
    place = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]["version"]["path"]
    assert (ROOT / place).read_text(encoding="utf-8").count(f'__version__ = "{cadnet_edu.__version__}"') == 1


CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def test_what_contributing_names_is_there() -> None:
    """Every path, every ``file.py: name`` and every make target in it."""
    for link in re.findall(r"\]\(([^)#]+)\)", CONTRIBUTING):
        assert link.startswith("https://") or (ROOT / link).exists(), link
    for target in re.findall(r"`make ([a-z-]+)", CONTRIBUTING):
        assert re.search(rf"^{target}:", MAKEFILE, re.MULTILINE), f"make {target}"
    pairs = re.findall(r"`([\w/.]+\.py):([\w.]+)`", CONTRIBUTING)
    assert len(pairs) > 25
    for file, name in pairs:
        path = next(p for p in (ROOT / "cadnet_edu" / file, ROOT / file) if p.exists())
        last = name.rpartition(".")[2]
        assert re.search(rf"^\s*(def|class) {last}\b|^{last}\b.*=", path.read_text(encoding="utf-8"), re.MULTILINE), (
            f"{file}: {name}"
        )


def test_the_workflow_runs_what_has_to_pass() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    assert "bash .ci/run" in [step.get("run") for step in steps]
    assert (ROOT / ".ci" / "run").exists()


def test_the_project_speaks_of_itself_alone() -> None:
    """No path of somebody's machine and no unfinished mark in a tracked text."""
    run = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    marks = re.compile("|".join(["TO" + "DO", "FIX" + "ME", r"(?<![\w.])/(?:root|home)/[A-Za-z]"]))
    found = []
    for name in run.stdout.splitlines():
        path = ROOT / name
        if path.suffix in {".py", ".md", ".yml", ".toml", ".ipynb", ".bib", ".css"} and path.exists():
            found += [f"{name}: {m.group()}" for m in marks.finditer(path.read_text(encoding="utf-8"))]
    assert found == []


def test_the_readme_s_numbers_are_those_of_the_published_table() -> None:
    table = json.loads((ROOT / "book" / "results" / "table1.json").read_text(encoding="utf-8"))
    rank1 = table["regimes"][0]["parts"][0]
    (row,) = [row for row in rank1["rows"] if row["row"] == "baseline_hr"]
    at = {column: mean for column, (mean, *_) in zip(rank1["columns"], row["values"], strict=True)}
    assert f"at `{table['preset']}`, rank-1 of `baseline_hr` falls from {at['r = 1']:.1f} % (r = 1)" in README
    assert f"to {at['r = 4']:.1f} % (r = 4)" in README


def commands_of_the_book() -> dict[str, str]:
    """place -> each command of this package that a page tells its reader to type, continued lines joined."""
    found = {}
    for path in [
        ROOT / "README.md",
        *sorted((ROOT / "book").glob("*.md")),
        *sorted((ROOT / "book" / "src").glob("*.md")),
    ]:
        text = path.read_text(encoding="utf-8").replace("\\\n", " ")
        for number, line in enumerate(text.splitlines(), 1):
            typed = re.match(
                r"\s*!?(?:torchrun .*? -m )?cadnet[-_]edu ((?:train|evaluate|recover|export|reproduce) .*)", line
            )
            if typed:
                found[f"{path.stem}:{number}"] = re.sub(r"\$\w+|\bSTEPS\b", "1", typed[1])
    return found


SHOWN = commands_of_the_book()


@pytest.mark.parametrize("line", SHOWN.values(), ids=SHOWN)
def test_a_command_that_a_page_shows_is_understood(line: str) -> None:
    """Its options exist, and their values are possible; nothing is run."""
    name, *words = shlex.split(line, comments=True)
    if name == "train":
        chosen, method_name = train.preset_and_method(words)
        read(train.Train, words, "cadnet-edu train", train.Train(method(method_name, preset(chosen))))
    else:
        kinds = {"evaluate": Evaluate, "recover": Recover, "export": Export, "reproduce": Reproduce}
        read(kinds[name], words, f"cadnet-edu {name}")
