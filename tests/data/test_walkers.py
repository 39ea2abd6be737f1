"""Walkers: the same bytes everywhere, look-alikes that differ in fine detail only, a cache that can be trusted."""

import hashlib
import os
import re
import subprocess
import sys
from dataclasses import asdict

import numpy as np
import pytest
from people import disk_of, environment
from PIL import Image

from cadnet_edu.data import walkers as module
from cadnet_edu.data.readers import market1501
from cadnet_edu.data.walkers import draw, walkers, write_market1501
from cadnet_edu.walkers.clothes import wave
from cadnet_edu.walkers.people import COARSE, FINE, GROUP, person
from cadnet_edu.walkers.pose import JOINTS

SHOTS = [(0, 0, 0), (5, 1, 2), (17, 3, 1), (402, 2, 0)]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CADNET_EDU_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "walkers"


def fingerprint(shots=SHOTS) -> str:
    digest = hashlib.sha256()
    for identity, camera, shot in shots:
        digest.update(draw(identity, camera, shot, height=64, width=32, seed=3).image.tobytes())
    return digest.hexdigest()


def test_another_process_draws_the_same_bytes_in_another_order():
    code = (
        "import hashlib\nfrom cadnet_edu.walkers.render import draw\n"
        f"shots = {SHOTS!r}\n"
        "images = {s: draw(*s, height=64, width=32, seed=3).image.tobytes() for s in reversed(shots)}\n"
        "print(hashlib.sha256(b''.join(images[s] for s in shots)).hexdigest())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    np.random.seed(1)  # global random state is neither used nor moved
    before = np.random.get_state()[1].copy()
    assert done.stdout.strip() == fingerprint()
    np.testing.assert_array_equal(np.random.get_state()[1], before)


def test_drawing_goes_on_in_one_process_when_the_pool_breaks(monkeypatch):
    real, here = module.draw, os.getpid()
    monkeypatch.setattr(module, "draw", lambda *a, **more: real(*a, **more) if os.getpid() == here else os._exit(1))
    monkeypatch.setattr(module, "POOL_FROM", 1)
    monkeypatch.setattr(module, "CHUNK", 8)
    last = walkers(**SMALL).gallery[-1]
    np.testing.assert_array_equal(last.image, real(last.pid, last.camera, 1, height=32, width=16).image)


def test_an_image_does_not_depend_on_the_set_it_is_in():
    small = walkers("S", 32, 16, identities=(4, 3), cameras=2, shots=2)
    large = walkers("S", 32, 16, identities=(4, 9), cameras=4, shots=3)
    found = {(s.pid, s.name): s.image for part in (large.train, large.query, large.gallery) for s in part}
    for sample in (*small.train, *small.query, *small.gallery):
        np.testing.assert_array_equal(sample.image, found[sample.pid, sample.name])


@pytest.mark.parametrize("change", [{"identity": 8}, {"camera": 2}, {"shot": 1}, {"seed": 4}])
def test_every_argument_changes_the_image(change):
    same = {"identity": 0, "camera": 0, "shot": 0, "seed": 3}
    a = draw(**same, height=64, width=32).image.astype(int)
    b = draw(**(same | change), height=64, width=32).image.astype(int)
    assert np.abs(a - b).mean() > 2


@pytest.mark.parametrize("shot", SHOTS)
@pytest.mark.parametrize("size", [(64, 32), (97, 51)])
def test_the_scene_is_the_same_at_every_size(shot, size):
    large, small = draw(*shot, height=256, width=128), draw(*shot, height=size[0], width=size[1])
    assert small.image.shape == (*size, 3)
    assert small.mask.shape == size
    reduced = np.asarray(Image.fromarray(large.image).resize((size[1], size[0]), Image.Resampling.BOX))
    assert np.corrcoef(reduced.ravel(), small.image.ravel())[0, 1] > 0.96
    mask = np.asarray(Image.fromarray(large.mask).resize((size[1], size[0]), Image.Resampling.NEAREST))
    assert (mask & small.mask).sum() / (mask | small.mask).sum() > 0.9
    for name in JOINTS:
        x, y = (large.keypoints[name].x + 0.5) / 128, (large.keypoints[name].y + 0.5) / 256
        assert (small.keypoints[name].x + 0.5) / size[1] == pytest.approx(x, abs=1e-6)
        assert (small.keypoints[name].y + 0.5) / size[0] == pytest.approx(y, abs=1e-6)


def test_an_image_larger_than_its_noise_tile():
    drawing = draw(1, 1, 1, height=1100, width=60)
    assert drawing.image.shape == (1100, 60, 3)
    assert 0.05 < drawing.mask.mean() < 0.6


def test_masks_and_joints_agree():
    seen, hidden = 0, 0
    for i in range(60):
        d = draw(i, i % 6, i % 3, height=128, width=64)
        assert 0.06 < d.mask.mean() < 0.55
        assert tuple(d.keypoints) == JOINTS
        for point in d.keypoints.values():
            inside = 0 <= round(point.x) < 64 and 0 <= round(point.y) < 128
            assert point.visible == bool(inside and d.mask[round(point.y), round(point.x)])
        inner = [d.keypoints[n] for n in ("neck", "left_hip", "right_hip", "left_knee", "right_knee", "right_elbow")]
        if d.attributes["hidden_by"] == "none":
            seen += sum(p.visible for p in inner)
            assert all(p.visible for p in inner), (i, d.keypoints)
        hidden += d.attributes["hidden_by"] != "none"
        assert d.keypoints["neck"].y < d.keypoints["left_hip"].y < d.keypoints["left_ankle"].y
    assert seen > 200
    assert hidden >= 2


def test_look_alikes_differ_in_fine_detail_only():
    for group in range(40):
        members = [asdict(person(GROUP * group + i)) for i in range(GROUP)]
        for name in COARSE:
            assert all(m[name] == members[0][name] for m in members), name
        assert len({(m["pattern"], m["period"]) for m in members}) == GROUP
        for name in ("shoe_name", "leg_detail", "hat_band", "bag_detail"):
            assert len({m[name] for m in members}) == GROUP, name
    assert set(COARSE) | set(FINE) | {"identity", "group"} == set(asdict(person(0)))
    looks = {tuple(str(asdict(person(GROUP * g))[n]) for n in COARSE) for g in range(40)}
    assert len(looks) == 40


def test_down_sampling_destroys_what_tells_look_alikes_apart():
    """Seen alike (one pose, one camera), look-alikes are far apart at full resolution and close at an eighth of it."""

    def gap(a, b, rate):
        size = (48 // rate, 96 // rate)
        a, b = (np.asarray(Image.fromarray(x).resize(size, Image.Resampling.BOX), float) for x in (a, b))
        return np.abs(a - b).mean()

    full, coarse, others = [], [], []
    for group in range(12):
        images = [_posed(GROUP * group + i) for i in range(GROUP)]
        full.append(gap(images[0], images[1], 1))
        coarse.append(gap(images[0], images[1], 8))
        others.append(gap(images[0], _posed(GROUP * group + 101), 8))
    assert np.mean(coarse) < 0.5 * np.mean(full)
    assert np.mean(coarse) < 0.5 * np.mean(others)


def _posed(identity):
    from cadnet_edu.walkers import render as d

    settings = d.camera_of(0, 0)
    pose = d.pose_of(0, 0, 0, 0, settings, person(0))
    layer, _ = d._figure(identity, 0, settings, pose, 96, 48, 2)
    back = Image.new("RGBA", layer.size, (128, 128, 128, 255))
    back.alpha_composite(layer)
    return np.asarray(back.convert("RGB"))


SIZES = [("S", 256, 128, 128), ("M", 1440, 400, 800), ("L", 12936, 3368, 15913)]


@pytest.mark.parametrize(("size", "train", "query", "gallery"), SIZES)
def test_counts_of_the_sizes(size, train, query, gallery):
    base = module.SIZES[size]
    test = range(base.train, base.train + base.test)
    jobs = module.planned_shots(range(base.train), test, base.cameras, base.shots, 0)
    roles = [j.role for j in jobs]
    assert [roles.count(r) for r in ("train", "query", "gallery")] == [train, query, gallery]
    assert len({j[:3] for j in jobs}) == len(jobs)
    assert {j.identity for j in jobs if j.role == "train"} == set(range(base.train))
    assert {j.identity for j in jobs if j.role == "query"} == set(test)
    elsewhere = {}
    for j in jobs:
        if j.role == "gallery":
            elsewhere.setdefault(j.identity, set()).add(j.camera)
    assert all(elsewhere[j.identity] - {j.camera} for j in jobs if j.role == "query")


def test_overrides():
    split = walkers("M", 32, 16, identities=(3, 2), cameras=3, shots=4)
    assert [len(p) for p in (split.train, split.query, split.gallery)] == [36, 6, 18]
    assert {s.camera for s in split.train} == {0, 1, 2}
    assert {s.pid for s in split.train} == {0, 1, 2}
    assert {s.pid for s in split.query} == {s.pid for s in split.gallery} == {3, 4}
    assert split.train[0].load().shape == (32, 16, 3)
    assert len(walkers("L", 16, 8, identities=(5, 4)).query) == 4 * 3368 // 750


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        *(
            ({"height": h, "width": w}, "height first")
            for h, w in ((8, 4), (-128, 64), (128, 4), (64.0, 32), (5000, 64))
        ),
        *(({"identities": n}, "needs at least") for n in ((1, 4), (4, 0))),
        ({"cameras": 1}, "needs at least"),
        ({"shots": 0}, "needs at least"),
        ({"seed": -1}, "needs at least"),
        ({"size": "XXL"}, "'XXL'"),
    ],
)
def test_what_cannot_be_drawn(wrong, message):
    with pytest.raises(ValueError, match=message):
        walkers(**{"size": "S", "height": 32, "width": 16, **wrong})
    if "height" in wrong:
        with pytest.raises(ValueError, match=message):
            draw(0, 0, 0, **wrong)
    with pytest.raises(ValueError, match="0 or more"):
        draw(-1, 0, 0)
    with pytest.raises(ValueError, match="tartan"):
        wave("tartan", 0.1, np.zeros((1, 1)), np.zeros((1, 1)))


SMALL = {"size": "S", "height": 32, "width": 16, "identities": (4, 2), "cameras": 2, "shots": 2}  # 24 images


@pytest.fixture
def every_set_is_cached(monkeypatch):
    monkeypatch.setattr(module, "CACHE_FROM", 1)


def pixels(split):
    return np.stack([s.image for part in (split.train, split.query, split.gallery) for s in part])


def test_the_second_call_reads_the_file(cache, monkeypatch):
    assert not walkers(**SMALL).train[0].image.flags.writeable
    assert not cache.exists()  # small sets leave no file
    monkeypatch.setattr(module, "CACHE_FROM", 1)
    first = pixels(walkers(**SMALL))
    (file,) = cache.iterdir()
    assert isinstance(walkers(**SMALL).train[0].image, np.memmap)
    drawn = []
    monkeypatch.setattr(module, "draw", lambda *a, **more: drawn.append(a) or draw(*a, **more))
    np.testing.assert_array_equal(pixels(walkers(**SMALL)), first)
    assert len(drawn) == 3  # to compare
    assert [file] == list(cache.iterdir())
    with pytest.raises(ValueError, match="read-only"):
        walkers(**SMALL).train[0].image[0] = 0


DAMAGE = {
    "short": lambda whole: whole[: len(whole) // 2],
    "empty": lambda whole: b"",
    "text": lambda whole: b"hello",
    "zeros": lambda whole: whole[:128] + bytes(len(whole) - 128),
}


@pytest.mark.parametrize("damage", [*DAMAGE, "another shape"])
def test_a_damaged_cache_is_drawn_again(cache, damage, every_set_is_cached):
    first = pixels(walkers(**SMALL))
    (file,) = cache.iterdir()
    whole = file.read_bytes()
    if damage == "another shape":
        np.save(file, np.zeros((3, 32, 16, 3), np.uint8))
    else:
        file.write_bytes(DAMAGE[damage](whole))
    np.testing.assert_array_equal(pixels(walkers(**SMALL)), first)
    assert file.read_bytes() == whole


def test_other_arguments_and_other_code_take_another_file(cache, monkeypatch, every_set_is_cached):
    walkers(**SMALL)
    walkers(**(SMALL | {"seed": 1}))
    monkeypatch.setattr(module.PIL, "__version__", "another")
    walkers(**SMALL)
    assert len(list(cache.iterdir())) == 3


def test_a_full_disk_costs_the_cache_and_nothing_else(cache, every_set_is_cached):
    first = pixels(walkers(**SMALL))
    (file,) = cache.iterdir()
    file.unlink()
    with disk_of(5000), pytest.warns(RuntimeWarning, match="CADNET_EDU_CACHE"):
        split = walkers(**SMALL)
    np.testing.assert_array_equal(pixels(split), first)
    assert not list(cache.iterdir())


def test_market1501_layout(tmp_path):
    split = walkers("S", 64, 32, identities=(3, 2), cameras=3, shots=2)
    folder = write_market1501(split, tmp_path / "deep" / "market")
    assert sorted(p.name for p in folder.iterdir()) == ["bounding_box_test", "bounding_box_train", "query"]
    for role, name in module.FOLDERS.items():
        files, samples = sorted((folder / name).iterdir()), getattr(split, role)
        found = [re.fullmatch(r"(\d{4})_c([1-6])s(\d)_(\d{6})_(\d\d)\.jpg", p.name) for p in files]
        assert all(found)
        assert sorted((int(m[1]) - 1, int(m[2]) - 1) for m in found) == sorted((s.pid, s.camera) for s in samples)
    sample = split.query[0]
    (path,) = (folder / "query").glob(f"{sample.pid + 1:04d}_c{sample.camera + 1}s1_*.jpg")
    with Image.open(path) as picture:
        assert picture.size == (32, 64)
        error = np.asarray(picture).astype(int) - sample.load().astype(int)
    assert np.abs(error).mean() < 2.0
    back = market1501(folder).check()
    assert [len(p) for p in (back.train, back.query, back.gallery)] == [
        len(p) for p in (split.train, split.query, split.gallery)
    ]
    assert {s.pid for s in back.query} == {s.pid + 1 for s in split.query}


def test_a_folder_in_use_is_refused_and_nothing_is_left_when_writing_fails(tmp_path):
    split = walkers("S", 32, 16, identities=(2, 1), cameras=2, shots=2)
    mine = tmp_path / "used" / "thesis.txt"
    mine.parent.mkdir()
    mine.write_text("mine")
    for folder in (mine.parent, mine):
        with pytest.raises(ValueError, match="something here already"):
            write_market1501(split, folder)
    assert mine.read_text() == "mine"
    (tmp_path / "new").mkdir()
    assert (write_market1501(split, tmp_path / "new") / "query").is_dir()
    with disk_of(100), pytest.raises(OSError, match="File too large"):
        write_market1501(split, tmp_path / "out")
    assert {p.name for p in tmp_path.iterdir()} == {"used", "new"}


SCRIPT = """
import multiprocessing, os
real = multiprocessing.get_context
multiprocessing.get_context = lambda method=None: real("spawn" if method == "fork" else method)
os.sched_getaffinity = lambda process: {0, 1}
import numpy as np
from cadnet_edu.data import walkers as module
module.POOL_FROM, module.CHUNK, draw = 10, 4, module.draw
print("top level", flush=True)
module.draw = None  # here nothing is drawn
train = module.walkers("S", 16, 8, identities=(4, 2), cameras=2, shots=1).train
same = all(np.array_equal(s.image, draw(s.pid, s.camera, 0, height=16, width=8).image) for s in train)
print("drawn", len(train), same, flush=True)
"""


def test_spawned_workers_need_nothing_of_the_script(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    command = [sys.executable, "script.py"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, env=environment())
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.split("\n")[:2] == ["top level", "drawn 8 True"]  # the pool drew them all; nothing ran twice
    assert "Traceback" not in ran.stderr


def test_folders_below_home_and_with_names_as_long_as_the_disk_allows(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    split = walkers("S", 16, 8, identities=(2, 1), cameras=2, shots=2)
    assert write_market1501(split, "~/w") == tmp_path / "home" / "w"
    assert not (tmp_path / "~").exists()
    assert list((write_market1501(split, tmp_path / ("w" * 250)) / "query").iterdir())
