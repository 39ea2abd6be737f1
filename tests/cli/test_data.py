"""``cadnet-edu data``: the embedded set on disk, and the cache of decoded images; see also ``tests/data``."""

import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import cli, refused

from cadnet_edu.data import image_cache, load_split

SMALL = ("--size", "S", "--height", 64, "--width", 32)


def test_walkers_on_disk_are_the_embedded_set_in_market1501_s_layout(tmp_path: Path) -> None:
    root = tmp_path / "walkers on disk"
    said = cli("data", "walkers", *SMALL, "--out", root)
    assert said.code == 0, said.err
    following = shlex.split(said.err.split("next: ")[1])
    assert following[2:6] == ["--dataset", "market1501", "--root", str(root)]
    disk, memory = load_split("market1501", root), load_split("walkers", None, "S", 64, 32)
    for role in ("train", "query", "gallery"):
        a, b = getattr(disk, role), getattr(memory, role)
        assert sorted((s.pid - 1, s.camera - 1) for s in a) == sorted((s.pid, s.camera) for s in b)
    error = np.abs(disk.query[0].load().astype(int) - memory.query[0].load().astype(int)).mean()
    assert error < 6  # JPEG, nearly as drawn
    refused(cli("data", "walkers", *SMALL, "--out", root), "something here already")


def test_cached_images_are_listed_and_deleted(
    trained: Path, train: list[Any], market: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:

    def scores(folder: Path) -> dict[str, Any]:
        said = cli("evaluate", folder, "--rates", 4, "--json")
        assert said.code == 0, said.err
        return json.loads(said.out)["rates"]

    monkeypatch.setenv("CADNET_EDU_CACHE", str(tmp_path / "cache"))
    plain = scores(trained)
    assert cli("data", "cache").out == f"0.00 GB below {tmp_path / 'cache' / 'images'}\n"
    monkeypatch.setattr(image_cache, "WORTH", 0)
    for name in ("first", "again"):  # written, then read
        assert cli(*train, "--out", tmp_path / name).code == 0
        assert scores(tmp_path / name) == plain
        first, total = cli("data", "cache").out.splitlines()
        assert first.split()[:3] == ["32x16", str(len(list(market.rglob("*.jpg")))), "images"]
    assert cli("data", "cache", "--clear").out.splitlines() == [first, f"{total}, now deleted"]
    assert cli("data", "cache").out.startswith("0.00 GB")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("", "cadnet-edu data walkers"),
        ("faces", "there is no 'faces'"),
        ("walkers", "--out"),
        ("walkers --size XXL --out w", "XXL"),
    ],
)
def test_wrong_options(arguments: str, words: str) -> None:
    refused(cli("data", *arguments.split()), words)
