"""Records are found by what was asked, whoever made them."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from cadnet_edu.config import Config, flatten, preset
from cadnet_edu.io import read_json, write_json
from cadnet_edu.lab import records
from cadnet_edu.lab.records import Records, committed_folders, published, record_name, settings_key, write_record
from cadnet_edu.methods import method
from cadnet_edu.pretrained import names, pretrained

SMOKE = preset("smoke")


def save(folder: Path, config: Config, **more: object) -> Path:
    return write_json(folder / f"{record_name('row', config)}.json", {"config": config.to_dict(), **more})


@pytest.mark.parametrize(
    ("changes", "another"),
    [
        *((changes, True) for changes in (dict(steps=9), dict(lr=0.5), dict(method="other"), dict(rates=(2, 4)))),
        *((changes, False) for changes in (dict(device="cpu"), dict(precision="fp32"), dict(log_every=1))),
        *((changes, False) for changes in (dict(seed=5), dict(root=Path("x")))),
    ],
    ids=str,
)
def test_another_setting_is_another_experiment_and_how_it_ran_is_none(changes: dict, another: bool) -> None:
    assert (settings_key(SMOKE.replace(**changes)) != settings_key(SMOKE)) == another


@pytest.mark.parametrize(
    ("name", "changes", "another"),
    [
        ("baseline_mlr", {"decoder_width": 9, "pixel_shuffle": 1, "reduction": "mean", "lr_D": 0.5}, False),
        ("baseline_mlr", {"backbone_width": 16}, True),
        ("two_encoders", {"decoder_width": 9, "d_batch_size": 3}, False),
        ("f_only", {"decoder_width": 9}, True),
        ("without_adv_DI", {"d_batch_size": 3}, False),
        ("without_adv_DI", {"lr_D": 0.5}, True),
        ("cadnet", {"pixel_shuffle": 1}, True),
        ("cadnet", {"d_batch_size": 3}, True),
    ],
)
def test_settings_of_networks_that_a_method_lacks_make_no_other_record(name, changes, another):
    config = method(name, SMOKE)
    assert (settings_key(config.replace(**changes)) != settings_key(config)) == another


def test_records_of_other_data_are_not_found(tmp_path: Path) -> None:
    config = SMOKE.replace(dataset="market1501", root=Path("here"))
    for data in ("aa", "bb"):
        write_json(
            tmp_path / f"{record_name('row', config, data)}.json",
            {"config": config.to_dict(), "provenance": {"data": data}},
        )
    assert len(Records(tmp_path)) == 2
    for data in ("aa", "bb"):
        found = Records(tmp_path, data=data).find(config.replace(root=Path("there")))
        assert found.record["provenance"]["data"] == data
    assert Records(tmp_path, data="cc").find(config) is None
    assert Records(tmp_path).find(config) is None


def test_a_record_older_than_a_setting_is_still_found(tmp_path: Path) -> None:
    """It was made when the setting did not exist, so the setting had its default."""
    path = save(tmp_path, SMOKE)
    assert Config().loss.mining == SMOKE.loss.mining  # as a setting that was added later would be
    old = SMOKE.to_dict()
    del old["loss"]["mining"]
    write_json(path, {"config": old})
    assert Records(tmp_path).find(SMOKE) is not None
    assert Records(tmp_path).find(SMOKE.replace(mining="batch_all")) is None


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"config": {"loss": {"unheard_of": 1}}}, "the record cannot be used: unknown setting 'unheard_of'"),
        ({"config": {"recover_first": 5}}, "cannot be used: recover_first = 5: this version has no such setting"),
        ({"scores": {}}, "no record of a run, it holds no 'config'. Move the file away."),
    ],
)
def test_a_record_that_cannot_be_understood_is_refused(tmp_path: Path, record: dict[str, Any], message: str) -> None:
    """Left out in silence, its run would be done again, or its table have a row less."""
    path = write_json(save(tmp_path, SMOKE), record)
    with pytest.raises(ValueError, match=re.escape(f"{path}: ") + ".*" + re.escape(message)):
        Records(tmp_path)


def test_every_committed_record_and_network_loads() -> None:
    for folder in records.COMMITTED_RUNS.iterdir():
        files = list(folder.glob("*-seed*.json"))
        assert len(Records(folder)) == len(files) > 0
        for path in files:
            written = read_json(path)["config"]
            found = Config.from_dict(written)
            if "profile" not in written:  # of 0.2.0 or later
                assert flatten(found.to_dict()) | flatten(written) == flatten(found.to_dict()), path
                continue
            assert (found.run.preset, found.optim.lr) == (written["profile"], written["lr"]), path
            assert found.loss.lambda_rec == written["lam"]["rec"], path
            assert found.model.joint_batchnorm == (written["encoder_passes"] == 1), path
    for name in names():
        assert pretrained(name).config.model.weights in ("none", "walkers")  # nothing that is fetched


def test_seeds_are_told_apart_and_what_is_here_wins(tmp_path: Path) -> None:
    here, committed = tmp_path / "here", tmp_path / "committed"
    for seed in (0, 1):
        save(committed, SMOKE.replace(seed=seed), mark=f"committed {seed}")
    save(here, SMOKE.replace(seed=1), mark="here 1")
    found = Records(here, [committed])
    assert {k: r["mark"] for k, r in found.by_seed(SMOKE, range(3)).items()} == {0: "committed 0", 1: "here 1"}
    assert [one.committed for one in found] == [True, False]


def test_other_files_in_the_folder_are_no_records(tmp_path: Path) -> None:
    path = save(tmp_path, SMOKE)
    for name in ("table1.json", f"{path.stem}.error.json", f".{path.name}.abc.part", f"{path.stem}.webp"):
        (tmp_path / name).write_text("not JSON")
    assert len(Records(tmp_path)) == 1
    assert len(Records(tmp_path / "nowhere")) == 0


def test_a_record_is_readable_and_reads_back(tmp_path: Path) -> None:
    told = {"a": {"b": {"c": {"d": [1, 2.5, None]}}, "empty": {}}, "rows": [{"x": [[1, 2], [3, 4]]}, {"x": []}], "n": 1}
    path = write_record(tmp_path / "sub" / "x.json", told)
    assert read_json(path) == told
    assert '   "c": {"d": [1, 2.5, null]}' in path.read_text().splitlines()
    assert '   "x": [[1, 2], [3, 4]]' in path.read_text().splitlines()
    assert len(write_record(path, told, 1).read_text().splitlines()) == 5
    with pytest.raises(ValueError, match=r"x\.json: JSON holds finite numbers"):
        write_record(path, {"a": float("nan")})
    assert read_json(path) == told


def test_a_package_without_the_book_has_no_committed_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "COMMITTED_RUNS", tmp_path)
    assert committed_folders("smoke") == []
    (tmp_path / "smoke").mkdir()
    assert committed_folders("smoke") == [tmp_path / "smoke"]


def test_what_is_published_is_read_from_the_book_or_from_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert published("claims")["claims"]
    with pytest.raises(ValueError, match=r"Nothing is published as 'table9'. There is beyond, claims, "):
        published("table9")
    monkeypatch.setattr(records, "COMMITTED_RUNS", tmp_path / "none" / "runs")  # an installed package has no book
    monkeypatch.setattr(records, "__file__", str(tmp_path / "lab" / "records.py"))
    write_json(tmp_path / "results" / "table1.json", {"table": "table1"})
    assert published("table1") == {"table": "table1"}


def test_the_wheel_brings_what_is_published() -> None:
    root = Path(__file__).parents[1]
    told = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    results = root / "book" / "results"
    assert set(told["force-include"]) == {f"book/results/{p.name}" for p in results.glob("*.json")}
    assert all((root / name).is_file() for name in told["force-include"])
