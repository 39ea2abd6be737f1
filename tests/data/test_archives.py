"""Archives from anywhere: unpacked whole and inside their folder, or not at all."""

import errno
import io
import os
import shutil
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
from people import disk_of

from cadnet_edu.data import archives
from cadnet_edu.data.archives import checksum_of, extract
from cadnet_edu.data.readers import viper

NOISE = np.random.default_rng(0).bytes(200_000)


def packed(path: Path, members: dict[str, bytes]) -> Path:
    """A zip or tar archive, by its ending, of members of any name, also those that zipfile's own writer would mend."""
    with warnings.catch_warnings(action="ignore"):  # of a name that comes twice
        if path.suffix == ".zip":
            with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
                for name, data in members.items():
                    info = zipfile.ZipInfo("x")
                    info.filename, info.compress_type = name, zipfile.ZIP_DEFLATED
                    file.writestr(info, data)
        else:
            with tarfile.open(path, f"w:{path.suffix[1:].removeprefix('tar')}") as tar:
                for name, data in members.items():
                    member = tarfile.TarInfo(name)
                    member.size = len(data)
                    tar.addfile(member, io.BytesIO(data))
    return path


def only(folder: Path, *names: str) -> None:
    """Nothing is in a folder but these: no leftovers, hidden ones included."""
    assert sorted(os.listdir(folder)) == sorted(names)


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz", "tar.xz"])
def test_a_set_comes_out_as_it_went_in(tmp_path, kind):
    root = write_viper(tmp_path / "in", size=(16, 8))
    files = {path.relative_to(root.parent).as_posix(): path.read_bytes() for path in root.rglob("*.bmp")}
    archive = packed(tmp_path / f"viper.{kind}", files)
    before = archive.read_bytes()
    out = extract(archive, tmp_path / "deep" / "out")
    assert [s.name for s in viper(out).train] == [s.name for s in viper(root).train]
    assert {p.relative_to(out).as_posix(): p.read_bytes() for p in out.rglob("*.bmp")} == files
    assert archive.read_bytes() == before
    only(tmp_path / "deep", "out")


EVIL = ["../x.jpg", "a/../../x.jpg", "/x.jpg", "..\\x.jpg", "C:\\x.jpg", "C:x.jpg", "\\x.jpg", "\\\\host\\share\\x.jpg"]


@pytest.mark.parametrize("name", EVIL)
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_no_member_leaves_the_folder(tmp_path, name, kind):
    archive = packed(tmp_path / f"evil.{kind}", {"good.jpg": b"1", name: b"2"})
    with pytest.raises(ValueError, match=r"in it leaves the folder"):
        extract(archive, tmp_path / "out")
    only(tmp_path, archive.name)


NAMES = st.one_of(
    st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=12),
    st.lists(st.sampled_from([*"./\\:~ \0a", "..", "good.jpg", "GOOD.JPG"]), min_size=1, max_size=5).map("".join),
)


@settings(max_examples=50, deadline=None)
@given(name=NAMES)
@example(name="\0")
@example(name="\0a.jpg")
@example(name="good.jpg/a")
@example(name="./good.jpg")
def test_whatever_a_member_is_called_it_stays_inside(name, tmp_path_factory):
    folder = tmp_path_factory.mktemp("fuzz")
    archive = packed(folder / "x.zip", {"good.jpg": b"1", name: b"2"})
    before = sorted(os.listdir(folder.parent))
    refused = ""
    try:
        extract(archive, folder / "out")
    except (ValueError, OSError) as error:
        refused = str(error)
    only(folder, "x.zip", *([] if refused else ["out"]))
    assert not refused or f"{archive}" in refused
    assert sorted(os.listdir(folder.parent)) == before
    shutil.rmtree(folder)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_links_and_devices_are_refused(tmp_path, kind):
    info = tarfile.TarInfo("link")
    info.type, info.linkname = kind, "/etc/passwd"
    with tarfile.open(tmp_path / "link.tar", "w") as tar:
        tar.addfile(info)
    with pytest.raises(ValueError, match=r"cannot be unpacked \('link' is"):
        extract(tmp_path / "link.tar", tmp_path / "out")
    only(tmp_path, "link.tar")


def test_too_much_data_is_refused_before_it_is_written(tmp_path, monkeypatch):
    bomb = packed(tmp_path / "bomb.zip", {f"{i}.bmp": bytes(4_000_000) for i in range(3)})
    monkeypatch.setattr(archives, "MAX_BYTES", 10_000_000)
    with pytest.raises(ValueError, match=r"it would become 0\.0 GB; at most"):
        extract(bomb, tmp_path / "out")
    usage = namedtuple("usage", "total used free")
    monkeypatch.undo()
    with disk_of(5000), pytest.raises(OSError, match=r"could not be unpacked into .* Nothing was left behind"):
        extract(bomb, tmp_path / "out")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10, 8, 2))
    with pytest.raises(OSError, match=r"12 MB are needed.*Nothing was left behind. Free some space") as caught:
        extract(bomb, tmp_path / "out")
    assert caught.value.errno == errno.ENOSPC
    only(tmp_path, "bomb.zip")


CHANGES = {
    "cut": lambda data: data[:100_000],
    "flipped": lambda data: data[:100_000] + bytes([data[100_000] ^ 255]) + data[100_001:],
    # The list says 10 bytes, the data are more: a bomb that a look at the list would let pass.
    "shorter than listed": lambda data: data.replace((200_000).to_bytes(4, "little"), (10).to_bytes(4, "little")),
    "rar": lambda _: b"Rar!\x1a\x07",
    "empty": lambda _: b"",
}


@pytest.mark.parametrize(
    ("kind", "change", "words"),
    [
        ("zip", "cut", "neither a zip nor a tar archive, or it was cut short"),
        ("zip", "flipped", r"cannot be unpacked \(.*\). Is the download complete"),
        ("zip", "shorter than listed", "cannot be unpacked"),
        ("tar.gz", "cut", "cannot be unpacked"),
        ("tar.xz", "flipped", "cannot be unpacked"),
        ("zip", "rar", "neither a zip nor a tar archive.*unpack it yourself"),
        ("zip", "empty", "neither a zip nor a tar archive"),
    ],
)
def test_a_damaged_archive_or_another_file(tmp_path, kind, change, words):
    archive = packed(tmp_path / f"x.{kind}", {"a.bmp": NOISE})
    archive.write_bytes(CHANGES[change](archive.read_bytes()))
    with pytest.raises(ValueError, match=words):
        extract(archive, tmp_path / "out")
    only(tmp_path, archive.name)


def test_no_archive_an_empty_one_and_an_old_python(tmp_path, monkeypatch):
    archive = packed(tmp_path / "a.tar", {"a.txt": b"1"})
    monkeypatch.delattr(tarfile, "data_filter")
    with pytest.raises(ValueError, match=r"need Python 3\.11\.4 or newer"):
        extract(archive, tmp_path / "out")
    with pytest.raises(ValueError, match="there is no such file"):
        extract(tmp_path / "gone.zip", tmp_path / "out")
    with pytest.raises(ValueError, match="the archive is empty"):
        extract(packed(tmp_path / "a.zip", {}), tmp_path / "out")


def test_what_is_there_already_is_never_touched(tmp_path):
    archive = packed(tmp_path / "a.zip", {"a.txt": b"new"})
    (tmp_path / "out").mkdir()
    extract(archive, tmp_path / "out")  # an empty folder will do
    (tmp_path / "out" / "a.txt").write_bytes(b"mine")
    with pytest.raises(ValueError, match="something here already"):
        extract(archive, tmp_path / "out")
    assert (tmp_path / "out" / "a.txt").read_bytes() == b"mine"


def test_a_stopped_attempt_is_started_again(tmp_path, monkeypatch):
    archive = packed(tmp_path / "a.zip", {"a.txt": b"1", "b.txt": b"2"})
    left = tmp_path / ".out.unpacking"
    left.mkdir()
    (left / "half").write_bytes(b"half")  # what a power cut leaves
    extract(archive, tmp_path / "out")
    only(tmp_path, "a.zip", "out")
    only(tmp_path / "out", "a.txt", "b.txt")

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(zipfile.ZipFile, "extractall", stop)
    with pytest.raises(KeyboardInterrupt):
        extract(archive, tmp_path / "two")
    only(tmp_path, "a.zip", "out")


def test_checksum_and_backslashes_in_a_zip(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert checksum_of(tmp_path / "a") == "900150983cd24fb0d6963f7d28e17f72"
    extract(packed(tmp_path / "a.zip", {"set\\query\\a.jpg": b"1"}), tmp_path / "out")
    assert (tmp_path / "out" / "set" / "query" / "a.jpg").read_bytes() == b"1"
