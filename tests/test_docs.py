"""The docstrings are true: their arguments are the signature's, their examples run."""

import doctest
import importlib
import inspect
import pkgutil
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import cadnet_edu

MODULES = ["cadnet_edu", *sorted(m.name for m in pkgutil.walk_packages(cadnet_edu.__path__, "cadnet_edu."))]
TAUGHT = {"losses", "evaluation.retrieval", "evaluation.image_quality", "data.resolution", "models.cadnet",
          "teach.notebook", "teach.check"}  # fmt: skip


def public(module: ModuleType) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for name, thing in vars(module).items():
        if name.startswith("_") or getattr(thing, "__module__", None) != module.__name__:
            continue
        if inspect.isfunction(thing):
            found.append((name, thing))
        elif inspect.isclass(thing):
            found.append((name, thing))
            own = {n: m for n, m in vars(thing).items() if not n.startswith("_") and inspect.isfunction(m)}
            found += [(f"{name}.{n}", method) for n, method in own.items()]
    return found


def documented(docstring: str) -> list[str] | None:
    """Return the names in a docstring's ``Args:``, or None when it has no such part."""
    lines = inspect.cleandoc(docstring).splitlines()
    if "Args:" not in lines:
        return None
    names: list[str] = []
    for line in lines[lines.index("Args:") + 1 :]:
        if line and not line.startswith(" "):
            break
        entry = re.match(r"^ {4}([*\w]+(?:, [*\w]+)*)(?: \([^)]*\))?:", line)
        if entry:
            names += [name.lstrip("*") for name in entry[1].split(", ")]
    return names


def signature(thing: Any) -> list[str]:
    return [name for name in inspect.signature(thing).parameters if name not in ("self", "cls")]


def offered() -> set[int]:
    """Return the identities of the things that some ``__all__`` of the package offers."""
    found = set()
    for name in MODULES:
        module = importlib.import_module(name)
        found |= {id(getattr(module, each)) for each in getattr(module, "__all__", [])}
    return found


OFFERED = offered()
THINGS = [(m, name, thing) for m in MODULES for name, thing in public(importlib.import_module(m))]


def _id(module: str, name: str) -> str:
    return f"{module.removeprefix('cadnet_edu.')}:{name}"


@pytest.mark.parametrize(("module", "name", "thing"), [pytest.param(*t, id=_id(*t[:2])) for t in THINGS])
def test_arguments_are_those_of_the_signature(module: str, name: str, thing: Any) -> None:
    """Whatever is documented is right; what a reader may call and has three parameters or more is documented."""
    text = thing.__doc__ or ""
    if "." not in name:
        assert text.strip(), f"{module}.{name} has no docstring"
    names = documented(text)
    if names is not None:
        assert names == signature(thing)
    elif inspect.isfunction(thing) and (id(thing) in OFFERED or module.removeprefix("cadnet_edu.") in TAUGHT):
        assert len(signature(thing)) <= 2, f"{module}.{name} does not say what its arguments are"


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name: str) -> None:
    module = importlib.import_module(name)
    empty = not Path(str(module.__file__)).read_text(encoding="utf-8").strip()
    assert module.__doc__ or empty, f"{name} does not say what it is for"
    flags = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    assert doctest.testmod(module, optionflags=flags).failed == 0
