"""VIPeR: pairs by number, random halves."""

from collections import Counter

import pytest
from fixtures import save, write_viper

from cadnet_edu.data.readers import viper


def test_pairs_by_number_and_not_by_order(tmp_path):
    split = viper(write_viper(tmp_path)).check()
    assert (len(split.train), len(split.query), len(split.gallery)) == (8, 4, 4)
    assert set(Counter(s.pid for s in split.train).values()) == {2}
    assert [s.pid for s in split.query] == [s.pid for s in split.gallery]
    assert ({s.camera for s in split.query}, {s.camera for s in split.gallery}) == ({0}, {1})
    for s in (*split.train, *split.query, *split.gallery):
        assert s.name.split("/")[1].startswith(f"{s.pid:03d}_")
        assert s.load().shape == (128, 48, 3)


def test_halves_depend_on_the_seed_alone(tmp_path):
    root = write_viper(tmp_path, people=12, size=(4, 2))
    seen = [frozenset(s.pid for s in viper(root, seed).train) for seed in range(8)]
    assert len(set(seen)) > 3
    assert all(len(half) == 6 for half in seen)
    assert viper(root, 3) == viper(root, 3)
    assert viper(root, 3).name == "VIPeR-seed3"


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (
            lambda root: next((root / "cam_b").glob("003_*")).unlink(),
            r"1 people have an image in only one of cam_a and cam_b \(for example 003\)",
        ),
        (
            lambda root: save(root / "cam_a" / "003_7.bmp", 1),
            r"person 003 has another image in here, cam_a/003_.*VIPeR has one",
        ),
        (lambda root: save(root / "cam_b" / "me.bmp", 1), r"me.bmp: the name does not say who"),
    ],
)
def test_mistakes_are_named(tmp_path, spoil, message):
    root = write_viper(tmp_path, size=(4, 2))
    spoil(root)
    with pytest.raises(ValueError, match=message):
        viper(root)
