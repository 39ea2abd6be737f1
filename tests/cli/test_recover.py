"""``cadnet-edu recover``: ordinary image files in, recovered images out."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from commands import cli, refused
from PIL import Image

from cadnet_edu.cli.recover import image_files
from cadnet_edu.runs import load_run


def pictures(folder: Path) -> dict[str, Path]:
    """Image files of many formats and shapes."""
    rng = np.random.default_rng(0)
    colour = Image.fromarray(rng.integers(0, 255, (120, 50, 3), dtype=np.uint8))
    kinds: dict[str, tuple[Image.Image, str, dict[str, Any]]] = {
        "odd": (colour.resize((37, 91)), "png", {}),
        "tiny": (colour.resize((1, 1)), "png", {}),
        "tall": (colour.resize((9, 700)), "jpg", {}),
        "wide": (colour.resize((900, 13)), "jpg", {}),
        "web": (colour, "webp", {}),
    }
    exif = Image.Exif()
    exif[0x0112] = 6  # held sideways: to be turned by a quarter
    kinds["turned"] = (colour.rotate(90, expand=True), "jpg", {"exif": exif, "quality": 98, "subsampling": 0})
    kinds["upright"] = (colour, "jpg", {"quality": 98, "subsampling": 0})
    paths = {}
    for name, (picture, suffix, options) in kinds.items():
        paths[name] = folder / f"{name}.{suffix}"
        picture.save(paths[name], **options)
    paths["a b.ü"] = folder / "a b.ü.PNG"
    colour.save(paths["a b.ü"])
    return paths


def test_recover_takes_ordinary_image_files(trained: Path, tmp_path: Path) -> None:
    paths = pictures(tmp_path)
    said = cli("recover", trained, *paths.values(), "--out", tmp_path / "new" / "out")
    assert said.code == 0, said.err
    for path in paths.values():
        alone = Image.open(tmp_path / "new" / "out" / f"{path.stem}.recovered.png")
        pair = Image.open(tmp_path / "new" / "out" / f"{path.stem}.side_by_side.png")
        assert (alone.size, alone.mode) == ((16, 32), "RGB")
        assert pair.size == (16 + 2 + 16, 32)
        assert np.array_equal(np.asarray(pair)[:, -16:], np.asarray(alone))
        assert f"{path.stem}.side_by_side.png" in said.err
    left, right = (
        np.asarray(Image.open(tmp_path / "new" / "out" / f"{name}.side_by_side.png"))[:, :16].astype(int)
        for name in ("turned", "upright")
    )
    assert np.abs(left - right).mean() < 8  # EXIF's turn was followed


def test_recover_is_what_the_network_computes(trained: Path, tmp_path: Path) -> None:
    pixels = np.random.default_rng(1).integers(0, 255, (32, 16, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "x.png")
    assert cli("recover", trained, tmp_path / "x.png", "--out", tmp_path).code == 0
    net = load_run(trained).net
    with torch.no_grad():
        wanted = net.recover(torch.from_numpy(pixels).permute(2, 0, 1)[None] / 255)[0].permute(1, 2, 0) * 255
    got = np.asarray(Image.open(tmp_path / "x.recovered.png")).astype(float)
    assert np.abs(got - wanted.numpy()).max() <= 0.51
    assert np.array_equal(np.asarray(Image.open(tmp_path / "x.side_by_side.png"))[:, :16], pixels)


def test_recover_does_what_it_can_and_names_what_it_cannot(trained: Path, tmp_path: Path) -> None:
    good = pictures(tmp_path)["odd"]
    text, missing = tmp_path / "text.png", tmp_path / "missing.png"
    text.write_text("no image")
    said = cli("recover", trained, text, good, missing, "--out", tmp_path / "out")
    assert said.code != 0
    for path, words in ((text, "cannot be read as an image"), (missing, "there is no such file")):
        assert any(str(path) in line and words in line for line in said.err.splitlines())
    refused(cli("recover", trained, good, "--out", text), "cannot write into", "Choose another folder")
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["odd.recovered.png", "odd.side_by_side.png"]


def test_recover_takes_folders_and_patterns(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    photos, sub = tmp_path / "photos", tmp_path / "photos" / "more"
    sub.mkdir(parents=True)
    for path in (photos / "a.JPG", photos / "b.png", photos / "._a.JPG", sub / "c.png", photos / "d [1].png"):
        Image.new("RGB", (8, 16)).save(path, "PNG")
    (photos / "notes.txt").write_text("")
    (tmp_path / "x.jpg").mkdir()

    def names(*given: str) -> list[str]:
        return [path.name for path in image_files([Path(each) for each in given])[0]]

    assert names("photos") == ["a.JPG", "b.png", "d [1].png"]
    assert names("photos/*.png", "photos/b.png") == ["b.png", "d [1].png"]
    assert names("photos/**/*.png") == ["b.png", "d [1].png", "c.png"]
    assert names("photos/d [1].png") == ["d [1].png"]  # a file of that name is no pattern
    assert names("photos/missing.png") == ["missing.png"]
    said = cli("recover", trained, "photos", "photos/m*/*.png", "--out", "out")
    assert said.code == 0, said.err
    assert len(list((tmp_path / "out").glob("*.recovered.png"))) == 4
    refused(cli("recover", trained, "photos/*.gif"), "photos/*.gif: no file matches this pattern")
    said = cli("recover", trained, "x.jpg", "photos/a.JPG", "--out", "rest")  # one bad word keeps no other waiting
    refused(said, "x.jpg: this is a folder, and no image (.jpg")
    assert (tmp_path / "rest" / "a.recovered.png").exists()


@pytest.mark.parametrize(
    "names",
    [("0001.png", "more/0001.png"), ("Anna.jpg", "anna.png"), ("\u00fc.png", "u\u0308.jpg"), ("SS.png", "ß.png")],
)
def test_names_that_are_one_on_other_disks_are_refused(trained: Path, tmp_path: Path, names: tuple[str, str]) -> None:
    (tmp_path / "more").mkdir()
    for name in names:
        Image.new("RGB", (8, 16)).save(tmp_path / name)
    said = cli("recover", trained, *(tmp_path / name for name in names), "--out", tmp_path / "out")
    refused(said, names[0], names[1], "overwrite each other", "its own --out")
    assert not (tmp_path / "out").exists()
