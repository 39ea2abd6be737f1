"""The book's tests share one built site: smoke profile, built once a session however many workers there are."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "book" / "tools"))


@pytest.fixture(scope="session")
def root() -> Path:
    """The project."""
    return ROOT


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the built pages."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    build = shared / "book"
    log = shared / "book.log"
    with FileLock(shared / "book.lock"):
        if not log.exists():
            command = [sys.executable, str(ROOT / "book/tools/build.py"), "--profile", "smoke", "--build", str(build)]
            run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
            log.write_text(f"{run.returncode}\n{run.stdout}{run.stderr}", encoding="utf-8")
    code, _, words = log.read_text(encoding="utf-8").partition("\n")
    assert code == "0", f"the book cannot be built at smoke:\n{words}"
    return build / "html"


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
    found = [path for path in (os.environ.get("CHROMIUM"), *map(shutil.which, names)) if path]
    if not found:
        pytest.skip("no Chromium on this machine: install one (apt-get install chromium), or set CHROMIUM to its path")
    return found[0]
