"""A notebook runs again when, and only when, something that it depends on changes."""

import ast
from pathlib import Path

import build
import keys
import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

MODULES = {
    "__init__.py": "from toy.losses import L\nfrom .data import draw\n__version__ = '1'\n",
    "config.py": "PHI = 2\n",
    "losses.py": "from toy.config import PHI\n\n\ndef L():\n    return PHI\n",
    "figures.py": "import toy.config\n\nCOLOUR = toy.config.PHI\n",
    "extra.py": "X = 1\n",
    "loop_a.py": "from toy import loop_b\n",
    "loop_b.py": "from toy import loop_a\n",
    "late.py": "def f():\n    from toy import losses\n    return losses.L()\n",
    "named.py": "import importlib\n\nmodule = importlib.import_module('toy.extra')\n",
    "__main__.py": "from toy import extra\n",
    "data/__init__.py": "from .draw import draw\n",
    "data/draw.py": "from ..config import PHI\n\n\ndef draw():\n    return PHI\n",
    "data/other.py": "from . import draw\n",
}


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    for name, text in MODULES.items():
        path = tmp_path / "toy" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "toy"


@pytest.mark.parametrize(
    ("code", "needed"),
    [
        ("import numpy", ""),
        ("from toy.losses import L", "losses config"),
        ("from toy import L", "losses config"),
        ("import toy\ntoy.L()", "losses config"),
        ("import toy as t\nt.losses.L()", "losses config"),
        ("import toy.losses", "losses config"),
        ("import toy.losses as l\nl.L()", "losses config"),
        ("from toy import losses\nlosses.L()", "losses config"),
        ("import toy\ntoy.__version__", ""),
        ("from toy.figures import COLOUR", "figures config"),
        ("from toy import draw", "data data.draw config"),
        ("from toy.data import draw", "data data.draw config"),
        ("from toy.data.other import draw", "data data.other data.draw config"),
        ("from toy import data\ndata.draw()", "data data.draw config"),
        ("from toy.loop_a import loop_b", "loop_a loop_b"),
        ("from toy.late import f", "late losses config"),
        ("from toy.named import module", "named extra"),
        ("def f():\n    import toy.extra", "extra"),
        *((code, None) for code in ("import toy\nhelp(toy)", "import toy\ntoy.nothing", "from toy import *")),
    ],
)
def test_needed_modules(toy: Path, code: str, needed: str | None) -> None:
    """What cannot be followed counts as everything."""
    package = keys.Package(toy)
    wanted = package.files.keys() if needed is None else {f"toy.{name}" for name in needed.split()}
    assert package.needed(ast.parse(code)) - {"toy"} == wanted - {"toy"}


def test_magics_and_the_command_line(toy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "COMMAND", "toy")
    cells = [new_code_cell("%matplotlib inline\n!toy train --steps 1"), new_code_cell("x = !ls")]
    assert "toy.extra" in keys.needed(new_notebook(cells=cells), keys.Package(toy))
    assert keys.needed(new_notebook(cells=[new_code_cell("!ls toy")]), keys.Package(toy)) == set()


@pytest.fixture
def key_of(toy: Path, tmp_path: Path):
    path, results, constraints = tmp_path / "n.ipynb", tmp_path / "results", tmp_path / "constraints.txt"
    constraints.write_text("")
    results.mkdir()

    def key(code: str = "from toy.losses import L\nL()", preset: str = "smoke") -> str:
        notebook = new_notebook(cells=[new_code_cell(code, id="a")])
        nbformat.write(notebook, path)
        return keys.key(path, keys.Package(toy), preset, results, constraints)

    return key


def test_key_changes_with_what_the_notebook_needs_and_nothing_else(toy: Path, key_of) -> None:
    before = key_of()
    (toy / "extra.py").write_text("X = 2\n")
    (toy / "figures.py").write_text("COLOUR = 'red'\n")
    assert key_of() == before
    (toy / "config.py").write_text("PHI = 3\n")
    assert key_of() != before
    (toy / "config.py").write_text("PHI = 2\n")
    assert key_of() == before


def test_key_changes_with_preset_cells_and_data_files(toy: Path, tmp_path: Path, key_of) -> None:
    before = key_of()
    assert key_of(preset="quick") != before
    assert key_of("from toy.losses import L") != before
    (toy / "table.json").write_text("[]")
    after = key_of()
    assert after != before
    result = tmp_path / "results" / "table_1.json"
    result.write_text("{}")
    assert key_of() == after
    for code in ("open('results/table_1.json')", "published('table_1')"):
        reads = key_of(code)
        result.write_text(result.read_text() + " ")
        assert key_of(code) != reads


def test_key_changes_with_the_data_that_the_environment_names(key_of, monkeypatch: pytest.MonkeyPatch) -> None:
    before = key_of()
    monkeypatch.setenv("CADNET_EDU_DATASET", "market1501")
    named = key_of()
    monkeypatch.setenv("CADNET_EDU_ROOT", "somewhere")
    assert len({before, named, key_of()}) == 3


def test_changed_constant_changes_its_page_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two notebooks, two modules: after one constant changes, one notebook runs again and shows the new value."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    package = tmp_path / "cadnet_edu"
    package.mkdir()
    for name, text in {"__init__.py": "", "a.py": "V = 1\n", "b.py": "V = 1\n"}.items():
        (package / name).write_text(text)
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "constraints.txt").write_text("")
    folders = build.Folders(tmp_path, tmp_path / "_build", tmp_path / "executed")
    paths = []
    for name in "ab":
        paths.append(tmp_path / f"{name}.ipynb")
        cell = new_code_cell(f"from cadnet_edu.{name} import V\nprint('V is', V)")
        nbformat.write(new_notebook(cells=[cell]), paths[-1])

    def shown() -> list[str]:
        done = build.execute_all(paths, folders, "smoke")
        return [nbformat.read(done[path], 4).cells[0].outputs[0].text.strip() for path in paths]

    runs = []
    execute = build.execute
    monkeypatch.setattr(build, "execute", lambda path, watch: runs.append(path.stem) or execute(path))
    assert (shown(), runs) == (["V is 1", "V is 1"], ["a", "b"])
    assert (shown(), runs) == (["V is 1", "V is 1"], ["a", "b"])
    (package / "a.py").write_text("V = 2\n")
    assert (shown(), runs) == (["V is 2", "V is 1"], ["a", "b", "a"])
