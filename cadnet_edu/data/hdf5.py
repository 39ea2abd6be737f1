"""An image inside an HDF5 file, given by its address and read on demand."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

NO_H5PY = "this set is one HDF5 file, and h5py, which reads those, is not installed: pip install h5py"


@dataclass(frozen=True)
class H5Image:
    """One picture of an HDF5 file with nested MATLAB cells, as CUHK03's ``cuhk-03.mat``.

    It holds the address of the pixels, not an open file, so it can be compared, hashed, pickled and sent to other
    processes.

    >>> str(H5Image(Path("cuhk-03.mat"), "detected", 0, 12, 5))
    'cuhk-03.mat#detected/0/12/5'
    """

    path: Path  # the file
    cells: str  # name of the outer cell array, such as ``detected``
    index: int  # of one of its cells, from 0
    row: int  # of a cell inside that one, from 0
    column: int

    def __str__(self) -> str:
        return f"{self.path}#{self.fragment}"

    @property
    def fragment(self) -> str:
        """The address inside the file."""
        return f"{self.cells}/{self.index}/{self.row}/{self.column}"

    @classmethod
    def parse(cls, path: Path, fragment: str) -> Self:
        """Inverse of ``fragment``."""
        parts = fragment.split("/")
        if len(parts) != 4 or not all(p.isascii() and p.isdecimal() for p in parts[1:]):
            raise ValueError(f"{path}#{fragment}: no address in an HDF5 file. It must read like #detected/0/12/5.")
        return cls(path, parts[0], *(int(p) for p in parts[1:]))

    def load(self) -> np.ndarray:
        """The pixels, ``uint8`` of shape ``(height, width, 3)``.

        Raises:
            ValueError: when the file cannot be opened or has no picture at this address; the message names both.
        """
        with open_h5(self.path) as file:
            try:
                cell = file[file[self.cells][()].ravel()[self.index]]
                pixels = file[cell[self.column, self.row]][()].T  # MATLAB writes the axes in the other order
            except (KeyError, IndexError, ValueError, TypeError, OSError, RuntimeError) as error:
                raise ValueError(f"{self}: cannot be read ({error}). The file is damaged: get it again.") from None
        if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8:
            raise ValueError(f"{self}: no picture here, but {pixels.dtype} of shape {pixels.shape}.")
        return np.ascontiguousarray(pixels)


def open_h5(path: Path) -> Any:
    """An ``h5py.File`` for reading, without a lock: it is only read, and some disks have none.

    Raises:
        ValueError: when h5py or the file is missing, or the file is locked, or is no complete HDF5 file.
    """
    try:
        import h5py
    except ImportError:
        raise ValueError(f"{path}: {NO_H5PY}.") from None
    if not path.is_file():
        raise ValueError(f"{path}: there is no such file. Check the path.")
    try:
        try:
            return h5py.File(path, "r", locking=False)
        except (TypeError, ValueError):  # h5py or its HDF5 is too old for this option
            return h5py.File(path, "r")
    except OSError as error:
        if re.search(r"\block|already open", str(error)):
            raise ValueError(
                f"{path}: the file is locked, or its disk has no locks ({error}). Close the program that has it open, "
                "or set the variable HDF5_USE_FILE_LOCKING=FALSE and run it again."
            ) from None
        with path.open("rb") as file:
            old = file.read(12) == b"MATLAB 5.0 M"
        why = "it is an older MATLAB file" if old else f"{error}"
        raise ValueError(
            f"{path}: not a whole HDF5 file ({why}). Needed is cuhk-03.mat of about 1 GB as published; the small .mat "
            "files of the later 767/700 protocol are another thing, and a download that was cut short must be repeated."
        ) from None
