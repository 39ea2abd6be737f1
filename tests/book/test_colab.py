"""The first two chapters as on Colab: another environment, outside the project, with the package from its wheel.

What is Colab's here, and what is not. Colab's (its image of August 2026): the versions in ``COLAB``, above all
ipywidgets 7.7.1, IPython 7.34 and NumPy 2.1.3, and a module ``google.colab`` that is loaded before the first cell. Not
Colab's: Python (that of this machine, Colab has 3.13), PyTorch and torchvision (those of this machine, seen through
links, with what they need and nothing else of this environment; Colab has 2.11), its hundreds of other packages, the
server ``notebook`` (a name without contents stands for it), its front end and its GPU. The first cell installs the
wheel that is built here, in place of the repository that it names.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import nbformat
import notebooks
import pytest
from build import ThisPython
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
CHAPTERS = ("01_seeing_less", "02_measuring_retrieval")
COLAB = {
    "numpy": "2.1.3",
    "scipy": "1.16.3",
    "scikit-learn": "1.6.1",
    "matplotlib": "3.10.0",
    "pillow": "11.3.0",
    "tqdm": "4.67.3",
    "ipython": "7.34.0",
    "ipykernel": "6.17.1",
    "ipywidgets": "7.7.1",
    "widgetsnbextension": "3.6.10",
}
PLACEHOLDER = "Metadata-Version: 2.1\nName: notebook\nVersion: 6.5.7\n"
SOURCE = re.search(r'"cadnet-edu @ [^"]+"', notebooks.BOOTSTRAP)

pytestmark = [pytest.mark.slow, pytest.mark.network]


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def needs(names: Iterable[str], without: Iterable[str]) -> dict[str, metadata.Distribution]:
    """Distributions of this environment and all that they need in turn."""
    found: dict[str, metadata.Distribution] = {}
    asked, seen = [Requirement(name) for name in names], set()
    while asked:
        need = asked.pop()
        name = normal(need.name)
        if name in without or str(need) in seen:
            continue
        seen.add(str(need))
        try:
            found[name] = metadata.distribution(name)
        except metadata.PackageNotFoundError:  # for another system
            continue
        for more in map(Requirement, found[name].requires or []):
            if more.marker is None or any(more.marker.evaluate({"extra": extra}) for extra in ("", *need.extras)):
                asked.append(more)
    return found


def lend(folder: Path, *names: str) -> None:
    """Fill a folder with links to distributions of this environment, and to what they need."""
    folder.mkdir()
    for distribution in needs(names, without={normal(name) for name in COLAB}).values():
        for top in {file.parts[0] for file in distribution.files or []} - {"..", "__pycache__"}:
            source = Path(str(distribution.locate_file(top)))
            if source.exists() and source.suffix != ".pth" and not (folder / top).exists():
                (folder / top).symlink_to(source)


@dataclass(frozen=True)
class Colab:
    """An environment like Colab's, and the wheel to be installed into it."""

    folder: Path
    wheel: Path

    @property
    def python(self) -> str:
        return str(self.folder / "env/bin/python")

    @property
    def site(self) -> Path:
        (found,) = (self.folder / "env/lib").glob("python*/site-packages")
        return found

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        names = ("PATH", "HOME", "LANG", "OMP_NUM_THREADS", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")
        keep = {name: value for name, value in os.environ.items() if name in names or name.startswith("PIP_")}
        run = subprocess.run(
            [self.python, *arguments], cwd=self.folder, env=keep, capture_output=True, text=True, check=False
        )
        assert run.returncode == 0, f"{' '.join(arguments)}\n{run.stdout[-6000:]}\n{run.stderr[-6000:]}"
        return run


@pytest.fixture(scope="module")
def colab(tmp_path_factory: pytest.TempPathFactory) -> Colab:
    """Colab's versions, and nothing of this project."""
    folder = tmp_path_factory.mktemp("colab")
    assert not folder.is_relative_to(ROOT)
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(ROOT)]
    built = subprocess.run(pip, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    venv.create(folder / "env", with_pip=True, symlinks=True)
    made = Colab(folder, next(folder.glob("cadnet_edu-*.whl")))
    lend(folder / "lent", "torch", "torchvision", "pytest")
    (made.site / "lent.pth").write_text(f"{folder / 'lent'}\nimport google.colab\n")
    module = made.site / "google" / "colab"
    module.mkdir(parents=True)
    (module / "__init__.py").write_text("")
    server = made.site / "notebook-6.5.7.dist-info"
    server.mkdir()
    (server / "METADATA").write_text(PLACEHOLDER)
    made.run("-m", "pip", "install", "--quiet", *(f"{name}=={version}" for name, version in COLAB.items()))
    return made


@pytest.fixture(scope="module")
def plan(colab: Colab) -> dict[str, str]:
    """What pip would install there for this package: name -> version."""
    report = colab.folder / "report.json"
    colab.run("-m", "pip", "install", "--quiet", "--dry-run", "--report", str(report), str(colab.wheel))
    listed = json.loads(report.read_text())["install"]
    return {normal(entry["metadata"]["name"]): entry["metadata"]["version"] for entry in listed}


@pytest.fixture(scope="module")
def done(colab: Colab, plan: dict[str, str]) -> dict[str, nbformat.NotebookNode]:
    """The chapters with their outputs. The first one finds no package and installs it."""
    assert "cadnet-edu" in plan
    return {name: run_chapter(colab, name) for name in CHAPTERS}


def run_chapter(colab: Colab, name: str) -> nbformat.NotebookNode:
    """Run a chapter in that environment, its first cell pointed at the wheel."""

    class ItsPython(ThisPython):
        def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
            argv = [colab.python, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
            return KernelSpec(argv=argv, display_name="Python 3", language="python")

    place = colab.folder / "content"
    place.mkdir(exist_ok=True)
    notebook = nbformat.read(shutil.copy(ROOT / "book/chapters" / f"{name}.ipynb", place), as_version=4)
    assert SOURCE
    for cell in notebook.cells:
        if "bootstrap" in cell.metadata.get("tags", []):
            cell.source = cell.source.replace(SOURCE.group(), f'"cadnet-edu @ {colab.wheel.as_uri()}"')
    ask = "import sys, torch, IPython, ipywidgets\nfrom cadnet_edu.teach.widgets import is_live\n"
    ask += "print(cadnet_edu.__file__, IPython.__version__, ipywidgets.__version__, is_live())"
    notebook.cells.append(new_code_cell(ask))
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    environment |= {"CADNET_EDU_PRESET": "smoke", "CADNET_EDU_CACHE": str(colab.folder / "cache")}
    client = NotebookClient(
        notebook,
        km=AsyncKernelManager(kernel_spec_manager=ItsPython(), kernel_name="python3"),
        timeout=300,
        resources={"metadata": {"path": str(place)}},
    )
    client.execute(env=environment)
    return notebook


def test_installing_touches_nothing_that_colab_brings(colab: Colab, plan: dict[str, str]) -> None:
    assert plan.keys() & ({*COLAB, "torch", "torchvision", "notebook", "pandas"}) == set()
    assert not [name for name in plan if name.startswith(("nvidia", "jupyter", "ipy"))]
    assert "cadnet-edu" in plan


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_chapter_runs_from_the_wheel(colab: Colab, done: dict[str, nbformat.NotebookNode], name: str) -> None:
    notebook = done[name]
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert "error" not in {output.output_type for output in outputs}
    said = "".join(output.text for output in outputs if output.output_type == "stream")
    assert "preset smoke" in said
    assert "keep_on_drive" in said, "it knows that it is on Colab"
    assert said.rstrip().endswith(f"{colab.site / 'cadnet_edu/__init__.py'} 7.34.0 7.7.1 True")


def test_installing_really_touched_nothing(colab: Colab, done: dict[str, nbformat.NotebookNode]) -> None:
    code = "import json, importlib.metadata as m; print(json.dumps({d.name: d.version for d in m.distributions()}))"
    found = {normal(name): version for name, version in json.loads(colab.run("-c", code).stdout).items()}
    assert {name: found[name] for name in COLAB} == COLAB
    assert found["torch"] == metadata.version("torch")
    assert not (colab.site / "torch").exists(), "PyTorch was installed once more"
    assert "myst-nb" not in found, "the book's tools are not Colab's"


def test_live_widgets_work_with_ipywidgets_7(colab: Colab, done: dict[str, nbformat.NotebookNode]) -> None:
    """The tests of what a reader plays with, once more, there."""
    where = colab.folder / "tests"
    where.mkdir()
    shutil.copy(ROOT / "tests/teach/test_live_widgets.py", where)
    options = ["-q", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", str(where), "--import-mode=importlib"]
    run = colab.run("-m", "pytest", *options, str(where))
    assert re.search(r"\d{2} passed", run.stdout), run.stdout
    assert "skipped" not in run.stdout
