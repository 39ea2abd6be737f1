"""Check that a data set is complete: its counts against the published ones, and every image by opening it."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cadnet_edu.data import load_split
from cadnet_edu.data.find_files import unused_images
from cadnet_edu.data.fingerprint import file_contents
from cadnet_edu.data.hdf5 import open_h5
from cadnet_edu.data.readers.caviar import by_camera, image_folder
from cadnet_edu.data.readers.cuhk03 import contents, mat_file
from cadnet_edu.data.readers.finding import image_files
from cadnet_edu.data.readers.market1501 import PARTS, USUAL, market_root
from cadnet_edu.data.samples import Sample, Split

Counts = dict[str, int]

# From the sets' papers and pages, and public code. Images without a complete person (-1) are junk.
PUBLISHED: dict[str, Counts] = {
    "market1501": {
        "train images": 12_936, "train identities": 751, "query images": 3_368, "query identities": 750,
        "gallery images": 15_913, "junk images": 3_819, "cameras": 6,
    },
    "dukemtmc_reid": {
        "train images": 16_522, "train identities": 702, "query images": 2_228, "query identities": 702,
        "gallery images": 17_661, "gallery identities": 1_110, "cameras": 8,
    },
    "cuhk03": {
        "train identities": 1_367, "query identities": 100, "gallery identities": 100, "identities of pair 1": 843,
        "identities of pair 2": 440, "identities of pair 3": 77, "identities of pair 4": 58, "identities of pair 5": 49,
        "test sets": 20,
    },
    "viper": {
        "train images": 632, "train identities": 316, "query images": 316, "gallery images": 316, "cameras": 2,
    },
    "caviar": {
        "images of all people": 1_220, "people": 72, "people seen by both cameras": 50, "train images": 500,
        "train identities": 25, "query images": 250, "gallery images": 250,
    },
}  # fmt: skip
PUBLISHED_BY_BOXES: dict[str, Counts] = {"detected": {"images": 14_097}, "labeled": {"images": 14_096}}
MD5 = {"viper": "1c2d9fc1cc800332567a0da25a1ce68c", "cuhk03": "728939e58ad9f0ff53e521857dd8fb43"}  # of the zip files


@dataclass(frozen=True)
class Report:
    """The result of a check."""

    name: str  # of the data set
    found: Counts  # counts by name
    published: Counts  # the published counts; empty for custom images, and with ``part``
    problems: tuple[str, ...]  # a message for each; empty for a complete set

    def __str__(self) -> str:
        lines = []
        for what, n in self.found.items():
            expected = self.published.get(what)
            beside = "" if expected is None else "   as published" if expected == n else f"   published: {expected:,}"
            lines.append(f"{what:<28}{n:>8,}{beside}")
        text = "\n".join([self.name, *lines, *self.problems])
        return os.fsencode(text).decode(errors="backslashreplace")  # a file name need not be UTF-8, a report is


def check_set(name: str, root: str | Path, *, part: bool = False, images: bool = True, **options: Any) -> Report:
    """Check a data set on disk: layout, counts, and every image.

    Args:
        name, root: as in ``load_split``.
        part: only a part of the set is present: counts are not compared, and the training part may be missing.
        images: open every image. Without it only the file names are checked.
        options: of ``load_split``: ``seed``, ``bbox``, ``filename_pattern``, ``allow_withdrawn``.

    Raises:
        ValueError: when it cannot be read as that set at all, with the reason.
    """
    split = load_split(name, root, train=not part, **options)
    root, bbox = Path(root).expanduser(), options.get("bbox", "detected")
    found = count(split) | more_counts(name, root, bbox, train=not part) | unused(name, root, split, train=not part)
    published = {} if part else PUBLISHED.get(name, {}) | (PUBLISHED_BY_BOXES[bbox] if name == "cuhk03" else {})
    problems = differences(found, published)
    if images:
        problems += unreadable((*split.train, *split.query, *split.gallery))
    if name == "own":
        problems += duplicates(split)
    return Report(split.name, found, published, tuple(problems))


def count(split: Split) -> Counts:
    """Images and identities of each part, and cameras of all."""
    found: Counts = {}
    for role in ("train", "query", "gallery"):
        samples: tuple[Sample, ...] = getattr(split, role)
        found |= {f"{role} images": len(samples), f"{role} identities": len({s.pid for s in samples})}
    return found | {"cameras": len({s.camera for s in (*split.train, *split.query, *split.gallery)})}


def more_counts(name: str, root: Path, bbox: str, train: bool = True) -> Counts:
    """Counts that a split does not hold: identities and images that its reader leaves out."""
    if name == "market1501":
        files = image_files(market_root(root, name, train) / PARTS[2], "Market-1501")
        return {"junk images": sum(f.name.startswith("-1") for f in files)}
    if name == "caviar":
        people = by_camera(image_folder(root))
        files_of = [[f for files in two.values() for f in files] for two in people.values()]
        both = sum(len(two) == 2 for two in people.values())
        return {
            "images of all people": sum(map(len, files_of)), "people": len(people), "people seen by both cameras": both,
        }  # fmt: skip
    if name == "cuhk03":
        with open_h5(mat_file(root)) as file:
            sizes, cells = contents(file, bbox)
            pairs = {f"identities of pair {pair + 1}": n for pair, n in enumerate(sizes)}
            return {"images": len(cells), **pairs, "test sets": file["testsets"].size}
    return {}


def unused(name: str, root: Path, split: Split, train: bool = True) -> Counts:
    """Images below the data set's folder that no part of the split uses, by folder; junk is not counted.

    Images of a type that cannot be opened are counted too: the readers do not visit folders outside a set's parts.
    """
    if name in USUAL:
        root = market_root(root, name, train)
    if root.is_file():
        root = root.parent
    files = {s.image for s in (*split.train, *split.query, *split.gallery) if isinstance(s.image, Path)}
    if name == "caviar":
        files |= {f for two in by_camera(image_folder(root)).values() for of in two.values() for f in of}
    counts = unused_images(root, files)
    if name in USUAL:
        counts.pop(PARTS[2], None)
    return {f"images not used in {folder}/": n for folder, n in sorted(counts.items())}


def differences(found: Counts, published: Counts) -> list[str]:
    """A message for each count that differs from the published one.

    >>> differences({"query images": 3, "cameras": 2}, {"query images": 5, "cameras": 2})
    ['query images: 3 found, 5 published, so 2 are missing.']
    """
    return [
        f"{what}: {found.get(what, 0):,} found, {n:,} published, so {abs(n - found.get(what, 0)):,} are "
        f"{'missing' if found.get(what, 0) < n else 'too many'}."
        for what, n in published.items()
        if found.get(what, 0) != n
    ]


def unreadable(samples: Sequence[Sample]) -> list[str]:
    """A message with the file name for each image that cannot be opened."""

    def look(sample: Sample) -> str | None:
        try:
            sample.load()
        except ValueError as error:
            return str(error)
        return None

    with ThreadPoolExecutor(max_workers=4) as pool:
        return [problem for problem in pool.map(look, samples) if problem is not None]


def duplicates(split: Split) -> list[str]:
    """A message for each pair of files with the same content."""
    seen: dict[str, str] = {}
    problems = []
    parts = {"train": split.train, "query": split.query, "gallery": split.gallery}
    named = [(s.image, f"{s.name} ({part})") for part, samples in parts.items() for s in samples]
    files = {image: name for image, name in named if isinstance(image, Path) and image.is_file()}
    contents = file_contents(files)
    for file, name in files.items():
        first = seen.setdefault(contents[file].digest, name)
        if first != name:
            problems.append(f"{name} is the same picture as {first}: a match of the two proves nothing.")
    return problems
