"""Vectors kept on disk: found again only for the same images, seen in the same way by the same version of a model."""

from __future__ import annotations

import importlib
import resource
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from tqdm.auto import tqdm

from cadnet_edu.data.resolution import mlr
from cadnet_edu.data.samples import Split
from cadnet_edu.embeddings import Embeddings
from cadnet_edu.evaluate import evaluate

SIZE = (32, 16)


class Model:
    """Mean colours of eight stripes, and a count of the images that were asked about."""

    def __init__(self) -> None:
        self.images = 0

    def __call__(self, x: Tensor) -> Tensor:
        self.images += len(x)
        return torch.nn.functional.adaptive_avg_pool2d(x, (8, 1)).flatten(1)


def score(model: Model, split: Split, folder: Path, version: str = "1", **more: Any) -> Any:
    options = {"rates": (1, 4), "size": SIZE, "quality": False, "batch_size": 4, **more}
    return evaluate(model, split, keep=Embeddings(folder, version), **options)


def count(folder: Path, pattern: str = "*/*") -> int:
    return len(list(folder.glob(pattern)))


def test_a_second_evaluation_asks_the_network_nothing(tiny_split: Split, tmp_path: Path) -> None:
    n, m = len(tiny_split.query), len(tiny_split.gallery)
    model = Model()
    first = score(model, tiny_split, tmp_path)
    assert model.images == m + 2 * n
    assert count(tmp_path, "*/*.npy") == count(tmp_path) == 3
    assert first == evaluate(Model(), tiny_split, (1, 4), size=SIZE, quality=False)
    model = Model()
    assert score(model, tiny_split, tmp_path) == first
    score(model, tiny_split, tmp_path, protocol="market1501")
    score(model, tiny_split, tmp_path, meaning="torchreid")
    assert model.images == 0
    score(model, tiny_split, tmp_path, rates=(4, 2))
    assert model.images == n  # the rate that is new


def other_pixels(split: Split) -> Split:
    first, *rest = split.gallery
    pixels = np.array(first.load())
    pixels[0, 0, 0] ^= 1
    return Split(split.train, split.query, (replace(first, image=pixels), *rest))


def test_what_changes_the_vectors_misses(tiny_split: Split, tmp_path: Path) -> None:
    n, m = len(tiny_split.query), len(tiny_split.gallery)
    low = mlr(tiny_split, rates=(2, 8), seed=1)
    cases: list[tuple[int, Split, dict[str, Any]]] = [
        (m + 2 * n, tiny_split, {}),
        (m, other_pixels(tiny_split), {}),
        (m, Split((), tiny_split.query, tiny_split.gallery[::-1]), {}),
        (m + 2 * n, tiny_split, {"size": (16, 8)}),
        (m + 2 * n, tiny_split, {"precision": "bf16"}),
        (len(low.query) + len(low.gallery), low, {"rates": "own"}),
        (m + 2 * n, tiny_split, {"version": "2"}),
    ]
    for asked, split, options in cases:
        model = Model()
        first = score(model, split, tmp_path, **options)
        assert model.images == asked, options
        assert score(model, split, tmp_path, **options) == first
        assert model.images == asked, options
    query, gallery = (tuple(replace(s, pid=s.pid + 1) for s in part) for part in (tiny_split.query, tiny_split.gallery))
    model = Model()
    score(model, Split((), query, gallery), tmp_path, version="2")
    assert model.images == 0  # who is who changes no vector


def test_vectors_of_another_version_are_removed(tiny_split: Split, tmp_path: Path) -> None:
    score(Model(), tiny_split, tmp_path, "1")
    score(Model(), tiny_split, tmp_path, "2")
    assert [p.name for p in tmp_path.iterdir()] == ["2"]
    assert count(tmp_path) == 3


def test_files_that_changed_are_asked_about_again(tiny_split: Split, tmp_path: Path) -> None:
    query, gallery = (
        tuple(replace(s, image=_png(tmp_path / f"{s.name}.png", s.load())) for s in part)
        for part in (tiny_split.query, tiny_split.gallery)
    )
    split = Split((), query, gallery)
    model, n, m = Model(), len(split.query), len(split.gallery)
    score(model, split, tmp_path / "kept")
    score(model, split, tmp_path / "kept")
    assert model.images == m + 2 * n
    _png(tmp_path / f"{split.query[0].name}.png", 255 - tiny_split.query[0].load())
    score(model, split, tmp_path / "kept")
    assert model.images == m + 4 * n


def _png(path: Path, pixels: np.ndarray) -> Path:
    Image.fromarray(pixels).save(path)
    return path


@pytest.mark.parametrize("damage", ["cut short", "text", "other shape", "other type"])
def test_a_damaged_file_is_made_again(tiny_split: Split, tmp_path: Path, damage: str) -> None:
    first = score(Model(), tiny_split, tmp_path)
    for path in tmp_path.glob("*/*.npy"):
        if damage == "cut short":
            path.write_bytes(path.read_bytes()[:-4])
        elif damage == "text":
            path.write_text("no vectors")
        else:
            np.save(path, np.zeros((1, 3), np.float32) if damage == "other shape" else np.load(path).astype(float))
    model = Model()
    assert score(model, tiny_split, tmp_path) == first
    assert model.images > 0
    assert count(tmp_path) == 3


def test_vectors_can_be_changed_without_harm(
    tiny_split: Split, tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    def make() -> Iterator[Tensor]:
        yield torch.ones(2, 3)
        yield torch.zeros(len(tiny_split.query) - 2, 3)

    keep = Embeddings(tmp_path, "1")
    for _ in range(2):
        vectors = keep.get(tiny_split.query, "plain", make)
        assert (vectors.dtype, vectors.shape) == (torch.float32, (len(tiny_split.query), 3))
        assert vectors.sum() == 6
        vectors.fill_(7)
    assert not recwarn.list
    with pytest.raises(ValueError, match="2 vectors for"):
        keep.get(tiny_split.query, "too few", lambda: iter([torch.ones(2, 3)]))
    assert count(tmp_path) == 1


def test_a_full_disk_is_a_warning_and_the_scores_are_there(tiny_split: Split, tmp_path: Path) -> None:
    wanted = evaluate(Model(), tiny_split, (1, 4), size=SIZE, quality=False)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200, before[1]))
    try:
        with pytest.warns(RuntimeWarning, match="vectors cannot be kept here"):
            got = score(Model(), tiny_split, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert got == wanted
    assert count(tmp_path) == 0


def test_a_bar_shows_how_many_images_are_done(
    tiny_split: Split, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Images whose vectors were kept count as done."""
    module = importlib.import_module("cadnet_edu.evaluate")
    monkeypatch.setattr(module, "tqdm", lambda **options: tqdm(**{**options, "delay": 0, "mininterval": 0}))
    score(Model(), tiny_split, tmp_path)
    assert capsys.readouterr().err == ""  # nobody asked for one
    n, m = len(tiny_split.query), len(tiny_split.gallery)
    for quality, total in ((False, m + 2 * n), (True, m + 4 * n)):
        score(Model(), tiny_split, tmp_path, bar=True, quality=quality)
        last = capsys.readouterr().err.strip().split("\r")[-1]
        assert "Evaluating: 100%" in last
        assert f"{total}/{total}" in last
