"""The readers of DukeMTMC-reID, CUHK03, VIPeR and CAVIAR4REID against their layouts, traps included."""

from __future__ import annotations

import dataclasses
import pickle
import shutil
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import h5py
import numpy as np
import pytest
from fixtures import WRITERS, picture, save, write_caviar, write_cuhk03, write_dukemtmc_reid, write_viper
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from cadnet_edu.data import DATASETS, load_split
from cadnet_edu.data.hdf5 import H5Image
from cadnet_edu.data.manifest import read_manifest, write_manifest
from cadnet_edu.data.readers import caviar, cuhk03, dukemtmc_reid, market1501, own_images, viper
from cadnet_edu.data.samples import Sample, Split, load_images


def pids(samples) -> set[int]:
    return {s.pid for s in samples}


# ------------------------------------------------------------------------------------------------------ every set


@pytest.mark.parametrize("name", WRITERS)
def test_every_set_is_read_from_any_level_and_left_as_it_is(name, tmp_path):
    root = WRITERS[name](tmp_path / "set")
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")}
    allow = {"allow_withdrawn": True}
    split = load_split(name, root, **allow)
    assert split == load_split(name, str(root), **allow)
    if name != "own":  # its folder level is said by the pattern
        assert load_split(name, root.parent, **allow) == split
    assert not pids(split.train) & pids((*split.query, *split.gallery))
    assert all(s.rate == 1 and s.name for s in (*split.train, *split.query, *split.gallery))
    images = load_images(split.train, 32, 16)
    assert images.shape == (len(split.train), 3, 32, 16)
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")} == before


def test_every_set_has_a_fixture():
    assert set(WRITERS) == set(DATASETS) - {"walkers"}


@pytest.mark.parametrize("name", WRITERS)
def test_every_set_names_what_is_missing(name, tmp_path):
    (tmp_path / "holiday").mkdir()
    with pytest.raises(ValueError, match=r"(?i)no (folder|file|image) .*"):
        load_split(name, tmp_path, allow_withdrawn=True)
    with pytest.raises(ValueError, match="nowhere: there is no such folder"):
        load_split(name, tmp_path / "nowhere", allow_withdrawn=True)
    with pytest.raises(ValueError, match=f"{name} lies on your disk: say where with --root"):
        load_split(name)


@pytest.mark.parametrize("name", ["market1501", "dukemtmc_reid", "viper", "caviar"])
@settings(max_examples=25, deadline=None)
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


# ------------------------------------------------------------------------------------------------------ Duke


def test_duke_is_refused_with_the_reason(tmp_path):
    root = write_dukemtmc_reid(tmp_path)
    for read in (dukemtmc_reid, lambda r: load_split("dukemtmc_reid", r)):
        with pytest.raises(ValueError, match=r"25 April 2019.*neither links nor fetches.*--allow-withdrawn"):
            read(root)


def test_duke(tmp_path):
    split = dukemtmc_reid(write_dukemtmc_reid(tmp_path), allow_withdrawn=True).check()
    assert split.name == "DukeMTMC-reID"
    assert (split.train[0].pid, split.train[0].camera, split.train[0].name) == (1, 2, "0001_c2_f0046985.jpg")
    assert {s.camera for s in split.query} == {1, 8}
    assert pids(split.gallery) - pids(split.query) == {7000, 7001}  # one-camera distractors stay


def test_market_given_for_duke_is_noticed(tmp_path):
    root = WRITERS["market1501"](tmp_path)
    with pytest.raises(ValueError, match=r"0005_c2_f0046985.*another data set"):
        dukemtmc_reid(root, allow_withdrawn=True)


def test_duke_called_something_else_is_noticed(tmp_path):
    root = write_dukemtmc_reid(tmp_path)
    split = dukemtmc_reid(root, allow_withdrawn=True)
    table = write_manifest(split, tmp_path / "m.csv", root)
    for attempt in (
        lambda: market1501(root),
        lambda: own_images(root / "bounding_box_train"),
        lambda: own_images(root, "*/{pid}_{camera}_*"),
        lambda: read_manifest(table, root),
    ):
        with pytest.raises(ValueError, match=r"_c\d_f\d{7}.jpg is a file name of DukeMTMC-reID.*25 April 2019"):
            attempt()
    assert read_manifest(table, root, allow_withdrawn=True).query


def test_market_and_duke_side_by_side(tmp_path):
    WRITERS["market1501"](tmp_path)
    write_dukemtmc_reid(tmp_path)
    assert market1501(tmp_path).name == "Market-1501-v15.09.15"
    assert dukemtmc_reid(tmp_path, allow_withdrawn=True).name == "DukeMTMC-reID"


# ------------------------------------------------------------------------------------------------------ VIPeR


def test_viper_pairs_by_number_and_not_by_order(tmp_path):
    split = viper(write_viper(tmp_path)).check()
    assert (len(split.train), len(split.query), len(split.gallery)) == (8, 4, 4)
    assert Counter(s.pid for s in split.train) == dict.fromkeys(pids(split.train), 2)
    assert [s.pid for s in split.query] == [s.pid for s in split.gallery]
    assert {s.camera for s in split.query} == {0}
    assert {s.camera for s in split.gallery} == {1}
    for s in (*split.train, *split.query, *split.gallery):
        assert s.name.split("/")[1].startswith(f"{s.pid:03d}_")
        assert s.load().shape == (128, 48, 3)


def test_viper_halves_depend_on_the_seed_alone(tmp_path):
    root = write_viper(tmp_path, people=12, size=(4, 2))
    seen = [frozenset(pids(viper(root, seed).train)) for seed in range(8)]
    assert len(set(seen)) > 3
    assert all(len(half) == 6 for half in seen)
    assert viper(root, 3) == viper(root, 3)
    assert viper(root, 3).name == "VIPeR-seed3"


def test_viper_with_a_hole(tmp_path):
    root = write_viper(tmp_path)
    next((root / "cam_b").glob("003_*")).unlink()
    with pytest.raises(ValueError, match=r"1 people have an image in only one of cam_a and cam_b \(for example 003\)"):
        viper(root)


def test_viper_with_two_images_of_a_person(tmp_path):
    root = write_viper(tmp_path)
    save(root / "cam_a" / "003_7.bmp", 1)
    with pytest.raises(ValueError, match=r"person 003 has another image in here, cam_a/003_.*VIPeR has one"):
        viper(root)


def test_viper_with_a_nameless_image(tmp_path):
    root = write_viper(tmp_path)
    save(root / "cam_b" / "me.bmp", 1)
    with pytest.raises(ValueError, match=r"me.bmp: the name does not say who"):
        viper(root)


# ------------------------------------------------------------------------------------------------------ CAVIAR


def test_caviar_resolution_is_measured(tmp_path):
    split = caviar(write_caviar(tmp_path)).check()
    assert (len(split.train), len(split.query), len(split.gallery)) == (4 * 20, 4 * 10, 4 * 10)
    assert pids((*split.train, *split.query)) == set(range(1, 9))  # 9-11 were seen by one camera
    heights = {s.load().shape[0] for s in split.query}, {s.load().shape[0] for s in split.gallery}
    assert max(heights[0]) < min(heights[1])
    assert {s.camera for s in split.gallery} == {0}
    assert {s.camera for s in split.query} == {1}
    numbers = {s.name[4:7] for s in split.gallery}
    assert {"001", "011"} <= numbers  # for some people the first ten are HR, for others the last


def test_caviar_halves_depend_on_the_seed_alone(tmp_path):
    root = write_caviar(tmp_path)
    assert len({frozenset(pids(caviar(root, seed).train)) for seed in range(6)}) > 2
    assert caviar(root, 1) == caviar(root, 1)


def test_caviar_resized_by_somebody(tmp_path):
    root = write_caviar(tmp_path)
    for path in root.glob("0002*.jpg"):
        save(path, 2)
    with pytest.raises(ValueError, match=r"person 0002 from both cameras are equally large.*Were they resized"):
        caviar(root)


def test_caviar_of_one_camera(tmp_path):
    with pytest.raises(ValueError, match="1 people were seen by two cameras; at least 4 are needed"):
        caviar(write_caviar(tmp_path, both=1, one=5))


@pytest.mark.parametrize("name", ["0001021.jpg", "0001000.jpg", "001_1.jpg", "00010011.jpg"])
def test_caviar_names(tmp_path, name):
    root = write_caviar(tmp_path)
    save(root / name, 1)
    with pytest.raises(ValueError, match=rf"{name}: the name does not say who and which"):
        caviar(root)


def test_caviar_with_a_damaged_header(tmp_path):
    root = write_caviar(tmp_path)
    (root / "0003004.jpg").write_bytes(b"\xff\xd8")
    with pytest.raises(ValueError, match=r"0003004.jpg: this file cannot be read as an image"):
        caviar(root)


# ------------------------------------------------------------------------------------------------------ CUHK03


@pytest.fixture(scope="module")
def mat(tmp_path_factory) -> Path:
    return write_cuhk03(tmp_path_factory.mktemp("cuhk03")) / "cuhk-03.mat"


@pytest.mark.parametrize("testset", [0, 1, 19])
def test_cuhk03_parts(mat, testset):
    split = cuhk03(mat, testset=testset).check()
    with h5py.File(mat) as file:  # by hand, as the set's own users do
        chosen = file[file["testsets"][0][testset]][:].T
    offsets = [0, 5, 8, 10, 12]
    wanted = {offsets[int(p) - 1] + int(i) - 1 for p, i in chosen}
    assert pids(split.query) == pids(split.gallery) == wanted
    assert pids(split.train) == set(range(14)) - wanted
    for s in (*split.train, *split.query, *split.gallery):
        pair, person, view, _ = (int(part) for part in s.name[:-4].split("_"))
        assert s.pid == offsets[pair - 1] + person - 1
        assert s.camera == 2 * (pair - 1) + view - 1
    assert {s.camera % 2 for s in split.query} == {0}
    assert {s.camera % 2 for s in split.gallery} == {1}


def test_cuhk03_detected_and_labeled_are_kept_apart(mat):
    detected, labeled = cuhk03(mat), cuhk03(mat, "labeled")
    count = [len((*s.train, *s.query, *s.gallery)) for s in (detected, labeled)]
    assert count == [14 * 4 - 1, 14 * 4]  # one detected cell is empty where the labeled one is not
    assert {s.image.cells for s in detected.train} == {"detected"}
    assert not set(detected.train) & set(labeled.train)


def test_cuhk03_pixels_are_upright_and_in_colour(mat):
    split = cuhk03(mat)
    sample = next(s for s in (*split.train, *split.query) if s.name == "2_003_1_02.png")
    rng, size = np.random.default_rng(0), (0, 0)
    for pair, n in enumerate((5, 3)):  # the writer's draws, up to this cell
        for row in range(n):
            for column in range(10):
                drawn = int(rng.integers(30, 50)), int(rng.integers(14, 22))
                size = drawn if (pair, row, column) == (1, 2, 1) else size
    assert np.array_equal(sample.load(), picture(102, 0, 1, *size))


def test_h5_images_go_to_other_threads_and_processes(mat):
    split = cuhk03(mat)
    sample = split.query[0]
    assert pickle.loads(pickle.dumps(sample)) == sample
    assert hash(sample.image) == hash(dataclasses.replace(sample.image))
    with ThreadPoolExecutor(8) as pool:
        assert all(np.array_equal(p, sample.load()) for p in pool.map(lambda _: sample.load(), range(40)))
    code = "import pickle, sys; print(int(pickle.load(sys.stdin.buffer).load().astype(int).sum()))"
    sent = pickle.dumps(sample.image)
    done = subprocess.run([sys.executable, "-c", code], input=sent, capture_output=True, check=True)
    assert int(done.stdout) == int(sample.load().astype(int).sum())


def test_h5_image_without_its_file(tmp_path):
    image = H5Image(tmp_path / "gone.mat", "detected", 0, 0, 0)
    with pytest.raises(ValueError, match=r"gone.mat: there is no such file"):
        image.load()
    assert Sample(image, 0, 0).rate == 1
    assert str(image).endswith("gone.mat#detected/0/0/0")
    assert H5Image.parse(image.path, image.fragment) == image


@pytest.mark.parametrize(("index", "row", "column"), [(9, 0, 0), (0, 99, 0), (0, 0, 10), (0, 0, 4)])
def test_h5_address_that_leads_nowhere(mat, index, row, column):
    with pytest.raises(ValueError, match=rf"mat#detected/{index}/{row}/{column}: (cannot be read|no picture here)"):
        H5Image(mat, "detected", index, row, column).load()


@pytest.mark.parametrize("text", ["detected/1/2", "detected/1/2/x", "detected/-1/0/0", ""])
def test_h5_address_of_another_form(text):
    with pytest.raises(ValueError, match="no address in an HDF5 file"):
        H5Image.parse(Path("a.mat"), text)


@pytest.mark.parametrize("testset", [-1, 20])
def test_cuhk03_has_twenty_test_sets(mat, testset):
    with pytest.raises(ValueError, match=f"test sets 0 to 19; there is no {testset}"):
        cuhk03(mat, testset=testset)


def test_cuhk03_boxes(mat):
    with pytest.raises(ValueError, match=r"boxes = 'labelled': CUHK03 has 'detected' and 'labeled' ones"):
        cuhk03(mat, "labelled")


def spoilt(folder: Path, mat: Path, how: str) -> Path:
    path = folder / "cuhk-03.mat"
    if how == "matlab 5":
        path.write_bytes(b"MATLAB 5.0 MAT-file, Platform: GLNXA64" + bytes(200))
    elif how == "text":
        path.write_text("<html>Sign in to download</html>")
    elif how == "cut short":
        path.write_bytes(mat.read_bytes()[: mat.stat().st_size // 2])
    else:
        shutil.copy(mat, path)
        with h5py.File(path, "r+") as file:
            if how == "other keys":
                del file["detected"]
            elif how == "other table":
                del file["detected"]
                ref = file.create_dataset("t", data=np.zeros((3, 4))).ref
                file.create_dataset("detected", data=np.array([[ref]], h5py.ref_dtype))
            elif how == "numbers":
                del file["detected"]
                file["detected"] = np.zeros((1, 5))
            elif how == "other people":
                file[file["testsets"][0][0]][...] = 99
    return path


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("matlab 5", r"not a whole HDF5 file \(it is an older MATLAB file\).*767/700"),
        ("text", "not a whole HDF5 file"),
        ("cut short", "not a whole HDF5 file"),
        ("other keys", r"there is no 'detected' in it, only #refs#, labeled, testsets"),
        ("other table", r"pair 1 of 'detected' has the shape \(4, 3\).*ten cells"),
        ("numbers", "cannot be followed"),
        ("other people", "test set 0 names person 99 of pair 99, who is not there"),
    ],
)
def test_a_wrong_mat_file(tmp_path, mat, how, message):
    with pytest.raises(ValueError, match=message):
        cuhk03(spoilt(tmp_path, mat, how))


def test_without_h5py(mat, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ValueError, match=r"h5py.*is not installed: pip install h5py"):
        cuhk03(mat)


# ------------------------------------------------------------------------------------------------------ bad images


def test_a_truncated_image_is_named_when_loaded(tmp_path):
    split = viper(write_viper(tmp_path))
    path = split.train[0].image
    assert isinstance(path, Path)
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(ValueError, match=rf"{path.name}: this file cannot be read as an image"):
        load_images(split.train, 32, 16)


def test_an_image_of_a_stored_kind_is_resized(mat):
    sample = cuhk03(mat).train[0]
    assert sample.load(64, 32).shape == (64, 32, 3)
    wanted = np.asarray(Image.fromarray(sample.load()).resize((32, 64), Image.Resampling.BILINEAR))
    assert np.array_equal(sample.load(64, 32), wanted)


def test_an_empty_split_says_which_part(mat):
    whole = cuhk03(mat)
    with pytest.raises(ValueError, match="the query part holds no image"):
        Split(whole.train, (), whole.gallery, "cut").check()


LOCKED = "Unable to synchronously open file (unable to lock file, errno = 11, error message = 'Resource busy')"


def test_cuhk03_is_read_while_another_program_holds_it(mat):
    holder = "import h5py, sys; f = h5py.File(sys.argv[1], 'r+'); print('open', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", holder, str(mat)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout.readline() == b"open\n"
        assert cuhk03(mat).query[0].load().shape[2] == 3
        other.communicate(b"")


@pytest.mark.parametrize("old", [None, TypeError("locking"), ValueError("HDF5 too old")])
def test_a_lock_is_blamed_and_not_the_download(mat, monkeypatch, old):
    def locked(path, mode, locking=None):
        raise old if old is not None and locking is not None else OSError(LOCKED)

    monkeypatch.setattr(h5py, "File", locked)
    with pytest.raises(ValueError, match=r"the file is locked.*HDF5_USE_FILE_LOCKING=FALSE") as told:
        cuhk03(mat)
    assert "download" not in str(told.value)


@pytest.mark.parametrize("name", ["１２３４_c1s1_000151_01.jpg", "1234_c１s1_000151_01.jpg"])
def test_digits_of_full_width_are_refused(tmp_path, name):
    root = WRITERS["market1501"](tmp_path)
    save(root / "query" / name, 1)
    with pytest.raises(ValueError, match="does not say who and where"):
        load_split("market1501", root)


def test_an_identity_beyond_64_bits_is_named(tmp_path):
    root = WRITERS["market1501"](tmp_path)
    save(root / "query" / f"{'9' * 30}_c1s1_000151_01.jpg", 1)
    with pytest.raises(ValueError, match=r"9{30}_c1s1_000151_01\.jpg'.*below 2\^63"):
        load_split("market1501", root)
