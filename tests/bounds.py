"""Run the smallest preset with the oldest or the newest versions that pyproject.toml allows.

    python tests/bounds.py oldest                        # every ">=" of pyproject.toml becomes "=="
    python tests/bounds.py newest --python python3.13    # what pip takes today, with another Python

The commands, a notebook and the quickest tests run in an environment of several GB, made in ``--folder`` (a temporary
one without it). It takes 10 to 30 minutes, so it is not part of ``make test``. It ends with 1 when a step fails.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# What the commands and tests below need of the optional dependencies.
EXTRAS = ("h5py", "pytest", "pytest-timeout", "hypothesis", "nbval", "scikit-image", "ipykernel")
TESTS = ("test_config.py", "test_io.py", "test_losses.py", "evaluation/test_retrieval.py", "training", "models")
NOTEBOOK = "book/chapters/02_measuring_retrieval.ipynb"


def requirements(versions: str) -> list[str]:
    """The package's dependencies and ``EXTRAS``, pinned to their lower bounds or without versions."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    lines = project["dependencies"] + [line for extra in project["optional-dependencies"].values() for line in extra]
    found = {}
    for line in lines:
        name, bound = re.fullmatch(r"([\w-]+)>=([\w.]+)(?:,.*)?", line).groups()  # type: ignore[union-attr]
        found[name] = f"{name}=={bound}" if versions == "oldest" else name
    needed = [re.match(r"[\w-]+", line)[0] for line in project["dependencies"]]  # type: ignore[index]
    return [found[name] for name in (*needed, *EXTRAS)]


def environment(versions: str, python: str, folder: Path) -> Path:
    """Make an environment in the folder, or bring the one that is there up to date; returns its Python."""
    inside = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    if not inside.exists():
        subprocess.run([python, "-m", "venv", str(folder)], check=True)
    eager = ["--upgrade", "--upgrade-strategy", "eager"] if versions == "newest" else []
    subprocess.run([str(inside), "-m", "pip", "install", "--quiet", *eager, *requirements(versions)], check=True)
    return inside


def steps(out: Path) -> list[list[str]]:
    """Arguments of Python, in order: the commands of the smallest preset, a notebook, and tests."""
    run, picture = str(out / "run"), str(out / "picture.png")
    command, pytest = ["-m", "cadnet_edu"], ["-m", "pytest", "-q", "-p", "no:cacheprovider"]
    draw = f"from PIL import Image; Image.radial_gradient('L').convert('RGB').resize((16, 32)).save({picture!r})"
    return [
        [*command, "train", "--preset", "smoke", "--out", run],
        [*command, "evaluate", run],
        ["-c", draw],
        [*command, "recover", run, picture, "--out", str(out / "recovered")],
        [*command, "export", run, "--name", "smallest", "--out", str(out / "weights")],
        [*command, "reproduce", "table3", "--preset", "smoke", "--seeds", "1", "--out", str(out / "table3")],
        [*pytest, "--nbval-lax", "--nbval-current-env", "--nbval-cell-timeout=300", NOTEBOOK],
        [*pytest, *(f"tests/{name}" for name in TESTS)],
    ]


def main() -> int:
    """Make the environment, print its versions, and run every step, also after one that failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("versions", choices=("oldest", "newest"))
    parser.add_argument("--python", default=sys.executable, help="the Python to make the environment with")
    parser.add_argument("--folder", type=Path, help="where the environment is made and kept")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cadnet_edu_bounds_") as temporary:
        python = environment(given.versions, given.python, given.folder or Path(temporary, "environment"))
        subprocess.run([str(python), "--version"], check=True)
        subprocess.run([str(python), "-m", "pip", "freeze", "--exclude-editable"], check=True)
        out = Path(temporary, "out")
        out.mkdir()
        variables = dict(os.environ, PYTHONPATH=str(ROOT), PYTHONUTF8="1", CADNET_EDU_PRESET="smoke",
                         CADNET_EDU_CACHE=str(out / "cache"), OMP_NUM_THREADS="1")  # fmt: skip
        failed = 0
        for step in steps(out):
            began = time.monotonic()
            code = subprocess.run([str(python), *step], cwd=ROOT, env=variables, check=False).returncode
            failed += code != 0
            print("FAILED" if code else "ok    ", f"{time.monotonic() - began:5.0f} s  python", *step, flush=True)
    print(f"{len(steps(out)) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
