"""One walk for all readers: what belongs to a data set, what is left out, and what is reported."""

import os
import shutil
from pathlib import Path

import pytest
from fixtures import WRITERS, save, write_market1501, write_own

from cadnet_edu.data import load_split
from cadnet_edu.data.checks import check_set
from cadnet_edu.data.find_files import entries_below, images_below, unused_images
from cadnet_edu.data.manifest import read_manifest, write_manifest
from cadnet_edu.data.readers import market1501


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")


def files_below(root: Path) -> list[Path]:
    return [path for path in entries_below(root) if path.is_file()]


def below(root: Path, walk=files_below) -> list[str]:
    return [path.relative_to(root).as_posix() for path in walk(root)]


def test_files_come_in_the_order_of_their_names(tmp_path):
    touch(tmp_path, "b/2.jpg", "b/1.jpg", "a.txt", "c.jpg", "b.jpg")
    assert below(tmp_path) == ["a.txt", "b/1.jpg", "b/2.jpg", "b.jpg", "c.jpg"]
    assert files_below(tmp_path / "a.txt") == [tmp_path / "a.txt"]
    assert files_below(tmp_path / "none") == []
    touch(tmp_path, ".data/a.jpg")
    assert below(tmp_path / ".data") == ["a.jpg"]  # hidden, but given itself
    (tmp_path / "b" / os.fsdecode(b"J\xf6rg.jpg")).write_bytes(b"x")
    assert [os.fsencode(p.name) for p in files_below(tmp_path / "b")] == [b"1.jpg", b"2.jpg", b"J\xf6rg.jpg"]


@pytest.mark.parametrize(
    "name",
    [".a.jpg", "._a.jpg", ".git/a.jpg", "__MACOSX/a.jpg", "x/__macosx/._a.jpg", "Thumbs.db", "thumbs.DB", "desktop.ini",
     ".DS_Store", "@eaDir/a.jpg/SYNOPHOTO_THUMB_M.jpg", "lost+found/a.jpg", "$RECYCLE.BIN/a.jpg"],
)  # fmt: skip
def test_what_is_hidden_or_added_by_a_system_is_left_out(tmp_path, name):
    touch(tmp_path, name, "kept.jpg")
    assert below(tmp_path) == below(tmp_path, images_below) == ["kept.jpg"]


def test_links_are_followed_and_end(tmp_path):
    touch(tmp_path, "set/a.jpg", "outside/b.jpg")
    (tmp_path / "set" / "linked").symlink_to(tmp_path / "outside")
    (tmp_path / "set" / "again").symlink_to(tmp_path / "outside")
    (tmp_path / "outside" / "up").symlink_to(tmp_path / "set")
    (tmp_path / "set" / "self").symlink_to(tmp_path / "set" / "self")
    (tmp_path / "set" / "gone.jpg").symlink_to(tmp_path / "nowhere")
    (tmp_path / "set" / "notes").symlink_to("/nowhere/ab12")
    os.mkfifo(tmp_path / "set" / "pipe")
    assert below(tmp_path / "set") == ["a.jpg", "again/b.jpg", "linked/b.jpg"]
    assert "gone.jpg" in below(tmp_path / "set", entries_below)
    assert below(tmp_path / "set", images_below) == ["a.jpg", "again/b.jpg", "gone.jpg", "linked/b.jpg"]


def test_endings_of_any_case_and_depth(tmp_path):
    touch(tmp_path, "a.JPG", "b.Jpeg", "c.webp", "d.TIFF", "e.txt", "f/g.png", "noending")
    (tmp_path / "folder.jpg").mkdir()
    assert below(tmp_path, images_below) == ["a.JPG", "b.Jpeg", "c.webp", "d.TIFF", "f/g.png"]
    assert [p.name for p in images_below(tmp_path, depth=0)] == ["a.JPG", "b.Jpeg", "c.webp", "d.TIFF"]


def test_images_that_are_not_used_are_counted_by_folder(tmp_path):
    touch(tmp_path, "a.jpg", "b.jpg", "c.heic", "d/e.gif", "d/notes.txt")
    assert unused_images(tmp_path, [tmp_path / "a.jpg"]) == {".": 2, "d": 1}


@pytest.mark.parametrize("name", ["market1501", "dukemtmc_reid", "viper", "caviar", "own"])
def test_no_reader_passes_an_image_of_another_kind_over(name, tmp_path):
    root = WRITERS[name](tmp_path)
    folder = {"viper": "cam_a", "caviar": ".", "own": "."}.get(name, "query")
    touch(root / folder, "0009_c1.HEIC", "._0009_c1.HEIC")
    with pytest.raises(ValueError, match=r"0009_c1\.HEIC: images of this kind cannot be opened here, 1 of them"):
        load_split(name, root, allow_withdrawn=True)
    with pytest.raises(ValueError, match="1 of them"):
        check_set(name, root, allow_withdrawn=True, part=True)


def test_every_reader_takes_what_can_be_opened(tmp_path):
    root = write_market1501(tmp_path)
    before = len(market1501(root).query)
    save(tmp_path / "x.png", 1001)
    for kind in ("webp", "gif", "jfif"):
        shutil.copy(tmp_path / "x.png", root / "query" / f"1001_c1s1_000999_00.{kind}")
    split = market1501(root)
    assert len(split.query) == before + 3
    assert all(s.load().shape == (32, 16, 3) for s in split.query)


@pytest.mark.parametrize("name", ["market1501", "own"])
def test_an_image_that_is_a_dangling_link_is_named(name, tmp_path):
    root = WRITERS[name](tmp_path)
    image = "query/1001_c1s1_009999_00.jpg" if name == "market1501" else "anna_hall_7.jpg"
    (root / image).symlink_to("/nowhere/x.jpg")
    (root / "notes.dvc").symlink_to("/nowhere/ab12")
    problems = check_set(name, root, part=True).problems
    assert [p for p in problems if image in p and "this link leads to /nowhere/x.jpg" in p]
    assert len(problems) == 1


@pytest.mark.parametrize("name", ["market1501", "dukemtmc_reid", "cuhk03", "viper", "caviar"])
@pytest.mark.parametrize("other", ["__MACOSX", ".old"])
def test_hidden_copies_beside_a_set_are_not_looked_into(name, other, tmp_path):
    root = WRITERS[name](tmp_path / "up")
    root = root.rename(root.with_name("mine")) if name not in ("cuhk03", "caviar") else root
    shutil.copytree(root, root.parent / other / root.name if name in ("cuhk03", "caviar") else root.parent / other)
    split = load_split(name, root.parent, allow_withdrawn=True)
    assert split.query[0].load().size
    assert not any(other in str(s.image) for s in (*split.train, *split.query, *split.gallery))
    path = write_manifest(split, tmp_path / "m.csv", root)
    assert not any(other in str(s.image) for s in read_manifest(path, root.parent, allow_withdrawn=True).query)


def test_check_counts_what_no_part_uses(tmp_path):
    root = write_market1501(tmp_path)
    save(root / "gt_bbox" / "0001_c1s1_000151_00.jpg", 1)
    found = check_set("market1501", root, part=True).found
    assert {k: n for k, n in found.items() if "not used" in k} == {"images not used in gt_bbox/": 1}
    own = write_own(tmp_path / "own")
    found = check_set("own", own, filename_pattern="{pid}_{camera}_*.png").found
    assert found["images not used in ./"] == len(list(own.glob("[!.]*.jpg")))
    save(own / "more" / "anna_hall_9.jpg", 1)
    with pytest.warns(UserWarning, match=r"1 images are not used \(for example more/anna_hall_9.jpg\).*images.csv"):
        assert check_set("own", own).found["images not used in more/"] == 1


def test_queries_and_gallery_alone_can_be_scored(tmp_path):
    root = write_market1501(tmp_path)
    whole = load_split("market1501", root, train=False)
    assert whole == load_split("market1501", root)
    shutil.rmtree(root / "bounding_box_train")
    for given in (root, root.parent):
        split = load_split("market1501", given, train=False)
        assert (split.train, split.query, split.gallery) == ((), whole.query, whole.gallery)
    with pytest.raises(ValueError, match="no folder bounding_box_train/"):
        load_split("market1501", root)
    assert check_set("market1501", root, part=True).problems == ()


def test_a_table_without_the_role_train_can_be_scored(tmp_path):
    write_own(tmp_path)
    lines = ["file,pid,camera,role", "anna_hall_0.png,anna,hall,query", "anna_yard_0.png,anna,yard,gallery"]
    (tmp_path / "images.csv").write_text("\n".join(lines))
    split = load_split("own", tmp_path, train=False)
    assert (len(split.train), len(split.query), len(split.gallery)) == (0, 1, 1)
    with pytest.raises(ValueError, match="the train part holds no image"):
        load_split("own", tmp_path)
