"""The command line: each command as a reader types it, and each mistake ends in a sentence."""

from __future__ import annotations

import errno
import io
import json
import math
import os
import re
import resource
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from commands import Said, cli
from PIL import Image

from cadnet_edu import io as files
from cadnet_edu.cli.main import COMMANDS, Evaluate, alone_in, data_settings, duration, gpu_hint, image_files, main
from cadnet_edu.config import Config, preset
from cadnet_edu.data import load_split
from cadnet_edu.data.samples import Split
from cadnet_edu.data.walkers import write_market1501
from cadnet_edu.training.checkpoints import load_checkpoint, read_history
from cadnet_edu.training.trainer import Trainer

ROOT = Path(__file__).parents[1]
TINY = (
    "--preset",
    "smoke",
    "--height",
    "32",
    "--width",
    "16",
    "--backbone-width",
    "8",
    "--decoder-width",
    "2",
    "--discriminator-width",
    "8",
    "--num-identities",
    "3",
    "--num-instances",
    "2",
    "--steps",
    "4",
    "--checkpoint-every",
    "2",
    "--log-every",
    "1",
    "--device",
    "cpu",
    "--precision",
    "fp32",
)


def told(said: Said, *words: str) -> str:
    """Check that a command refused with a sentence that holds these words, and return it as one line."""
    text = " ".join(said.err.replace("│", " ").split())
    assert said.code != 0, said
    assert "Traceback" not in text
    assert said.out == ""
    for word in words:
        assert word in text, text
    return text


@pytest.fixture(scope="module")
def market(tiny_split: Split, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small data set on disk in Market-1501's layout."""
    return write_market1501(tiny_split, tmp_path_factory.mktemp("data") / "market")


@pytest.fixture(scope="module")
def trained(market: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished CAD-Net run on that set. Tests read it; those that write take a copy."""
    out = tmp_path_factory.mktemp("runs") / "cadnet"
    said = cli("train", *TINY, "--dataset", "market1501", "--root", market, "--out", out)
    assert said.code == 0, said.err
    return out


@pytest.fixture
def copied(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "run"))


# ------------------------------------------------------------------------------------------------ help


def test_without_a_command_the_commands_are_listed() -> None:
    assert cli("--help").code == cli("-h").code == 0
    for name in COMMANDS:
        assert f"\n  {name}" in cli("--help").out
    assert cli().code == 2


def test_a_dry_run_measures_two_steps_and_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CADNET_EDU_CACHE", str(tmp_path / "cache"))
    steps = []
    step = Trainer.step
    monkeypatch.setattr(Trainer, "step", lambda self: steps.append(self.net.size) or step(self))
    said = cli("train", *TINY, "--steps", 7200, "--dataset", "market1501", "--root", "absent", "--weights", "imagenet",
               "--backbone", "resnet50", "--dry-run", "--out", "runs/a")  # fmt: skip
    assert said.code == 0, said.err
    assert steps == [(32, 16)] * 2
    assert list(tmp_path.iterdir()) == []
    found = re.search(r"a step: +(\S+) s\nwhole run: +about (\S+) (s|min|h) \(steps: 7200;.*\npeak memory: +(\S+) GiB",
                      said.out)  # fmt: skip
    assert found, said.out
    total = float(found[2]) * {"s": 1, "min": 60, "h": 3600}[found[3]]
    assert total == pytest.approx(7200 * float(found[1]), rel=0.06)
    assert 0.1 < float(found[4]) < 64


def test_a_dry_run_needs_no_out_and_a_run_does() -> None:
    assert cli("train", *TINY, "--dry-run").code == 0
    said = cli("train", *TINY)
    assert said.code == 2
    assert "--out FOLDER" in said.err
    assert "--dry-run" in said.err


@pytest.mark.parametrize(
    ("old", "new"),
    [(("plan", "--gpu", "t4"), "cadnet-edu train --dry-run"), (("reproduce", "table1", "--plan"), "--dry-run")],
)
def test_what_is_gone_names_what_replaces_it(old: Sequence[str], new: str) -> None:
    said = cli(*old)
    assert said.code == 2
    assert new in said.err
    assert said.out == ""


@pytest.mark.parametrize(
    "command",
    [
        ["train"],
        ["evaluate"],
        ["recover"],
        ["reproduce"],
        ["export"],
        ["data"],
        ["data", "walkers"],
        ["data", "check"],
        ["data", "manifest"],
        ["data", "cache"],
    ],
    ids=" ".join,
)
def test_every_command_explains_itself(command: Sequence[str]) -> None:
    said = cli(*command, "--help")
    assert said.code == 0
    assert f"usage: cadnet-edu {' '.join(command)}" in said.out
    assert any(option in said.out for option in ("--out", "--json", "--root", "--clear"))


def test_the_help_shows_the_defaults_of_the_profile_asked_for() -> None:
    for name, steps in (("smoke", preset("smoke").optim.steps), ("full", Config().optim.steps)):
        text = " ".join(cli("train", "--preset", name, "--help").out.replace("│", " ").split())
        assert f"(default: {steps})" in text


def test_as_a_module_in_a_process_of_its_own(tmp_path: Path) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "CADNET_EDU_PRESET": ""}
        command = [sys.executable, "-m", "cadnet_edu", *arguments]
        return subprocess.run(command, capture_output=True, text=True, env=env, cwd=tmp_path, timeout=300)

    done = run("data", "--help")
    assert (done.returncode, done.stderr) == (0, "")
    done = run("train", "--preset", "huge", "--out", "x")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == ("cadnet-edu train: there is no preset 'huge'. Choose one of: smoke, quick, reduced, full.\n")
    assert not list(tmp_path.iterdir())


# ------------------------------------------------------------------------------------------------ happy path


def test_train_evaluate_and_go_on(market: Path, tmp_path: Path) -> None:
    out = tmp_path / "runs" / "a"
    said = cli(
        "train", *TINY, "--dataset", "market1501", "--root", market, "--out", out, "--seed", 5, "--lambda-rec", 2
    )
    assert said.code == 0
    assert said.out == ""
    for words in (
        "cadnet at preset smoke, seed 5, on cpu in fp32",
        "train 36 images of 6 identities",
        "M parameters",
        "this will take about",
        "trained 4 steps in",
        f"next: cadnet-edu evaluate {out}",
    ):
        assert words in said.err
    config = Config.from_dict(json.loads((out / "config.json").read_text()))
    assert (config.run.seed, config.loss.rec, config.data.height, config.data.root) == (5, 2.0, 32, market)
    assert [r["step"] for r in read_history(out)] == [1, 2, 3, 4]
    about = json.loads((out / "run.json").read_text())
    assert about["config"] == json.loads((out / "config.json").read_text())
    # the same command once more trains nothing and says so
    before = (out / "checkpoint.pt").read_bytes()
    said = cli(
        "train", *TINY, "--dataset", "market1501", "--root", market, "--out", out, "--seed", 5, "--lambda-rec", 2
    )
    assert said.code == 0
    assert "holds this run already, finished after 4 steps" in said.err
    assert "this will take" not in said.err
    assert (out / "checkpoint.pt").read_bytes() == before


@pytest.mark.parametrize("name", ["baseline_hr", "baseline_mlr"])
def test_baselines_train_and_score(market: Path, tmp_path: Path, name: str) -> None:
    said = cli("train", "--method", name, *TINY, "--dataset", "market1501", "--root", market, "--out", tmp_path / "b")
    assert said.code == 0, said.err
    result = json.loads(cli("evaluate", tmp_path / "b", "--rates", 1, 4, "--json", "--device", "cpu").out)
    assert result["provenance"]["config"]["method"] == name
    assert result["provenance"]["recovered_by"] == "bilinear up-sampling"
    assert result["rates"]["1"]["psnr"] is None
    said = cli("recover", tmp_path / "b", market / "query" / "anything.jpg", "--out", tmp_path / "r")
    told(said, f"a {name} run has no decoder G")


def test_evaluate_prints_the_json_that_it_promises(copied: Path) -> None:
    said = cli("evaluate", copied, "--rates", 1, 2, 3, 4, 8, "--json")
    assert said.code == 0, said.err
    result = json.loads(said.out)  # nothing but JSON on standard output
    assert list(result) == ["rates", "provenance"]
    assert list(result["rates"]) == ["1", "2", "3", "4", "8"]
    for row in result["rates"].values():
        assert {"rank1", "rank5", "rank10", "mAP", "psnr", "ssim"} <= set(row)
        assert 0 <= row["rank1"] <= row["rank5"] <= row["rank10"] <= 1
        assert 0 <= row["mAP"] <= 1
        assert all(isinstance(value, int | float) and math.isfinite(value) for value in row.values())
    about = {"config", "seed", "code", "torch", "device", "training_seconds", "date", "protocol"}
    assert about <= set(result["provenance"])
    assert json.loads((copied / "evaluation.json").read_text()) == result
    assert cli("evaluate", copied, "--rates", 4, "--json").out != ""
    again = json.loads(cli("evaluate", copied, "--rates", 4, "--json").out)
    assert again["rates"] == {"4": result["rates"]["4"]}


def test_evaluate_prints_a_table_for_people(copied: Path) -> None:
    said = cli("evaluate", copied, "--rates", 1, 2.5, "--protocol", "market1501")
    assert said.code == 0
    lines = said.out.splitlines()
    assert lines[0].split() == ["r", "rank1", "rank5", "rank10", "mAP", "psnr", "ssim"]
    assert [line.split()[0] for line in lines[1:3]] == ["1", "2.5"]
    assert lines[-1] == "image quality of: G"


def test_evaluate_on_another_data_set_of_the_same_layout(copied: Path, market: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(market, tmp_path / "other"))
    first = json.loads(cli("evaluate", copied, "--rates", 2, "--json").out)["rates"]
    for arguments in (("--root", other), ("--dataset", "market1501", "--root", other)):
        assert json.loads(cli("evaluate", copied, "--rates", 2, "--json", *arguments).out)["rates"] == first


def read_only(monkeypatch: pytest.MonkeyPatch, number: int = errno.EROFS) -> None:
    """Let no file be written through ``write_atomically``, and no lock be taken."""

    def refuse(path: Any, write: Any) -> None:
        raise OSError(number, f"cannot write into {path} ({os.strerror(number)})")

    monkeypatch.setattr(files, "write_atomically", refuse)
    monkeypatch.setattr("cadnet_edu.training.trainer.write_atomically", refuse)
    monkeypatch.setattr("filelock.FileLock.acquire", lambda self: pytest.fail("a lock in a read-only folder"))


def test_a_run_in_a_read_only_folder_is_scored(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = cli("evaluate", copied, "--rates", 4).out
    (copied / "evaluation.json").unlink()
    read_only(monkeypatch)
    said = cli("evaluate", copied, "--rates", 4)
    assert (said.code, said.out) == (0, wanted)
    assert f"note: {copied} is read-only, so these scores are not kept there." in said.err
    read_only(monkeypatch, errno.ENOSPC)  # and a full disk, which is an error, loses no score either
    said = cli("evaluate", copied, "--rates", 4)
    assert (said.code, said.out) == (1, wanted)
    assert "No space left on device" in said.err


def test_a_finished_run_in_a_read_only_folder_says_so(
    copied: Path, market: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {path: path.stat().st_mtime_ns for path in copied.iterdir()}
    read_only(monkeypatch)
    said = cli("train", *TINY, "--dataset", "market1501", "--root", market, "--out", copied)
    assert said.code == 0, said.err
    assert "holds this run already, finished after 4 steps" in said.err
    assert {path: path.stat().st_mtime_ns for path in copied.iterdir()} == before


def test_scores_are_kept_when_nobody_reads_them(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise self.error

    for error, code, told_of in (
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), 141, ""),
        (OSError(errno.ENOSPC, "No space left on device"), 1, "standard output cannot be"),
    ):
        Gone.error = error  # type: ignore[attr-defined]
        err = io.StringIO()
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", Gone())
            patch.setattr(sys, "stderr", err)
            assert main(["evaluate", str(copied), "--rates", "4", "--json"]) == code
        assert told_of in err.getvalue()
        assert bool(err.getvalue()) == bool(told_of)
        assert list(json.loads((copied / "evaluation.json").read_text())["rates"]) == ["4"]
        (copied / "evaluation.json").unlink()


def test_evaluate_takes_the_options_of_every_data_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    config = Config().replace(dataset="own", root=tmp_path, filename_pattern="{pid}_{camera}_*", data_seed=3)

    def made(**options: Any) -> tuple[Any, ...]:
        c = data_settings(Evaluate(tmp_path, **options), config)
        return (
            c.data.dataset,
            c.data.root,
            c.data.filename_pattern,
            c.data.bbox,
            c.data.data_seed,
            c.data.allow_withdrawn,
        )

    assert made() == ("own", tmp_path, "{pid}_{camera}_*", "detected", 3, False)
    assert made(root=Path("x"), filename_pattern="{pid}/*") == ("own", Path("x"), "{pid}/*", "detected", 3, False)
    assert made(dataset="own", data_seed=0)[:2] == ("own", tmp_path)
    assert made(dataset="cuhk03", root=Path("x"), bbox="labeled")[:4:3] == ("cuhk03", "labeled")
    assert made(dataset="viper")[:2] == ("viper", None)  # and not the folder of another set
    monkeypatch.setenv("CADNET_EDU_ROOT", "/there")
    assert made(dataset="viper")[:2] == ("viper", Path("/there"))
    assert made(dataset="dukemtmc_reid", allow_withdrawn=True)[-1] is True


def test_no_training_part_is_needed_to_be_scored(copied: Path, market: Path, tmp_path: Path) -> None:
    wanted = json.loads(cli("evaluate", copied, "--rates", 1, "--json").out)["rates"]["1"]
    table = tmp_path / "all.csv"
    assert cli("data", "manifest", "market1501", "--root", market, "--out", table).code == 0
    lines = table.read_text().splitlines(keepends=True)
    (tmp_path / "test.csv").write_text("".join(line for line in lines if ",train," not in line))
    said = cli("evaluate", copied, "--manifest", tmp_path / "test.csv", "--root", market, "--json")
    assert said.code == 0, said.err
    assert json.loads(said.out)["rates"]["mlr"]["psnr"] == wanted["psnr"]
    whole = load_split("market1501", market)
    rest = Split((), whole.query, whole.gallery)
    assert rest.check(train=False) is rest
    with pytest.raises(ValueError, match="the train part holds no image"):
        rest.check()


def test_lists_of_rates_as_people_write_them(copied: Path) -> None:
    for rates in (("--rates", 1, "--rates", 4), ("--rates", "1,4"), ("--rates=1,4",)):
        said = cli("evaluate", copied, *rates, "--json")
        assert said.code == 0, said.err
        assert list(json.loads(said.out)["rates"]) == ["1", "4"]
    told(cli("evaluate", copied, "--rates", -1), "down-sampling rate, each 1 or more")


@pytest.mark.skipif(os.name == "nt", reason="another shell")
def test_the_next_command_can_be_pasted(market: Path, tmp_path: Path) -> None:
    out = tmp_path / "My Drive (1)" / "a 'run' [2026]"
    arguments = ("train", *TINY, "--dataset", "market1501", "--root", market, "--out", out)
    for _ in range(2):  # trained, and found finished
        line = re.search(r"^next: (.*)$", cli(*arguments).err, re.MULTILINE)
        assert line is not None
        assert shlex.split(line[1]) == ["cadnet-edu", "evaluate", str(out)]
    said = cli("data", "walkers", "--walkers-size", "S", "--height", 64, "--width", 32, "--out", tmp_path / "a b")
    line = re.search(r"^next: (.*)$", said.err, re.MULTILINE)
    assert line is not None
    assert str(tmp_path / "a b") in shlex.split(line[1])


def test_a_finished_run_is_trained_further_from_its_weights(copied: Path, market: Path, tmp_path: Path) -> None:
    """The option that the message names works, and starts where the run ended."""
    from cadnet_edu.training.trainer import build_network

    data = ("--dataset", "market1501", "--root", market)
    before = (copied / "checkpoint.pt").read_bytes()
    more = (*TINY, "--steps", 8)
    said = cli("train", *more, *data, "--out", copied)
    told(said, "holds a run of 4 steps", "choose another --out")
    assert (copied / "checkpoint.pt").read_bytes() == before
    option, weights = shlex.split(said.err.split("add: ")[1])
    assert (option, weights) == ("--weights", str(copied / "checkpoint.pt"))
    said = cli("train", *more, *data, "--out", tmp_path / "further", option, weights)
    assert said.code == 0, said.err
    state = load_checkpoint(copied / "checkpoint.pt")
    config = Config.from_dict(json.loads((tmp_path / "further" / "config.json").read_text()))
    net = build_network(config, len(state["pids"])).state_dict()
    assert all(torch.equal(net[name], value) for name, value in state["net"].items())
    assert cli("evaluate", tmp_path / "further", "--rates", 1).code == 0


def test_a_stopped_run_is_scored_as_it_is_and_says_so(copied: Path) -> None:
    (copied / "run.json").unlink()
    said = cli("evaluate", copied, "--rates", 2, "--json")
    assert said.code == 0
    assert "not trained to its end" in said.err
    assert json.loads(said.out)["provenance"]["training_seconds"] is None


def test_train_goes_on_after_an_interrupt(
    market: Path, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C after the first checkpoint: a sentence; then the same command goes on and ends in the same weights."""
    from cadnet_edu.training.trainer import Trainer

    arguments = ("train", *TINY, "--dataset", "market1501", "--root", market, "--out", tmp_path)
    log = Trainer._log

    def interrupted(self: Trainer) -> Any:
        if self.step_number == 3:
            raise KeyboardInterrupt
        return log(self)

    monkeypatch.setattr(Trainer, "_log", interrupted)
    said = cli(*arguments)
    assert said.code == 130
    assert "goes on from the last checkpoint" in said.err
    monkeypatch.undo()
    said = cli(*arguments)
    assert said.code == 0
    assert "going on from step 2 of 4" in said.err
    wanted, got = (load_checkpoint(folder / "checkpoint.pt")["net"] for folder in (trained, tmp_path))
    assert all(torch.equal(wanted[name], got[name]) for name in wanted)


def test_walkers_on_disk_take_the_real_path(tmp_path: Path) -> None:
    """The embedded set written as Market-1501 is trained on, scored and recovered by the same code as real data."""
    root = tmp_path / "walkers"
    said = cli("data", "walkers", "--walkers-size", "S", "--height", 64, "--width", 32, "--out", root)
    assert said.code == 0, said.err
    assert f"--dataset market1501 --root {root}" in said.err
    disk, memory = load_split("market1501", root), load_split("walkers", None, "S", 64, 32)
    for role in ("train", "query", "gallery"):
        a, b = getattr(disk, role), getattr(memory, role)
        assert sorted((s.pid - 1, s.camera - 1) for s in a) == sorted((s.pid, s.camera) for s in b)
    error = np.abs(disk.query[0].load().astype(int) - memory.query[0].load().astype(int)).mean()
    assert error < 6  # JPEG, nearly as drawn
    assert cli("train", *TINY, "--dataset", "market1501", "--root", root, "--out", tmp_path / "run").code == 0
    assert json.loads(cli("evaluate", tmp_path / "run", "--rates", 4, "--json").out)["rates"]["4"]["rank1"] >= 0
    assert disk.query[0].name
    said = cli("recover", tmp_path / "run", disk.query[0].image, "--out", tmp_path / "recovered")
    assert said.code == 0, said.err
    told(
        cli("data", "walkers", "--walkers-size", "S", "--height", 64, "--width", 32, "--out", root),
        "something here already",
    )


def test_what_is_decoded_is_shown_and_thrown_away(
    market: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Train and evaluate with and without decoded images kept on disk: the same, and each image is kept once."""
    from cadnet_edu.data import image_cache as cache

    def scores(name: str) -> dict[str, Any]:
        said = cli("train", *TINY, "--dataset", "market1501", "--root", market, "--out", tmp_path / name)
        assert said.code == 0, said.err
        return json.loads(cli("evaluate", tmp_path / name, "--rates", 4, "--json").out)["rates"]

    monkeypatch.setenv("CADNET_EDU_CACHE", str(tmp_path / "cache"))
    plain = scores("plain")
    assert cli("data", "cache").out == f"0.00 GB below {tmp_path / 'cache' / 'images'}\n"
    monkeypatch.setattr(cache, "WORTH", 0)
    assert scores("kept") == plain
    first, total = cli("data", "cache").out.splitlines()
    assert first.split()[:3] == ["32x16", str(len(list(market.rglob("*.jpg")))), "images"]
    assert scores("again") == plain
    assert cli("data", "cache").out.splitlines() == [first, total]
    assert cli("data", "cache", "--clear").out.splitlines() == [first, f"{total}, now deleted"]
    assert cli("data", "cache").out.startswith("0.00 GB")


# ------------------------------------------------------------------------------------------------ recover


def pictures(folder: Path) -> dict[str, Path]:
    """Ordinary image files of every kind that people have."""
    rng = np.random.default_rng(0)
    colour = Image.fromarray(rng.integers(0, 255, (120, 50, 3), dtype=np.uint8))
    kinds: dict[str, tuple[Image.Image, str, dict[str, Any]]] = {
        "odd": (colour.resize((37, 91)), "png", {}),
        "tiny": (colour.resize((1, 1)), "png", {}),
        "tall": (colour.resize((9, 700)), "jpg", {}),
        "wide": (colour.resize((900, 13)), "jpg", {}),
        "grey": (colour.convert("L"), "jpg", {}),
        "deep": (Image.fromarray(rng.integers(0, 65535, (40, 20), dtype=np.uint16)), "png", {}),
        "alpha": (colour.convert("RGBA"), "png", {}),
        "palette": (colour.convert("P"), "gif", {}),
        "print": (colour.convert("CMYK"), "jpg", {}),
        "bits": (colour.convert("1"), "bmp", {}),
        "web": (colour, "webp", {}),
    }
    exif = Image.Exif()
    exif[0x0112] = 6  # held sideways: to be turned by a quarter
    kinds["turned"] = (colour.rotate(90, expand=True), "jpg", {"exif": exif, "quality": 98, "subsampling": 0})
    kinds["upright"] = (colour, "jpg", {"quality": 98, "subsampling": 0})
    paths = {}
    for name, (picture, suffix, options) in kinds.items():
        paths[name] = folder / f"{name}.{suffix}"
        picture.save(paths[name], **options)
    paths["a b.ü"] = folder / "a b.ü.PNG"
    colour.save(paths["a b.ü"])
    return paths


def test_recover_takes_ordinary_image_files(trained: Path, tmp_path: Path) -> None:
    paths = pictures(tmp_path)
    said = cli("recover", trained, *paths.values(), "--out", tmp_path / "new" / "out")
    assert said.code == 0, said.err
    for path in paths.values():
        alone = Image.open(tmp_path / "new" / "out" / f"{path.stem}.recovered.png")
        pair = Image.open(tmp_path / "new" / "out" / f"{path.stem}.side_by_side.png")
        assert (alone.size, alone.mode) == ((16, 32), "RGB")
        assert pair.size == (16 + 2 + 16, 32)
        assert np.array_equal(np.asarray(pair)[:, -16:], np.asarray(alone))
        assert f"{path.stem}.side_by_side.png" in said.err
    left = {
        name: np.asarray(Image.open(tmp_path / "new" / "out" / f"{name}.side_by_side.png"))[:, :16].astype(int)
        for name in ("turned", "upright")
    }
    assert np.abs(left["turned"] - left["upright"]).mean() < 8  # EXIF's turn was followed


def test_recover_is_what_the_network_says(trained: Path, tmp_path: Path) -> None:
    from cadnet_edu.training.trainer import load_network

    pixels = np.random.default_rng(1).integers(0, 255, (32, 16, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "x.png")
    assert cli("recover", trained, tmp_path / "x.png", "--out", tmp_path).code == 0
    net, _ = load_network(trained)
    with torch.no_grad():
        wanted = net.recover(torch.from_numpy(pixels).permute(2, 0, 1)[None] / 255)[0].permute(1, 2, 0) * 255
    got = np.asarray(Image.open(tmp_path / "x.recovered.png")).astype(float)
    assert np.abs(got - wanted.numpy()).max() <= 0.51
    assert np.array_equal(np.asarray(Image.open(tmp_path / "x.side_by_side.png"))[:, :16], pixels)


def test_recover_does_what_it_can_and_names_what_it_cannot(trained: Path, tmp_path: Path) -> None:
    good = pictures(tmp_path)["odd"]
    half, text, missing = tmp_path / "half.jpg", tmp_path / "text.png", tmp_path / "missing.png"
    half.write_bytes((tmp_path / "tall.jpg").read_bytes()[:700])
    text.write_text("no image")
    said = cli("recover", trained, half, good, text, missing, "--out", tmp_path / "out")
    assert said.code != 0
    assert "Traceback" not in said.err
    for path, words in (
        (half, "cannot be read as an image"),
        (text, "cannot be read as an image"),
        (missing, "there is no such file"),
    ):
        assert any(str(path) in line and words in line for line in said.err.splitlines())
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["odd.recovered.png", "odd.side_by_side.png"]


def test_recover_refuses_to_overwrite_one_result_by_another(trained: Path, tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        Image.new("RGB", (8, 16)).save(tmp_path / folder / "0001.png")
    said = cli("recover", trained, tmp_path / "a" / "0001.png", tmp_path / "b" / "0001.png", "--out", tmp_path / "out")
    told(said, "0001.png would overwrite each other", "--out")
    assert not (tmp_path / "out").exists()


def test_recover_takes_folders_and_patterns(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    photos, sub = tmp_path / "photos", tmp_path / "photos" / "more"
    sub.mkdir(parents=True)
    for path in (photos / "a.JPG", photos / "b.png", photos / "._a.JPG", sub / "c.png", photos / "d [1].png"):
        Image.new("RGB", (8, 16)).save(path, "PNG")
    (photos / "notes.txt").write_text("")
    (tmp_path / "x.jpg").mkdir()

    def names(*given: str) -> list[str]:
        return [path.name for path in image_files([Path(each) for each in given])[0]]

    assert names("photos") == ["a.JPG", "b.png", "d [1].png"]
    assert names("photos/*.png", "photos/b.png") == ["b.png", "d [1].png"]
    assert names("photos/**/*.png") == ["b.png", "d [1].png", "c.png"]
    assert names("photos/d [1].png") == ["d [1].png"]  # a file of that name is no pattern
    assert names("photos/missing.png") == ["missing.png"]
    said = cli("recover", trained, "photos", "photos/m*/*.png", "--out", "out")
    assert said.code == 0, said.err
    assert len(list((tmp_path / "out").glob("*.recovered.png"))) == 4
    told(cli("recover", trained, "photos/*.gif"), "photos/*.gif: no file matches this pattern")
    said = cli("recover", trained, "x.jpg", "photos/a.JPG", "--out", "rest")  # one bad word keeps no other waiting
    told(said, "x.jpg: this is a folder, and no image (.jpg")
    assert (tmp_path / "rest" / "a.recovered.png").exists()


@pytest.mark.parametrize("names", [("Anna.jpg", "anna.png"), ("\u00fc.png", "u\u0308.jpg"), ("SS.png", "ß.png")])
def test_names_that_are_one_on_other_disks_are_refused(trained: Path, tmp_path: Path, names: tuple[str, str]) -> None:
    for name in names:
        Image.new("RGB", (8, 16)).save(tmp_path / name)
    said = cli("recover", trained, *(tmp_path / name for name in names), "--out", tmp_path / "out")
    told(said, names[0], names[1], "overwrite each other", "its own --out")
    assert not (tmp_path / "out").exists()


def test_recover_into_a_file_is_a_sentence(trained: Path, tmp_path: Path) -> None:
    image = pictures(tmp_path)["odd"]
    (tmp_path / "out").write_text("in the way")
    told(cli("recover", trained, image, "--out", tmp_path / "out"), "cannot write into", "Choose another folder")


# ------------------------------------------------------------------------------------------------ mistakes


def test_mistyped_commands_and_options(market: Path, tmp_path: Path) -> None:
    out = ("--out", tmp_path / "x")
    told(cli("trian"), "there is no command 'trian'")
    told(cli("train", "--preset", "huge", *out), "there is no preset 'huge'", "smoke, quick, reduced, full")
    told(cli("train", "--preset"), "expected one argument")
    told(cli("train", "--method", "sr", *TINY, *out), "there is no method 'sr'", "baseline_hr")
    told(cli("train", *TINY, *out, "--stepz", 3), "--stepz", "Perhaps you meant", "--steps")
    told(cli("train", *TINY), "--out")
    told(cli("train", *TINY, *out, "--steps", "many"), "--steps", "many")
    told(cli("train", *TINY, *out, "--height", 33), "multiples of 16")
    told(cli("train", *TINY, *out, "--optimizer", "sdg"), "--optimizer", "sdg", "adamw")
    told(cli("train", *TINY, *out, "--lr", -1), "learning rates must be positive")
    told(cli("train", *TINY, *out, "--rates", 0.5), "down-sampling rate")
    told(cli("train", *TINY, *out, "--lambda-rec", -1), "loss weight")
    told(cli("train", *TINY, *out, "--device", "gpu"), "device 'gpu' cannot be used here")
    told(cli("train", *TINY, *out, "--dataset", "market"), "there is no data set 'market'", "market1501")
    told(cli("train", *TINY, *out, "--dataset", "market1501"), "--root")
    told(cli("data"), "cadnet-edu data walkers")
    told(cli("data", "faces"), "there is no 'faces'")
    told(cli("data", "walkers"), "--out")
    told(cli("data", "walkers", "--walkers-size", "XL", "--out", tmp_path / "w"), "--walkers-size", "XL")
    told(cli("evaluate"), "The --out folder of a training run")
    told(cli("recover", tmp_path, "--out", tmp_path), "image")
    assert not list(tmp_path.iterdir())


def test_training_into_a_file_or_beside_another_process(market: Path, tmp_path: Path) -> None:
    data = ("--dataset", "market1501", "--root", market)
    (tmp_path / "file").write_text("kept")
    told(cli("train", *TINY, *data, "--out", tmp_path / "file"), "there is a file of that name")
    told(cli("train", *TINY, *data, "--out", tmp_path / "file" / "run"), "cannot be written", "Choose another folder")
    assert (tmp_path / "file").read_text() == "kept"
    with alone_in(tmp_path / "run"):
        told(cli("train", *TINY, *data, "--out", tmp_path / "run"), "another process is training into this folder")
    assert cli("train", *TINY, *data, "--out", tmp_path / "run").code == 0  # and now it is free


def empty(root: Path) -> None:
    for image in (root / "bounding_box_train").iterdir():
        image.unlink()


def keep(root: Path, per_identity: int = 99, identities: int = 99) -> None:
    """Leave only so many training images an identity, of so many identities."""
    seen: dict[str, int] = {}
    for image in sorted((root / "bounding_box_train").iterdir()):
        pid = image.name[:4]
        seen[pid] = seen.get(pid, 0) + 1
        if seen[pid] > per_identity or len(seen) > identities:
            image.unlink()


def truncate(root: Path) -> None:
    image = min((root / "bounding_box_train").iterdir())
    image.write_bytes(image.read_bytes()[:300])


def not_an_image(root: Path) -> None:
    min((root / "query").iterdir()).write_text("hello")


BAD_DATA: dict[str, tuple[Callable[[Path], Any], tuple[str, ...]]] = {
    "no folder": (lambda root: shutil.rmtree(root), ("there is no such folder", "Give the folder")),
    "empty folder": (empty, ("bounding_box_train", "no image")),
    "nothing in it": (lambda root: [shutil.rmtree(p) for p in root.iterdir()], ("only nothing", "Give the folder")),
    "query missing": (lambda root: shutil.rmtree(root / "query"), ("query", "missing")),
    "one image each": (lambda root: keep(root, per_identity=1), ("single image", "at least two images")),
    "too few people": (lambda root: keep(root, identities=2), ("3 identities cannot be drawn from 2", "identities")),
    "truncated": (truncate, ("cannot be read as an image", ".jpg")),
    "odd name": (lambda root: (root / "query" / "me.jpg").write_bytes(b""), ("me.jpg", "0001_c1")),
}


@pytest.mark.parametrize("kind", BAD_DATA)
def test_bad_data_is_a_sentence_before_anything_is_written(market: Path, tmp_path: Path, kind: str) -> None:
    spoil, words = BAD_DATA[kind]
    root = Path(shutil.copytree(market, tmp_path / "data"))
    spoil(root)
    said = cli("train", *TINY, "--dataset", "market1501", "--root", root, "--out", tmp_path / "run")
    told(said, *words)
    assert not (tmp_path / "run").exists()


def test_evaluating_on_a_spoilt_image_names_it(copied: Path, market: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(market, tmp_path / "data"))
    not_an_image(root)
    told(cli("evaluate", copied, "--root", root, "--json"), "cannot be read as an image", "query")


def test_a_checkpoint_of_another_configuration(copied: Path, market: Path) -> None:
    before = (copied / "checkpoint.pt").read_bytes()
    said = cli("train", *TINY, "--dataset", "market1501", "--root", market, "--out", copied, "--lr", 0.5, "--margin", 1)
    changed = (f"lr was {preset('smoke').optim.lr:g}, now 0.5", "margin was 2.0, now 1.0")
    told(said, "another configuration", *changed, "another folder")
    assert (copied / "checkpoint.pt").read_bytes() == before


@pytest.mark.parametrize("command", ["train", "evaluate", "recover"])
def test_a_damaged_checkpoint(copied: Path, market: Path, tmp_path: Path, command: str) -> None:
    path = copied / "checkpoint.pt"
    path.write_bytes(path.read_bytes()[:5000])
    arguments: dict[str, tuple[Any, ...]] = {
        "train": ("train", *TINY, "--dataset", "market1501", "--root", market, "--out", copied),
        "evaluate": ("evaluate", copied),
        "recover": ("recover", copied, pictures(tmp_path)["odd"], "--out", tmp_path / "out"),
    }
    told(cli(*arguments[command]), str(path), "damaged", "train again")


@pytest.mark.parametrize("command", ["evaluate", "recover"])
def test_a_folder_without_a_run(tmp_path: Path, command: str) -> None:
    more = ("x.png",) if command == "recover" else ()
    told(cli(command, tmp_path / "nowhere", *more), "no such folder", "Give the --out folder")
    told(cli(command, tmp_path, *more), "there is no checkpoint", "cadnet-edu train")


def test_bad_rates_and_devices(trained: Path) -> None:
    told(cli("evaluate", trained, "--rates", 0.5), "down-sampling rate, each 1 or more")
    told(cli("evaluate", trained, "--rates"), "rate")
    told(cli("evaluate", trained, "--rates", "high"), "--rates", "high")
    told(cli("evaluate", trained, "--rates", 2, "--mlr", "paper"), "--mlr gives each image a rate", "leave --rates out")
    told(cli("evaluate", trained, "--rates", 1, 2, 3, 4, 8, "--manifest", "x"), "--manifest gives each image a rate")
    told(cli("evaluate", trained, "--device", "cuda:99"), "cannot be used here")
    told(cli("evaluate", trained, "--protocol", "cuhk"), "--protocol")


def test_a_loss_that_is_no_number_is_told(market: Path, tmp_path: Path) -> None:
    options = ("--optimizer", "sgd", "--lr", "1e38", "--lr-schedule", "constant")
    said = cli("train", *TINY, *options, "--dataset", "market1501", "--root", market, "--out", tmp_path / "run")
    assert said.code == 2
    assert "no longer a number" in said.err
    assert "Traceback" not in said.err


def test_a_full_disk_while_saving(market: Path, tmp_path: Path) -> None:
    """The operating system refuses to write on; the checkpoint before is whole, and the same command goes on."""
    arguments = ("train", *TINY, "--dataset", "market1501", "--root", market, "--out", tmp_path / "run")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, before[1]))
    try:
        said = cli(*arguments)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert said.code == 1
    last = said.err.strip().splitlines()[-1]
    assert last.startswith("cadnet-edu train: ")
    assert "checkpoint.pt could not be saved" in last
    assert "Free some space" in last
    assert sorted(p.name for p in (tmp_path / "run").iterdir()) == [".lock", "config.json", "history.jsonl"]
    assert cli(*arguments).code == 0
    assert [r["step"] for r in read_history(tmp_path / "run")] == [1, 2, 3, 4]


def test_too_little_memory_is_a_sentence(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for error in (MemoryError(), torch.OutOfMemoryError("CUDA out of memory.")):

        def fail(arguments: Sequence[str], error: BaseException = error) -> None:
            raise error

        monkeypatch.setitem(COMMANDS, "evaluate", fail)
        told(cli("evaluate", trained), "not enough memory")


def test_a_system_error_names_its_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(COMMANDS, "evaluate", lambda arguments: (tmp_path / "gone").read_bytes())
    told(cli("evaluate"), str(tmp_path / "gone"), "No such file")


# ------------------------------------------------------------------------------------------------ small talk


def test_a_profile_that_wants_a_gpu_says_so_without_one() -> None:
    hint = gpu_hint(preset("full"), "cpu")
    assert hint is not None
    assert "No GPU is seen" in hint
    assert "weeks" in hint
    assert "--preset quick" in hint
    assert gpu_hint(preset("reduced"), "cpu") is None
    assert gpu_hint(preset("full"), "cuda") is None
    assert gpu_hint(preset("quick"), "cpu") is None


def test_durations_read_well() -> None:
    assert [duration(s) for s in (0.2, 99, 100, 5999, 6000)] == ["0 s", "99 s", "1.7 min", "100.0 min", "1.7 h"]
