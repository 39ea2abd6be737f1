"""What all readers do alike, with a small set in the published layout of each."""

import shutil

import pytest
from fixtures import WRITERS
from hypothesis import given, settings
from hypothesis import strategies as st

from cadnet_edu.data import load_split
from cadnet_edu.data.samples import load_images


@pytest.mark.parametrize("name", WRITERS)
def test_every_set_is_read_from_any_level_and_left_as_it_is(name, tmp_path):
    root = WRITERS[name](tmp_path / "set")
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")}
    allow = {"allow_withdrawn": True}
    split = load_split(name, root, **allow)
    assert split == load_split(name, str(root), **allow)
    if name != "own":  # its folder level is said by the pattern
        assert load_split(name, root.parent, **allow) == split
    train, test = ({s.pid for s in part} for part in (split.train, (*split.query, *split.gallery)))
    assert not train & test
    assert all(s.rate == 1 and s.name for s in (*split.train, *split.query, *split.gallery))
    images = load_images(split.train, 32, 16)
    assert images.shape == (len(split.train), 3, 32, 16)
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")} == before


@pytest.mark.parametrize("name", WRITERS)
def test_every_set_names_what_is_missing(name, tmp_path):
    (tmp_path / "holiday").mkdir()
    with pytest.raises(ValueError, match=r"(?i)no (folder|file|image) .*"):
        load_split(name, tmp_path, allow_withdrawn=True)
    with pytest.raises(ValueError, match="nowhere: there is no such folder"):
        load_split(name, tmp_path / "nowhere", allow_withdrawn=True)
    with pytest.raises(ValueError, match=f"{name} lies on your disk: give its folder with --root"):
        load_split(name)


@pytest.mark.parametrize("name", ["market1501", "dukemtmc_reid", "viper", "caviar"])
@settings(max_examples=10, deadline=None)
@given(text=st.text(st.characters(exclude_characters="/\0", exclude_categories=("Cs",)), min_size=1, max_size=20))
def test_any_file_name_is_read_or_refused_in_a_sentence(name, text, tmp_path_factory):
    root = WRITERS[name](tmp_path_factory.mktemp("fuzz"))
    folder = {"viper": root / "cam_a", "caviar": root}.get(name, root / "query")
    try:
        (folder / f"{text}.jpg").write_bytes(b"")
    except OSError:
        return
    try:
        load_split(name, root, allow_withdrawn=True)
    except ValueError as error:
        assert str(root) in str(error)  # noqa: PT017
    finally:
        shutil.rmtree(root)
