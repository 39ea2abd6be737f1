"""Read the package's docstrings, without importing it, and write them down as pages' text.

A docstring is plain words with a few headings (``Args:``, ``Returns:``, ``Choice:`` ...), each followed by an indented
part. Words become paragraphs, examples become code, and whatever means something to Markdown is escaped: a docstring
can never break the book.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

Link = Callable[[str], str | None]  # code of a docstring -> the same as a link, where it names something documented
Definition = ast.FunctionDef | ast.ClassDef

HEADING = re.compile(r"^(Args|Attributes|Shapes|Returns|Yields|Raises|Warns|Choice|Example|Examples|Note):$")
NAMED = {"Args", "Attributes", "Raises", "Warns"}  # their lines begin with a name and a colon
ENTRY = re.compile(r"^([*\w.]+(?:, [*\w.]+)*)(?: \([^)]*\))?: (.*)$")
CODE = re.compile(r"``(.+?)``|:(?:func|class|meth|mod|attr):`~?([^`]+)`|`([^`]+)`")
CHAPTER = re.compile(r"\b([Cc])hapter (\d\d)\b")
EQUATION = re.compile(r"^[A-Za-z]\w*(?:\^\{?\w+\}?)? = \S")
EMPHASIS = re.compile(r"\\\*(\w[^*\\]*)\\\*")  # of escaped words
ITEM = re.compile(r"^(?:[-*]|\d+\.) ")


@dataclass(frozen=True)
class Part:
    """A part of a docstring: its heading ("" for what stands before any) and its lines, the indent taken away."""

    heading: str
    lines: list[str]


def parts(text: str) -> list[Part]:
    """Cut a docstring at its headings.

    >>> [(part.heading, part.lines) for part in parts("Words.\\n\\nArgs:\\n    x: one.\\n\\n>>> 1\\n1")]
    [('', ['Words.']), ('Args', ['x: one.']), ('', ['>>> 1', '1'])]
    """
    found = [Part("", [])]
    for line in text.splitlines():
        heading = HEADING.match(line)
        if heading:
            found.append(Part(heading[1], []))
        elif found[-1].heading and line and not line.startswith(" "):
            found.append(Part("", [line]))
        else:
            found[-1].lines.append(line.removeprefix("    ") if found[-1].heading else line)
    return [Part(part.heading, trimmed) for part in found if (trimmed := _trimmed(part.lines))]


def _trimmed(lines: list[str]) -> list[str]:
    while lines and not lines[0].strip():
        lines = lines[1:]
    while lines and not lines[-1].strip():
        lines = lines[:-1]
    return lines


def escaped(words: str) -> str:
    """Words in which Markdown finds nothing to do but set one between stars in italics.

    >>> escaped("L^{D_F} is |a|, *not* $b$ * 2")
    'L^\\\\{D\\\\_F\\\\} is \\\\|a\\\\|, *not* \\\\$b\\\\$ \\\\* 2'
    """
    return EMPHASIS.sub(r"*\1*", re.sub(r"([\\`*_\[\]<>|$#~{}])", r"\\\1", words))


def code(text: str) -> str:
    """A piece of code inside a sentence."""
    fence = "``" if "`" in text else "`"
    return f"{fence}{text}{fence}"


def inline(words: str, link: Link, chapters: dict[str, str] | None = None) -> str:
    """Words with their code set as code, and with links where a name or a chapter is known.

    Args:
        words: of a docstring.
        link: see ``Link``.
        chapters: number -> page, of those that can be linked.
    """
    text, at = [], 0
    for found in CODE.finditer(words):
        text.append(_linked_chapters(escaped(words[at : found.start()]), chapters or {}))
        shown = next(group for group in found.groups() if group)
        text.append(link(shown) or code(shown))
        at = found.end()
    return "".join(text) + _linked_chapters(escaped(words[at:]), chapters or {})


def _linked_chapters(words: str, chapters: dict[str, str]) -> str:
    def linked(found: re.Match[str]) -> str:
        page = chapters.get(found[2])
        return f"{{doc}}`{found[1]}hapter {found[2]} </{page}>`" if page else found[0]

    return CHAPTER.sub(linked, words)


def blocks(lines: list[str]) -> list[list[str]]:
    """Cut lines at the empty ones, and where an example begins; the lines of an example stay together."""
    found: list[list[str]] = [[]]
    for line in lines:
        starts = line.startswith(">>> ") and bool(found[-1]) and not found[-1][0].startswith(">>> ")
        if not line.strip() or starts:
            found.append([])
        if line.strip():
            found[-1].append(line)
    return [block for block in found if block]


def markdown(lines: list[str], link: Link, chapters: dict[str, str] | None = None) -> str:
    """The lines of a docstring, or of a part of it, as Markdown.

    Args:
        lines: without their common indent.
        link: see ``Link``.
        chapters: number -> page, of those that can be linked.
    """
    written: list[str] = []
    for block in blocks(lines):
        if block[0].startswith(">>> "):
            written.append(_fenced(block, "pycon"))
        elif all(line.startswith("    ") for line in block):
            written.append(_fenced([line[4:] for line in block], "text"))
        elif len(block) == 1 and EQUATION.match(block[0]):
            written.append(_fenced(block, "text"))
        elif ITEM.match(block[0]):
            written.append("\n".join(_item(line, link, chapters) for line in block))
        else:
            written.append(inline(" ".join(line.strip() for line in block), link, chapters))
    return "\n\n".join(written)


def _item(line: str, link: Link, chapters: dict[str, str] | None) -> str:
    mark = ITEM.match(line)
    return mark[0] + inline(line[mark.end() :], link, chapters) if mark else "  " + inline(line.strip(), link, chapters)


def _fenced(lines: list[str], language: str) -> str:
    return "\n".join([f"```{language}", *lines, "```"])


def entries(lines: list[str]) -> list[tuple[str, list[str]]]:
    """Cut the lines of ``Args:`` and the like into (names, lines); a line that names nothing goes with the one before.

    >>> entries(["x, y: two", "    of them.", "*more: others."])
    [('x, y', ['two', 'of them.']), ('*more', ['others.'])]
    """
    found: list[tuple[str, list[str]]] = []
    for line in lines:
        entry = ENTRY.match(line)
        if entry:
            found.append((entry[1], [entry[2]]))
        elif found:
            found[-1][1].append(line.strip())
        else:
            found.append(("", [line.strip()]))
    return found


def definitions(pairs: list[tuple[str, str]]) -> str:
    """A definition list in Markdown: (what, words) each."""
    return "\n\n".join(f"{term}\n: {words}" if words else f"{term}\n: –" for term, words in pairs)


def rubric(heading: str) -> str:
    """A heading that stands in no table of contents."""
    return f"```{{rubric}} {heading}\n```"


def page_text(text: str, link: Link, chapters: dict[str, str] | None = None) -> str:
    """A whole docstring as Markdown, its headings bold.

    Args:
        text: the docstring, its indent taken away.
        link: see ``Link``.
        chapters: number -> page, of those that can be linked.
    """
    written = []
    for part in parts(text):
        pairs = entries(part.lines) if part.heading in NAMED else []
        if pairs and all(names for names, _ in pairs):
            terms = [(", ".join(code(name) for name in names.split(", ")), words) for names, words in pairs]
            body = definitions([(term, inline(" ".join(words), link, chapters)) for term, words in terms])
        else:
            body = markdown(part.lines, link, chapters)
        written.append(f"{rubric(part.heading)}\n\n{body}" if part.heading else body)
    return "\n\n".join(written)


def first_sentence(text: str) -> str:
    """The first sentence of a docstring, on one line, without its full stop.

    >>> first_sentence("Eq. (1), see Sec. 4.1: how well.\\n\\nMore.")
    'Eq. (1), see Sec. 4.1: how well'
    """
    words = " ".join(text.partition("\n\n")[0].split())
    end = re.search(r"(?<!\beq)(?<!\bEq)(?<!Sec)(?<!Fig)(?<!\bal)(?<!e\.g)\.(?: |$)", words)
    return words[: end.start()] if end else words


# The package ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Field:
    """A field of a settings class: its name, type and default as written, and the words beside it."""

    name: str
    type: str
    default: str
    words: str
    group: str = ""


@dataclass(frozen=True)
class Thing:
    """A function, class or method of the package."""

    module: str
    name: str
    node: Definition
    inner: list[Thing] = field(default_factory=list)

    @property
    def dotted(self) -> str:
        return f"{self.module}.{self.name}"

    @property
    def doc(self) -> str:
        return ast.get_docstring(self.node) or ""

    @property
    def public(self) -> bool:
        return not any(part.startswith("_") for part in self.name.split("."))

    @property
    def decorators(self) -> set[str]:
        return {ast.unparse(d).partition("(")[0] for d in self.node.decorator_list}


@dataclass(frozen=True)
class Module:
    """A module of the package, read from its source."""

    name: str
    path: Path

    @cached_property
    def source(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.source)

    @property
    def doc(self) -> str:
        return ast.get_docstring(self.tree) or ""

    @property
    def room(self) -> str:
        """The file or folder directly under the package."""
        return self.name.split(".")[1] if "." in self.name else ""

    @cached_property
    def things(self) -> list[Thing]:
        """What it defines, in the order of its source; methods are inside their class."""
        return _things(self.name, self.tree.body)

    def every_thing(self) -> list[Thing]:
        """The same, methods and inner classes too."""
        queue, found = list(self.things), []
        while queue:
            thing = queue.pop(0)
            found.append(thing)
            queue = [*thing.inner, *queue]
        return found

    @cached_property
    def comments(self) -> dict[int, str]:
        """The comment that ends each line, by line number."""
        tokens = tokenize.generate_tokens(io.StringIO(self.source).readline)
        return {token.start[0]: token.string.lstrip("# ") for token in tokens if token.type == tokenize.COMMENT}

    def fields(self, node: ast.ClassDef) -> list[Field]:
        """The fields of a class whose body is a list of them, with the comment or the text that goes with each.

        A comment on a line of its own begins a group.
        """
        found: list[Field] = []
        group, line = "", node.lineno
        for statement, following in zip(node.body, [*node.body[1:], None], strict=True):
            if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
                alone = [self.comments[n] for n in range(line + 1, statement.lineno) if n in self.comments]
                group = alone[-1] if alone else group
                text = following.value if isinstance(following, ast.Expr) else None
                beside = self.comments.get(statement.end_lineno or 0, "")
                words = str(text.value) if isinstance(text, ast.Constant) else beside
                default = ast.get_source_segment(self.source, statement.value) if statement.value else ""
                kind = ast.unparse(statement.annotation)
                found.append(Field(statement.target.id, kind, default or "", words, group))
            line = statement.end_lineno or line
        return found


def _things(module: str, body: list[ast.stmt], inside: str = "") -> list[Thing]:
    found = []
    for node in body:
        if isinstance(node, Definition):
            name = f"{inside}.{node.name}" if inside else node.name
            inner = _things(module, node.body, name) if isinstance(node, ast.ClassDef) else []
            found.append(Thing(module, name, node, inner))
    return found


def modules(package: Path) -> list[Module]:
    """The modules of a package on disk, folders before what is in them.

    Args:
        package: its folder; the folder's name is the package's.
    """
    found = []
    for path in package.rglob("*.py"):
        parts_of = [package.name, *path.relative_to(package).with_suffix("").parts]
        found.append(Module(".".join(parts_of[:-1] if parts_of[-1] == "__init__" else parts_of), path))
    return sorted(found, key=lambda module: module.name)
