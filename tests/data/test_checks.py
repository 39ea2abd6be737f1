"""Is a set whole: counts as published, what is missing by number, what is damaged by name; and the scripts."""

from __future__ import annotations

import ast
import contextlib
import importlib.util
import io
import os
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from fixtures import WRITERS, Cells, picture, save, write_own, write_viper
from PIL import Image

from cadnet_edu.data import checks, prepare
from cadnet_edu.data.checks import PUBLISHED, check_set
from cadnet_edu.data.readers import cuhk03

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = sorted((ROOT / "data_scripts").glob("*.py"))


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
        report = check_set("cuhk03", tmp_path, boxes=boxes, images=False)
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


# ------------------------------------------------------------------------------------------------------ the scripts


def run(script: Path, *arguments: object) -> tuple[int, str, str]:
    """A script's exit code and what it printed, in this process."""
    spec = importlib.util.spec_from_file_location(script.stem, script)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = prepare.prepare(script.stem, str(module.__doc__), [str(a) for a in arguments])
    return code, out.getvalue(), err.getvalue()


def script(name: str) -> Path:
    return ROOT / "data_scripts" / f"{name}.py"


def test_a_script_for_each_set():
    assert {p.stem for p in SCRIPTS} == set(PUBLISHED) == set(WRITERS) - {"own"}
    readme = (ROOT / "data_scripts" / "README.md").read_text()
    for path in SCRIPTS:
        assert f"({path.name})" in readme


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda p: p.stem)
def test_scripts_are_thin_and_fetch_nothing(path):
    tree = ast.parse(path.read_text())
    imported = {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    assert imported == {"cadnet_edu.data.prepare"}
    assert len(path.read_text().splitlines()) < 40
    for module in ("archives", "checks", "prepare", "find_files", "hdf5"):
        source = (ROOT / "cadnet_edu" / "data" / f"{module}.py").read_text()
        for word in ("urllib", "requests", "socket", "subprocess", "http"):
            assert word not in source


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda p: p.stem)
def test_scripts_say_where_from_on_what_terms_and_who_consented(path):
    code, out, _ = run(path)
    assert code == 2
    for words in ("Where it comes from:", "Terms:", "Consent:", f"python data_scripts/{path.stem}.py FILE"):
        assert words in out


def test_a_script_in_a_process_of_its_own(tmp_path):
    root = write_viper(tmp_path)
    command = [sys.executable, str(script("viper")), str(root), "--part"]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=env, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"whole. next: cadnet-edu train --dataset viper --root {root}" in done.stdout


def test_duke_is_not_linked():
    text = script("dukemtmc_reid").read_text()
    assert "WITHDRAWN" in text
    assert "http" not in text
    assert "www" not in text


def test_duke_needs_the_flag(tmp_path):
    root = WRITERS["dukemtmc_reid"](tmp_path)
    code, _, err = run(script("dukemtmc_reid"), root, "--part")
    assert code == 2
    assert "25 April 2019" in err
    code, out, _ = run(script("dukemtmc_reid"), root, "--part", "--allow-withdrawn")
    assert code == 0
    assert "--allow-withdrawn" in out.splitlines()[-1]


def test_from_archive_to_folder_and_again(tmp_path):
    write_viper(tmp_path / "in", size=(16, 8))
    archive = Path(shutil.make_archive(str(tmp_path / "VIPeR.v1.0"), "zip", tmp_path / "in"))
    out = tmp_path / "data" / "viper"
    code, _, err = run(script("viper"), archive, "--out", out)
    assert code == 2
    assert "that of the archive as published is 1c2d9fc1cc800332567a0da25a1ce68c" in err
    assert not out.exists()
    code, said, err = run(script("viper"), archive, "--out", out, "--other-archive")
    assert code == 2
    assert "train images: 8 found, 632 published, so 624 are missing." in said
    code, said, _ = run(script("viper"), archive, "--out", out, "--part")
    assert code == 0
    assert "unpacked already" in said
    assert f"cadnet-edu train --dataset viper --root {out}" in said
    assert run(script("viper"), out, "--part")[0] == 0


def test_the_published_archive_is_recognised(tmp_path, monkeypatch):
    write_viper(tmp_path / "in", size=(16, 8))
    archive = Path(shutil.make_archive(str(tmp_path / "v"), "zip", tmp_path / "in"))
    monkeypatch.setitem(prepare.MD5, "viper", prepare.checksum_of(archive))
    code, said, _ = run(script("viper"), archive, "--out", tmp_path / "out", "--part", "--quick")
    assert code == 0
    assert "MD5 as published" in said


def test_mistakes_are_sentences(tmp_path):
    for arguments, words in (
        ((tmp_path / "gone.zip", "--out", tmp_path / "x"), "Nothing is fetched: give what you have"),
        ((tmp_path,), "no folder bounding_box_train/"),
    ):
        code, _, err = run(script("market1501"), *arguments)
        assert code == 2
        assert words in err
    (tmp_path / "a.zip").write_bytes(b"no")
    assert "say where to unpack it" in run(script("market1501"), tmp_path / "a.zip")[2]
    assert "neither a zip nor a tar" in run(script("market1501"), tmp_path / "a.zip", "--out", tmp_path / "x")[2]


def test_a_disk_that_is_full_is_told(tmp_path, monkeypatch):
    write_viper(tmp_path / "in", size=(16, 8))
    archive = shutil.make_archive(str(tmp_path / "v"), "zip", tmp_path / "in")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("cadnet_edu.data.archives.require_space", full)
    code, _, err = run(script("viper"), archive, "--out", tmp_path / "out", "--other-archive")
    assert code == 1
    assert "No space left" in err
    assert "Nothing was left behind" in err


def test_differences_name_both_directions():
    assert checks.differences({"a": 7}, {"a": 5, "b": 1}) == [
        "a: 7 found, 5 published, so 2 are too many.", "b: 0 found, 1 published, so 1 are missing.",
    ]  # fmt: skip


def test_own_photos_of_one_size_or_many(tmp_path):
    root = write_own(tmp_path)
    save(root / "anna_hall_9.jpg", 1, height=90, width=33)
    assert check_set("own", root).problems == ()


def test_a_report_of_names_that_are_not_utf8_can_be_printed(tmp_path):
    root = write_own(tmp_path)
    (root / os.fsdecode(b"J\xf6rg_hall_1.jpg")).write_bytes(b"no image")
    save(root / os.fsdecode(b"J\xf6rg_yard_1.png"), 1)
    report = check_set("own", root)
    assert r"J\xf6rg_hall_1.jpg: this file cannot be read as an image" in str(report)
    str(report).encode("utf-8")
