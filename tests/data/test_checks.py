"""Is a set whole: counts as published, what is missing by number, what is damaged by name."""

import os
import shutil

import h5py
import numpy as np
import pytest
from fixtures import WRITERS, Cells, picture, save, write_own, write_viper
from PIL import Image

from cadnet_edu.data.checks import PUBLISHED, check_set, differences
from cadnet_edu.data.readers import cuhk03


@pytest.mark.parametrize("name", WRITERS)
def test_a_part_of_a_set_is_told_by_its_numbers(name, tmp_path):
    root = WRITERS[name](tmp_path)
    report = check_set(name, root, allow_withdrawn=True)
    if name == "own":
        assert report.problems == ()
        return
    assert all(" found, " in p and " published, so " in p for p in report.problems)
    assert len(report.problems) >= 4
    part = check_set(name, root, allow_withdrawn=True, part=True)
    assert part.problems == ()
    assert part.found == report.found
    assert set(PUBLISHED[name]) <= set(part.found)


def test_a_whole_viper(tmp_path):
    root = write_viper(tmp_path, people=632, size=(4, 2))
    report = check_set("viper", root)
    assert report.problems == ()
    assert str(report).count("as published") == len(PUBLISHED["viper"])
    for path in sorted((root / "cam_a").glob("*.bmp"))[:2]:
        (root / "cam_b" / next((root / "cam_b").glob(path.name[:4] + "*")).name).unlink()
        path.unlink()
    assert "query images: 315 found, 316 published, so 1 are missing." in check_set("viper", root).problems


def test_a_whole_caviar(tmp_path):
    folder = tmp_path / "CAVIARa"
    folder.mkdir()
    files = {size: folder / f"{size}.tmp" for size in (4, 8)}
    for size, path in files.items():
        Image.fromarray(picture(0, height=2 * size, width=size)).save(path, "JPEG")
    for pid in range(1, 73):
        for number in range(1, 21 if pid <= 50 else 11):
            os.link(files[4 if number <= 10 else 8], folder / f"{pid:04d}{number:03d}.jpg")
    report = check_set("caviar", tmp_path)
    assert report.problems == ()
    assert report.found["images of all people"] == 1220


def test_a_whole_cuhk03(tmp_path):
    """As large as the real file in everything but pixels: all cells point to the same two pictures."""
    with h5py.File(tmp_path / "cuhk-03.mat", "w") as file:
        cells = Cells(file)
        image, empty = cells.image(picture(0)), cells.empty()
        for boxes, missing in (("detected", 573), ("labeled", 574)):
            tables = []
            for n in (843, 440, 77, 58, 49):
                table = np.full((n, 10), image, h5py.ref_dtype)
                if n == 843:
                    table[:missing, 9] = empty
                tables.append(cells.cell(table))
            cells.top(boxes, tables)
        chosen = np.array([(1, i + 1) for i in range(60)] + [(5, i + 1) for i in range(40)], np.float64)
        cells.top("testsets", [cells.put(chosen.T)] * 20)
    for boxes, n in (("detected", 14_097), ("labeled", 14_096)):
        report = check_set("cuhk03", tmp_path, bbox=boxes, images=False)
        assert report.problems == ()
        assert report.found["images"] == n
    split = cuhk03(tmp_path)
    assert max(s.pid for s in split.query) == 843 + 440 + 77 + 58 + 39


def test_damaged_images_are_named(tmp_path):
    root = write_viper(tmp_path)
    for name in ("000_0.bmp", "004_135.bmp"):
        path = root / "cam_a" / name
        path.write_bytes(path.read_bytes()[:500])
    problems = check_set("viper", root, part=True).problems
    assert [p.split(":")[0].rsplit("/", 1)[1] for p in sorted(problems)] == ["000_0.bmp", "004_135.bmp"]
    assert check_set("viper", root, part=True, images=False).problems == ()


def test_one_picture_under_two_names(tmp_path):
    root = write_own(tmp_path)
    shutil.copy(root / "anna_hall_0.png", root / "eve_yard_7.png")
    (problem,) = check_set("own", root).problems
    assert "is the same picture as" in problem
    assert {"anna_hall_0.png", "eve_yard_7.png"} <= set(problem.replace("(", " ").split())


def test_differences_name_both_directions():
    assert differences({"a": 7}, {"a": 5, "b": 1}) == [
        "a: 7 found, 5 published, so 2 are too many.", "b: 0 found, 1 published, so 1 are missing.",
    ]  # fmt: skip


def test_a_report_of_names_that_are_not_utf8_can_be_printed(tmp_path):
    root = write_own(tmp_path)
    (root / os.fsdecode(b"J\xf6rg_hall_1.jpg")).write_bytes(b"no image")
    save(root / os.fsdecode(b"J\xf6rg_yard_1.png"), 1)
    report = check_set("own", root)
    assert r"J\xf6rg_hall_1.jpg: this file cannot be read as an image" in str(report)
    str(report).encode("utf-8")
