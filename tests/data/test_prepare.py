"""From an archive to a checked folder, as a reader types it; and what a reader is told of each set beforehand."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from commands import cli
from fixtures import WRITERS, write_viper

from cadnet_edu.data import prepare
from cadnet_edu.data.archives import checksum_of
from cadnet_edu.data.checks import PUBLISHED

ROOT = Path(__file__).resolve().parents[2]


def run(*arguments: object):
    return cli("data", "prepare", *arguments)


@pytest.fixture
def archive(tmp_path) -> Path:
    write_viper(tmp_path / "in", size=(16, 8))
    return Path(shutil.make_archive(str(tmp_path / "VIPeR.v1.0"), "zip", tmp_path / "in"))


@pytest.mark.parametrize("name", PUBLISHED)
def test_where_from_on_what_terms_and_who_consented(name):
    said = run(name)
    assert said.code == 2
    for words in ("Where it comes from:", "Terms:", "Consent:"):
        assert words in said.out
    assert f"cadnet-edu data prepare {name} ARCHIVE --out data/{name}" in said.err
    assert f"| `{name}` |" in (ROOT / "data_scripts" / "README.md").read_text()


def test_every_published_set_and_no_link_to_the_withdrawn_one():
    assert set(prepare.TERMS) == set(PUBLISHED) == set(WRITERS) - {"own"}
    assert "WITHDRAWN" in prepare.TERMS["dukemtmc_reid"]
    assert not any(word in prepare.TERMS["dukemtmc_reid"] for word in ("http", "www"))


def test_the_script_is_the_command(tmp_path):
    root = write_viper(tmp_path)
    command = [sys.executable, str(ROOT / "data_scripts" / "prepare.py"), "viper", str(root), "--part"]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=env, check=False)
    assert done.returncode == 0, done.stderr
    assert f"next: cadnet-edu train --dataset viper --root {root}" in done.stderr
    assert "train images" in done.stdout


def test_duke_needs_the_flag(tmp_path):
    root = WRITERS["dukemtmc_reid"](tmp_path)
    said = run("dukemtmc_reid", root, "--part")
    assert (said.code, "25 April 2019" in said.err) == (2, True)
    said = run("dukemtmc_reid", root, "--part", "--allow-withdrawn")
    assert (said.code, "--allow-withdrawn" in said.err.splitlines()[-1]) == (0, True)


def test_from_archive_to_folder_and_again(tmp_path, archive):
    out = tmp_path / "data" / "viper"
    said = run("viper", archive, "--out", out)
    assert said.code == 2
    assert "that of the archive as published is 1c2d9fc1cc800332567a0da25a1ce68c" in said.err
    assert not out.exists()
    said = run("viper", archive, "--out", out, "--other-archive")
    assert said.code == 2
    assert "train images: 8 found, 632 published, so 624 are missing." in said.out
    said = run("viper", archive, "--out", out, "--part")  # not unpacked again
    assert said.code == 0, said.err
    assert f"is unpacked in {out}; to unpack it again, remove that folder" in said.err
    assert f"cadnet-edu train --dataset viper --root {out}" in said.err


def test_the_published_archive_is_recognised(tmp_path, archive, monkeypatch):
    monkeypatch.setitem(prepare.MD5, "viper", checksum_of(archive))
    assert run("viper", archive, "--out", tmp_path / "out", "--part", "--quick").code == 0


def test_mistakes_are_sentences(tmp_path):
    (tmp_path / "a.zip").write_bytes(b"no")
    for arguments, words in (
        ((tmp_path / "gone.zip", "--out", tmp_path / "x"), "Nothing is fetched: give what you have"),
        ((tmp_path,), "no folder bounding_box_train/"),
        ((tmp_path / "a.zip",), "say where to unpack it"),
        ((tmp_path / "a.zip", "--out", tmp_path / "x"), "neither a zip nor a tar"),
    ):
        said = run("market1501", *arguments)
        assert said.code == 2
        assert words in " ".join(said.err.split())
