"""What does a notebook depend on? The key under which its executed form is kept.

A chapter has to run again when its own cells change, when a module that it imports (straight or through others)
changes, when the preset changes, or when a library it computes with changes. It must *not* run again because some
other corner of the package changed. So the key of a notebook is a hash over exactly those things, and the modules are
found by reading the imports of the notebook and of the package, without running either.

The import rules, in plain words:

* ``from cadnet_edu.losses import L_tri`` depends on ``cadnet_edu.losses``;
* ``from cadnet_edu import L_tri`` and ``cadnet_edu.L_tri`` depend on the module that ``cadnet_edu/__init__.py`` takes
  ``L_tri`` from;
* a package that is used in a way which cannot be followed (``dir(cadnet_edu)``) counts as all of its modules;
* a text that is exactly a module's name (``"cadnet_edu.training.trainer"``) counts as an import of it;
* the command line (``!cadnet-edu train``) counts as ``cadnet_edu.cli.main``.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import sys
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Any

from IPython.core.inputtransformer2 import TransformerManager

LIBRARIES = ("torch", "torchvision", "numpy", "matplotlib", "scikit-learn", "pillow", "lpips", "ipykernel")
COMMAND = "cadnet-edu"


class Package:
    """The modules of a Python package on disk and their imports, read from their source.

    Args:
        folder: the package's folder, e.g. ``cadnet_edu``; its name is the import name.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.name = self.folder.name
        self.files: dict[str, Path] = {}
        for path in sorted(self.folder.rglob("*.py")):
            parts = [self.name, *path.relative_to(self.folder).with_suffix("").parts]
            self.files[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path

    @cached_property
    def trees(self) -> dict[str, ast.Module]:
        return {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in self.files.items()}

    def is_package(self, module: str) -> bool:
        return self.files[module].name == "__init__.py"

    @cached_property
    def exports(self) -> dict[str, dict[str, str]]:
        """For each ``__init__.py``: name -> the dotted place that it is taken from."""
        return {
            module: {name: target for name, target in _bindings(tree, module, True).items() if target != self.name}
            for module, tree in self.trees.items()
            if self.is_package(module)
        }

    def under(self, module: str) -> set[str]:
        """Return the module and, if it is a package, everything inside it."""
        return {name for name in self.files if name == module or name.startswith(module + ".")}

    def resolve(self, dotted: str, via: frozenset[str] = frozenset()) -> set[str]:
        """Return the modules that the dotted name stands for (none if it is not of this package).

        Args:
            dotted: e.g. ``cadnet_edu.losses.L_tri`` or, through ``__init__.py``, ``cadnet_edu.L_tri``.
            via: names that are being followed already; a name that leads back to itself cannot be followed.
        """
        parts = dotted.split(".")
        for end in range(len(parts), 0, -1):
            module = ".".join(parts[:end])
            if module in self.files:
                break
        else:
            return set()
        if not self.is_package(module):
            return {module}
        if end == len(parts):
            return self.under(module)
        target = self.exports[module].get(parts[end])
        if target and target not in via:
            return {module} | self.resolve(".".join([target, *parts[end + 1 :]]), via | {target})
        if parts[end] in _defined(self.trees[module]):
            return {module}
        return self.under(module)

    def direct(self, tree: ast.Module, module: str = "", package: bool = False) -> set[str]:
        """Return the modules of this package that a piece of code uses by itself."""
        uses = _Uses(self, _bindings(tree, module, package))
        uses.visit(tree)
        for dotted in _imported(tree, module, package):
            top = self.resolve(dotted) if dotted in self.files and self.is_package(dotted) else set()
            uses.found |= {dotted} if top else self.resolve(dotted)
        return uses.found - ({module} if module else set())

    def needed(self, tree: ast.Module) -> set[str]:
        """Return every module that a piece of code needs, straight or through other modules.

        A package's ``__init__.py`` is needed with each of its modules; what it merely re-exports is not.
        """
        found: set[str] = set()
        queue = sorted(self.direct(tree))
        while queue:
            module = queue.pop()
            if module in found:
                continue
            found.add(module)
            if not self.is_package(module):
                queue.extend(self.direct(self.trees[module], module))
            parent = module.rpartition(".")[0]
            if parent:
                queue.append(parent)
        return found

    def digest(self, modules: set[str]) -> str:
        """Return a hash of the modules' sources and of the package's files that are not Python."""
        paths = {self.files[module] for module in modules}
        paths |= {p for p in self.folder.rglob("*") if p.is_file() and p.suffix not in {".py", ".pyc", ".tmp"}}
        return _digest(paths, self.folder)


class _Uses(ast.NodeVisitor):
    """Collect the modules behind the names that a piece of code uses."""

    def __init__(self, package: Package, bindings: dict[str, str]) -> None:
        self.package, self.bindings = package, bindings
        self.found: set[str] = set()

    def visit_Attribute(self, node: ast.Attribute) -> None:
        chain = ast.unparse(node).split(".")
        if chain[0] in self.bindings and all(part.isidentifier() for part in chain):
            self.found |= self.package.resolve(".".join([self.bindings[chain[0]], *chain[1:]]))
        else:
            self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load) and node.id in self.bindings:
            self.found |= self.package.resolve(self.bindings[node.id])

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str) and node.value in self.package.files:
            self.found |= self.package.resolve(node.value)


def _from(node: ast.ImportFrom, module: str, package: bool) -> str:
    """Return the dotted name that a ``from ... import`` takes from, relative dots worked out."""
    if not node.level:
        return node.module or ""
    parts = module.split(".")
    base = parts[: len(parts) - node.level + (1 if package else 0)]
    return ".".join([*base, *([node.module] if node.module else [])])


def _bindings(tree: ast.Module, module: str, package: bool) -> dict[str, str]:
    """Return local name -> dotted name for every import statement, wherever it stands."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.partition(".")[0]
                names[alias.asname or top] = alias.name if alias.asname else top
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                names[alias.asname or alias.name] = f"{_from(node, module, package)}.{alias.name}"
    return names


def _imported(tree: ast.Module, module: str, package: bool) -> list[str]:
    """Return the dotted names that import statements ask for."""
    names: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = _from(node, module, package)
            names += [f"{base}.{alias.name}" for alias in node.names]
    return names


def _defined(tree: ast.Module) -> set[str]:
    """Return the names that a module defines itself: functions, classes, assigned names."""
    names: set[str] = set()
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.add(node.name)
        names |= {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    return names


def _digest(paths: set[Path], root: Path) -> str:
    sha = hashlib.sha256()
    for path in sorted(paths):
        sha.update(f"{path.relative_to(root).as_posix()}\0".encode())
        sha.update(hashlib.sha256(path.read_bytes()).digest())
    return sha.hexdigest()


def code_of(notebook: dict[str, Any]) -> ast.Module:
    """Return the parsed code of a notebook, magics turned into plain Python."""
    cells = ["".join(c["source"]) for c in notebook["cells"] if c["cell_type"] == "code"]
    transform = TransformerManager().transform_cell
    return ast.parse("\n".join(transform(cell) for cell in cells))


def _libraries() -> dict[str, str]:
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "absent"
    return found


def needed(notebook: dict[str, Any], package: Package) -> set[str]:
    """Return the package's modules that a notebook needs."""
    tree = code_of(notebook)
    modules = package.needed(tree)
    commands = (n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str))
    main = f"{package.name}.__main__"
    if main in package.files and any(text.lstrip().startswith(COMMAND + " ") for text in commands):
        modules |= package.needed(ast.parse(f"import {main}"))
    return modules


def key(path: Path, package: Package, preset: str, results: Path, constraints: Path) -> str:
    """Return the key of a notebook's executed form.

    Args:
        path: the notebook.
        package: the teaching package.
        preset: the preset it runs at.
        results: the folder of committed numbers; its files count for a notebook that has ``results`` or ``published``
            in its code.
        constraints: the pinned versions of the book's tools.
    """
    text = path.read_text(encoding="utf-8")
    notebook = json.loads(text)
    code = "\n".join("".join(c["source"]) for c in notebook["cells"] if c["cell_type"] == "code")
    reads_results = "results" in code or "published" in code
    stored = {p for p in results.rglob("*") if p.is_file()} if reads_results else set()
    parts = {
        "notebook": text,
        "package": package.digest(needed(notebook, package)),
        "preset": preset,
        "data": [os.environ.get(name) for name in ("CADNET_EDU_DATASET", "CADNET_EDU_ROOT")],
        "results": _digest(stored, results),
        "constraints": constraints.read_text(encoding="utf-8"),
        "python": sys.version,
        "libraries": _libraries(),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:24]
