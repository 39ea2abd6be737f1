"""CUHK03: one HDF5 file with 1,467 people, each seen by one of five pairs of cameras."""

from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from cadnet_edu.data.hdf5 import H5Image, open_h5
from cadnet_edu.data.readers.finding import find_root
from cadnet_edu.data.samples import Sample, Split

FILE = "cuhk-03.mat"
VIEW = 5  # of a person's ten cells, the first five are from one camera of the pair and the others from the other
Boxes = Literal["detected", "labeled"]


class Cell(NamedTuple):
    """Position of an image: camera pair, row (the person within the pair), column (0-9), all from 0."""

    pair: int
    row: int
    column: int


def cuhk03(root: str | Path, boxes: Boxes = "detected", testset: int = 0) -> Split:
    """CUHK03 (Li et al., 2014) in its first protocol: 1,367 people to train on and 100 to test on, 20 times.

    ``cuhk-03.mat`` holds the images twice: cropped by a detector, and by hand. They are not mixed, for together every
    person would be in the set twice. An identity's number counts through all pairs: those of the pairs before, plus
    its row. Camera ``2 p`` is the first of pair p, ``2 p + 1`` the second. Of the test people the first camera's
    images are the queries, the second's the gallery. The images stay in the file; see ``H5Image``.

    Args:
        root: the folder that holds ``cuhk-03.mat`` (usually ``cuhk03_release``), its parent, or the file itself.
        boxes: ``detected`` or ``labeled``, that is by hand.
        testset: which of the file's 20 test sets, from 0.

    Raises:
        ValueError: when h5py or the file is missing, the file is another one or damaged, or there is no such test set.

    Choice:
        The paper does not say which boxes it used. Detected ones are our default: a system in use has no others, and
        their number, 14,097, is the one that the literature gives for the set.
    """
    if boxes not in ("detected", "labeled"):
        raise ValueError(f"bbox = {boxes!r}: CUHK03 has 'detected' and 'labeled' ones.")
    path = mat_file(Path(root).expanduser())
    with open_h5(path) as file:
        missing = [key for key in (boxes, "testsets") if key not in file]
        if missing:
            raise ValueError(
                f"{path}: there is no {missing[0]!r} in it, only {', '.join(sorted(file)) or 'nothing'}. "
                f"Needed is {FILE} as published, not a file made from it."
            )
        try:
            sizes, cells = contents(file, boxes)
            held_out = held_out_identities(file, testset, sizes)
        except (KeyError, IndexError, TypeError, AttributeError, OSError, RuntimeError) as error:
            raise ValueError(f"{path}: its {boxes!r} cells cannot be followed ({error}). Get the file again.") from None
    return cut(path, boxes, testset, sizes, cells, held_out)


def mat_file(root: Path) -> Path:
    """The file that was given, or the one in the folder that was given."""
    return root if root.is_file() else find_root(root, FILE, "cuhk03_release") / FILE


def contents(file: Any, boxes: str) -> tuple[list[int], list[Cell]]:
    """How many people each pair of cameras saw, and every cell that holds an image. No pixel is read."""
    sizes, cells = [], []
    for pair, reference in enumerate(file[boxes][()].ravel()):
        table = file[reference][()]  # (10, people), references; MATLAB's own order is the other way round
        if table.ndim != 2 or table.shape[0] != 2 * VIEW:
            raise ValueError(
                f"{file.filename}: pair {pair + 1} of {boxes!r} has the shape {table.shape[::-1]}. It must be a table "
                "of ten cells a person: get the file again."
            )
        sizes.append(table.shape[1])
        cells += [
            Cell(pair, row, column)
            for row in range(table.shape[1])
            for column in range(2 * VIEW)
            if table[column, row] and file[table[column, row]].ndim == 3  # an empty cell holds a small vector
        ]
    return sizes, cells


def held_out_identities(file: Any, testset: int, sizes: list[int]) -> set[int]:
    """The numbers of the people of one test set, counted through all pairs."""
    sets = file["testsets"][()].ravel()
    if not 0 <= testset < len(sets):
        raise ValueError(f"{file.filename}: it has test sets 0 to {len(sets) - 1}; there is no {testset}.")
    pairs_ids = np.asarray(file[sets[testset]][()]).astype(int).reshape(2, -1).T  # (100, 2): pair, id, both from 1
    wrong = [(p, i) for p, i in pairs_ids.tolist() if not (1 <= p <= len(sizes) and 1 <= i <= sizes[p - 1])]
    if wrong:
        pair, person = wrong[0]
        raise ValueError(f"{file.filename}: test set {testset} names person {person} of pair {pair}, who is not there.")
    first = offsets(sizes)
    return {first[p - 1] + i - 1 for p, i in pairs_ids.tolist()}


def offsets(sizes: list[int]) -> list[int]:
    """The number that the first person of each pair gets.

    >>> offsets([843, 440, 77, 58, 49])
    [0, 843, 1283, 1360, 1418]
    """
    return [sum(sizes[:pair]) for pair in range(len(sizes))]


def cut(path: Path, boxes: str, testset: int, sizes: list[int], cells: list[Cell], held_out: set[int]) -> Split:
    """The cells as samples, each in its part."""
    first = offsets(sizes)
    parts: dict[str, list[Sample]] = {"train": [], "query": [], "gallery": []}
    for pair, row, column in cells:
        pid, view = first[pair] + row, column // VIEW
        role = "train" if pid not in held_out else ("query", "gallery")[view]
        image = H5Image(path, boxes, pair, row, column)
        name = f"{pair + 1}_{row + 1:03d}_{view + 1}_{column + 1:02d}.png"  # the usual names of the unpacked images
        parts[role].append(Sample(image, pid, 2 * pair + view, name=name))
    train, query, gallery = (tuple(parts[role]) for role in ("train", "query", "gallery"))
    return Split(train, query, gallery, name=f"CUHK03-{boxes}-testset{testset}")
