"""Market-1501's layout on disk, with the traps of the real folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from cadnet_edu.data.readers import market1501

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


def test_all_parts_are_read(market):
    split = market1501(market).check()
    assert split.name == "Market-1501-v15.09.15"
    assert [(s.pid, s.camera, s.name) for s in split.train] == [
        (2, 1, "0002_c1s1_000451_03.jpg"), (2, 2, "0002_c2s1_000776_01.jpg"),
        (7, 3, "0007_c3s3_077419_03.jpg"), (7, 6, "0007_c6s4_002202_01.jpg"),
    ]  # fmt: skip
    assert [(s.pid, s.camera) for s in split.query] == [(1, 1), (3, 4)]
    assert [(s.pid, s.camera) for s in split.gallery] == [(0, 1), (0, 5), (1, 2), (3, 1), (1501, 6)]
    assert all(s.rate == 1 for s in (*split.train, *split.query, *split.gallery))
    assert split.query[0].load().shape == (8, 4, 3)


def test_junk_is_left_out_and_distractors_stay(market):
    names = [s.name for s in market1501(market).gallery]
    assert not any(name.startswith("-1") for name in names)
    assert sum(name.startswith("0000") for name in names) == 2


def test_reading_is_repeatable_and_leaves_the_folder_as_it_is(market):
    before = {p: p.stat().st_mtime_ns for p in market.rglob("*")}
    assert market1501(market) == market1501(str(market))
    assert {p: p.stat().st_mtime_ns for p in market.rglob("*")} == before


def test_the_folder_above_will_do(market):
    assert market1501(market.parent).name == "Market-1501-v15.09.15"


def test_the_only_folder_inside_will_do(tmp_path):
    fill(tmp_path / "market")
    (tmp_path / "other").mkdir()
    assert market1501(tmp_path).name == "market"


def test_a_folder_above_two_sets_is_ambiguous(tmp_path):
    """DukeMTMC-reID has the same layout: taking the first by name would train on another set in silence."""
    fill(tmp_path / "DukeMTMC-reID")
    fill(tmp_path / "market")
    with pytest.raises(ValueError, match=r"2 folders in here hold bounding_box_train/: DukeMTMC-reID, market"):
        market1501(tmp_path)


def test_the_usual_name_settles_it(tmp_path, market):
    fill(tmp_path / "DukeMTMC-reID")
    assert market1501(tmp_path).name == "Market-1501-v15.09.15"


def test_a_level_too_deep_is_told(market):
    with pytest.raises(ValueError, match=r"no folder bounding_box_train/ in here, only .*0002_c1s1"):
        market1501(market / "bounding_box_train")


def test_no_folder(tmp_path):
    with pytest.raises(ValueError, match=r"nowhere: there is no such folder. Give the folder that holds"):
        market1501(tmp_path / "nowhere")


def test_an_empty_folder(tmp_path):
    with pytest.raises(ValueError, match="no folder bounding_box_train/ in here, only nothing"):
        market1501(tmp_path)


def test_a_missing_part(market):
    (market / "query").rename(market / "queries")
    with pytest.raises(ValueError, match="query: this folder is missing"):
        market1501(market)


def test_a_part_without_images(market):
    for path in (market / "query").glob("*.jpg"):
        path.unlink()
    with pytest.raises(ValueError, match=r"query: no image .* Is it the right folder level"):
        market1501(market)


@pytest.mark.parametrize("name", ["person.jpg", "c1s1_0001.jpg", "0001-c1.jpg", "-2_c1s1.jpg", "0001_cs1.jpg"])
def test_a_name_that_says_nothing(market, name):
    Image.new("RGB", (4, 8)).save(market / "query" / name)
    with pytest.raises(ValueError, match=rf"{name}: the name does not say who and where. It must begin like 0001_c1"):
        market1501(market)


def test_other_suffixes_and_cases(market):
    """The real query folder has names that end in .jpg.jpg."""
    for name in ("0009_c1s1_1.JPG", "0009_c2s1_1.png", "0009_c3s1_000001_00.jpg.jpg"):
        Image.new("RGB", (4, 8)).save(market / "query" / name)
    cameras = [s.camera for s in market1501(market).query if s.pid == 9]
    assert cameras == [1, 2, 3]
