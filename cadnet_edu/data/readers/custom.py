"""Reader of a folder of custom images, such as a class's photos of people who agreed to be in it."""

import random
import re
import unicodedata
import warnings
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cadnet_edu.data.csv_table import LONGEST, ROLES, listed_file, read_table, role_of, whole
from cadnet_edu.data.find_files import IMAGES, images_below
from cadnet_edu.data.readers.market1501 import check_not_withdrawn
from cadnet_edu.data.samples import Sample, Split

PATTERN = "{pid}_{camera}_*"
TABLE = "images.csv"
MISSING = ("nan", "NaN", "NAN", "None", "null", "NULL", "<NA>", "NaT", "N/A", "n/a", "#N/A", "NA", "#VALUE!", "#REF!")


@dataclass(frozen=True)
class Entry:
    """One image with the texts of its identity and camera, before they are numbered."""

    file: Path
    pid: str
    camera: str
    role: str = ""


def custom(root: str | Path, pattern: str = PATTERN, seed: int = 0, test_share: float = 0.5) -> Split:
    """Your own images, with identity and camera given by file names or by a CSV table.

    With a **pattern**, ``{pid}`` and ``{camera}`` stand for identity and camera, ``*`` for anything, ``/`` for folders:
    ``{pid}_{camera}_*`` reads ``anna_2_0007.jpg``, and ``{pid}/{camera}_*`` reads ``anna/2_0007.jpg``. Without
    ``{camera}`` each image counts as a camera of its own. With a **table**, a CSV file has the columns
    ``file,pid,camera`` and, to fix the split, ``role`` (train, query or gallery) for every image.

    Args:
        root: the folder of the images, or a CSV file in it. A file ``images.csv`` in the folder is used when there.
        pattern: as above; an ending such as ``.jpg`` is allowed and restricts to it.
        seed: draws the test identities, and the camera of each whose images are the queries.
        test_share: the fraction of the identities that are for testing.

    Returns:
        a ``Split``. Identities that are whole numbers stay; other text is numbered in alphabetical order.

    Raises:
        ValueError: for a name that does not fit, a person with a single image, too few people, identities that look
            like two spellings of one, a file listed twice, images that lie in another folder level, or files of the
            withdrawn DukeMTMC-reID.

    Choice:
        People are drawn at random for testing from those seen by two cameras or more. Of each, the images of one
        camera, drawn at random, are the queries, and all others are the gallery, as in the sets of the paper.
    """
    root = Path(root).expanduser()
    table = root if root.suffix.lower() == ".csv" else root / TABLE
    if not root.exists():
        raise ValueError(f"{root}: there is no such folder or table. Give the folder of your images.")
    entries = from_table(table) if table.is_file() else from_names(root, pattern)
    twice = [file for file, n in Counter(e.file.resolve() for e in entries).items() if n > 1]
    if twice:
        raise ValueError(f"{twice[0]}: listed twice. An image has one identity and one role: keep one line.")
    check_not_withdrawn(e.file.name for e in entries)
    pids = label_numbers({e.pid for e in entries}, "identity")
    cameras = label_numbers({e.camera for e in entries}, "camera")
    samples = [Sample(e.file, pids[e.pid], cameras[e.camera]) for e in entries]
    name = (root.parent if root.is_file() else root).resolve().name
    if any(e.role for e in entries):
        parts = {role: tuple(s for s, e in zip(samples, entries) if e.role == role) for role in ROLES}
        return Split(parts["train"], parts["query"], parts["gallery"], name)
    images_of = Counter(e.pid for e in entries)
    single = [e for e in entries if images_of[e.pid] == 1]
    if single:
        raise ValueError(
            f"{len(single)} people have a single image (for example {single[0].pid!r}: {single[0].file.name}). "
            "Training compares two images of a person, and a search needs one to find: add images, or take these out."
        )
    return draw_split(samples, seed, test_share, name)


def from_table(table: Path) -> list[Entry]:
    """The entries of a CSV file."""
    entries = []
    for row in read_table(table, ("file", "pid", "camera"), ("role",)):
        where = f"{table}, line {row['line']}"
        file = listed_file(table.parent, row["file"], where)
        if not file.is_file():
            raise ValueError(f"{where}: there is no file {file}. Paths are relative to the folder of the table.")
        role = role_of(row["role"], where) if row["role"] else ""
        entries.append(Entry(file, normalized(row["pid"]), normalized(row["camera"]), role))
    without = [e for e in entries if not e.role]
    if without and len(without) < len(entries):
        raise ValueError(
            f"{table}: {len(without)} of {len(entries)} images have no role (for example {without[0].file.name}). "
            "Give every image a role, or none."
        )
    return entries


def from_names(root: Path, pattern: str) -> list[Entry]:
    """The entries given by file names."""
    expression, depth = pattern_to_regex(pattern), pattern.count("/")
    if not root.is_dir():
        raise ValueError(f"{root}: this is neither a folder nor a CSV file. Give the folder of your images.")
    images = images_below(root)
    files = [p for p in images if len(p.relative_to(root).parts) == depth + 1]
    warn_of_other_levels(root, images, files, pattern)
    suffix = Path(pattern).suffix.lower()
    files = [p for p in files if suffix not in IMAGES or p.suffix.lower() == suffix]
    if not files:
        raise ValueError(f"{root}: no image here fits {pattern!r} ({', '.join(IMAGES)}). Is it the right folder?")
    entries: list[Entry] = []
    for file in files:
        match = expression.fullmatch(normalized(file.relative_to(root).with_suffix("").as_posix()))
        if match is None:
            raise ValueError(
                f"{file}: the name does not fit the pattern {pattern!r}, which gives the identity. Rename it, "
                f"give the pattern that your names follow, or write a table {TABLE} with the columns file,pid,camera."
            )
        camera = match.groupdict().get("camera", f"image {len(entries):09d}")
        entries.append(Entry(file, match["pid"], camera))
    return entries


def pattern_to_regex(pattern: str) -> re.Pattern[str]:
    """A pattern as a regular expression.

    >>> pattern_to_regex("{pid}_{camera}_*").fullmatch("anna_2_0007").groupdict()
    {'pid': 'anna', 'camera': '2'}
    """
    for field, at_least in (("{pid}", 1), ("{camera}", 0)):
        if not at_least <= pattern.count(field) <= 1:
            raise ValueError(
                f"pattern {pattern!r}: it holds {field} {pattern.count(field)} times. Write one like {PATTERN!r}, "
                "in which {pid} is who and {camera} which camera."
            )
    if Path(pattern).suffix.lower() in IMAGES:
        pattern = pattern[: -len(Path(pattern).suffix)]
    known = {"{pid}": "(?P<pid>[^/]+?)", "{camera}": "(?P<camera>[^/]+?)", "*": "[^/]*"}
    pieces = re.split(r"(\{pid\}|\{camera\}|\*)", pattern)
    return re.compile("".join(known.get(piece) or re.escape(piece) for piece in pieces))


def warn_of_other_levels(root: Path, images: list[Path], files: list[Path], pattern: str) -> None:
    """Warn of images at another folder depth than the pattern has, which are not read; refuse it if all are."""
    known = set(files)
    others = [p.relative_to(root).as_posix() for p in images if p not in known]
    if others and not files:
        raise ValueError(
            f"{root}: no image here fits {pattern!r}. There is {others[0]} at another level: give the folder that "
            "holds the images, or a pattern with as many slashes, such as '{pid}/*'."
        )
    if others:
        warnings.warn(
            f"{root}: {len(others)} images are not used (for example {others[0]}), since they are at another "
            f"folder level than the pattern {pattern!r} has. Move them, or list all images in a table {TABLE}.",
            stacklevel=2,
        )


def normalized(text: str) -> str:
    """Text in a normal form: ``1.0``, as spreadsheets write whole numbers, becomes ``1``, and an umlaut one character.

    >>> normalized(" 7.0"), normalized("v1.0")
    ('7', 'v1.0')
    """
    return whole(unicodedata.normalize("NFC", text).strip())  # macOS writes an umlaut in a file name as two


def label_numbers(texts: Iterable[str], what: str) -> dict[str, int]:
    """A number for each text: its value when all are whole numbers of at most 64 bits, else its position in order.

    Raises:
        ValueError: for two texts that look like one, for -1, which marks junk elsewhere, and for words by which
            programs mark a missing entry, such as ``nan``.

    >>> label_numbers({"7", "12"}, "identity") == {"7": 7, "12": 12}
    True
    >>> label_numbers({"bo", "anna"}, "identity")
    {'anna': 0, 'bo': 1}
    """
    texts = sorted(texts)
    if "-1" in texts:
        raise ValueError(f"{what} '-1': that marks junk in Market-1501. Leave those images out.")
    missing = [text for text in texts if text in MISSING]
    if missing:
        raise ValueError(
            f"{what} {missing[0]!r}: programs write this where an entry is missing. Fill it in, or leave those "
            "images out."
        )
    seen: dict[str, str] = {}
    for text in texts:
        key = unicodedata.normalize("NFKC", text).casefold()  # also digits of full width
        key = key.lstrip("0") or "0" if key.isdecimal() else key
        if key in seen:
            raise ValueError(f"{what} {seen[key]!r} and {text!r}: is this one or two? Use one spelling for each.")
        seen[key] = text
    if all(text.isascii() and text.isdecimal() and len(text) <= LONGEST for text in texts):
        return {text: int(text) for text in texts}
    return {text: place for place, text in enumerate(texts)}


def draw_split(samples: list[Sample], seed: int, test_share: float, name: str) -> Split:
    """Draw the test identities, and the camera of each whose images are the queries."""
    if not 0 < test_share < 1:
        raise ValueError(f"test_share = {test_share}: give a fraction between 0 and 1.")
    rng = random.Random(seed)
    cameras: dict[int, set[int]] = {}
    for s in samples:
        cameras.setdefault(s.pid, set()).add(s.camera)
    findable = sorted(pid for pid in cameras if len(cameras[pid]) > 1)
    if len(cameras) < 4 or len(findable) < 2:
        raise ValueError(
            f"{name}: {len(cameras)} people, {len(findable)} of them seen by two cameras or more. Needed are at least "
            "4 and 2: two to train on, and two seen twice to test on. A person seen by one camera cannot be found "
            "in another one; with a pattern without {camera}, every image counts as a camera of its own."
        )
    n_test = min(max(2, round(test_share * len(cameras))), len(findable), len(cameras) - 2)
    query_camera = {pid: rng.choice(sorted(cameras[pid])) for pid in sorted(rng.sample(findable, n_test))}
    return Split(
        tuple(s for s in samples if s.pid not in query_camera),
        tuple(s for s in samples if query_camera.get(s.pid) == s.camera),
        tuple(s for s in samples if s.pid in query_camera and query_camera[s.pid] != s.camera),
        name,
    )
