"""CUHK03: one HDF5 file of nested MATLAB cells, 20 test sets, detected and labeled boxes."""

import dataclasses
import pickle
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import h5py
import numpy as np
import pytest
from fixtures import picture, write_cuhk03
from PIL import Image

from cadnet_edu.data.hdf5 import H5Image
from cadnet_edu.data.readers import cuhk03
from cadnet_edu.data.samples import Sample


@pytest.fixture(scope="module")
def mat(tmp_path_factory) -> Path:
    return write_cuhk03(tmp_path_factory.mktemp("cuhk03")) / "cuhk-03.mat"


@pytest.mark.parametrize("testset", [0, 1, 19])
def test_parts(mat, testset):
    split = cuhk03(mat, testset=testset).check()
    with h5py.File(mat) as file:  # by hand, as the set's own users do
        chosen = file[file["testsets"][0][testset]][:].T
    offsets = [0, 5, 8, 10, 12]
    wanted = {offsets[int(p) - 1] + int(i) - 1 for p, i in chosen}
    assert {s.pid for s in split.query} == {s.pid for s in split.gallery} == wanted
    assert {s.pid for s in split.train} == set(range(14)) - wanted
    for s in (*split.train, *split.query, *split.gallery):
        pair, person, view, _ = (int(part) for part in s.name[:-4].split("_"))
        assert s.pid == offsets[pair - 1] + person - 1
        assert s.camera == 2 * (pair - 1) + view - 1
    assert {s.camera % 2 for s in split.query} == {0}
    assert {s.camera % 2 for s in split.gallery} == {1}


def test_detected_and_labeled_are_kept_apart(mat):
    detected, labeled = cuhk03(mat), cuhk03(mat, "labeled")
    count = [len((*s.train, *s.query, *s.gallery)) for s in (detected, labeled)]
    assert count == [14 * 4 - 1, 14 * 4]  # one detected cell is empty where the labeled one is not
    assert {s.image.cells for s in detected.train} == {"detected"}
    assert not set(detected.train) & set(labeled.train)


def test_pixels_are_upright_and_in_colour(mat):
    split = cuhk03(mat)
    sample = next(s for s in (*split.train, *split.query) if s.name == "2_003_1_02.png")
    rng, size = np.random.default_rng(0), (0, 0)
    for pair, n in enumerate((5, 3)):  # the writer's draws, up to this cell
        for row in range(n):
            for column in range(10):
                drawn = int(rng.integers(30, 50)), int(rng.integers(14, 22))
                size = drawn if (pair, row, column) == (1, 2, 1) else size
    assert np.array_equal(sample.load(), picture(102, 0, 1, *size))
    resized = np.asarray(Image.fromarray(sample.load()).resize((32, 64), Image.Resampling.BILINEAR))
    assert np.array_equal(sample.load(64, 32), resized)


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


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"testset": -1}, "test sets 0 to 19; there is no -1"),
        ({"testset": 20}, "test sets 0 to 19; there is no 20"),
        ({"boxes": "labelled"}, r"bbox = 'labelled': CUHK03 has 'detected' and 'labeled' ones"),
    ],
)
def test_wrong_choices(mat, wrong, message):
    with pytest.raises(ValueError, match=message):
        cuhk03(mat, **wrong)


def replaced(file: h5py.File, name: str, data: np.ndarray) -> None:
    del file[name]
    file.create_dataset(name, data=data)


def other_table(file: h5py.File) -> None:
    ref = file.create_dataset("t", data=np.zeros((3, 4))).ref
    replaced(file, "detected", np.array([[ref]], h5py.ref_dtype))


def other_people(file: h5py.File) -> None:
    file[file["testsets"][0][0]][...] = 99


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (b"MATLAB 5.0 MAT-file, Platform: GLNXA64", r"not a whole HDF5 file \(it is an older MATLAB file\).*767/700"),
        (b"<html>Sign in to download</html>", "not a whole HDF5 file"),
        (None, "not a whole HDF5 file"),
        (lambda file: file.pop("detected"), r"there is no 'detected' in it, only #refs#, labeled, testsets"),
        (other_table, r"pair 1 of 'detected' has the shape \(4, 3\).*ten cells"),
        (lambda file: replaced(file, "detected", np.zeros((1, 5))), "cannot be followed"),
        (other_people, "test set 0 names person 99 of pair 99, who is not there"),
    ],
)
def test_a_wrong_mat_file(tmp_path, mat, spoil, message):
    """Another file, one that was cut short, and whole ones with another content."""
    path = Path(shutil.copy(mat, tmp_path / "cuhk-03.mat"))
    if callable(spoil):
        with h5py.File(path, "r+") as file:
            spoil(file)
    else:
        path.write_bytes(mat.read_bytes()[: mat.stat().st_size // 2] if spoil is None else spoil + bytes(200))
    with pytest.raises(ValueError, match=message):
        cuhk03(path)


def test_without_h5py(mat, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ValueError, match=r"h5py.*is not installed: pip install h5py"):
        cuhk03(mat)


LOCKED = "Unable to synchronously open file (unable to lock file, errno = 11, error message = 'Resource busy')"


def test_is_read_while_another_program_holds_it(mat):
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
