"""A notebook that came back: read it, whatever an editor made of the file, and run it as a notebook does.

``cells`` takes UTF-8 with or without a byte order mark, UTF-16, notebooks of format 3, and cells without ids.

``Run`` executes a submission for one exercise, in an IPython shell, so that magics (``%%time``, ``%matplotlib``),
``display()`` and ``get_ipython()`` are there. It goes through the cells in their order, up to the cell of the exercise:

- The imports of the chapter come first, whether the submission still holds them or not.
- A cell that the student wrote or changed is executed as a whole, without its check lines. If a statement raises, the
  rest of the cell is left out, as in a notebook; but if the cause is that the grader did not run something or lacks a
  module or a file, the next statement follows.
- Of a cell that is as it was handed out, imports, functions, classes and literal constants are executed, and of the
  other statements those that bind or change a name that the exercise needs, directly or through other statements. So
  the trainings of a chapter are not repeated.
- A cell may take half of the time that is left; then it is interrupted, as a student would do.
- Shell commands (``!``, ``%pip``) do nothing. The folder is empty; modules beside the submission can be imported.

If the function then is missing, not written, or lacks a name, or if the student defines it once more further down, the
student's later cells are executed too, and what they leave is checked: a notebook's cells can be executed in any order.
``Run.missing`` tells which names the exercise needs and does not have because a statement was interrupted, left out, or
failed.
"""

from __future__ import annotations

import _thread
import ast
import contextlib
import functools
import json
import signal
import symtable
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from IPython.core.error import UsageError
from IPython.core.inputtransformer2 import TransformerManager
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

TRANSPARENT = ("time", "capture", "prun")  # magics that execute their text in the notebook's namespace


def cells(notebook: Path, kind: str = "code") -> list[tuple[str, str]]:
    """The cells of a kind, as (id, text).

    Args:
        notebook: the file.
        kind: code or markdown.

    Raises:
        ValueError: when the file is not a notebook.
        OSError: when it cannot be read.
    """
    data = notebook.read_bytes()
    try:
        found = json.loads(data)
        if "worksheets" in found:
            found = nbformat.convert(nbformat.from_dict(found), 4)
        return [(c.get("id", ""), "".join(c["source"])) for c in found["cells"] if c["cell_type"] == kind]
    except UnicodeDecodeError as error:
        raise ValueError(f"the file is not a notebook: it is neither UTF-8 nor UTF-16 ({error.reason}).") from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}: {error.msg}" if data.strip() else "it is empty"
        raise ValueError(f"the file is not a notebook: {where}.") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise ValueError("the file is not a notebook: it has no list of cells.") from None


# Statements -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Statement:
    """A statement of a cell, and the names that it reads, binds, and changes (``a.b = 1``, ``a.append(1)``)."""

    text: str
    node: ast.stmt
    reads: frozenset[str]
    binds: frozenset[str]
    changes: frozenset[str]

    @property
    def defines(self) -> bool:
        """Whether it only defines something: an import, a function, a class, a literal constant."""
        if isinstance(self.node, ast.Assign | ast.AnnAssign) and self.node.value:
            with contextlib.suppress(ValueError):
                ast.literal_eval(self.node.value)
                return True
        definitions = ast.Import | ast.ImportFrom | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
        return isinstance(self.node, definitions)

    @property
    def check(self) -> ast.Call | None:
        """The call, if it only calls a function of ``check``."""
        call = self.node.value if isinstance(self.node, ast.Expr) else None
        checks = isinstance(call, ast.Call) and ast.unparse(call.func).startswith(("check.", "check_"))
        return call if checks else None  # type: ignore[return-value]


@functools.cache  # most cells of a submission are those of the chapter
def statements(code: str) -> tuple[Statement, ...]:
    """The statements of a cell, magics turned into Python.

    Args:
        code: the text of the cell.

    Raises:
        SyntaxError: when it is not Python.
    """
    text = TransformerManager().transform_cell(code)
    try:
        body = ast.parse(text).body
    except ValueError as error:  # a zero byte
        raise SyntaxError(str(error)) from None
    return tuple(statement for node in body for statement in _statement(text, node))


def parsed(code: str) -> tuple[Statement, ...]:
    """The statements of a cell; none when it is not Python (half an answer, say)."""
    try:
        return statements(code)
    except SyntaxError:
        return ()


def _statement(text: str, node: ast.stmt) -> Iterator[Statement]:
    """A statement, or those that a magic such as ``%%time`` executes."""
    match node:
        case ast.Expr(
            ast.Call(
                ast.Attribute(attr="run_cell_magic" | "run_line_magic"),
                [ast.Constant(str(name)), *_, ast.Constant(str(body))],
            )
        ) if name in TRANSPARENT and (inner := parsed(body)):
            yield from inner
            return
    first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
    if first < node.lineno:
        source = "\n".join(text.split("\n")[first - 1 : node.end_lineno])
    else:
        source = ast.get_source_segment(text, node) or ast.unparse(node)
    yield Statement(source, node, *_names(source), _changed(node))


def _names(text: str) -> tuple[frozenset[str], frozenset[str]]:
    """The global names that a statement reads and binds, functions inside it included."""
    reads: set[str] = set()
    binds: set[str] = set()
    try:
        tables = [symtable.symtable(text, "cell", "exec")]
    except SyntaxError:  # `return` or `await` outside a function, for instance
        return frozenset(), frozenset()
    top = tables[0]
    while tables:
        table = tables.pop()
        tables += table.get_children()
        for symbol in table.get_symbols():
            if symbol.is_referenced() and (table is top or symbol.is_global()):
                reads.add(symbol.get_name())
            bound = symbol.is_assigned() or symbol.is_imported()
            if bound and (table is top or symbol.is_declared_global()):
                binds.add(symbol.get_name())
    return frozenset(reads), frozenset(binds)


def _changed(node: ast.stmt) -> frozenset[str]:
    """The names whose object a statement assigns into or calls a method of."""
    found: set[str] = set()
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return frozenset()
    for inner in ast.walk(node):
        place: ast.AST | None = None
        if isinstance(inner, ast.Attribute | ast.Subscript) and not isinstance(inner.ctx, ast.Load):
            place = inner
        elif isinstance(inner, ast.Expr) and isinstance(inner.value, ast.Call):
            place = inner.value.func if isinstance(inner.value.func, ast.Attribute) else None
        while isinstance(place, ast.Attribute | ast.Subscript):
            place = place.value
        if isinstance(place, ast.Name):
            found.add(place.id)
    return frozenset(found)


def needed(start: Iterable[str], every: Sequence[Statement], known: Iterable[str] = ()) -> tuple[set[str], set[int]]:
    """What a set of names depends on.

    Args:
        start: the names.
        every: the statements of the notebook.
        known: names that need no statement.

    Returns:
        All names that are needed, and the places in `every` of the statements that bind or change them.
    """
    imported = {n for s in every if isinstance(s.node, ast.Import | ast.ImportFrom) for n in s.binds}
    names, chosen = set(start) - set(known), set[int]()
    size = -1
    while size < len(chosen):
        size = len(chosen)
        for place, statement in enumerate(every):
            if place not in chosen and names & (statement.binds | (statement.changes - imported)):
                chosen.add(place)
                names |= statement.reads - set(known)
    return names, chosen


# Run --------------------------------------------------------------------------------------------------------------


class Kernel(InteractiveShell):
    """IPython without a history, a window, tracebacks, or a way to the system's shell."""

    def enable_gui(self, gui: str | None = None) -> None:
        """Do nothing: figures are drawn without a window."""

    def showtraceback(self, *given: Any, **named: Any) -> None:
        """Do nothing."""

    def system(self, cmd: str) -> None:
        """Do nothing: a grader installs and deletes nothing because a submission says so."""

    def getoutput(self, cmd: str, split: bool = True, depth: int = 0) -> list[str]:
        """Return no lines."""
        return []


def within(seconds: float, work: Callable[[], None]) -> bool:
    """Do some work and interrupt it after a time, as Ctrl-C does; tell whether it came to its end."""

    def interrupt() -> None:
        if hasattr(signal, "pthread_kill"):
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        else:
            _thread.interrupt_main()

    timer = threading.Timer(seconds, interrupt)
    timer.daemon = True
    try:
        timer.start()
        try:
            work()
        finally:
            timer.cancel()
            timer.join()
            time.sleep(0)  # an interrupt that came this late is raised here
    except KeyboardInterrupt:
        return False
    return True


@dataclass(frozen=True)
class Cell:
    """A code cell of a submission: its id, its statements, whether it is the student's, why it cannot be parsed."""

    id: str
    statements: tuple[Statement, ...]
    own: bool
    problem: str = ""


def submitted(chapter: Path, submission: Path) -> list[Cell]:
    """The code cells of a submission, compared with those of the chapter."""

    def form(code: str) -> object:  # without comments and layout
        return [ast.dump(s.node) for s in parsed(code)] or code.strip()

    handed_out = [form(code) for _, code in cells(chapter)]
    found = []
    for name, code in cells(submission):
        try:
            found.append(Cell(name, statements(code), form(code) not in handed_out))
        except SyntaxError as error:
            found.append(Cell(name, (), True, f"line {error.lineno}: {error.msg}"))
    return found


class Run:
    """A submission that is being executed for one exercise.

    Args:
        chapter: the notebook as it was handed out, or as it is in the book.
        submission: the notebook that came back.
        function: the name of the function to be written.
        check: the name of its check.
        cell: the id of the exercise's cell in the chapter.
        seconds: the time for all cells together.
    """

    def __init__(
        self, chapter: Path, submission: Path, function: str, check: str, cell: str, seconds: float = 20.0
    ) -> None:
        self.function, self.check, self.left = function, check, seconds
        self.cells = submitted(chapter, submission)
        self.handed_out = [s for _, code in cells(chapter) for s in parsed(code)]
        self.place = self._find(cell)
        self.shell = Kernel.instance(config=Config({"HistoryManager": {"enabled": False}}))
        self.names: dict[str, Any] = self.shell.user_ns
        self.absent: dict[str, str] = {}  # names that are not as the notebook has them, and why
        flat = [(cell, s) for cell in self.cells for s in cell.statements if not s.check]
        here = self.cells[self.place : self.place + 1]
        answer = [s for c in self.cells if c.own for s in c.statements if function in s.binds]
        answer += [s for c in here for s in c.statements if not s.check]
        given = {n for c in self.cells if c.own for text in self._given(c) for n in _names(text)[0]}
        self.needs, chosen = needed({n for s in answer for n in s.reads} | given, [s for _, s in flat], {function})
        self._wanted = {id(s) for place, (cell, s) in enumerate(flat) if cell.own or s.defines or place in chosen}

    def _given(self, cell: Cell) -> list[str]:
        """What a cell gives to the exercise's check: the function, or an expression of the student."""
        chapters = {n for s in self.handed_out for n in s.binds} - {self.function}
        calls = [s.check for s in cell.statements if s.check]
        calls = [call for call in calls if ast.unparse(call.func).split(".")[-1] == self.check and call.args]
        return [text for call in calls if (text := ast.unparse(call.args[0])) not in chapters]

    def _find(self, cell: str) -> int:
        """The place of the answer: by the cell's id; else the last cell with the check; else the last definition.

        A cell of the student comes before one that is as it was handed out.
        """
        tests: list[Callable[[Cell], bool]] = [
            lambda c: bool(cell) and c.id == cell,
            lambda c: bool(self._given(c)),
            lambda c: any(self.function in s.binds for s in c.statements),
        ]
        for own in (True, False):
            for test in tests:
                if found := [i for i, c in enumerate(self.cells) if c.own >= own and test(c)]:
                    return found[-1]
        return max(len(self.cells) - 1, 0)

    def up_to_the_exercise(self) -> None:
        """Execute the chapter's imports, and the cells up to that of the exercise."""
        for statement in self.handed_out:
            if isinstance(statement.node, ast.Import | ast.ImportFrom):
                self._execute(statement)
        self._run(self.cells[: self.place + 1])

    def the_rest(self) -> None:
        """Execute the student's cells below the exercise, and its own cell again if something was missing there."""
        self._run([cell for cell in self.cells[self.place + 1 :] if cell.own])
        answer = self.cells[self.place : self.place + 1]
        if any(n in self.absent for cell in answer for s in cell.statements for n in s.binds):
            self._run(answer)

    def goes_on(self) -> bool:
        """Whether the student defines the function once more below the exercise."""
        return any(self.function in s.binds for c in self.cells[self.place + 1 :] if c.own for s in c.statements)

    def candidates(self) -> Iterator[Any]:
        """The function, and what the student gave to its check under another name or without one."""
        if self.function in self.names:
            yield self.names[self.function]
        for given in (text for cell in self.cells if cell.own for text in self._given(cell)):
            if given != self.function:
                with contextlib.suppress(Exception):
                    yield eval(given, self.names)

    def missing(self) -> str:
        """Why a name that the exercise needs is not there; empty when all are."""
        lost = {
            n: "is bound in a cell of the chapter that the submission lacks" for s in self.handed_out for n in s.binds
        }
        lost = {name: why for name, why in lost.items() if name not in self.names and name != self.function}
        reasons = [f"{name} {why}" for name, why in sorted((lost | self.absent).items()) if name in self.needs]
        problems = [f"its cell is not Python ({c.problem})" for c in self.cells[self.place :][:1] if c.problem]
        return "; ".join(problems + reasons)

    def _run(self, some: Sequence[Cell]) -> None:
        """Execute what is wanted of some cells."""
        for cell in some:
            begun, limit = time.monotonic(), self.left / 2
            if not within(limit, lambda cell=cell: self._run_cell(cell)):  # type: ignore[misc]
                self._lack(cell.statements, f"is bound in a cell that took longer than {limit:.1f} s")
            self.left -= min(limit, time.monotonic() - begun)

    def _run_cell(self, cell: Cell) -> None:
        for place, statement in enumerate(cell.statements):
            if id(statement) not in self._wanted:
                self._lack([statement], "is bound by a statement of the chapter that was not executed")
                continue
            error = self._execute(statement)
            if isinstance(error, KeyboardInterrupt):
                raise error
            if error is not None and not self._from_outside(error):
                self._lack(cell.statements[place + 1 :], f"is bound below a statement that raised {_shown(error)}")
                return

    def _execute(self, statement: Statement) -> BaseException | None:
        """Execute a statement; return what it raised."""
        result = self.shell.run_cell(statement.text, silent=True)
        error = result.error_before_exec or result.error_in_exec
        if error is None:
            for name in statement.binds:
                self.absent.pop(name, None)
        elif not isinstance(error, KeyboardInterrupt):
            self._lack([statement], f"is bound by a statement that raised {_shown(error)}")
        return error

    def _lack(self, some: Sequence[Statement], why: str) -> None:
        """Note names that are not as the notebook has them."""
        for statement in some:
            for name in statement.binds:
                self.absent.setdefault(name, why)

    def _from_outside(self, error: BaseException) -> bool:
        """Whether something is missing that the notebook has and the grader has not."""
        if isinstance(error, NameError):
            return error.name in self.absent
        return isinstance(error, ImportError | FileNotFoundError | EOFError | UsageError)


def _shown(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
