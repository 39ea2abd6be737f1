"""What a chapter builds before the reader is what the package holds.

A cell tagged ``builds-cadnet_edu.losses.L_tri`` must define ``L_tri`` exactly as ``cadnet_edu/losses.py`` does.
Comments, docstrings and annotations are set aside; everything else counts.
"""

import ast
import contextlib
import inspect
import json
import pkgutil
import textwrap
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


def definitions(code: str, name: str) -> list[Definition]:
    """The functions and classes of that name in a piece of code, methods too."""
    tree = ast.parse(TransformerManager().transform_cell(textwrap.dedent(code)))
    return [node for node in ast.walk(tree) if isinstance(node, Definition) and node.name == name]


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
    thing, name = pkgutil.resolve_name(dotted), dotted.rpartition(".")[2]
    package = definitions(inspect.getsource(inspect.unwrap(getattr(thing, "fget", thing))), name)[0]
    chapter = definitions(code, name)
    assert chapter, f"the cell is tagged {PREFIX}{dotted} and defines no {name}"
    assert bare(package) in map(bare, chapter), f"the chapter's {name} is not the package's"


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
