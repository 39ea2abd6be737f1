"""``cadnet-edu evaluate``: scores as JSON and as a table, of which data, and its error messages."""

import errno
import io
import json
import math
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from commands import cli, refused

from cadnet_edu.cli.evaluate import Evaluate, data_settings
from cadnet_edu.cli.main import main
from cadnet_edu.config import Config


def rates_of(*arguments: Any) -> dict[str, Any]:
    said = cli("evaluate", *arguments, "--json")
    assert said.code == 0, said.err
    return json.loads(said.out)["rates"]


def test_json_on_standard_output(copied: Path, market: Path, tmp_path: Path) -> None:
    said = cli("evaluate", copied, "--rates", 1, 2, 3, 4, 8, "--json")
    assert said.code == 0, said.err
    result = json.loads(said.out)  # nothing but JSON
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
    other = Path(shutil.copytree(market, tmp_path / "other"))  # the same images in another folder
    for where in (("--root", other), ("--dataset", "market1501", "--root", other)):
        assert rates_of(copied, "--rates", 2, *where) == {"2": result["rates"]["2"]}


def test_a_run_in_a_read_only_folder_is_scored(copied: Path, read_only: Callable[..., None]) -> None:
    read_only()
    question = ("evaluate", copied, "--rates", 1, 2.5, "--protocol", "market1501")
    said = cli(*question)
    lines = said.out.splitlines()
    assert (said.code, lines[0].split()) == (0, ["r", "rank1", "rank5", "rank10", "mAP", "psnr", "ssim"])
    assert [line.split()[0] for line in lines[1:3]] == ["1", "2.5"]
    assert lines[-1] == "image quality of: G"
    assert f"note: {copied} is read-only, so these scores are not kept there." in said.err
    read_only(errno.ENOSPC)  # a full disk is an error, and the scores are printed all the same
    full = cli(*question)
    assert (full.code, full.out) == (1, said.out)
    assert "No space left on device" in full.err


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), 141, ""),
        (OSError(errno.ENOSPC, "No space left on device"), 1, "standard output cannot be"),
    ],
)
def test_scores_are_written_when_they_cannot_be_printed(
    copied: Path, monkeypatch: pytest.MonkeyPatch, error: OSError, code: int, message: str
) -> None:
    class Closed(io.StringIO):
        def write(self, text: str) -> int:
            raise error

    err = io.StringIO()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", Closed())
        patch.setattr(sys, "stderr", err)
        assert main(["evaluate", str(copied), "--rates", "4", "--json"]) == code
    assert message in err.getvalue()
    assert bool(err.getvalue()) == bool(message)
    assert list(json.loads((copied / "evaluation.json").read_text())["rates"]) == ["4"]


def test_the_options_of_every_data_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    config = Config().replace(dataset="own", root=tmp_path, filename_pattern="{pid}_{camera}_*", data_seed=3)

    def made(**options: Any) -> tuple[Any, ...]:
        data = data_settings(Evaluate(tmp_path, **options), config).data
        return data.dataset, data.root, data.filename_pattern, data.bbox, data.data_seed, data.allow_withdrawn

    assert made() == ("own", tmp_path, "{pid}_{camera}_*", "detected", 3, False)
    assert made(root=Path("x"), filename_pattern="{pid}/*") == ("own", Path("x"), "{pid}/*", "detected", 3, False)
    assert made(dataset="own", data_seed=0)[:2] == ("own", tmp_path)
    assert made(dataset="cuhk03", root=Path("x"), bbox="labeled")[:4:3] == ("cuhk03", "labeled")
    assert made(dataset="viper")[:2] == ("viper", None)  # and not the folder of another set
    monkeypatch.setenv("CADNET_EDU_ROOT", "/there")
    assert made(dataset="viper")[:2] == ("viper", Path("/there"))
    assert made(dataset="dukemtmc_reid", allow_withdrawn=True)[-1] is True


def test_no_training_part_is_needed(copied: Path, market: Path, tmp_path: Path) -> None:
    wanted = rates_of(copied, "--rates", 1)["1"]
    table = tmp_path / "all.csv"
    assert cli("data", "manifest", "market1501", "--root", market, "--out", table).code == 0
    lines = table.read_text().splitlines(keepends=True)
    (tmp_path / "test.csv").write_text("".join(line for line in lines if ",train," not in line))
    assert rates_of(copied, "--manifest", tmp_path / "test.csv", "--root", market)["mlr"]["psnr"] == wanted["psnr"]


def test_a_stopped_run_is_scored_as_it_is(copied: Path) -> None:
    (copied / "run.json").unlink()
    said = cli("evaluate", copied, "--rates", 2, "--json")
    assert said.code == 0
    assert "not trained to its end" in said.err
    assert json.loads(said.out)["provenance"]["training_seconds"] is None


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--rates 0.5", ("down-sampling rate, each 1 or more",)),
        ("--rates", ("rate",)),
        ("--rates high", ("--rates", "high")),
        ("--rates 2 --mlr paper", ("--mlr gives each image a rate", "leave --rates out")),
        ("--rates 1 2 3 4 8 --manifest x", ("--manifest gives each image a rate",)),
        ("--device cuda:99", ("cannot be used here",)),
        ("--protocol cuhk", ("--protocol",)),
    ],
)
def test_wrong_options(trained: Path, options: str, words: tuple[str, ...]) -> None:
    refused(cli("evaluate", trained, *options.split()), *words)
