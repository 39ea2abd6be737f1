"""Finished runs: trained once, found again, and each number with where it comes from."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from people import environment, tiny
from updates import content, trained

from cadnet_edu import runs
from cadnet_edu.config import Config, flatten
from cadnet_edu.data.fingerprint import data_fingerprint
from cadnet_edu.evaluation.evaluate import evaluate
from cadnet_edu.methods import METHODS, method
from cadnet_edu.runs import git_commit, is_finished, load_run, open_split, run_key, train_or_load
from cadnet_edu.training import code_version as versions
from cadnet_edu.training.checkpoints import load_checkpoint
from cadnet_edu.training.code_version import code_version
from cadnet_edu.training.trainer import Trainer

Make = Callable[..., Config]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("CADNET_EDU_CACHE", str(tmp_path / "cache"))
    yield
    code_version.cache_clear()


@pytest.fixture
def photos(market: Path, tmp_path: Path) -> Path:
    return shutil.copytree(market, tmp_path / "set")


@pytest.fixture
def make(market: Path) -> Make:
    return partial(tiny, dataset="market1501", root=market)


def steps(config: Config, **more: Any) -> list[float]:
    """The steps that ``train_or_load`` takes: none where it loads."""
    seen: list[float] = []
    train_or_load(config, callback=lambda record: seen.append(record["step"]), **more)
    return seen


def started(config: Config, folder: Path, until: int) -> Trainer:
    return trained(config, open_split(config), folder, until)


@pytest.mark.parametrize(
    ("changes", "another"),
    [
        *((changes, True) for changes in (dict(seed=1), dict(lambda_rec=2.0), dict(walkers_size="M"))),
        *((changes, False) for changes in (dict(device="auto"), dict(log_every=3), dict(checkpoint_every=1))),
    ],
    ids=str,
)
def test_another_setting_is_another_run_and_how_it_is_computed_is_not(changes: dict[str, Any], another: bool) -> None:
    assert (run_key(tiny(**changes)) != run_key(tiny())) == another


def test_the_key_names_method_and_preset() -> None:
    keys = {name: run_key(method(name, tiny())) for name in METHODS}
    assert len(set(keys.values())) == len(METHODS)
    assert all(key.startswith(f"{name}-smoke-") for name, key in keys.items())


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the package's source that a test may change, read in place of the real one."""
    source = Path(runs.__file__).parent
    copy = shutil.copytree(source, tmp_path / "package", ignore=lambda _, names: [n for n in names if "__pyc" in n])
    code_version.cache_clear()
    for module in (runs, versions):
        monkeypatch.setattr(module, "__file__", str(copy / Path(str(module.__file__)).relative_to(source)))
    return copy


def test_a_changed_constant_in_training_code_makes_earlier_runs_unfit(package: Path) -> None:
    for file, counts in {
        "losses.py": True, "training/trainer.py": True, "config.py": True, "models/decoder.py": True,
        "data/sampling.py": True, "walkers/render.py": True, "training/objective.py": True, "methods/cadnet.py": True,
        "training/devices.py": False, "evaluation/retrieval.py": False, "cli/main.py": False,
    }.items():  # fmt: skip
        key, training, everything = run_key(tiny()), code_version(), code_version(None)
        (package / file).write_text((package / file).read_text() + "\nCONSTANT = 1\n")
        code_version.cache_clear()
        assert (code_version() != training) == (run_key(tiny()) != key) == counts, file
        assert code_version(None) != everything


def test_every_room_named_as_training_code_is_there(package: Path) -> None:
    for room in versions.TRAINING_CODE:
        before = code_version((room,))
        files = list((package / room).rglob("*.py")) or [package / room]
        assert files, room
        files[0].write_text("changed = True\n")
        code_version.cache_clear()
        assert code_version((room,)) != before


def test_the_content_of_a_weights_file_is_part_of_the_key_and_its_place_is_not(tmp_path: Path) -> None:
    for name in "aab":
        (tmp_path / f"{len(list(tmp_path.glob('*.pth')))}.pth").write_bytes(name.encode())
    keys = [run_key(tiny(weights=str(path))) for path in sorted(tmp_path.glob("*.pth"))]
    assert keys[0] == keys[1] != keys[2]


def change_one_image(root: Path) -> None:
    path = min((root / "bounding_box_train").glob("*.jpg"))
    path.write_bytes(path.read_bytes() + b"0")


def test_a_run_is_found_again_when_its_data_were_copied_or_junk_lies_beside_them(
    photos: Path, make: Make, tmp_path: Path
) -> None:
    first = train_or_load(make(root=photos))
    moved = tmp_path / "elsewhere" / "set"
    shutil.copytree(photos, moved)
    for path in moved.rglob("*"):  # with other times of change
        os.utime(path)
    (moved / "query" / ".DS_Store").write_bytes(b"x")
    (moved / "notes.txt").write_text("mine")
    (moved / "link.dvc").symlink_to("/nowhere/at/all")
    shutil.rmtree(photos)
    assert steps(make(root=moved)) == []
    again = train_or_load(make(root=moved))
    assert again.folder == first.folder
    assert again.config.data.root == moved
    assert again.evaluate(rates=(1,))["1"]["rank1"] >= 0  # the data are read where they lie now
    change_one_image(moved)
    assert steps(make(root=moved)) == [1, 2, 3, 4]  # one changed image is another run
    assert train_or_load(make(root=moved)).folder != first.folder


def test_a_run_goes_on_when_its_data_have_moved_and_not_when_they_have_changed(
    photos: Path, make: Make, tmp_path: Path
) -> None:
    out, moved = tmp_path / "run", tmp_path / "moved"
    started(make(root=photos), out, until=2)
    photos.rename(moved)
    assert steps(make(root=moved), folder=out) == [3, 4]
    change_one_image(moved)
    with pytest.raises(ValueError, match=r"trained on other images: \d+ images \(\w+\) then, \d+ images \(\w+\) now"):
        train_or_load(make(root=moved), folder=out)


def test_the_second_call_loads_what_a_trainer_would_have_made(make: Make) -> None:
    first = train_or_load(make())
    assert (first.folder.parent.name, first.folder.name) == ("runs", run_key(make()))
    stamps = {p.name: p.stat().st_mtime_ns for p in first.folder.iterdir() if p.name != ".lock"}
    assert steps(make()) == []
    second, trainer = train_or_load(make()), Trainer(make(), open_split(make()))
    trainer.fit(bar=False)
    assert {p.name: p.stat().st_mtime_ns for p in second.folder.iterdir() if p.name != ".lock"} == stamps
    assert (second.history, second.config, second.provenance) == (first.history, first.config, first.provenance)
    assert [r["L"] for r in second.history] == [r["L"] for r in trainer.history]
    for name, value in trainer.net.state_dict().items():
        assert torch.equal(value, second.net.state_dict()[name]), name
    assert not any(m.training for m in second.net.modules())


@pytest.mark.parametrize("until", [2, 4])
def test_a_killed_run_is_continued(make: Make, tmp_path: Path, until: int) -> None:
    """Also when it was killed just before it was declared finished; meanwhile it can be loaded as it is."""
    started(make(), tmp_path, until)
    run = load_run(tmp_path)
    assert [r["step"] for r in run.history] == list(range(1, until + 1))
    assert run.provenance["training_seconds"] is None
    assert steps(make(), folder=tmp_path) == list(range(until + 1, 5))
    assert [r["step"] for r in load_run(tmp_path).history] == [1, 2, 3, 4]
    assert (tmp_path / "run.json").exists()


def test_a_finished_run_whose_checkpoint_was_deleted_is_trained_again(make: Make) -> None:
    run = train_or_load(make())
    (run.folder / "checkpoint.pt").unlink()
    started(make(), run.folder, until=2)  # and killed here
    assert not (run.folder / "run.json").exists()
    assert not is_finished(run.folder, make())
    assert steps(make()) == [3, 4]
    assert [r["L"] for r in load_run(run.folder).history] == [r["L"] for r in run.history]


def test_a_folder_with_another_run_is_refused(make: Make, tmp_path: Path) -> None:
    train_or_load(make(), folder=tmp_path / "run")
    kept = content(tmp_path / "run")
    with pytest.raises(ValueError, match=rf"lr was {make().optim.lr:g}, now 0\.5.*another folder"):
        train_or_load(make(lr=0.5), folder=tmp_path / "run")
    assert content(tmp_path / "run") == kept
    assert train_or_load(make(log_every=2), folder=tmp_path / "run").config == make()


TWO = """
import json, sys
from cadnet_edu.config import Config
from cadnet_edu.runs import train_or_load

run = train_or_load(Config.from_dict(json.loads(sys.argv[1])), callback=lambda record: print("trained", flush=True))
print(run.history[-1]["L"])
"""


def test_two_processes_that_want_the_same_run_train_it_once(make: Make) -> None:
    arguments = [sys.executable, "-c", TWO, json.dumps(make(log_every=4).to_dict())]
    both = [subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, env=environment()) for _ in range(2)]
    said = [process.communicate(timeout=300)[0].split() for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert sum("trained" in words for words in said) == 1
    assert said[0][-1] == said[1][-1]


def test_provenance_is_complete_and_ready_for_json(make: Make) -> None:
    run = train_or_load(make(seed=3))
    about = run.provenance
    assert " ".join(sorted(about)) == (
        "code commit config data date device devices package precision python seed threads torch training_seconds"
    )
    assert json.loads(json.dumps(about, allow_nan=False)) == about == json.loads((run.folder / "run.json").read_text())
    assert Config.from_dict(about["config"]) == make(seed=3)
    assert (about["seed"], about["precision"], about["code"]) == (3, "fp32", code_version())
    assert (about["devices"], about["torch"]) == (1, torch.__version__)
    assert about["training_seconds"] >= 0
    assert "cores" in about["device"]
    assert about["data"] == data_fingerprint(make())
    assert data_fingerprint(tiny()) is None  # the embedded set is code


def test_an_installed_package_and_a_missing_git_have_no_commit(monkeypatch: pytest.MonkeyPatch, package: Path) -> None:
    assert git_commit() is None
    (package.parent / ".git").mkdir()
    monkeypatch.setenv("PATH", "")
    assert git_commit() is None


def test_a_run_trained_on_a_gpu_can_be_loaded_without_one(make: Make, tmp_path: Path) -> None:
    started(make(), tmp_path, until=1)
    state = load_checkpoint(tmp_path / "checkpoint.pt")
    state["config"] = json.dumps(make(device="cuda:77").to_dict())
    torch.save(state, tmp_path / "checkpoint.pt")
    run = load_run(tmp_path)
    assert run.config.run.device == "cuda:77"
    assert set(run.evaluate(rates=(4,))) == {"4"}


def test_scores_are_computed_once_for_the_same_weights_and_options(make: Make) -> None:
    run = train_or_load(make())
    results = run.evaluate(rates=(1, 4))
    assert results == evaluate(run.model, run.split(), (1, 4), (32, 16))
    assert list(results) == ["1", "4"]
    (kept,) = run.folder.glob("evaluation-*.json")
    kept.write_text('{"1": "read again"}')
    assert run.evaluate(rates=(1, 4)) == load_run(run.folder).evaluate(rates=(1, 4)) == {"1": "read again"}
    for other in (dict(rates=(1,)), dict(rates=(1, 4), protocol="market1501"), dict(rates=(1, 4), quality=0)):
        assert run.evaluate(**other)["1"]["rank1"] >= 0
    before = len(list(run.folder.glob("evaluation-*.json")))
    first = run.evaluate((1,), extra={"e": lambda x, y: (x - y).abs().mean((1, 2, 3))})
    second = run.evaluate((1,), extra={"e": lambda x, y: (x - y).square().mean((1, 2, 3))})
    assert first["1"]["e"] != second["1"]["e"]  # scores of a function of one's own are not kept
    assert len(list(run.folder.glob("evaluation-*.json"))) == before == 4
    with torch.no_grad():
        for p in run.net.parameters():
            p.add_(0.1 * torch.randn_like(p))
    assert run.evaluate((1, 4))["1"] != "read again"


def test_methods_change_what_they_are_about_and_nothing_else() -> None:
    config = tiny(seed=7, auxiliary_heads=True)
    assert method("cadnet", config) == config
    mlr, hr = method("baseline_mlr", config), method("baseline_hr", config)
    assert hr == mlr.replace(method="baseline_hr", rates=(1,))
    before, after = flatten(config.to_dict()), flatten(mlr.to_dict())
    lambdas = {"lambda_adv_DF", "lambda_rec", "lambda_adv_DI"}
    assert {k for k in after if after[k] != before[k]} == {"method", "features", "auxiliary_heads", *lambdas}
    assert [after[name] for name in sorted(lambdas)] == [0, 0, 0]
    assert mlr.data.batch_size == config.data.batch_size  # all methods see the same number of images a step
    with pytest.raises(ValueError, match=r"there is no method 'sr'\. Choose one of: cadnet, baseline_hr, baseline_mlr"):
        method("sr", config)
