"""Small data sets on disk, each in its published layout and with the traps of the real one. No person is in them."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from people import noise_person as picture
from PIL import Image


def save(path: Path, *who: int, height: int = 32, width: int = 16) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture(*who, height=height, width=width)).save(path)


def litter(folder: Path) -> None:
    """What operating systems leave in folders."""
    (folder / "Thumbs.db").write_bytes(b"Windows")
    (folder / ".DS_Store").write_bytes(b"macOS")
    (folder / "._0001_c1s1_000151_01.jpg").write_bytes(b"macOS")


def write_market1501(root: Path, train: int = 4, test: int = 4, cameras: int = 2, shots: int = 2) -> Path:
    """``Market-1501-v15.09.15`` with junk (-1), distractors (0000), and a query named .jpg.jpg."""
    root = root / "Market-1501-v15.09.15"
    for pid in range(2, 2 + train):
        for c in range(1, cameras + 1):
            for k in range(shots):
                save(root / "bounding_box_train" / f"{pid:04d}_c{c}s1_{151 + k:06d}_01.jpg", pid, c, k)
    for pid in range(1001, 1001 + test):
        for c in range(1, cameras + 1):
            save(root / "query" / f"{pid:04d}_c{c}s1_000151_00.jpg", pid, c, 0)
            for k in range(shots):
                save(root / "bounding_box_test" / f"{pid:04d}_c{c}s1_{176 + k:06d}_0{k}.jpg", pid, c, 1 + k)
    for k in range(3):
        save(root / "bounding_box_test" / f"-1_c1s1_{k:06d}_01.jpg", 9000 + k)
        save(root / "bounding_box_test" / f"0000_c{1 + k % 2}s1_{k:06d}_01.jpg", 9100 + k)
    first = min((root / "query").iterdir())
    first.rename(first.with_name(first.name + ".jpg"))
    for part in ("bounding_box_train", "query", "bounding_box_test"):
        litter(root / part)
    (root / "gt_bbox").mkdir()
    (root / "gt_query").mkdir()
    (root / "readme.txt").write_text("Market-1501")
    return root


def write_dukemtmc_reid(root: Path, train: int = 4, test: int = 4, shots: int = 2) -> Path:
    """``DukeMTMC-reID`` with distractors that one camera saw."""
    root = root / "DukeMTMC-reID"
    for pid in range(1, 1 + train):
        for c in (2, 5):
            for k in range(shots):
                save(root / "bounding_box_train" / f"{pid:04d}_c{c}_f{46985 + 120 * k:07d}.jpg", pid, c, k)
    for pid in range(5000, 5000 + test):
        for c in (1, 8):
            save(root / "query" / f"{pid:04d}_c{c}_f0000100.jpg", pid, c, 0)
            for k in range(shots):
                save(root / "bounding_box_test" / f"{pid:04d}_c{c}_f{200 + k:07d}.jpg", pid, c, 1 + k)
    for pid in (7000, 7001):
        save(root / "bounding_box_test" / f"{pid:04d}_c3_f0000300.jpg", pid, 3, 0)
    for name in ("CITATION.txt", "LICENSE_DukeMTMC.txt", "LICENSE_DukeMTMC-reID.txt", "README.md"):
        (root / name).write_text("withdrawn")
    litter(root / "bounding_box_train")
    return root


def write_viper(root: Path, people: int = 8, size: tuple[int, int] = (128, 48)) -> Path:
    """``VIPeR``: identities with gaps, angles that differ between the cameras, so that sorting alone misleads."""
    for i in range(people):
        for camera, (folder, angle) in enumerate((("cam_a", 45 * (i % 4)), ("cam_b", 90 + 45 * (i % 3)))):
            save(root / "VIPeR" / folder / f"{3 * i // 2:03d}_{angle}.bmp", i, camera, height=size[0], width=size[1])
    litter(root / "VIPeR" / "cam_a")
    (root / "VIPeR" / "README.txt").write_text("VIPeR")
    return root / "VIPeR"


def write_caviar(root: Path, both: int = 8, one: int = 3) -> Path:
    """``CAVIARa``: the near camera's ten images are now the first, now the last; sizes vary within each ten."""
    rng = np.random.default_rng(0)
    for pid in range(1, both + one + 1):
        for number in range(1, 21 if pid <= both else 11):
            near = bool(pid % 2) == (number <= 10)
            height, width = (int(rng.integers(60, 144)), 40) if near else (int(rng.integers(39, 58)), 20)
            save(root / "CAVIARa" / f"{pid:04d}{number:03d}.jpg", pid, int(near), number, height=height, width=width)
    litter(root / "CAVIARa")
    return root / "CAVIARa"


CLASS = ("anna", "Bo", "Zoë", "dmitri", "eve", "faye")


def write_own(root: Path, people: Sequence[str] = CLASS, shots: int = 2) -> Path:
    for pid, who in enumerate(people):
        for camera, where in enumerate(("hall", "yard")):
            for k in range(shots):
                save(root / f"{who}_{where}_{k}.{'jpg' if k else 'png'}", pid, camera, k, height=40, width=20)
    litter(root)
    return root


class Cells:
    """Writes MATLAB's nested cells as MATLAB itself does: references into ``#refs#``, axes in the other order."""

    def __init__(self, file: h5py.File) -> None:
        self.file, self.refs, self.n = file, file.create_group("#refs#"), 0

    def put(self, value: np.ndarray, **attributes: Any) -> h5py.Reference:
        dataset = self.refs.create_dataset(f"r{self.n}", data=value)
        self.n += 1
        for name, given in attributes.items():
            dataset.attrs[name] = given
        return dataset.ref

    def image(self, pixels: np.ndarray) -> h5py.Reference:
        return self.put(np.ascontiguousarray(pixels.T), MATLAB_class=np.bytes_("uint8"))

    def empty(self) -> h5py.Reference:
        return self.put(np.zeros(2, np.uint64), MATLAB_empty=np.uint8(1), MATLAB_class=np.bytes_("double"))

    def cell(self, table: np.ndarray) -> h5py.Reference:
        return self.put(table.T.astype(h5py.ref_dtype), MATLAB_class=np.bytes_("cell"))

    def top(self, name: str, cells: Sequence[h5py.Reference]) -> None:
        row = np.empty((1, len(cells)), h5py.ref_dtype)
        row[0] = cells
        self.file.create_dataset(name, data=row).attrs["MATLAB_class"] = np.bytes_("cell")


def write_cuhk03(
    root: Path, pairs: Sequence[int] = (5, 3, 2, 2, 2), held_out: int = 4, testsets: int = 20, shots: int = 2
) -> Path:
    """``cuhk03_release/cuhk-03.mat``: HDF5 with detected and labeled boxes, empty cells, images of many sizes."""
    path = root / "cuhk03_release" / "cuhk-03.mat"
    path.parent.mkdir(parents=True)
    people = [(pair + 1, i + 1) for pair, n in enumerate(pairs) for i in range(n)]
    rng = np.random.default_rng(0)
    with h5py.File(path, "w") as file:
        cells = Cells(file)
        for kind, boxes in enumerate(("detected", "labeled")):
            tables = []
            for pair, n in enumerate(pairs):
                table = np.empty((n, 10), h5py.ref_dtype)
                for row in range(n):
                    for column in range(10):
                        size = int(rng.integers(30, 50)), int(rng.integers(14, 22))
                        seen = column % 5 < shots and not (kind == 0 and (pair, row, column) == (0, 0, 1))
                        pixels = picture(100 * pair + row, column // 5, 10 * kind + column, *size)
                        table[row, column] = cells.image(pixels) if seen else cells.empty()
                tables.append(cells.cell(table))
            cells.top(boxes, tables)
        sets = []
        for _ in range(testsets):
            chosen = rng.permutation(len(people))[:held_out]
            sets.append(cells.put(np.array([people[i] for i in chosen], np.float64).T))
        cells.top("testsets", sets)
    (path.parent / "README.md").write_text("CUHK03")
    return path.parent


WRITERS: dict[str, Callable[[Path], Path]] = {
    "market1501": write_market1501,
    "dukemtmc_reid": write_dukemtmc_reid,
    "cuhk03": write_cuhk03,
    "viper": write_viper,
    "caviar": write_caviar,
    "own": write_own,
}
