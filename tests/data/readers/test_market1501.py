"""Market-1501's layout on disk, with the traps of the real folder, and DukeMTMC-reID, withdrawn, in the same layout."""

import shutil
from pathlib import Path

import pytest
from fixtures import WRITERS, save, write_dukemtmc_reid
from PIL import Image

from cadnet_edu.data import load_split
from cadnet_edu.data.manifest import read_manifest, write_manifest
from cadnet_edu.data.readers import custom, dukemtmc_reid, market1501

FILES = {
    "bounding_box_train": [
        "0002_c1s1_000451_03.jpg", "0002_c2s1_000776_01.jpg", "0007_c3s3_077419_03.jpg", "0007_c6s4_002202_01.jpg",
    ],
    "query": ["0001_c1s1_001051_00.jpg", "0003_c4s6_015641_00.jpg"],
    "bounding_box_test": [
        "-1_c1s1_000401_03.jpg",  # junk: a leading minus
        "0000_c1s1_000151_01.jpg", "0000_c5s2_000151_02.jpg",  # distractors
        "0001_c2s1_000001_00.jpg", "0003_c1s1_000002_00.jpg", "1501_c6s4_006402_01.jpg",
    ],
}  # fmt: skip


def fill(root: Path) -> Path:
    for folder, names in FILES.items():
        (root / folder).mkdir(parents=True)
        for name in names:
            Image.new("RGB", (4, 8)).save(root / folder / name)
        (root / folder / "Thumbs.db").write_bytes(b"what Windows leaves in each folder of the real set")
        (root / folder / f"._{FILES[folder][-1]}").write_bytes(b"what macOS leaves")
    (root / "gt_bbox").mkdir()
    (root / "readme.txt").write_text("Market-1501")
    return root


@pytest.fixture
def market(tmp_path: Path) -> Path:
    return fill(tmp_path / "Market-1501-v15.09.15")


def test_all_parts_are_read_without_junk_and_with_distractors(market):
    split = market1501(market).check()
    assert split.name == "Market-1501-v15.09.15"
    assert [(s.pid, s.camera, s.name) for s in split.train] == [
        (2, 1, "0002_c1s1_000451_03.jpg"), (2, 2, "0002_c2s1_000776_01.jpg"),
        (7, 3, "0007_c3s3_077419_03.jpg"), (7, 6, "0007_c6s4_002202_01.jpg"),
    ]  # fmt: skip
    assert [(s.pid, s.camera) for s in split.query] == [(1, 1), (3, 4)]
    assert [(s.pid, s.camera) for s in split.gallery] == [(0, 1), (0, 5), (1, 2), (3, 1), (1501, 6)]
    assert split.query[0].load().shape == (8, 4, 3)


def test_the_folder_above_will_do_when_one_set_is_in_it(tmp_path):
    fill(tmp_path / "market")
    (tmp_path / "other").mkdir()
    assert market1501(tmp_path).name == "market"
    write_dukemtmc_reid(tmp_path)  # the same layout: taking the first by name would train on another set in silence
    with pytest.raises(ValueError, match=r"2 folders in here hold bounding_box_train/: DukeMTMC-reID, market"):
        market1501(tmp_path)
    fill(tmp_path / "Market-1501-v15.09.15")  # the usual name settles it
    assert market1501(tmp_path).name == "Market-1501-v15.09.15"
    assert dukemtmc_reid(tmp_path, allow_withdrawn=True).name == "DukeMTMC-reID"


@pytest.mark.parametrize(
    ("spoil", "root", "message"),
    [
        (lambda m: None, "bounding_box_train", r"no folder bounding_box_train/ in here, only .*0002_c1s1"),
        (lambda m: (m / "query").rename(m / "queries"), ".", "query: this folder is missing"),
        (
            lambda m: [p.unlink() for p in (m / "query").glob("*.jpg")],
            ".",
            r"query: no image .* Is it the right folder",
        ),
        (lambda m: shutil.rmtree(m / "bounding_box_train"), "..", "no folder bounding_box_train/"),
    ],
)
def test_what_is_missing_is_named(market, spoil, root, message):
    spoil(market)
    with pytest.raises(ValueError, match=message):
        market1501(market / root)


@pytest.mark.parametrize(
    "name",
    [
        "person.jpg",
        "c1s1_0001.jpg",
        "0001-c1.jpg",
        "-2_c1s1.jpg",
        "0001_cs1.jpg",
        "１２３４_c1s1_1_01.jpg",
        "1234_c１.jpg",
    ],
)
def test_a_name_that_says_nothing(market, name):
    Image.new("RGB", (4, 8)).save(market / "query" / name)
    with pytest.raises(ValueError, match=rf"{name}: the name does not say who and where. It must begin like 0001_c1"):
        market1501(market)


def test_an_identity_beyond_64_bits_is_named(market):
    save(market / "query" / f"{'9' * 30}_c1s1_000151_01.jpg", 1)
    with pytest.raises(ValueError, match=r"9{30}_c1s1_000151_01\.jpg'.*below 2\^63"):
        market1501(market)


def test_other_suffixes_and_cases(market):
    """The real query folder has names that end in .jpg.jpg."""
    for name in ("0009_c1s1_1.JPG", "0009_c2s1_1.png", "0009_c3s1_000001_00.jpg.jpg"):
        Image.new("RGB", (4, 8)).save(market / "query" / name)
    cameras = [s.camera for s in market1501(market).query if s.pid == 9]
    assert cameras == [1, 2, 3]


def test_duke(tmp_path):
    root = write_dukemtmc_reid(tmp_path)
    for read in (dukemtmc_reid, lambda r: load_split("dukemtmc_reid", r)):
        with pytest.raises(ValueError, match=r"25 April 2019.*neither links nor fetches.*--allow-withdrawn"):
            read(root)
    split = dukemtmc_reid(root, allow_withdrawn=True).check()
    assert split.name == "DukeMTMC-reID"
    assert (split.train[0].pid, split.train[0].camera, split.train[0].name) == (1, 2, "0001_c2_f0046985.jpg")
    assert {s.camera for s in split.query} == {1, 8}
    assert {s.pid for s in split.gallery} - {s.pid for s in split.query} == {7000, 7001}  # one-camera distractors stay


def test_duke_called_something_else_is_noticed(tmp_path):
    root = write_dukemtmc_reid(tmp_path)
    split = dukemtmc_reid(root, allow_withdrawn=True)
    table = write_manifest(split, tmp_path / "m.csv", root)
    for attempt in (
        lambda: market1501(root),
        lambda: custom(root / "bounding_box_train"),
        lambda: custom(root, "*/{pid}_{camera}_*"),
        lambda: read_manifest(table, root),
    ):
        with pytest.raises(ValueError, match=r"_c\d_f\d{7}.jpg is a file name of DukeMTMC-reID.*25 April 2019"):
            attempt()
    assert read_manifest(table, root, allow_withdrawn=True).query
    with pytest.raises(ValueError, match=r"0005_c2_f0046985.*another data set"):
        dukemtmc_reid(WRITERS["market1501"](tmp_path / "m"), allow_withdrawn=True)
