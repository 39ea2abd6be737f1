"""The notebooks are what the chapters' texts say, and nothing more."""

import json
from pathlib import Path

import notebooks
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
SRC, CHAPTERS = ROOT / "book" / "src", ROOT / "book" / "chapters"

HEAD = """\
---
kernelspec:
  display_name: Python 3
  language: python
  name: python3
---

# A title

"""
BOOTSTRAP = f"""\
```{{code-cell}} ipython3
:tags: [bootstrap, hide-input]

{notebooks.BOOTSTRAP}
```
"""
FIGURE = """
```{code-cell} ipython3
---
mystnb:
  image:
    alt: "A line."
  figure:
    caption: "A line, and $x$."
    name: fig-line
tags: [hide-input, builds-cadnet_edu.losses.L_rec]
---
%matplotlib inline
print("é")
```
"""


def test_notebooks_are_derived_from_the_texts() -> None:
    changed = notebooks.stale(SRC, CHAPTERS)
    assert not changed, f"run `make notebooks`: {sorted(path.name for path in changed)}"


def test_every_chapter_stands_in_the_table_of_contents() -> None:
    toc = (ROOT / "_toc.yml").read_text(encoding="utf-8")
    listed = {line.split("book/chapters/")[1].strip() for line in toc.splitlines() if "book/chapters/" in line}
    assert listed == {path.stem for path in CHAPTERS.glob("*.ipynb")}
    assert yaml.safe_load(toc)["root"] == "book/index"


def test_metadata_survives() -> None:
    cells = json.loads(notebooks.derive(HEAD + BOOTSTRAP + FIGURE, "07_x"))["cells"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in cells[1:])
    assert cells[0]["source"] == ["# A title"]
    assert cells[2]["metadata"] == {
        "mystnb": {"image": {"alt": "A line."}, "figure": {"caption": "A line, and $x$.", "name": "fig-line"}},
        "tags": ["hide-input", "builds-cadnet_edu.losses.L_rec"],
    }
    assert cells[2]["source"] == ["%matplotlib inline\n", 'print("é")']


def test_same_text_same_bytes_whatever_the_kernel() -> None:
    text = HEAD + BOOTSTRAP + FIGURE
    other = text.replace("name: python3", "name: my-own-kernel").replace("Python 3", "My Own")
    first = notebooks.derive(text, "07_x")
    assert notebooks.derive(text, "07_x") == notebooks.derive(other, "07_x") == first
    ids = [cell["id"] for cell in json.loads(first)["cells"]]
    assert len(set(ids)) == len(ids)
    assert ids != [cell["id"] for cell in json.loads(notebooks.derive(text, "08_x"))["cells"]]


@pytest.mark.parametrize(
    "bad",
    [
        HEAD + FIGURE + BOOTSTRAP,
        HEAD + BOOTSTRAP.replace("setup()", "setup(seed=1)"),
        HEAD + BOOTSTRAP.replace("bootstrap, ", ""),
        HEAD,
    ],
    ids=["not first", "changed", "tag missing", "absent"],
)
def test_wrong_bootstrap_is_refused(bad: str) -> None:
    with pytest.raises(ValueError, match="first code cell must be the bootstrap cell"):
        notebooks.derive(bad, "07_x")


def test_drift_is_seen_and_mended(tmp_path: Path) -> None:
    src, out = tmp_path / "src", tmp_path / "out"
    src.mkdir()
    (src / "01_a.md").write_text(HEAD + BOOTSTRAP, encoding="utf-8")
    assert notebooks.main(["--src", str(src), "--out", str(out), "--check"]) == 1
    assert notebooks.main(["--src", str(src), "--out", str(out)]) == 0
    assert notebooks.main(["--src", str(src), "--out", str(out), "--check"]) == 0
    notebook = out / "01_a.ipynb"
    notebook.write_text(notebook.read_text(encoding="utf-8").replace("A title", "Another"), encoding="utf-8")
    (out / "02_gone.ipynb").write_text(notebooks.derive(HEAD + BOOTSTRAP, "02_gone"), encoding="utf-8")
    assert set(notebooks.stale(src, out)) == {notebook, out / "02_gone.ipynb"}
    notebooks.derive_all(src, out)
    assert sorted(path.name for path in out.iterdir()) == ["01_a.ipynb"]
    assert notebooks.stale(src, out) == {}


def test_work_of_a_reader_is_kept(tmp_path: Path) -> None:
    src, out, yours = tmp_path / "src", tmp_path / "chapters", tmp_path / "yours"
    src.mkdir()
    (src / "01_a.md").write_text(HEAD + BOOTSTRAP, encoding="utf-8")
    notebooks.derive_all(src, out)
    (src / "01_a.md").write_text(HEAD + BOOTSTRAP + FIGURE, encoding="utf-8")
    notebooks.derive_all(src, out)
    assert not yours.exists(), "a notebook that nobody touched is simply made new"
    edited = (out / "01_a.ipynb").read_text(encoding="utf-8").replace("print", "repr")
    own = {"01_a.ipynb": edited, "notes.ipynb": "mine"}
    for _ in range(2):
        for name, text in own.items():
            (out / name).write_text(text, encoding="utf-8")
        notebooks.derive_all(src, out)
    assert [path.name for path in out.iterdir()] == ["01_a.ipynb"]
    kept = {path.name: path.read_text(encoding="utf-8") for path in yours.iterdir()}
    assert kept == {**own, "01_a-2.ipynb": edited, "notes-2.ipynb": "mine"}


@pytest.mark.parametrize("path", sorted(CHAPTERS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_alternative_texts_are_sentences(path: Path) -> None:
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        image = cell["metadata"].get("mystnb", {}).get("image")
        assert image is None or len(image["alt"].split()) >= 4, f"say what is seen: {image}"
