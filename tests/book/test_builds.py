"""What a chapter builds before the reader is what the package holds, and each says where the other is.

A cell tagged ``builds-cadnet_edu.losses.L_tri`` must define ``L_tri`` exactly as ``cadnet_edu/losses.py`` does.
Comments, docstrings and annotations are set aside; everything else counts. The docstring of ``L_tri`` must say
"Built in chapter 03.", and no docstring may say so of what that chapter does not build.
"""

from __future__ import annotations

import ast
import importlib.util
import json
import re
from pathlib import Path
from typing import Any

import pytest
from IPython.core.inputtransformer2 import TransformerManager

ROOT = Path(__file__).resolve().parents[2]
PREFIX = "builds-"
SAYS = re.compile(r"\bBuilt in\s+chapter\s+(\d\d)\.")
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


def missing_sentence(chapter: str, dotted: str) -> str | None:
    """Return what to add to the package where a docstring does not say which chapter builds the thing."""
    source, names = source_of(dotted)
    thing = definition(source, names)
    assert thing is not None, f"the package has no function or class {dotted}"
    number = chapter[:2]
    if number in SAYS.findall(ast.get_docstring(thing) or ""):
        return None
    return f'the docstring of {dotted} must say "Built in chapter {number}.": add that sentence as a line of its own'


def things(source: str) -> dict[str, str]:
    """Return dotted name -> docstring of every function, class and method of a module."""
    found = {}
    queue: list[tuple[str, Any]] = [("", ast.parse(source))]
    while queue:
        inside, node = queue.pop()
        for child in ast.iter_child_nodes(node):
            name = inside
            if isinstance(child, Definition):
                name = f"{inside}.{child.name}" if inside else child.name
                found[name] = ast.get_docstring(child) or ""
            queue.append((name, child))
    return found


@pytest.mark.parametrize(("chapter", "dotted"), [pytest.param(*t[:2], id=f"{t[0]}-{t[1]}") for t in tagged_cells()])
def test_docstring_says_which_chapter_builds_it(chapter: str, dotted: str) -> None:
    assert (words := missing_sentence(chapter, dotted)) is None, words


def test_what_a_docstring_says_is_built_there() -> None:
    built = {(dotted, chapter[:2]) for chapter, dotted, _ in tagged_cells()}
    said = {
        (".".join([*path.relative_to(ROOT).with_suffix("").parts, name]).replace(".__init__.", "."), number)
        for path in sorted((ROOT / "cadnet_edu").rglob("*.py"))
        for name, text in things(path.read_text(encoding="utf-8")).items()
        for number in SAYS.findall(text)
    }
    wrong = [
        f'the docstring of {name} says "Built in chapter {number}.", but no cell there is tagged {PREFIX}{name}'
        for name, number in sorted(said - built)
    ]
    assert wrong == []
    assert len(said) > 30


def test_nothing_is_built_twice() -> None:
    names = [dotted for _, dotted, _ in tagged_cells()]
    assert sorted({name for name in names if names.count(name) > 1}) == []


def test_a_docstring_that_says_nothing_is_found() -> None:
    words = missing_sentence("09_of_another_book", "cadnet_edu.losses.L_tri")
    assert words is not None
    assert 'L_tri must say "Built in chapter 09."' in words
    assert missing_sentence("03_strong_baseline", "cadnet_edu.losses.L_tri") is None
    code = "class A:\n    def f(self):\n        '''Words. Built in\n        chapter 07.'''\n"
    assert {name: SAYS.findall(text) for name, text in things(code).items()} == {"A": [], "A.f": ["07"]}


SEED = "def seed_everything(seed):\n    random.seed(seed)\n    np.random.seed(seed)\n    torch.manual_seed(seed)\n"
NAME = "cadnet_edu.teach.notebook.seed_everything"


@pytest.mark.parametrize(
    "code",
    [
        SEED,
        SEED.replace("(seed):", "(seed: int) -> None:"),
        SEED.replace(":\n", ':\n    """Words."""\n', 1),
        SEED.replace("(seed)\n", "(seed)  # a comment\n"),
        "%matplotlib inline\nimport random\n\n" + SEED + "\nseed_everything(3)\n",
    ],
    ids=["plain", "annotated", "docstring", "comments", "more in the cell"],
)
def test_what_does_not_count(code: str) -> None:
    compare(code, NAME)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (SEED.replace("torch.manual_seed(seed)", "torch.manual_seed(seed + 1)"), "is not the package's"),
        (SEED.replace("    random.seed(seed)\n", ""), "is not the package's"),
        (SEED.replace("(seed):", "(seed=0):"), "is not the package's"),
        (SEED.replace("seed_everything", "seed_all"), "defines no seed_everything"),
    ],
    ids=["a constant", "a line gone", "a default", "another name"],
)
def test_a_difference_is_found(code: str, words: str) -> None:
    with pytest.raises(AssertionError, match=words):
        compare(code, NAME)


def test_a_name_that_the_package_lacks_is_found() -> None:
    with pytest.raises(AssertionError, match="has no function or class"):
        compare(SEED, "cadnet_edu.teach.notebook.nothing_of_the_kind")


def test_classes_and_methods_count_too() -> None:
    text = "class A:\n    '''Words.'''\n    x: int\n    y: int = 1\n    def f(self, a: int) -> int:\n        return a"
    module = ast.parse(text)
    same = "class A:\n    x: float\n    y = 1\n    def f(self, a):\n        return a\n"
    node = module.body[0]
    assert isinstance(node, ast.ClassDef)
    found = definition(same, ["A"])
    assert found is not None
    assert bare(found) == bare(node)
    method = definition("def f(self, a):\n    return a", ["A", "f"])
    inner = definition(same, ["A", "f"])
    assert method is not None
    assert inner is not None
    assert bare(method) == bare(inner)
