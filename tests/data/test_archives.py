"""Archives from anywhere: unpacked whole and inside their folder, or not at all."""

from __future__ import annotations

import errno
import io
import os
import resource
import shutil
import stat
import tarfile
import warnings
import zipfile
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
from fixtures import write_viper
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cadnet_edu.data import archives
from cadnet_edu.data.archives import checksum_of, extract
from cadnet_edu.data.readers import viper


def zipped(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members.items():
            file.writestr(name, data)
    return path


def only(folder: Path, *names: str) -> None:
    """Nothing is in a folder but these: no leftovers, hidden ones included."""
    assert sorted(os.listdir(folder)) == sorted(names)


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz", "tar.xz"])
def test_a_set_comes_out_as_it_went_in(tmp_path, kind):
    write_viper(tmp_path / "in", size=(16, 8))
    archive = tmp_path / f"viper.{kind}"
    if kind == "zip":
        shutil.make_archive(str(tmp_path / "viper"), "zip", tmp_path / "in")
    else:
        with tarfile.open(archive, f"w:{kind[4:]}") as file:
            file.add(tmp_path / "in" / "VIPeR", "VIPeR")
    before = archive.read_bytes()
    out = extract(archive, tmp_path / "deep" / "out")
    assert [s.name for s in viper(out).train] == [s.name for s in viper(tmp_path / "in").train]
    for a in (tmp_path / "in").rglob("*.bmp"):
        assert (out / a.relative_to(tmp_path / "in")).read_bytes() == a.read_bytes()
    assert not list(out.rglob("Thumbs.db"))
    assert archive.read_bytes() == before
    only(tmp_path / "deep", "out")


EVIL = ["../x.jpg", "a/../../x.jpg", "/x.jpg", "..\\x.jpg", "C:\\x.jpg", "C:x.jpg", "\\x.jpg", "\\\\host\\share\\x.jpg"]


@pytest.mark.parametrize("name", EVIL)
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_no_member_leaves_the_folder(tmp_path, name, kind):
    archive = tmp_path / "evil"
    if kind == "zip":
        zipped(archive, {"good.jpg": b"1", name: b"2"})
    else:
        with tarfile.open(archive, "w") as file:
            for n in ("good.jpg", name):
                info = tarfile.TarInfo(n)
                info.size = 1
                file.addfile(info, io.BytesIO(b"1"))
    with pytest.raises(ValueError, match=r"would land outside the folder"):
        extract(archive, tmp_path / "in" / "out")
    only(tmp_path, "evil")


def zipped_as(path: Path, name: str) -> Path:
    """An archive of good.jpg and of a member of any name, also one that zipfile would cut at a zero byte."""
    info = zipfile.ZipInfo("x")
    info.filename = name
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("good.jpg", b"1")
        with warnings.catch_warnings(action="ignore"):  # of a name that comes twice
            file.writestr(info, b"2")
    return path


NAMES = st.one_of(
    st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=12),
    st.lists(st.sampled_from([*"./\\:~ \0a", "..", "good.jpg", "GOOD.JPG"]), min_size=1, max_size=5).map("".join),
)


@settings(max_examples=80, deadline=None)
@given(name=NAMES)
@example(name="\0")
@example(name="\0a.jpg")
@example(name="good.jpg/a")
def test_whatever_a_member_is_called_it_stays_inside(name, tmp_path_factory):
    folder = tmp_path_factory.mktemp("fuzz")
    archive = zipped_as(folder / "x.zip", name)
    before = sorted(os.listdir(folder.parent))
    refused = ""
    try:
        extract(archive, folder / "out")
    except ValueError as error:
        refused = str(error)
    only(folder, "x.zip", *([] if refused else ["out"]))
    assert not refused or refused.startswith(f"{archive}: ")
    assert sorted(os.listdir(folder.parent)) == before
    shutil.rmtree(folder)


@pytest.mark.parametrize("name", ["\0", "\0a.jpg"])
def test_a_member_without_a_name(tmp_path, name):
    with pytest.raises(ValueError, match=r"x.zip: a file in it has no name"):
        extract(zipped_as(tmp_path / "x.zip", name), tmp_path / "out")
    only(tmp_path, "x.zip")


def test_links_and_devices_are_refused(tmp_path):
    link = zipfile.ZipInfo("link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "link.zip", "w") as file:
        file.writestr(link, "/etc")
        file.writestr("link/passwd", "x")
    for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE):
        info = tarfile.TarInfo("link")
        info.type, info.linkname = kind, "/etc/passwd"
        with tarfile.open(tmp_path / f"link{kind.decode()}.tar", "w") as tar:
            tar.addfile(info)
    for archive in sorted(tmp_path.iterdir()):
        with pytest.raises(ValueError, match=r"'link' in it is a link or a device"):
            extract(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_bomb_is_refused_before_it_goes_off(tmp_path):
    bomb = zipped(tmp_path / "bomb.zip", {f"{i}.bmp": bytes(4_000_000) for i in range(3)})
    assert bomb.stat().st_size < 20_000
    with pytest.raises(ValueError, match=r"0.0 MB would become 3 files of 12.0 MB.*100 times"):
        extract(bomb, tmp_path / "out")
    with pytest.raises(ValueError, match="is this the right archive"):
        extract(bomb, tmp_path / "out", max_ratio=1e9, max_bytes=1_000_000)
    with pytest.raises(ValueError, match="is this the right archive"):
        extract(bomb, tmp_path / "out", max_ratio=1e9, max_files=2)
    only(tmp_path, "bomb.zip")
    assert extract(bomb, tmp_path / "out", max_ratio=1e9).is_dir()


def test_a_member_that_lies_about_its_size(tmp_path):
    """The list says 10 bytes, the data are 5 MB: a bomb that a look at the list would let pass."""
    archive = zipped(tmp_path / "liar.zip", {"a.bmp": bytes(5_000_000)})
    data = archive.read_bytes().replace((5_000_000).to_bytes(4, "little"), (10).to_bytes(4, "little"))
    archive.write_bytes(data)
    with pytest.raises(ValueError, match=r"liar.zip"):
        extract(archive, tmp_path / "out")
    only(tmp_path, "liar.zip")


def test_twice_the_same_name(tmp_path):
    archive = zipped(tmp_path / "x.zip", {"A.jpg": b"1", "a.JPG": b"2"})
    with pytest.raises(ValueError, match=r"'a.jpg' is in it twice"):
        extract(archive, tmp_path / "out")
    for name in ("./good.jpg", "good.jpg/.", "GOOD.jpg"):
        with pytest.raises(ValueError, match=r"'good.jpg' is in it twice"):
            extract(zipped_as(tmp_path / "y.zip", name), tmp_path / "out")
    for kind, name in (("a file in a file", "good.jpg/a"), ("deeper", "Good.jpg/a/b")):
        with pytest.raises(ValueError, match=r"'good.jpg' in it is both a file and a folder"):
            extract(zipped_as(tmp_path / f"{kind}.zip", name), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_damaged_archive(tmp_path):
    pixels = np.random.default_rng(0).bytes(200_000)
    whole = zipped(tmp_path / "x.zip", {"a.bmp": pixels}).read_bytes()
    (tmp_path / "x.zip").write_bytes(whole[:100_000])
    with pytest.raises(ValueError, match="neither a zip nor a tar archive, or it was cut short"):
        extract(tmp_path / "x.zip", tmp_path / "out")
    flipped = bytearray(whole)
    flipped[100_000] ^= 255
    (tmp_path / "x.zip").write_bytes(flipped)
    with pytest.raises(ValueError, match=r"cannot be unpacked \(.*\). Was the download cut short"):
        extract(tmp_path / "x.zip", tmp_path / "out")
    with tarfile.open(tmp_path / "y.tar.gz", "w:gz") as file:
        info = tarfile.TarInfo("a.bmp")
        info.size = len(pixels)
        file.addfile(info, io.BytesIO(pixels))
    (tmp_path / "y.tar.gz").write_bytes((tmp_path / "y.tar.gz").read_bytes()[:150_000])
    with pytest.raises(ValueError, match="cannot be unpacked"):
        extract(tmp_path / "y.tar.gz", tmp_path / "out")
    only(tmp_path, "x.zip", "y.tar.gz")


@pytest.mark.parametrize(("name", "data"), [("a.rar", b"Rar!\x1a\x07"), ("a.zip", b"<html>"), ("a.zip", b"")])
def test_no_archive(tmp_path, name, data):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ValueError, match=r"neither a zip nor a tar archive.*unpack it yourself"):
        extract(tmp_path / name, tmp_path / "out")
    with pytest.raises(ValueError, match="there is no such file"):
        extract(tmp_path / "gone.zip", tmp_path / "out")


def test_an_empty_archive(tmp_path):
    with pytest.raises(ValueError, match="the archive is empty"):
        extract(zipped(tmp_path / "a.zip", {"__MACOSX/x": b"1"}), tmp_path / "out")


def test_what_is_there_already_is_never_touched(tmp_path):
    archive = zipped(tmp_path / "a.zip", {"a.txt": b"new"})
    (tmp_path / "out").mkdir()
    extract(archive, tmp_path / "out")  # an empty folder will do
    (tmp_path / "out" / "a.txt").write_bytes(b"mine")
    with pytest.raises(ValueError, match="something here already"):
        extract(archive, tmp_path / "out")
    assert (tmp_path / "out" / "a.txt").read_bytes() == b"mine"


def test_a_stopped_attempt_is_started_again(tmp_path, monkeypatch):
    archive = zipped(tmp_path / "a.zip", {"a.txt": b"1", "b.txt": b"2"})
    left = tmp_path / ".out.unpacking"
    left.mkdir()
    (left / "half").write_bytes(b"half")  # what a power cut leaves
    extract(archive, tmp_path / "out")
    only(tmp_path, "a.zip", "out")
    only(tmp_path / "out", "a.txt", "b.txt")

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(archives, "unpack", stop)
    with pytest.raises(KeyboardInterrupt):
        extract(archive, tmp_path / "two")
    only(tmp_path, "a.zip", "out")


def test_too_little_space_is_known_before(tmp_path, monkeypatch):
    archive = zipped(tmp_path / "a.zip", {"a.txt": b"12345"})
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10, 8, 2))
    with pytest.raises(OSError, match=r"MB are needed.*Nothing was left behind. Free some space") as caught:
        extract(archive, tmp_path / "out")
    assert caught.value.errno == errno.ENOSPC
    only(tmp_path, "a.zip")


def test_a_disk_that_fills_up_on_the_way(tmp_path):
    archive = zipped(tmp_path / "a.zip", {"a.txt": b"1", "b.bin": np.random.default_rng(0).bytes(100_000)})
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, before[1]))
    try:
        with pytest.raises(OSError, match=r"could not be unpacked into .* Nothing was left behind"):
            extract(archive, tmp_path / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    only(tmp_path, "a.zip")


def test_checksums(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert checksum_of(tmp_path / "a") == "900150983cd24fb0d6963f7d28e17f72"
    assert checksum_of(tmp_path / "a", "sha256").startswith("ba7816bf")


def test_backslashes_in_a_zip_are_folders(tmp_path):
    zipped(tmp_path / "a.zip", {"set/query/a.jpg": b"1"})
    content = (tmp_path / "a.zip").read_bytes()  # Python's own writer would turn them round
    (tmp_path / "a.zip").write_bytes(content.replace(b"set/query/a.jpg", b"set\\query\\a.jpg"))
    extract(tmp_path / "a.zip", tmp_path / "out")
    assert (tmp_path / "out" / "set" / "query" / "a.jpg").read_bytes() == b"1"
