"""What a chapter builds before the reader is what the package holds.

A cell tagged ``builds-cadnet_edu.losses.L_tri`` must define ``L_tri`` exactly as ``cadnet_edu/losses.py`` does.
Comments, docstrings and annotations are set aside; everything else counts.
"""

from __future__ import annotations

import ast
import contextlib
import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
from IPython.core.inputtransformer2 import TransformerManager

ROOT = Path(__file__).resolve().parents[2]
PREFIX = "builds-"
Definition = ast.FunctionDef | ast.ClassDef


def tagged_cells() -> list[tuple[str, str, str]]:
    """Return (chapter, dotted name, code) for each ``builds-`` tag of each notebook."""
    found = []
    for path in sorted((ROOT / "book" / "chapters").glob("*.ipynb")):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            tags = [tag for tag in cell["metadata"].get("tags", []) if tag.startswith(PREFIX)]
            found += [(path.stem, tag.removeprefix(PREFIX), "".join(cell["source"])) for tag in tags]
    return found


def source_of(dotted: str) -> tuple[str, list[str]]:
    """Return the source of the module that a dotted name lies in, and the rest of the name."""
    parts = dotted.split(".")
    for end in range(len(parts) - 1, 0, -1):
        try:
            spec = importlib.util.find_spec(".".join(parts[:end]))
        except ModuleNotFoundError:
            continue
        if spec and spec.origin:
            return Path(spec.origin).read_text(encoding="utf-8"), parts[end:]
    raise AssertionError(f"{dotted}: there is no such module")


def definition(code: str, names: list[str]) -> Definition | None:
    """Return the function or class of that name; a method may also stand alone, under its last name."""
    body: list[Any] = ast.parse(TransformerManager().transform_cell(code)).body
    for paths in (names, names[-1:]):
        here: Any = None
        inside = body
        for name in paths:
            matches = [node for node in inside if isinstance(node, Definition) and node.name == name]
            here = matches[-1] if matches else None
            inside = here.body if here else []
        if here is not None:
            return here
    return None


class _Bare(ast.NodeTransformer):
    """Take docstrings and annotations away."""

    def visit(self, node: ast.AST) -> Any:
        node = self.generic_visit(node)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            if ast.get_docstring(node) is not None:
                node.body = node.body[1:] or [ast.Pass()]
            if not isinstance(node, ast.ClassDef):
                node.returns = None
        if isinstance(node, ast.arg):
            node.annotation = None
        if isinstance(node, ast.AnnAssign):
            if node.value is not None:
                return ast.Assign(targets=[node.target], value=node.value)
            node.annotation = ast.Constant(value=None)
        return node


def bare(node: Definition) -> str:
    """Return the definition as text, without what does not count."""
    return ast.unparse(ast.fix_missing_locations(_Bare().visit(node)))


def compare(code: str, dotted: str) -> None:
    """Assert that the code defines what the package defines under that name."""
    source, names = source_of(dotted)
    package = definition(source, names)
    assert package is not None, f"the package has no function or class {dotted}"
    chapter = definition(code, names)
    assert chapter is not None, f"the cell is tagged {PREFIX}{dotted} and defines no {names[-1]}"
    assert bare(chapter) == bare(package), f"the chapter's {names[-1]} is not the package's"


@pytest.mark.parametrize(("chapter", "dotted", "code"), [pytest.param(*t, id=f"{t[0]}-{t[1]}") for t in tagged_cells()])
def test_chapter_builds_what_the_package_holds(chapter: str, dotted: str, code: str) -> None:
    compare(code, dotted)


def test_nothing_is_built_twice() -> None:
    names = [dotted for _, dotted, _ in tagged_cells()]
    assert len(names) > 30
    assert sorted({name for name in names if names.count(name) > 1}) == []


SEED = "def seed_everything(seed):\n    random.seed(seed)\n    np.random.seed(seed)\n    torch.manual_seed(seed)\n"
NAME = "cadnet_edu.teach.notebook.seed_everything"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("(seed):\n", '(seed: int) -> None:  # a comment\n    """Words."""\n', ""),
        ("def", "%matplotlib inline\nimport random\n\ndef", ""),
        ("torch.manual_seed(seed)", "torch.manual_seed(seed + 1)", "is not the package's"),
        ("    random.seed(seed)\n", "", "is not the package's"),
        ("(seed):", "(seed=0):", "is not the package's"),
        ("seed_everything", "seed_all", "defines no seed_everything"),
    ],
)
def test_comments_and_annotations_do_not_count_and_everything_else_does(old: str, new: str, words: str) -> None:
    with pytest.raises(AssertionError, match=words) if words else contextlib.nullcontext():
        compare(SEED.replace(old, new, 1), NAME)
