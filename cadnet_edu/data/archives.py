"""Unpack a zip or tar archive safely: every file lands inside the folder, and the folder is complete or absent."""

import hashlib
import lzma
import os
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Iterable
from gzip import BadGzipFile
from pathlib import Path, PureWindowsPath

MAX_BYTES = 8 << 30  # CUHK03, the largest of the sets, is below 2 GB
DAMAGED = (
    zipfile.BadZipFile, tarfile.TarError, BadGzipFile, lzma.LZMAError, zlib.error, EOFError, NotImplementedError,
    RuntimeError,
)  # fmt: skip


def checksum_of(path: Path) -> str:
    """The MD5 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def extract(archive: str | Path, folder: str | Path) -> Path:
    """Unpack a zip or tar archive into a new folder, completely or not at all.

    It is unpacked into a hidden neighbour of ``folder`` that is renamed at the end, so that an interrupted run leaves
    no incomplete folder. The remains of an interrupted run are removed first.

    Args:
        archive: the file.
        folder: must not exist yet, or be empty.

    Returns:
        the folder.

    Raises:
        ValueError: for a file that is no archive or is damaged, for a member that is a link or whose path leaves the
            folder, and for more than 8 GB of data. Nothing is left behind.
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
        temporary.mkdir(parents=True)
        if zipfile.is_zipfile(archive):
            extract_zip(archive, temporary)
        elif tarfile.is_tarfile(archive):
            extract_tar(archive, temporary)
        else:
            raise ValueError(
                f"{archive}: this is neither a zip nor a tar archive, or it was cut short. Check its size and download "
                "it again; if it is of another kind (.rar, .7z), unpack it yourself and give the folder."
            )
        if folder.exists():
            folder.rmdir()
        os.replace(temporary, folder)
    except DAMAGED as error:
        why = "it needs a password" if "password" in str(error) else str(error) or type(error).__name__
        raise ValueError(f"{archive}: cannot be unpacked ({why}). Is the download complete? Get it again.") from None
    except OSError as error:
        why = f"{archive} could not be unpacked into {folder} ({error.strerror or error}). Nothing was left behind. "
        raise OSError(error.errno, why + "Free some space, or choose another folder, and run it again") from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder


def extract_zip(archive: Path, folder: Path) -> None:
    """Unpack a zip archive; ``zipfile`` reads no more bytes of a member than are listed, and compares its CRC."""
    with zipfile.ZipFile(archive) as file:
        for info in file.infolist():
            info.filename = info.filename.replace("\\", "/")  # some programs for Windows write backslashes
        check_members(archive, folder, ((info.filename, info.file_size) for info in file.infolist()))
        file.extractall(folder, file.infolist())


def extract_tar(archive: Path, folder: Path) -> None:
    """Unpack the ordinary files and folders of a tar archive."""
    if not hasattr(tarfile, "data_filter"):
        raise ValueError("tar archives need Python 3.11.4 or newer. Unpack it yourself and give the folder.")

    def files_only(member: tarfile.TarInfo, path: str) -> tarfile.TarInfo | None:
        if not (member.isreg() or member.isdir()):
            raise tarfile.SpecialFileError(member)  # links too: no data set has them
        return tarfile.data_filter(member, path)

    with tarfile.open(archive) as file:
        check_members(archive, folder, ((member.name, member.size) for member in file))
        file.extractall(folder, filter=files_only)


def check_members(archive: Path, folder: Path, members: Iterable[tuple[str, int]]) -> None:
    """Check the names and sizes of all members, and the free space, before the first one is written."""
    total = count = 0
    for name, size in members:
        path = PureWindowsPath(name)  # knows both separators, drives and network shares
        if not name or path.anchor or ".." in path.parts:
            raise ValueError(f"{archive}: the path {name!r} in it leaves the folder. It is not unpacked.")
        total, count = total + size, count + 1
    if not count:
        raise ValueError(f"{archive}: the archive is empty.")
    if total > MAX_BYTES:
        raise ValueError(
            f"{archive}: it would become {total / 1e9:,.1f} GB; at most {MAX_BYTES / 1e9:.1f} GB are unpacked."
        )
    free = shutil.disk_usage(folder).free
    if free < total:
        raise OSError(28, f"{total / 1e6:,.0f} MB are needed, {free / 1e6:,.0f} MB are free")
