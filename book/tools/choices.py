"""Collect what the paper leaves open and what was chosen: each ``Choice:`` of a docstring, each setting marked ours.

The page ``book/choices.md`` includes what this writes, group by group; nothing of it is said twice.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

from docstrings import Field, Link, Module, code, definitions, escaped, inline, markdown, parts

GROUPS: dict[str, tuple[str, ...]] = {  # piece of the page: rooms of the package
    "losses": ("losses",),
    "networks": ("models",),
    "training": ("training", "methods"),
    "data": ("data",),
    "measuring": ("evaluation",),
}
RUNNING = {"preset", "log_every", "checkpoint_every"}  # settings that decide nothing about the result
TITLES = {"data": "Data", "model": "Networks", "loss": "Losses", "optim": "Optimisation", "run": "Running"}
REST = "rest"  # the piece for every other room
OURS = re.compile(r"\bours\b")
MARK = re.compile(r"^ours\b[:;,]? *")


@dataclass(frozen=True)
class Choice:
    """A ``Choice:`` of the package: where it stands, and its words."""

    module: Module
    name: str
    lines: list[str]

    @property
    def group(self) -> str:
        """The piece of the page that it belongs to."""
        return next((group for group, rooms in GROUPS.items() if self.module.room in rooms), REST)


def collect(modules: list[Module]) -> list[Choice]:
    """Return every ``Choice:``, in the order of the source."""
    found: list[Choice] = []
    for module in modules:
        docs = [("", module.doc), *((thing.name, thing.doc) for thing in module.every_thing())]
        for name, doc in docs:
            found += [Choice(module, name, part.lines) for part in parts(doc) if part.heading == "Choice"]
    return found


def fields(modules: list[Module]) -> dict[str, Field]:
    """Return all settings by name, each in its group of ``Config``."""
    module = _config(modules)
    groups = {thing.name: thing.node for thing in module.things if isinstance(thing.node, ast.ClassDef)}
    return {
        field.name: replace(field, group=title)
        for name, title in TITLES.items()
        for field in module.fields(groups[f"{name.title()}Config"])
    }


def ours(modules: list[Module]) -> dict[str, Field]:
    """Return the settings that ``config.py`` marks as ours."""
    return {name: field for name, field in fields(modules).items() if OURS.search(field.words)}


def changed(modules: list[Module]) -> dict[str, Field]:
    """Return the settings that a small preset takes away from the value that the paper gives."""
    default = import_module("cadnet_edu.config").Config()
    paper = {name: field for name, field in fields(modules).items() if not OURS.search(field.words)}
    return {
        name: field for name, field in paper.items() if name not in RUNNING and elsewhere(name, value_of(default, name))
    }


def reasons(modules: list[Module]) -> dict[str, str]:
    """Return the comment beside each setting that the small presets change."""
    module = _config(modules)
    found = {}
    for node in module.tree.body:
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "SLIM":
            assert isinstance(node.value, ast.Call)
            for keyword in node.value.keywords:
                line = keyword.value.end_lineno or 0
                if keyword.arg and line in module.comments:
                    found[keyword.arg] = module.comments[line]
    return found


def _config(modules: list[Module]) -> Module:
    return next(module for module in modules if module.name == "cadnet_edu.config")


def elsewhere(name: str, default: Any) -> dict[str, list[str]]:
    """Return value -> presets, for those presets in which a setting has another value than by default."""
    config = import_module("cadnet_edu.config")
    found: dict[str, list[str]] = {}
    for one in config.PRESETS:
        value = value_of(config.preset(one), name)
        if value != default:
            found.setdefault(repr(value), []).append(one)
    return found


def value_of(config: Any, name: str) -> Any:
    """Return a setting by its name."""
    return getattr(getattr(config, import_module("cadnet_edu.config").group_of()[name]), name)


def setting(name: str, field: Field, reason: str, link: Link) -> tuple[str, str]:
    """Return a setting for the list: its name and default, and the words that go with it."""
    config = import_module("cadnet_edu.config")
    default = value_of(config.Config(), name)
    words = inline(MARK.sub("", field.words), link).strip() or "as the one before"
    text = (
        words[:1].upper() + words[1:] if words.split()[0].strip(":").isalpha() and len(words.split()[0]) > 1 else words
    ).rstrip(".") + "."
    offered = [code(repr(value)) for value in config.choices().get(name, ()) if value != default]
    text += f" Also offered: {_and(offered)}." if offered else ""
    other = elsewhere(name, default)
    if other:
        said = "; ".join(f"{code(value)} in {_and([code(one) for one in where])}" for value, where in other.items())
        text += f" Instead {said}" + (f": {escaped(reason)}." if reason else ".")
    return code(f"{name} = {default!r}"), text.strip()


def _and(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def settings(modules: list[Module], which: dict[str, Field], link: Link) -> str:
    """Some settings as a list for each group of ``Config``.

    Args:
        modules: those of the package.
        which: by name.
        link: what turns code into links.
    """
    why = reasons(modules)
    groups: dict[str, list[tuple[str, str]]] = {}
    for name, field in which.items():
        groups.setdefault(field.group, []).append(setting(name, field, why.get(name, ""), link))
    return "\n\n".join(f"**{escaped(group)}**\n\n{definitions(pairs)}" for group, pairs in groups.items())


def pieces(modules: list[Module], link: Callable[[Module, str], Link]) -> dict[str, str]:
    """Return name -> text of what the page of choices includes.

    Args:
        modules: those of the package.
        link: for a module and a name in it, what turns code into links.
    """
    of_config = link(_config(modules), "Config")
    found = {
        "settings": settings(modules, ours(modules), of_config),
        "presets": settings(modules, changed(modules), of_config),
    }
    for group in (*GROUPS, REST):
        pairs = []
        for choice in collect(modules):
            if choice.group == group:
                dotted = f"{choice.module.name}.{choice.name}".rstrip(".")
                shown = choice.name or choice.module.name.partition(".")[2]
                public = not any(part.startswith("_") for part in shown.split("."))
                role = "py:obj" if choice.name else "py:mod"
                term = f"{{{role}}}`{shown} <{dotted}>`" if public else code(shown)
                words = markdown(choice.lines, link(choice.module, choice.name))
                pairs.append((term, words.replace("\n", "\n  ")))
        found[group] = definitions(pairs)
    return found
