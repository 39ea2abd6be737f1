"""Unpacking an archive that came from somewhere: nothing outside the folder, no links, no bombs, all or nothing."""

from __future__ import annotations

import gzip
import hashlib
import lzma
import os
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO

BLOCK = 1 << 20
MAX_BYTES = 8 << 30  # CUHK03, the largest of the sets, is below 2 GB
MAX_FILES = 200_000
MAX_RATIO = 100  # images and .mat files shrink 20-fold at most; bombs a thousandfold and more
LINK = "a link or a device. Archives with those are not unpacked."
IGNORED = ("__MACOSX", ".DS_Store", "Thumbs.db")
DAMAGED = (
    zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile, lzma.LZMAError, zlib.error, EOFError, NotImplementedError,
    RuntimeError,
)  # fmt: skip


@dataclass(frozen=True)
class Member:
    """One file in an archive: its name, its size when unpacked, and how to open it."""

    name: str
    size: int
    open: Callable[[], IO[bytes] | None]


def checksum_of(path: Path, algorithm: str = "md5") -> str:
    """The checksum of a file, read a block at a time."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def extract(
    archive: str | Path,
    folder: str | Path,
    max_bytes: int = MAX_BYTES,
    max_files: int = MAX_FILES,
    max_ratio: float = MAX_RATIO,
) -> Path:
    """Unpack a zip or tar archive into a new folder, completely or not at all.

    It is unpacked into a hidden neighbour of ``folder``, which takes its name at the very end. What a stopped attempt
    left there is cleared away first, so the same command can simply be run again.

    Args:
        archive: the file.
        folder: must not exist yet, or be empty.
        max_bytes: how large all files may be together when unpacked.
        max_files: how many there may be.
        max_ratio: how many times larger than the archive they may be.

    Returns:
        the folder.

    Raises:
        ValueError: for a file that is no archive or is damaged, a member that would land outside the folder, is a link
            or comes twice, or more data than allowed. Nothing is left behind.
        OSError: when the disk is full or cannot be written. Nothing is left behind.
    """
    archive, folder = Path(archive).expanduser(), Path(folder).expanduser()
    if not archive.is_file():
        raise ValueError(f"{archive}: there is no such file. Give the archive that you have.")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"{folder}: there is something here already. Give a new or an empty folder.")
    temporary = folder.parent / f".{folder.name}.unpacking"
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        with opened(archive) as file:
            found = safe(list(members(file, archive)), archive, max_bytes, max_files, max_ratio)
            folder.parent.mkdir(parents=True, exist_ok=True)
            require_space(folder.parent, sum(m.size for m in found))
            temporary.mkdir()
            for member in found:
                unpack(member, temporary / member.name, archive)
        if folder.exists():
            folder.rmdir()
        os.replace(temporary, folder)
    except DAMAGED as error:
        why = "it needs a password" if "password" in str(error) else str(error) or type(error).__name__
        raise ValueError(f"{archive}: cannot be unpacked ({why}). Was the download cut short? Get it again.") from None
    except OSError as error:
        why = f"{archive} could not be unpacked into {folder} ({error.strerror or error}). Nothing was left behind. "
        raise OSError(error.errno, why + "Free some space, or choose another folder, and run it again") from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder


def opened(archive: Path) -> zipfile.ZipFile | tarfile.TarFile:
    """An archive, opened.

    Raises:
        ValueError: for a file that is neither zip nor tar.
    """
    if zipfile.is_zipfile(archive):
        return zipfile.ZipFile(archive)
    if tarfile.is_tarfile(archive):
        return tarfile.open(archive)
    raise ValueError(
        f"{archive}: this is neither a zip nor a tar archive, or it was cut short. Look at its size and get it again; "
        "if it is of another kind (.rar, .7z), unpack it yourself and give the folder."
    )


def members(file: zipfile.ZipFile | tarfile.TarFile, archive: Path) -> Iterator[Member]:
    """The files in an archive; folders are made as they are needed.

    Raises:
        ValueError: for a link, a device, or anything else that is no ordinary file.
    """
    if isinstance(file, zipfile.ZipFile):
        for info in file.infolist():
            kind = (info.external_attr >> 16) & 0o170000
            if kind not in (0, 0o100000, 0o040000):
                raise ValueError(f"{archive}: {info.filename!r} in it is {LINK}")
            if not info.filename:  # nothing before the first zero byte; is_dir would stumble over it
                raise ValueError(f"{archive}: a file in it has no name. It is not unpacked.")
            name = info.filename.replace("\\", "/")  # some programs for Windows write backslashes
            if not name.endswith("/"):
                yield Member(name, info.file_size, lambda info=info: file.open(info))  # type: ignore[misc]
    else:
        for entry in file:
            if not (entry.isreg() or entry.isdir()):
                raise ValueError(f"{archive}: {entry.name!r} in it is {LINK}")
            if entry.isreg():
                yield Member(entry.name, entry.size, lambda entry=entry: file.extractfile(entry))  # type: ignore[misc]


def safe(found: list[Member], archive: Path, max_bytes: int, max_files: int, max_ratio: float) -> list[Member]:
    """The members to unpack, after all of them have been looked at.

    Raises:
        ValueError: for one that leaves the folder or comes twice, too many, or too much.
    """
    for member in found:
        parts = PurePosixPath(member.name.replace("\\", "/")).parts
        windows = PureWindowsPath(member.name)
        if not parts or ".." in parts or parts[0] == "/" or windows.drive or windows.root or "\0" in member.name:
            raise ValueError(f"{archive}: {member.name!r} in it would land outside the folder. It is not unpacked.")
    kept = [m for m in found if not any(part in IGNORED for part in PurePosixPath(m.name).parts)]
    refuse_overlapping([PurePosixPath(m.name.casefold()) for m in kept], archive)
    total, size = sum(m.size for m in kept), archive.stat().st_size
    if len(kept) > max_files or total > max_bytes or total > max_ratio * max(size, 1):
        raise ValueError(
            f"{archive}: {size / 1e6:.1f} MB would become {len(kept):,} files of {total / 1e6:,.1f} MB together. "
            f"At most {max_files:,} files, {max_bytes / 1e6:,.0f} MB and {max_ratio:g} times the archive's size are "
            "unpacked: is this the right archive?"
        )
    if not kept:
        raise ValueError(f"{archive}: the archive is empty.")
    return kept


def refuse_overlapping(places: list[PurePosixPath], archive: Path) -> None:
    """Check that every file has a place of its own, also on a disk that takes ``A.jpg`` and ``a.jpg`` for one.

    Raises:
        ValueError: which names a file that comes twice, or whose name is also that of a folder.
    """
    seen: set[PurePosixPath] = set()
    for place in places:
        if place in seen:
            raise ValueError(f"{archive}: '{place}' is in it twice: one would overwrite the other. It is not unpacked.")
        seen.add(place)
    for place in places:
        for folder in place.parents:
            if folder in seen:
                raise ValueError(f"{archive}: '{folder}' in it is both a file and a folder. It is not unpacked.")


def require_space(folder: Path, needed: int) -> None:
    """Stop before the disk is full.

    Raises:
        OSError: when there is less free space than needed.
    """
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise OSError(28, f"{needed / 1e6:,.0f} MB are needed, {free / 1e6:,.0f} MB are free")


def unpack(member: Member, target: Path, archive: Path) -> None:
    """Write one member, and no byte more than it said it has.

    Raises:
        ValueError: when it is longer or shorter than the archive's own list says.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    source, written = member.open(), 0
    assert source is not None
    with source, target.open("xb") as file:
        while block := source.read(BLOCK):
            written += len(block)
            if written > member.size:
                break
            file.write(block)
    if written != member.size:
        raise ValueError(f"{archive}: {member.name!r} in it is not as long as the archive says. Get it again.")
