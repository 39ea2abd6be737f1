"""CAVIAR4REID: its low resolution is real, and measured."""

import pytest
from fixtures import save, write_caviar

from cadnet_edu.data.readers import caviar


def test_resolution_is_measured(tmp_path):
    root = write_caviar(tmp_path)
    split = caviar(root).check()
    assert (len(split.train), len(split.query), len(split.gallery)) == (4 * 20, 4 * 10, 4 * 10)
    assert {s.pid for s in (*split.train, *split.query)} == set(range(1, 9))  # 9-11 were seen by one camera
    heights = {s.load().shape[0] for s in split.query}, {s.load().shape[0] for s in split.gallery}
    assert max(heights[0]) < min(heights[1])
    assert {s.camera for s in split.gallery} == {0}
    assert {s.camera for s in split.query} == {1}
    numbers = {s.name[4:7] for s in split.gallery}
    assert {"001", "011"} <= numbers  # for some people the first ten are HR, for others the last
    assert len({frozenset(s.pid for s in caviar(root, seed).train) for seed in range(6)}) > 2
    assert caviar(root, 1) == caviar(root, 1)


def test_too_few_people_of_two_cameras(tmp_path):
    with pytest.raises(ValueError, match="1 people were seen by two cameras; at least 4 are needed"):
        caviar(write_caviar(tmp_path, both=1, one=5))


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["0001021.jpg"], "0001021.jpg: the name does not say who and which"),
        (["0001000.jpg"], "0001000.jpg: the name does not say who and which"),
        (["001_1.jpg"], "001_1.jpg: the name does not say who and which"),
        (["00010011.jpg"], "00010011.jpg: the name does not say who and which"),
        ([f"0002{i:03d}.jpg" for i in range(1, 21)], r"person 0002 from both cameras are equally large.*resized"),
    ],
)
def test_other_names_and_sizes(tmp_path, names, message):
    root = write_caviar(tmp_path, both=4, one=1)
    for name in names:
        save(root / name, 1)
    with pytest.raises(ValueError, match=message):
        caviar(root)


def test_a_damaged_header(tmp_path):
    root = write_caviar(tmp_path, both=4, one=0)
    (root / "0003004.jpg").write_bytes(b"\xff\xd8")
    with pytest.raises(ValueError, match=r"0003004.jpg: this file cannot be read as an image"):
        caviar(root)
