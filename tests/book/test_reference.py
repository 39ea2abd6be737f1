"""What is made from the package's own words is whole: the reference, the lists of choices, the glossary."""

import ast
import doctest
import importlib
import pkgutil
import re
from functools import cache
from pathlib import Path

import build
import choices
import docstrings
import pytest
import reference
import yaml

import cadnet_edu
from cadnet_edu.config import Config, flatten, preset

ROOT = Path(__file__).resolve().parents[2]
BOOK = ROOT / "book"
CHOICES = (BOOK / "choices.md").read_text(encoding="utf-8")


@cache
def made() -> reference.Reference:
    return reference.Reference(ROOT)


@cache
def page(name: str) -> str:
    return made().page(name)


@cache
def pieces() -> dict[str, str]:
    return made().pieces()


def plain(text: str) -> str:
    """Words alone: no marks of Markdown, no links, one space between words."""
    text = re.sub(r"\{[\w:]+\}`([^`<]*?)(?: <[^>]*>)?`", r"\1", text)
    return " ".join(re.sub(r"[\\`*]", "", text).split())


def test_the_tools_examples_are_right() -> None:
    for tool in (docstrings, reference, choices):
        assert doctest.testmod(tool).failed == 0
    assert doctest.testmod(docstrings).attempted >= 4


# The reference ----------------------------------------------------------------------------------------------------


def test_every_module_has_a_section() -> None:
    names = {m.name for m in pkgutil.walk_packages(cadnet_edu.__path__, "cadnet_edu.")}
    text = "\n".join(page(name) for name in reference.PAGES)
    sections = re.findall(r"^```\{py:module\} (\S+)$", text, re.MULTILINE)
    assert set(sections) == names
    assert len(sections) == len(names)


def test_every_public_thing_is_there() -> None:
    for module in (one for one in made().modules if one.room):
        text = page(reference.page_of(module))
        for thing in module.things:
            entry = re.search(rf"\}} {re.escape(thing.name)}(\(.*)?\n:module: {re.escape(module.name)}\n", text)
            assert bool(entry) == thing.public, thing.dotted


def test_every_page_stands_in_the_table_of_contents() -> None:
    wanted = build.pages_of(yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8")))
    listed = {name.removeprefix("book/api/") for name in wanted if name.startswith("book/api/")}
    assert listed == {"index", *reference.PAGES}
    written = {f"book/{path.relative_to(BOOK).with_suffix('').as_posix()}" for path in BOOK.glob("*.md")}
    assert written <= set(wanted)


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("losses", r"\{py:function\} L_id\(logits: Tensor, y: Tensor\) -> Tensor\n"),
        ("networks", r"\{py:class\} CADNet\(identities: int, size: tuple\[int, int\]=\(256, 128\), "),
        ("networks", r"`x_hat: Tensor \| None`\n: recovered HR image"),
        ("settings", r":::\{py:property\} DataConfig\.batch_size\n"),
        ("settings", r"\{py:class\} Config\b[\s\S]*\{py:function\} check_finite\("),  # main things come first
        ("losses", r"Built in \{doc\}`chapter 03 </book/chapters/03_strong_baseline>`\."),
    ],
)
def test_an_entry_is_that_of_the_source(name: str, pattern: str) -> None:
    assert re.search(pattern, page(name))


def test_what_is_looked_for_comes_first() -> None:
    entries = re.findall(r"^:{4}\{py:\w+\} (\w+)", page("losses"), re.MULTILINE)
    assert entries[0].startswith("L_")
    assert entries.index("check_choice") > entries.index("L_tri")


def test_links_lead_to_what_is_documented() -> None:
    known = made().known | made().known_modules
    texts = {**made().pages(), **pieces()}
    for name, text in texts.items():
        targets = re.findall(r"\{py:(?:obj|mod)\}`(?:[^`<]*<)?([\w.]+)>?`", text)
        assert {target for target in targets if target not in known} == set(), name
        chapters = re.findall(r"\{doc\}`[^`]*?/?(book/chapters/\w+)>?`", text)
        assert all((ROOT / f"{chapter}.ipynb").exists() for chapter in chapters), name


def test_the_overview_names_what_the_package_offers() -> None:
    for name in cadnet_edu.__all__:
        assert re.search(rf"`{name}[` ]", pieces()["public_names"]), name
        where = made().resolved(name)
        home, _, last = where.rpartition(".")
        assert getattr(importlib.import_module(home), last) is getattr(cadnet_edu, name)


def test_each_chapters_pieces_are_listed() -> None:
    lines = pieces()["built"]
    assert re.search(r"03_strong_baseline`\n: .*losses\.L_tri>", lines)
    assert re.search(r"08_whole_cadnet`\n: .*training\.trainer\.Trainer\.step>", lines)
    assert "_ScaleGradient" not in lines


@pytest.mark.parametrize(
    ("docstring", "wanted"),
    [
        ("Words with x_H, a|b, 2 * 3 and <b>.", r"Words with x\_H, a\|b, 2 \* 3 and \<b\>."),
        ("See :func:`cmc` and ``a[0]``.", "See LINK and `a[0]`."),
        ("Words of chapter 03.", "Words of {doc}`chapter 03 </book/chapters/03_x>`."),
        ("Words.\n\nL_x = E[||a||_1]", "Words.\n\n```text\nL_x = E[||a||_1]\n```"),
        ("Words.\n>>> 1 + 1\n2", "Words.\n\n```pycon\n>>> 1 + 1\n2\n```"),
        ("Args:\n    a, b: two,\n        really: two.", "```{rubric} Args\n```\n\n`a`, `b`\n: two, really: two."),
        ("Raises:\n    Whatever it likes.", "```{rubric} Raises\n```\n\nWhatever it likes."),
        ("- one\n- two\n  more", "- one\n- two\n  more"),
    ],
)
def test_a_docstring_becomes_markdown(docstring: str, wanted: str) -> None:
    found = docstrings.page_text(docstring, {"cmc": "LINK"}.get, {"03": "book/chapters/03_x"})
    assert found == wanted


# Choices ----------------------------------------------------------------------------------------------------------


def test_every_choice_of_the_package_stands_on_the_page() -> None:
    """Every ``Choice:`` section, found without the book's tools."""
    on_page = plain("\n".join(pieces()[name] for name in included(CHOICES)))
    marked = found = 0
    for path in sorted((ROOT / "cadnet_edu").rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        marked += text.count("Choice:")
        for node in ast.walk(ast.parse(text)):
            words = (isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node)) or ""
            for body in re.findall(r"^Choice:\n((?:(?: .*)?\n)*(?: .*)?)", words, re.MULTILINE):
                assert plain(re.sub(r":\w+:`([^`]*)`", r"\1", body)) in on_page, (
                    f"{path}: not on book/choices.md: {body}"
                )
                found += 1
    assert marked == found >= 30, "write a choice as a section of its own: a line 'Choice:', the words indented"


def test_every_setting_marked_ours_stands_on_the_page() -> None:
    lines = (ROOT / "cadnet_edu" / "config.py").read_text(encoding="utf-8").splitlines()
    fields = [m[1] for line in lines if (m := re.match(r"    (\w+): [^#]*= [^#]*# .*\bours\b", line))]
    assert len(fields) > 20
    for name in fields:
        assert re.search(rf"^`{name} = ", pieces()["choices_settings"], re.MULTILINE), name


def test_a_setting_tells_its_values_and_the_reason() -> None:
    text = pieces()["choices_settings"]
    assert f"`decoder_grad_scale = {Config().model.decoder_grad_scale!r}`\n" in text
    told = re.search(r"`decoder_grad_scale = .*\n: (.*)", text)
    assert told
    assert f"Instead `{preset('quick').model.decoder_grad_scale!r}` in `smoke`, `quick` and `reduced`: " in told[1]
    assert "D\\_F" in told[1]
    assert "Also offered: `'batch_all'`." in text


def test_what_the_presets_change_stands_on_the_page_once() -> None:
    """A value that is not ``Config()``'s is told, among ours or among the paper's."""
    both = {name: pieces()[f"choices_{name}"] for name in ("settings", "presets")}
    default = flatten(Config().to_dict())
    for one in ("smoke", "quick", "reduced"):
        given = flatten(preset(one).to_dict())
        names = [name for name in given if given[name] != default[name]]
        assert len(names) > 20
        for name in (name for name in names if name not in choices.RUNNING):
            found = [re.search(rf"^`{re.escape(name)} = .*`\n: (.*)", text, re.MULTILINE) for text in both.values()]
            (entry,) = [match for match in found if match]
            assert f"`{one}`" in entry[1], name


def included(text: str) -> list[str]:
    return re.findall(r"```\{include\} (?:\.\./)?generated/(\w+)\.md", text)


def test_every_piece_is_included_once() -> None:
    pages = [path.read_text(encoding="utf-8") for path in (*BOOK.glob("*.md"), *(BOOK / "api").glob("*.md"))]
    assert sorted(name for text in pages for name in included(text)) == sorted(pieces())


def test_terms_of_the_glossary_are_used_and_in_order() -> None:
    entries = (BOOK / "glossary.md").read_text(encoding="utf-8").split("```{glossary}\n")[1].rstrip("`\n")
    terms = [line for line in entries.splitlines() if line and not line.startswith(" ")]
    assert terms == sorted(terms, key=str.lower)
    pages = [*(BOOK / "src").glob("*.md"), *(path for path in BOOK.glob("*.md") if path.name != "glossary.md")]
    corpus = "\n".join(path.read_text(encoding="utf-8").lower() for path in pages)
    assert [term for term in terms if term.lower().split(", ")[0] not in corpus] == []
