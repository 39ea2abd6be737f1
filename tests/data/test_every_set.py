"""Every set from its folder to a score: train, evaluate and recover as a reader types them."""

import json
from pathlib import Path

import pytest
from commands import TINY, cli
from fixtures import WRITERS, write_viper
from PIL import Image

from cadnet_edu.config import Config
from cadnet_edu.data import load_split
from cadnet_edu.data.fingerprint import data_fingerprint
from cadnet_edu.runs import open_split


@pytest.mark.parametrize("name", ["dukemtmc_reid", "cuhk03", "own"])
def test_train_evaluate_recover(name: str, tmp_path: Path) -> None:
    root = WRITERS[name](tmp_path / "data")
    flag = ("--allow-withdrawn",) if name == "dukemtmc_reid" else ()
    said = cli("train", *TINY, "--dataset", name, "--root", root, *flag, "--out", tmp_path / "run")
    assert said.code == 0, said.err
    scores = json.loads(cli("evaluate", tmp_path / "run", "--rates", 1, 4, "--json").out)
    assert scores["rates"]["4"]["queries"] > 0
    assert scores["provenance"]["dataset"] == name
    query = load_split(name, root, allow_withdrawn=True).query[0]
    picture = tmp_path / "query.png"
    Image.fromarray(query.load()).save(picture)
    files = [picture, query.image] if isinstance(query.image, Path) else [picture]
    said = cli("recover", tmp_path / "run", *files, "--out", tmp_path / "recovered")
    assert said.code == 0, said.err
    assert Image.open(tmp_path / "recovered" / "query.recovered.png").size == (16, 32)


@pytest.fixture(scope="module")
def viper_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("viper")
    root = write_viper(folder / "data", people=16)
    said = cli("train", *TINY, "--dataset", "viper", "--root", root, "--data-seed", 3, "--out", folder / "run")
    assert said.code == 0, said.err
    return root, folder / "run"


def test_queries_at_their_own_rates(viper_run: tuple[Path, Path], tmp_path: Path) -> None:
    """The MLR version, its manifest, and the manifest in another group's hands give one score."""
    root, run = viper_run
    said = cli("evaluate", run, "--mlr", "paper", "--mlr-seed", 5, "--json")
    assert said.code == 0, said.err
    result = json.loads(said.out)
    assert list(result["rates"]) == ["mlr"]
    assert result["rates"]["mlr"]["queries"] == 8
    assert result["rates"]["mlr"]["psnr"] is not None
    assert result["provenance"]["split"] == "MLR-VIPeR-seed3-paper-seed5"
    table = tmp_path / "mlr.csv"
    options = ("--root", root, "--data-seed", 3, "--mlr", "paper", "--mlr-seed", 5, "--out", table)
    assert cli("data", "manifest", "viper", *options).code == 0
    again = json.loads(cli("evaluate", run, "--manifest", table, "--root", root, "--json").out)
    assert again["rates"] == result["rates"]
    assert cli("evaluate", run, "--manifest", table, "--json").code == 0  # the run knows its folder
    lines = cli("evaluate", run, "--mlr", "paper").out.splitlines()
    assert lines[1].split()[0] == "mlr"


def test_wrong_choices_are_sentences(viper_run: tuple[Path, Path], tmp_path: Path) -> None:
    root, run = viper_run
    table = tmp_path / "m.csv"
    assert cli("data", "manifest", "viper", "--root", root, "--out", table).code == 0
    for words, arguments in (
        ("not both", ("evaluate", run, "--mlr", "paper", "--manifest", table)),
        ("no construction 'sing'", ("evaluate", run, "--mlr", "sing")),
        ("there is no such file", ("evaluate", run, "--manifest", tmp_path / "gone.csv")),
        ("25 April 2019", ("evaluate", run, "--dataset", "dukemtmc_reid", "--root", root)),
        ("no construction 'x'", ("data", "manifest", "viper", "--root", root, "--mlr", "x")),
        ("choose one of walkers, prepare, check", ("data", "market")),
        ("say which", ("data",)),
        ("no folder bounding_box_train/", ("data", "check", "market1501", "--root", root)),
    ):
        said = cli(*arguments)
        assert said.code == 2, said
        assert words in " ".join(said.err.split())
        assert said.out == ""


def test_the_withdrawn_set_needs_its_flag_everywhere(viper_run: tuple[Path, Path], tmp_path: Path) -> None:
    root = WRITERS["dukemtmc_reid"](tmp_path / "data")
    table, run = tmp_path / "duke.csv", viper_run[1]
    there, pattern = ("--root", root), ("--filename-pattern", "*/{pid}_{camera}_*")
    assert cli("data", "manifest", "dukemtmc_reid", *there, "--allow-withdrawn", "--out", table).code == 0
    for command in (
        ("train", *TINY, "--dataset", "dukemtmc_reid", *there, "--out", tmp_path / "run"),
        ("train", *TINY, "--dataset", "market1501", *there, "--out", tmp_path / "run"),
        ("train", *TINY, "--dataset", "own", *pattern, *there, "--out", tmp_path / "run"),
        ("evaluate", run, "--dataset", "dukemtmc_reid", *there),
        ("evaluate", run, "--manifest", table, *there),
        ("data", "check", "dukemtmc_reid", *there),
        ("data", "manifest", "dukemtmc_reid", *there, "--out", tmp_path / "m.csv"),
    ):
        said = cli(*command)
        assert said.code == 2, said
        assert "25 April 2019" in said.err
        assert said.out == ""
    assert sorted(p.name for p in tmp_path.iterdir()) == ["data", "duke.csv"]
    said = cli("evaluate", run, "--manifest", table, *there, "--allow-withdrawn", "--json")
    assert said.code == 0, said.err


def test_settings_reach_the_reader_and_each_byte_the_fingerprint(tmp_path: Path) -> None:
    root = WRITERS["cuhk03"](tmp_path)
    config = Config().replace(dataset="cuhk03", root=root, bbox="labeled", data_seed=7)
    assert open_split(config).name == "CUHK03-labeled-testset7"
    before = data_fingerprint(config)
    with (root / "cuhk-03.mat").open("ab") as file:
        file.write(b"0")
    assert None is not before != data_fingerprint(config)
    root = WRITERS["own"](tmp_path / "own")
    with pytest.raises(ValueError, match="does not fit the pattern"):
        open_split(Config().replace(dataset="own", root=root, filename_pattern="{pid}-{camera}"))


@pytest.mark.parametrize(("name", "code"), [("own", 0), ("viper", 2)])
def test_check_by_itself(name: str, code: int, tmp_path: Path) -> None:
    root = WRITERS[name](tmp_path)
    said = cli("data", "check", name, "--root", root)
    assert said.code == code
    assert "train images" in said.out
    assert ("are missing." in said.out) == ("The set is not complete" in said.err) == (code == 2)
    assert cli("data", "check", name, "--root", root, "--part", "--quick").code == 0
