"""Who may import whom: an import points to a lower floor or stays in its own folder, never up."""

import ast
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from rings import ABOUT, RINGS, description, svg

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "cadnet_edu"

ORDER = [room for rooms in RINGS.values() for room in rooms]
FORBIDDEN = {  # what the order alone would allow
    "models": {"config", "losses"},
    "losses": {"config"},
    "evaluation": {"models"},
    "figures": {"models", "data", "config"},
    "analysis": {"models"},
}


def room(module: str) -> str:
    return module.split(".")[1] if "." in module else "__init__"


def place(name: str) -> int:
    assert name in ORDER, f"cadnet_edu/{name} stands in no ring: give it a place in RINGS of book/tools/rings.py"
    return ORDER.index(name)


def imports(source: str) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {room(alias.name) for alias in node.names if alias.name.split(".")[0] == "cadnet_edu"}
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "cadnet_edu":
            found |= {room(node.module)} if "." in node.module else {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "write imports with the package's name"
    return found


def wrong(name: str, source: str) -> list[str]:
    """Return the imports of a module in room `name` that point up or to a forbidden room."""
    others = imports(source) - {name}
    up = {other for other in others if place(other) >= place(name)}
    return sorted(up | (others & FORBIDDEN.get(name, set())))


FILES = [p for p in sorted(PACKAGE.rglob("*.py")) if p != PACKAGE / "__init__.py"]


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(PACKAGE).as_posix())
def test_imports_point_down(path: Path) -> None:
    name = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    assert wrong(name, path.read_text(encoding="utf-8")) == []


def test_the_table_has_every_room_and_no_other() -> None:
    there = {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in FILES}
    assert sorted(ORDER) == sorted(there)
    assert set(ABOUT) == set(RINGS)


def test_the_picture_shows_each_room_inside_its_ring() -> None:
    space = "{http://www.w3.org/2000/svg}"
    picture = ET.fromstring(svg())
    assert all(name in description() for name in ORDER)
    width, height = map(float, picture.attrib["viewBox"].split()[2:])
    boxes = [tuple(float(r.get(k, 0)) for k in ("x", "y", "width", "height")) for r in picture.iter(f"{space}rect")]
    assert all(x >= 0 and y >= 0 and x + w <= width and y + h <= height for x, y, w, h in boxes)
    box_of = dict(zip(["cli", "teach", "lab", "core"], boxes[1:], strict=True))
    texts = {text.text: text for text in picture.iter(f"{space}text")}
    for ring, inside in RINGS.items():
        x, y, w, h = box_of[ring]
        for name, purpose in inside.items():
            assert x < float(texts[name].attrib["x"]) < x + w
            assert y < float(texts[name].attrib["y"]) < y + h
            assert float(texts[purpose].attrib["x"]) + 7.2 * len(purpose) < x + w, f"{name}: too long for the picture"


WATCH = """
import os, sys
import matplotlib.figure, sklearn.manifold, torch, torchvision  # what they do is theirs
root, cache = sys.argv[1:]
opened = []
def hook(event, arguments):
    if event != "open":
        return
    if isinstance(arguments[0], str):
        path = os.path.abspath(arguments[0])
        inside = path.startswith((root + os.sep, cache)) and f"{os.sep}.venv{os.sep}" not in path
        if inside and not path.endswith((".py", ".pyc")) and f"{os.sep}__pycache__{os.sep}" not in path:
            opened.append(path)
sys.addaudithook(hook)
import cadnet_edu
assert not opened, opened
assert not torch.cuda.is_initialized()
assert not os.path.exists(cache)
"""


def test_importing_does_nothing(tmp_path: Path) -> None:
    """No file is read, nothing is printed, no GPU is touched, no folder is made."""
    cache = tmp_path / "cache"
    environment = {**os.environ, "CADNET_EDU_CACHE": str(cache), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", WATCH, str(ROOT), str(cache)]
    run = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
