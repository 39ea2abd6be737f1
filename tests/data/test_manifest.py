"""A split as a table: what is written is read by others, and nothing else is."""

import csv
import errno
import hashlib
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from fixtures import WRITERS, write_cuhk03, write_viper
from PIL import Image

from cadnet_edu.data import load_split
from cadnet_edu.data.manifest import COLUMNS, read_manifest, write_manifest
from cadnet_edu.data.mlr_variants import construct
from cadnet_edu.data.readers import cuhk03, viper
from cadnet_edu.data.resolution import mlr
from cadnet_edu.data.samples import Sample, Split


def facts(split: Split):
    parts = (split.train, split.query, split.gallery)
    return [[(s.pid, s.camera, s.rate, str(s.image)) for s in part] for part in parts]


@pytest.fixture
def root(tmp_path):
    return write_viper(tmp_path)


@pytest.mark.parametrize("name", WRITERS)
def test_there_and_back(name, tmp_path):
    root = WRITERS[name](tmp_path / "set")
    split = mlr(load_split(name, root, allow_withdrawn=True), rates=(2, 3, 2.7), seed=3)
    path = write_manifest(split, tmp_path / "out" / "mlr.csv", root)
    assert facts(read_manifest(path, root, True, True)) == facts(split)
    assert facts(read_manifest(path, root.parent, True, True)) == facts(split)  # a level too high
    moved = Path(shutil.move(root, tmp_path / "elsewhere"))
    assert len(read_manifest(path, moved, True, True).query) == len(split.query)
    assert os.listdir(path.parent) == ["mlr.csv"]


def test_another_program_can_load_it(tmp_path, root):
    """The format needs nothing of this package: another group's own code gets the same pictures."""
    split = construct(viper(root), seed=1)
    path = write_manifest(split, tmp_path / "m.csv")
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert {r["role"] for r in rows} == {"train", "query", "gallery"}
    assert {r["rate"] for r in rows if r["role"] == "gallery"} == {"1"}
    for row in rows:
        assert row["checksum"] == hashlib.sha256((root / row["path"]).read_bytes()).hexdigest()
        assert "\\" not in row["path"]
        assert not Path(row["path"]).is_absolute()
    for row, s in zip([r for r in rows if r["role"] == "query"], split.query, strict=True):
        assert float(row["rate"]) == s.rate
        assert np.array_equal(np.asarray(Image.open(root / row["path"])), s.load())


def test_an_image_in_a_file_has_an_address(tmp_path):
    root = write_cuhk03(tmp_path)
    split = cuhk03(root)
    path = write_manifest(split, tmp_path / "m.csv", root)
    line = path.read_text().splitlines()[1].split(",")
    assert line[0] == "cuhk-03.mat#detected/0/0/0"
    pixels = split.train[0].load()
    assert line[5] == hashlib.sha256(f"{pixels.shape[0]} {pixels.shape[1]} ".encode() + pixels.tobytes()).hexdigest()


def test_a_changed_image_is_named(tmp_path, root):
    split = viper(root)
    path = write_manifest(split, tmp_path / "m.csv", root)
    victim = split.gallery[1].image
    data = bytearray(victim.read_bytes())
    data[-1] ^= 1
    victim.write_bytes(data)
    assert read_manifest(path, root).name == "m"  # not looked at unless asked
    with pytest.raises(ValueError, match=rf"1 of 16 images are not those.*cam_b/{victim.name}: its checksum differs"):
        read_manifest(path, root, verify=True)


HEAD = ",".join(COLUMNS) + "\n"
GOOD = "cam_a/000_0.bmp,0,0,2,query,"
BAD = {
    "columns": ("a,b\n1,2", "no column 'path'"),
    "gone": (HEAD + "cam_a/x.bmp,0,0,2,query,", r"line 2: there is no file .*cam_a/x.bmp.*same data set, complete"),
    "outside": (HEAD + "../../etc/passwd,0,0,2,query,", "line 2: '../../etc/passwd' leaves the folder"),
    "pid": (HEAD + "cam_a/000_0.bmp,-1,0,2,query,", "line 2: pid = '-1'. It must be a whole number"),
    **{
        f"pid {value[:9]}": (HEAD + f"cam_a/000_0.bmp,{value},0,2,query,", r"line 2: pid = .*It must")
        for value in ("１２", "9" * 19, "1" * 5000, "1.5", "nan")
    },
    "camera": (HEAD + "cam_a/000_0.bmp,1,c1,2,query,", "camera = 'c1'"),
    "rate": (HEAD + "cam_a/000_0.bmp,1,1,0.5,query,", "rate = '0.5'"),
    "nan": (HEAD + "cam_a/000_0.bmp,1,1,nan,query,", "rate = 'nan'"),
    "role": (HEAD + "cam_a/000_0.bmp,1,1,2,probe,", "role = 'probe'"),
    "address": (HEAD + GOOD + "\n" + "cam_a.mat#x,1,1,2,query,", "there is no file"),
    "no checksum": (HEAD + GOOD, "line 2: no checksum is given"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_line_that_cannot_be_used(tmp_path, root, kind):
    text, message = BAD[kind]
    (tmp_path / "m.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_manifest(tmp_path / "m.csv", root, verify=True)


def test_no_folder_and_no_file(tmp_path):
    with pytest.raises(ValueError, match="there is no such file"):
        read_manifest(tmp_path / "m.csv", tmp_path)
    (tmp_path / "m.csv").write_text(HEAD + GOOD)
    with pytest.raises(ValueError, match="there is no such folder"):
        read_manifest(tmp_path / "m.csv", tmp_path / "gone")


def test_images_in_memory_or_outside_the_root(tiny_split, tmp_path):
    with pytest.raises(ValueError, match=r"are in memory, not on disk.*cadnet-edu data walkers --out"):
        write_manifest(tiny_split, tmp_path / "m.csv")
    assert not list(tmp_path.iterdir())
    split = viper(write_viper(tmp_path))
    with pytest.raises(ValueError, match="lies outside"):
        write_manifest(split, tmp_path / "m.csv", tmp_path / "VIPeR" / "cam_a")


def test_nothing_half_written(tmp_path, root, monkeypatch):
    split = viper(root)
    gone = Split(split.train, (Sample(root / "gone.bmp", 9, 0),), split.gallery, "x")
    with pytest.raises(ValueError, match=r"gone.bmp: there is no such file"):
        write_manifest(gone, tmp_path / "out" / "m.csv")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"m.csv could not be saved \(No space left"):
        write_manifest(split, tmp_path / "out" / "m.csv")
    assert not list((tmp_path / "out").iterdir())


def test_names_that_are_not_utf8_are_named(tmp_path, root):
    first = sorted((root / "cam_a").glob("*.bmp"))[0]
    first.rename(first.with_name(os.fsdecode(first.stem.encode() + b"_J\xf6rg.bmp")))
    with pytest.raises(ValueError, match=r"cam_a/000_0_J\\xf6rg\.bmp: this name is not in UTF-8.*Rename"):
        write_manifest(viper(root), tmp_path / "m.csv", root)
    assert not (tmp_path / "m.csv").exists()


def test_a_manifest_in_the_home_folder_of_a_set_below_a_folder_that_is_not_utf8(tmp_path, monkeypatch):
    root = write_viper(tmp_path / os.fsdecode(b"J\xf6rg"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    assert write_manifest(viper(root), "~/m.csv", root) == tmp_path / "home" / "m.csv"
    assert facts(read_manifest("~/m.csv", root, True)) == facts(viper(root))
    assert not (tmp_path / "~").exists()


def test_a_manifest_saved_by_a_spreadsheet_is_read_as_meant(tmp_path, root):
    path = write_manifest(viper(root), tmp_path / "m.csv", root)
    lines = [line.split(",") for line in path.read_text().splitlines()]
    changed = [[a.replace("/", "\\"), f"{b}.0", f"{c}.0", *rest] for a, b, c, *rest in lines[1:]]
    path.write_text("\n".join(";".join(row) for row in [lines[0], *changed]))
    assert facts(read_manifest(path, root, True)) == facts(viper(root))
