"""A split as a CSV table that others can load: path, identity, camera, rate, part and checksum of each image."""

import csv
import hashlib
import io
import math
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from cadnet_edu.data.csv_table import ROLES, Row, listed_file, read_table, role_of, whole_number
from cadnet_edu.data.find_files import is_hidden
from cadnet_edu.data.fingerprint import file_contents, path_of
from cadnet_edu.data.hdf5 import H5Image
from cadnet_edu.data.readers.market1501 import check_not_withdrawn
from cadnet_edu.data.samples import Sample, Split
from cadnet_edu.io import write_atomically

COLUMNS = ("path", "pid", "camera", "rate", "role", "checksum")


def write_manifest(split: Split, path: str | Path, root: str | Path | None = None) -> Path:
    """Write a split as CSV with the columns ``path, pid, camera, rate, role, checksum``. No image is copied.

    Paths are relative, with slashes. An image inside an HDF5 file has the file's path, ``#`` and its address. The
    checksum is the SHA-256 of the image file; of an image inside a file, that of its height, width and pixels.

    Args:
        split: of images on disk, at any rates.
        path: the CSV file to write.
        root: the folder that paths are relative to; without it the deepest one that holds all images.

    Returns:
        the path.

    Raises:
        ValueError: for images that are in memory, lie outside ``root``, or cannot be read; nothing is written then.
        OSError: when it cannot be written.
    """
    rows = [(role, s) for role in ROLES for s in getattr(split, role)]
    in_memory = [s.name for _, s in rows if isinstance(s.image, np.ndarray)]
    if in_memory:
        raise ValueError(
            f"{split.name}: {len(in_memory)} images (for example {in_memory[0]!r}) are in memory, not on disk, so a "
            "manifest cannot point to them. Write them first: cadnet-edu data walkers --out FOLDER."
        )
    files = [Path(os.path.abspath(path_of(s))) for _, s in rows]
    given = None if root is None else os.path.abspath(Path(root).expanduser())
    base = Path(given or os.path.commonpath([f.parent for f in files]))
    outside = [f for f in files if not f.is_relative_to(base)]
    if outside:
        raise ValueError(f"{outside[0]}: this image lies outside {base}. Give a root that holds all images.")
    names = [file.relative_to(base).as_posix() for file in files]
    check_utf8_names(names)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for (role, s), name, digest in zip(rows, names, checksums(s for _, s in rows), strict=True):
        address = f"#{s.image.fragment}" if isinstance(s.image, H5Image) else ""
        writer.writerow([name + address, s.pid, s.camera, rate_text(s.rate), role, digest])
    return write_atomically(Path(path).expanduser(), text.getvalue().encode())


def check_utf8_names(names: Iterable[str]) -> None:
    """Refuse file names that are not UTF-8, as in old archives; a manifest is UTF-8."""
    others = [os.fsencode(name) for name in names if name.encode(errors="ignore") != os.fsencode(name)]
    if others:
        raise ValueError(
            f"{others[0].decode(errors='backslashreplace')}: this name is not in UTF-8, as {len(others)} in all, and a "
            "manifest cannot hold it. Rename the files, for example with convmv -f latin1 -t utf8 -r --notest FOLDER."
        )


def read_manifest(path: str | Path, root: str | Path, verify: bool = False, allow_withdrawn: bool = False) -> Split:
    """The split that a manifest describes.

    Args:
        path: the CSV file.
        root: the folder that its paths are relative to, or the folder above that one.
        verify: read every image and compare its checksum.
        allow_withdrawn: of DukeMTMC-reID: that you know that it was withdrawn and may use it nevertheless.

    Raises:
        ValueError: for a line that cannot be used, a path that leaves the folder, an image that is missing or, with
            ``verify``, not the one that the manifest was made from; the message names line and file.
    """
    path, root = Path(path).expanduser(), Path(root).expanduser()
    rows = read_table(path, COLUMNS[:5], COLUMNS[5:])
    if not allow_withdrawn:
        check_not_withdrawn(row["path"] for row in rows)
    base = base_folder(root, file_part(rows[0]["path"]), f"{path}, line {rows[0]['line']}")
    parts: dict[str, list[Sample]] = {role: [] for role in ROLES}
    listed: list[tuple[Sample, Row]] = []
    for row in rows:
        where = f"{path}, line {row['line']}"
        sample = sample_of(row, base, where)
        parts[role_of(row["role"], where)].append(sample)
        listed.append((sample, row))
    if verify:
        verify_checksums(listed, path)
    return Split(tuple(parts["train"]), tuple(parts["query"]), tuple(parts["gallery"]), name=path.stem)


def sample_of(row: Row, base: Path, where: str) -> Sample:
    """One line of a manifest as a sample."""
    file = listed_file(base, file_part(row["path"]), where)
    if not file.is_file():
        raise ValueError(f"{where}: there is no file {file}. Is {base} the folder of the same data set, complete?")
    try:
        rate = float(row["rate"])
    except ValueError:
        rate = math.nan
    if not 1 <= rate < math.inf:
        raise ValueError(f"{where}: rate = {row['rate']!r}. A down-sampling rate is a number from 1 up.")
    image: Path | H5Image = file
    if ".mat#" in row["path"]:
        image = H5Image.parse(file, row["path"].split(".mat#", 1)[1])
    pid, camera = (whole_number(row[column], column, where) for column in ("pid", "camera"))
    return Sample(image, pid, camera, rate, name=row["path"].strip())


def file_part(path: str) -> str:
    """The path of the file alone, when an address inside it follows."""
    return path.split(".mat#", 1)[0] + ".mat" if ".mat#" in path else path


def rate_text(rate: float) -> str:
    """A rate as short as it can be without losing a digit.

    >>> rate_text(2.0), rate_text(1 / 3 + 2)
    ('2', '2.3333333333333335')
    """
    return repr(float(rate)).removesuffix(".0")


def base_folder(root: Path, first: str, where: str) -> Path:
    """The folder given, or the only one inside it that holds the manifest's first file, hidden ones left aside."""
    if not root.is_dir():
        raise ValueError(f"{root}: there is no such folder. Give the folder of the images.")
    if listed_file(root, first, where).exists():
        return root
    shown = [p for p in sorted(root.iterdir()) if not is_hidden(p.name)]
    inner = [p for p in shown if listed_file(p, first, where).exists()]
    return inner[0] if len(inner) == 1 else root


def checksums(samples: Iterable[Sample]) -> list[str]:
    """SHA-256 of each image file; of an image inside a file, that of its height, width and pixels."""
    images = [sample.image for sample in samples]
    files = file_contents(image for image in images if isinstance(image, Path))

    def checksum(image: Path | H5Image | np.ndarray) -> str:
        if isinstance(image, Path):
            return files[image].digest
        pixels = image.load() if isinstance(image, H5Image) else image
        return hashlib.sha256(f"{pixels.shape[0]} {pixels.shape[1]} ".encode() + pixels.tobytes()).hexdigest()

    with ThreadPoolExecutor(max_workers=4) as pool:
        return list(pool.map(checksum, images))


def verify_checksums(listed: Sequence[tuple[Sample, Row]], path: Path) -> None:
    """Stop when an image is not the one that a manifest was made from."""
    without = [row["line"] for _, row in listed if not row["checksum"]]
    if without:
        raise ValueError(f"{path}, line {without[0]}: no checksum is given, so this image cannot be verified.")
    found = checksums(s for s, _ in listed)
    other = [s.name for (s, row), digest in zip(listed, found, strict=True) if digest != row["checksum"].lower()]
    if other:
        raise ValueError(
            f"{path}: {len(other)} of {len(listed)} images are not those that it was made from, the first is "
            f"{other[0]}: its checksum differs. Were they resized or saved again? Take the files as published."
        )
