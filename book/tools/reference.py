"""Write the pages that come from the package's own words: the reference, and the lists of choices.

The docstrings and the comments in ``config.py`` are the one place where such things are said. Here they are laid out:

* ``book/api/NAME.md`` for each group of ``PAGES``: every public module, class and function;
* ``book/generated/NAME.md``, pieces that the pages ``book/api/index.md``, ``book/choices.md`` and
  ``book/architecture.md`` include, and the picture on the last of them (see ``rings.py``).

Nothing of it is committed. ``build.py`` calls ``write_all`` when it lays out the sources.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from pathlib import Path

import choices
import rings
from docstrings import (
    Definition,
    Link,
    Module,
    Thing,
    code,
    definitions,
    escaped,
    first_sentence,
    inline,
    modules,
    page_text,
    rubric,
)
from keys import Package
from notebooks import write

PAGES: dict[str, tuple[str, str, tuple[str, ...]]] = {  # name: title, what it is about, rooms of the package
    "settings": ("Settings", "Every number of a run in one place.", ("config",)),
    "losses": ("Losses", "Equations (1) to (6), one function each.", ("losses",)),
    "networks": ("Networks", "E, G, F, C and the two discriminators.", ("models",)),
    "data": ("Data", "From folders, or from nothing, to batches.", ("data", "walkers")),
    "training": (
        "Training and runs",
        "The objective, the step, the loop, the methods that are compared, and finished runs.",
        ("training", "methods", "runs", "pretrained"),
    ),
    "measuring": ("Evaluation", "Retrieval, distances, image quality.", ("evaluation",)),
    "evidence": (
        "The paper again",
        "The paper's tables and figures, the analyses beside them, and the claims.",
        ("lab", "analysis"),
    ),
    "figures": ("Figures", "Arrays in, a figure out.", ("figures",)),
    "exercises": (
        "The book's side",
        "Notebooks, what corrects the exercises and compares your code with ours, players and widgets.",
        ("teach",),
    ),
    "machinery": ("Machines and commands", "Files, locks, and the command line.", ("cli", "io", "locks")),
}
REST = "machinery"  # where a room goes that no page names yet
BUILDS = re.compile(r"\bbuilds-([\w.]+)")  # the tag of a cell that builds a part of the package
SIGNATURE = {"property", "cached_property"}


def page_of(module: Module) -> str:
    """Return the page that a module stands on; ``cadnet_edu`` itself has the overview."""
    if not module.room:
        return "index"
    return next((name for name, (_, _, rooms) in PAGES.items() if module.room in rooms), REST)


def chapter_pages(root: Path) -> dict[str, str]:
    """Return number -> page of the chapters that the table of contents has."""
    toc = (root / "_toc.yml").read_text(encoding="utf-8")
    return {number: page for page, number in re.findall(r"file: (book/chapters/(\d\d)_\w+)", toc)}


def built_in(root: Path) -> dict[str, str]:
    """Return dotted name -> number of the chapter with the cell that builds it, as the cells' tags say."""
    sources = sorted((root / "book" / "src").glob("[0-9][0-9]_*.md"))
    return {name: path.name[:2] for path in sources for name in BUILDS.findall(path.read_text(encoding="utf-8"))}


class Reference:
    """The package's modules and how to point to what they define.

    Args:
        root: the project.
    """

    def __init__(self, root: Path) -> None:
        self.chapters = chapter_pages(root)
        self.chapter_of = built_in(root)
        self.modules = modules(root / "cadnet_edu")
        self.package = Package(root / "cadnet_edu")
        self.known = {thing.dotted for module in self.modules for thing in module.every_thing() if thing.public}
        self.known_modules = {module.name for module in self.modules}

    def link(self, module: Module, me: str = "") -> Link:
        """Return what turns code in a module's docstrings into links; to itself a thing does not point."""

        def linked(shown: str) -> str | None:
            name = shown.removesuffix("()")
            for dotted in (f"{module.name}.{name}", f"{module.name}.{me.partition('.')[0]}.{name}", name):
                if dotted in self.known and dotted != f"{module.name}.{me}":
                    return f"{{py:obj}}`{shown.rpartition('.')[2]} <{dotted}>`"
                if dotted in self.known_modules and dotted != module.name:
                    return f"{{py:mod}}`{shown} <{dotted}>`"
            return None

        return linked

    def resolved(self, name: str) -> str:
        """Return where a name that ``cadnet_edu/__init__.py`` offers is defined."""
        return self.package.exports["cadnet_edu"][name]

    # The pages of the reference -----------------------------------------------------------------------------------

    def pages(self) -> dict[str, str]:
        """Return name -> text of each page."""
        return {name: self.page(name) for name in PAGES}

    def page(self, name: str) -> str:
        title, about, _ = PAGES[name]
        here = [module for module in self.modules if page_of(module) == name]
        order = {room: place for place, room in enumerate(PAGES[name][2])}
        here.sort(key=lambda module: (order.get(module.room, len(order)), module.name))
        return "\n\n".join([f"# {title}", about, *(self.module(module) for module in here)]) + "\n"

    def module(self, module: Module) -> str:
        """Return a module's section."""
        written = [f"## {escaped(module.name)}", f"```{{py:module}} {module.name}\n```"]
        written.append(page_text(module.doc, self.link(module), self.chapters))
        things = sorted((t for t in module.things if t.public), key=lambda t: not self.prominent(t))
        written += [self.thing(module, thing) for thing in things]
        return "\n\n".join(text for text in written if text)

    def prominent(self, thing: Thing) -> bool:
        """Whether it comes first on its page: the package offers it by its short name, or a chapter builds it."""
        built = any(one.dotted in self.chapter_of for one in (thing, *thing.inner))
        return built or thing.dotted in self.package.exports["cadnet_edu"].values()

    def thing(self, module: Module, thing: Thing) -> str:
        """Return a function, a class with its methods, or a method."""
        inner = [self.thing(module, one) for one in thing.inner if one.public and one.doc]
        words = [
            page_text(thing.doc, self.link(module, thing.name), self.chapters),
            self._built(thing),
            *self._fields(module, thing),
            *inner,
        ]
        fence = ":" * (3 if "." in thing.name else 4)
        written = signature(thing, self.classes(module))
        head = [f"{fence}{{py:{_kind(thing)}}} {thing.name}{written}", f":module: {module.name}"]
        head += [f":{name}:" for name in ("classmethod", "staticmethod") if name in thing.decorators]
        return "\n".join(head) + "\n\n" + "\n\n".join(word for word in words if word) + f"\n{fence}"

    def _built(self, thing: Thing) -> str:
        """Return the sentence on the chapter that builds it, or nothing."""
        number = self.chapter_of.get(thing.dotted)
        return inline(f"Built in chapter {number}.", lambda _: None, self.chapters) if number else ""

    def classes(self, module: Module) -> dict[str, str]:
        """Return name -> dotted name of the package's classes that a module's signatures may mean."""
        own = {thing.name: thing.dotted for thing in module.things}
        imported: dict[str, str] = {}
        for node in ast.walk(module.tree):
            if isinstance(node, ast.ImportFrom) and node.module:
                imported |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
        return {name: dotted for name, dotted in (imported | own).items() if dotted in self.known}

    def _fields(self, module: Module, thing: Thing) -> list[str]:
        """Return the list of a class's fields, where its docstring has none."""
        if not _has_fields(thing.node) or "\nArgs:" in thing.doc or "\nAttributes:" in thing.doc:
            return []
        assert isinstance(thing.node, ast.ClassDef)
        written: list[str] = []
        pairs: list[tuple[str, str]] = []
        group = ""
        link = self.link(module, thing.name)
        for one in module.fields(thing.node):
            if one.group != group and pairs:
                written, pairs = [*written, _grouped(group, pairs)], []
            group = one.group
            default = f" = {one.default}" if one.default and not one.default.startswith("field(") else ""
            pairs.append((code(f"{one.name}: {one.type}{default}"), inline(one.words, link, self.chapters)))
        return [*written, _grouped(group, pairs)]

    # Pieces that other pages include ------------------------------------------------------------------------------

    def pieces(self) -> dict[str, str]:
        """Return name -> text of the pieces under ``book/generated``."""
        found = {"public_names": self.public_names(), "rooms": self.rooms(), "built": self.built()}
        found |= {"rings": rings.figure(), "ring_rooms": rings.rooms()}
        return found | {f"choices_{name}": text for name, text in choices.pieces(self.modules, self.link).items()}

    def public_names(self) -> str:
        """What ``import cadnet_edu`` offers."""
        tree = next(module for module in self.modules if module.name == "cadnet_edu").tree
        listed = next(n for n in tree.body if isinstance(n, ast.Assign) and ast.unparse(n.targets[0]) == "__all__")
        docs = {thing.dotted: thing.doc for module in self.modules for thing in module.things}
        pairs = []
        for name in sorted(ast.literal_eval(listed.value), key=str.lower):
            where = self.resolved(name)
            home = where.rpartition(".")[0]
            summary = first_sentence(docs[where]) if where in docs else f"see {{py:mod}}`{home}`"
            shown = f"{{py:obj}}`{name} <{where}>`" if where in docs else code(name)
            pairs.append((shown, summary if where not in docs else _sentence(summary)))
        return definitions(pairs)

    def rooms(self) -> str:
        """The pages of the reference, with the modules on each."""
        written = []
        for name, (title, about, _) in PAGES.items():
            here = [module for module in self.modules if page_of(module) == name and module.name.count(".") == 1]
            listed = ", ".join(f"{{py:mod}}`{module.room} <{module.name}>`" for module in here)
            written.append((f"{{doc}}`{title} </book/api/{name}>`", f"{about} {listed}"))
        return definitions(written)

    def built(self) -> str:
        """What each chapter builds."""
        by_chapter: dict[str, list[str]] = {}
        for module in self.modules:
            for thing in module.every_thing():
                if thing.public and (number := self.chapter_of.get(thing.dotted)):
                    by_chapter.setdefault(number, []).append(f"{{py:obj}}`{thing.name} <{thing.dotted}>`")
        return definitions(
            [
                (
                    f"{{doc}}`/{self.chapters[number]}`" if number in self.chapters else f"Chapter {number}",
                    ", ".join(names),
                )
                for number, names in sorted(by_chapter.items())
            ]
        )


def _sentence(words: str) -> str:
    return inline(words, lambda _: None) + "."


def _grouped(group: str, pairs: Iterable[tuple[str, str]]) -> str:
    return f"{rubric(escaped(group or 'Fields'))}\n\n{definitions(list(pairs))}"


def _has_fields(node: Definition) -> bool:
    if not isinstance(node, ast.ClassDef):
        return False
    marks = [ast.unparse(each) for each in (*node.decorator_list, *node.bases)]
    return any(mark.startswith("dataclass") or mark == "NamedTuple" for mark in marks)


def _kind(thing: Thing) -> str:
    if isinstance(thing.node, ast.ClassDef):
        bases = {ast.unparse(base) for base in thing.node.bases}
        return "exception" if bases & {"Exception", "ValueError", "RuntimeError"} else "class"
    if "." not in thing.name:
        return "function"
    return "property" if thing.decorators & SIGNATURE else "method"


class _Dotted(ast.NodeTransformer):
    """Write the package's classes with their whole names, so that each annotation links to the right one."""

    def __init__(self, classes: dict[str, str]) -> None:
        self.classes = classes

    def visit_Name(self, node: ast.Name) -> ast.Name:
        return ast.Name(self.classes.get(node.id, node.id))


def signature(thing: Thing, classes: dict[str, str]) -> str:
    """Return the parameters as they are written in the source; those of making an object for a class.

    Args:
        thing: a function, method or class.
        classes: name -> dotted name of classes that annotations may mean.
    """
    node: ast.AST | None = thing.node
    if isinstance(node, ast.ClassDef):
        node = next((n for n in node.body if isinstance(n, ast.FunctionDef) and n.name == "__init__"), None)
    if not isinstance(node, ast.FunctionDef) or thing.decorators & SIGNATURE:
        return ""
    copy = ast.parse(ast.unparse(node)).body[0]
    assert isinstance(copy, ast.FunctionDef)
    for argument in ast.walk(copy.args):
        if isinstance(argument, ast.arg) and argument.annotation:
            argument.annotation = _Dotted(classes).visit(argument.annotation)
    if ("." in thing.name or isinstance(thing.node, ast.ClassDef)) and "staticmethod" not in thing.decorators:
        copy.args.args = copy.args.args[1:]
    returns = ""
    if copy.returns and isinstance(thing.node, ast.FunctionDef):
        returns = f" -> {ast.unparse(_Dotted(classes).visit(copy.returns))}"
    return f"({ast.unparse(copy.args)}){returns}"


def write_all(root: Path, source: Path) -> None:
    """Write the pages and the pieces beside the book's other pages.

    Args:
        root: the project.
        source: the folder in which the build lays out its sources.
    """
    reference = Reference(root)
    for name, text in reference.pages().items():
        write(source / "book" / "api" / f"{name}.md", text)
    for name, text in reference.pieces().items():
        write(source / "book" / "generated" / f"{name}.md", text)
    write(source / "book" / "generated" / "rings.svg", rings.svg())
