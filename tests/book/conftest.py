"""The book's tests share one built site: smoke preset, built once a session however many workers there are."""

import functools
import http.server
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "book" / "tools"), str(ROOT / "tests" / "book")]
PATIENCE = 1800  # seconds for a test that may have to build the site first, or to wait for who builds it


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "site" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.timeout(PATIENCE))


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
            command = [sys.executable, str(ROOT / "book/tools/build.py"), "--preset", "smoke", "--build", str(build)]
            run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
            log.write_text(f"{run.returncode}\n{run.stdout}{run.stderr}", encoding="utf-8")
    code, _, words = log.read_text(encoding="utf-8").partition("\n")
    assert code == "0", f"the book cannot be built at smoke:\n{words}"
    return build / "html"


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def server(site: Path) -> Iterator[str]:
    """The address of a server of the site on this machine."""
    handler = functools.partial(_Quiet, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_address[1]}"
        running.shutdown()
