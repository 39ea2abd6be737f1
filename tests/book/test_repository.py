"""What a newcomer meets first is true: README, environment.yml, pinned tools, make targets, commands, citation."""

import json
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import notebooks
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
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "book").glob("*.md"))]


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


def test_only_the_books_tools_are_pinned_and_the_version_stands_in_one_place() -> None:
    bounds = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["test"]]
    assert not [bound for bound in bounds if re.search(r"==|<|~=", bound)], "lower bounds only"
    assert (PROJECT["dynamic"], "version" in PROJECT) == (["version"], False)


def test_the_workflow_runs_what_has_to_pass() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))
    assert "bash .ci/run" in [step.get("run") for job in workflow["jobs"].values() for step in job["steps"]]


def test_installed_tools_are_the_pinned_ones_and_every_sphinx_package_is_pinned() -> None:
    lines = (ROOT / "book" / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    assert {name: metadata.version(name) for name in pins} == pins
    installed = {normal(d.metadata["Name"]) for d in metadata.distributions()}
    family = {name for name in installed if re.match(r"sphinx|pydata-sphinx|myst|docutils|jupyter-book|jupytext", name)}
    assert family <= {normal(name) for name in pins}


@pytest.mark.parametrize("code", snippets("python"))
def test_python_of_the_readme_runs(code: str, tmp_path: Path) -> None:
    run = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stdout.count("torch.Size") == code.count("print(")


COMMANDS = [line for block in snippets("bash") for line in block.splitlines() if line.strip()]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_files_and_make_targets_that_a_page_names_exist(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for target in re.findall(r"(?:`|^)make ([a-z-]+)", text, re.MULTILINE):
        assert re.search(rf"^{target}:", MAKEFILE, re.MULTILINE), f"make {target}"
    if path.parent == ROOT:
        links = re.findall(r"\]\(([^)#]+)\)", text)
        assert [link for link in links if not link.startswith("https://") and not (ROOT / link).exists()] == []
    pairs = re.findall(r"`([\w/.]+\.py):([\w.]+)`", text)
    assert len(pairs) > 25 or path.name != "CONTRIBUTING.md"
    for file, name in pairs:
        code = next(p for p in (ROOT / "cadnet_edu" / file, ROOT / file) if p.exists()).read_text(encoding="utf-8")
        last = name.rpartition(".")[2]
        assert re.search(rf"^\s*(def|class) {last}\b|^{last}\b.*=", code, re.MULTILINE), f"{file}: {name}"


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
        (tools / name).symlink_to(str(shutil.which(name)))
    for name in ("python3", "python"):
        (tools / name).write_text("#!/bin/sh\nexit 1\n")
        (tools / name).chmod(0o755)
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "constraints.txt").write_text("")
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    command = [str(tools / "make"), "book", f"SHELL={tools / 'bash'}"]
    env = {"PATH": str(tools), "HOME": str(tmp_path)}
    run = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert run.returncode != 0
    assert "no Python 3.11 or newer was found" in run.stderr
    assert not (tmp_path / ".venv").exists()


def test_version_and_repository_are_the_same_everywhere() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == cadnet_edu.__version__ == metadata.version(PROJECT["name"])
    url = yaml.safe_load((ROOT / "_config.yml").read_text())["repository"]["url"]
    assert citation["repository-code"] == PROJECT["urls"]["Repository"] == url
    assert f'git+{url}"' in notebooks.BOOTSTRAP  # which the launch buttons open


def test_nothing_is_tracked_but_the_project() -> None:
    """What a test or a run has left behind would be at the top, or large, or many."""
    run = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    names = [name for name in run.stdout.split("\0") if name]
    folders = {name.split("/")[0] for name in names if "/" in name}
    assert folders == {".ci", ".github", "book", "cadnet_edu", "data_scripts", "tests"}
    sizes = {name: (ROOT / name).stat().st_size for name in names if (ROOT / name).exists()}
    assert {name for name, size in sizes.items() if size > 2**20} <= {
        f"cadnet_edu/weights/{name}.safetensors" for name in ("cadnet", "without_adv_DF")
    }
    assert sum(sizes.values()) < 25 * 2**20


def test_the_project_speaks_of_itself_alone() -> None:
    """No path of somebody's machine and no unfinished mark in a tracked text."""
    marks = "|".join(["TO" + "DO", "FIX" + "ME", r"(?<![\w.])/(?:root|home)/[A-Za-z]"])
    kinds = [f"*.{ending}" for ending in ("py", "md", "yml", "toml", "ipynb", "bib", "css")]
    run = subprocess.run(["git", "grep", "-nP", marks, "--", *kinds], cwd=ROOT, capture_output=True, text=True)
    assert (run.returncode, run.stdout, run.stderr) == (1, "", "")  # nothing was found


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
    command = r"\s*!?(?:torchrun .*? -m )?cadnet[-_]edu ((?:train|evaluate|recover|export|reproduce) .*)"
    for path in [*PAGES, *sorted((ROOT / "book" / "src").glob("*.md"))]:
        for number, line in enumerate(path.read_text(encoding="utf-8").replace("\\\n", " ").splitlines(), 1):
            if typed := re.match(command, line):
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
