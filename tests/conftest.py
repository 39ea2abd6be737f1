"""What several tests share: one thread, a cache of their own, and a small synthetic data set.

``commands.py`` beside this file runs commands: ``from commands import cli``; ``visits.py`` visits pages in a browser;
``data/fixtures.py`` writes data sets in every published layout: ``from fixtures import write_viper``.
"""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch

from cadnet_edu.data.samples import Split
from cadnet_edu.data.walkers import write_market1501

if TYPE_CHECKING:
    from playwright.sync_api import Browser

torch.set_num_threads(1)
HERE = Path(__file__).parent
sys.path[:0] = [str(folder) for folder in (HERE, HERE / "data", HERE.parent / "book" / "tools")]
from people import noise_split  # noqa: E402 - only now it can be found


def pytest_configure() -> None:
    """Tests leave the user's cache alone; a cache that is given, as `make test` does, is used.

    A ``make`` that a test starts is no part of the one that started the tests: it takes over neither its arguments
    nor its level, which make it print the folders that it enters.
    """
    for name in ("MAKEFLAGS", "MAKEOVERRIDES", "MAKELEVEL", "MFLAGS"):
        os.environ.pop(name, None)
    if "CADNET_EDU_CACHE" not in os.environ:
        os.environ["CADNET_EDU_CACHE"] = folder = tempfile.mkdtemp(prefix="cadnet_edu_tests_")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)


@pytest.fixture(scope="session")
def tiny_split() -> Split:
    """6 training identities x 2 cameras x 3 shots; 5 test identities: 1 query and 3 gallery images each; 64 x 32."""
    return noise_split().check()


@pytest.fixture(scope="session")
def market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same small data set on disk, in Market-1501's layout."""
    return write_market1501(noise_split(), tmp_path_factory.mktemp("data") / "market")


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
    found = [path for path in (os.environ.get("CHROMIUM"), *map(shutil.which, names)) if path]
    if not found:
        pytest.skip("no Chromium on this machine: install one (apt-get install chromium), or set CHROMIUM to its path")
    return found[0]


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    """A running Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        yield started
        started.close()
