"""Finished runs: trained once, found again, and each number with where it comes from."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from fixtures import write_viper
from PIL import Image

from cadnet_edu import runs
from cadnet_edu.config import Config, preset
from cadnet_edu.data.fingerprint import data_fingerprint
from cadnet_edu.data.samples import Split
from cadnet_edu.evaluation.evaluate import evaluate
from cadnet_edu.methods import METHODS, method
from cadnet_edu.runs import git_commit, load_run, provenance, run_key, train_or_load
from cadnet_edu.training import code_version as versions
from cadnet_edu.training.checkpoints import load_checkpoint, read_history
from cadnet_edu.training.code_version import code_version
from cadnet_edu.training.trainer import Trainer

ROOT = Path(__file__).parents[1]


def tiny(**changes: Any) -> Config:
    """The smallest network that has every part, and four steps of it."""
    small = dict(
        height=32,
        width=16,
        backbone_width=8,
        decoder_width=2,
        discriminator_width=8,
        num_identities=3,
        num_instances=2,
        steps=4,
        log_every=1,
        checkpoint_every=2,
        device="cpu",
        precision="fp32",
    )
    return preset("smoke", **{**small, **changes})


@pytest.fixture(autouse=True)
def _own_cache(tiny_split: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A cache of its own for each test, and the small synthetic data set whatever the configuration names."""
    monkeypatch.setenv("CADNET_EDU_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(runs, "open_split", lambda config: tiny_split)
    yield
    code_version.cache_clear()


@pytest.fixture
def fits(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """At which step each call of ``Trainer.fit`` began: empty when nothing was trained."""
    begun: list[int] = []
    fit = Trainer.fit

    def counted(self: Trainer, *arguments: Any, **named: Any) -> Any:
        begun.append(self.step_number)
        return fit(self, *arguments, **named)

    monkeypatch.setattr(Trainer, "fit", counted)
    return begun


# ------------------------------------------------------------------------------------------------ the key


@pytest.mark.parametrize(
    "changes",
    [
        dict(seed=1),
        dict(lr=0.5),
        dict(lambda_rec=2.0),
        dict(rates=(2, 4)),
        dict(steps=5),
        dict(walkers_size="M"),
        dict(dataset="market1501"),
        dict(joint_batchnorm=False),
    ],
    ids=str,
)
def test_another_setting_is_another_run(changes: dict[str, Any]) -> None:
    assert run_key(tiny(**changes)) != run_key(tiny())


@pytest.mark.parametrize("changes", [dict(device="auto"), dict(log_every=3), dict(checkpoint_every=1)], ids=str)
def test_how_it_runs_is_no_part_of_the_key(changes: dict[str, Any]) -> None:
    assert run_key(tiny(**changes)) == run_key(tiny())


def test_the_key_names_method_and_profile() -> None:
    keys = {name: run_key(method(name, tiny())) for name in METHODS}
    assert len(set(keys.values())) == len(METHODS)
    assert all(key.startswith(f"{name}-smoke-") for name, key in keys.items())


def test_other_code_is_another_run(monkeypatch: pytest.MonkeyPatch) -> None:
    before = run_key(tiny())
    monkeypatch.setattr(runs, "code_version", lambda *_: "changed")
    assert run_key(tiny()) != before


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the package's source that a test may change, read in place of the real one."""
    copy, source = tmp_path / "package", Path(runs.__file__).parent
    for file in source.rglob("*.py"):
        target = copy / file.relative_to(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.read_bytes())
    code_version.cache_clear()
    for module in (runs, versions):
        monkeypatch.setattr(module, "__file__", str(copy / Path(str(module.__file__)).relative_to(source)))
    return copy


@pytest.mark.parametrize(
    ("file", "counts"),
    [
        ("losses.py", True),
        ("training/trainer.py", True),
        ("config.py", True),
        ("models/decoder.py", True),
        ("data/sampling.py", True),
        ("walkers/render.py", True),
        ("training/objective.py", True),
        ("methods/cadnet.py", True),
        ("training/devices.py", False),
        ("evaluation/retrieval.py", False),
        ("evaluation/evaluate.py", False),
        ("cli/main.py", False),
    ],
)
def test_a_changed_constant_in_training_code_makes_earlier_runs_unfit(package: Path, file: str, counts: bool) -> None:
    training, everything = code_version(), code_version(None)
    (package / file).write_text((package / file).read_text() + "\nCONSTANT = 1\n")
    code_version.cache_clear()
    assert (code_version() != training) == counts
    assert code_version(None) != everything


def test_every_room_named_as_training_code_is_there(package: Path) -> None:
    for room in versions.TRAINING_CODE:
        before = code_version((room,))
        files = [package / room] if room.endswith(".py") else list((package / room).rglob("*.py"))
        assert files, room
        files[0].write_text("changed = True\n")
        code_version.cache_clear()
        assert code_version((room,)) != before


def test_the_content_of_a_weights_file_is_part_of_the_key_and_its_place_is_not(tmp_path: Path) -> None:
    (tmp_path / "a.pth").write_bytes(b"1")
    (tmp_path / "b.pth").write_bytes(b"1")
    (tmp_path / "c.pth").write_bytes(b"2")
    keys = [run_key(tiny(weights=str(tmp_path / name))) for name in ("a.pth", "b.pth", "c.pth")]
    assert keys[0] == keys[1] != keys[2]


# ------------------------------------------------------------------------------------------------ data on disk


@pytest.fixture
def viper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small data set on disk, and configurations that are read as they are written."""
    monkeypatch.undo()
    monkeypatch.setenv("CADNET_EDU_CACHE", str(tmp_path / "cache"))
    return write_viper(tmp_path / "set")


def on_disk(root: Path, **changes: Any) -> Config:
    return tiny(dataset="viper", root=root, num_identities=2, **changes)


def one_pixel_more(root: Path) -> None:
    """Change one pixel of each image of the first camera, so that somebody in the training part is among them."""
    for path in (root / "cam_a").glob("[0-9]*"):
        picture = Image.open(path).convert("RGB")
        picture.putpixel((0, 0), (1, 2, 3) if picture.getpixel((0, 0)) != (1, 2, 3) else (3, 2, 1))
        picture.save(path)


def test_a_run_is_found_again_when_its_data_were_copied_or_junk_lies_beside_them(
    viper: Path, tmp_path: Path, fits: list[int]
) -> None:
    first = train_or_load(on_disk(viper))
    moved = tmp_path / "elsewhere" / "set"
    shutil.copytree(viper, moved)  # with other times of change
    (moved / "cam_a" / ".DS_Store").write_bytes(b"x")
    (moved / "notes.txt").write_text("mine")
    (moved / "link.dvc").symlink_to("/nowhere/at/all")
    shutil.rmtree(viper)
    again = train_or_load(on_disk(moved))
    assert fits == [0]
    assert again.folder == first.folder
    assert again.config.data.root == moved
    assert again.evaluate(rates=(1,))["1"]["rank1"] >= 0  # the data are read where they lie now


def test_one_changed_image_is_another_run(viper: Path, fits: list[int]) -> None:
    first = train_or_load(on_disk(viper))
    one_pixel_more(viper)
    assert train_or_load(on_disk(viper)).folder != first.folder
    assert fits == [0, 0]


def test_a_run_goes_on_when_its_data_have_moved_and_not_when_they_have_changed(
    viper: Path, tmp_path: Path, fits: list[int]
) -> None:
    out = tmp_path / "run"
    Trainer(on_disk(viper), runs.open_split(on_disk(viper)), out).fit(until=2, bar=False)
    moved = tmp_path / "moved"
    viper.rename(moved)
    for path in moved.rglob("*"):  # somebody unpacked it once more
        os.utime(path)
    train_or_load(on_disk(moved), folder=out)
    assert fits == [0, 2]
    one_pixel_more(moved)
    with pytest.raises(ValueError, match=r"trained on other images: \d+ images \(\w+\) then, \d+ images \(\w+\) now"):
        train_or_load(on_disk(moved), folder=out)


def test_a_finished_folder_of_other_data_is_not_taken_for_ones_own(viper: Path, tmp_path: Path) -> None:
    train_or_load(on_disk(viper), folder=tmp_path / "run")
    one_pixel_more(viper)
    with pytest.raises(ValueError, match="trained on other images"):
        train_or_load(on_disk(viper), folder=tmp_path / "run")


def test_a_run_tells_the_fingerprint_of_its_data(viper: Path) -> None:
    assert train_or_load(on_disk(viper)).provenance["data"] == data_fingerprint(on_disk(viper))
    assert data_fingerprint(tiny()) is None  # the embedded set is code


# ------------------------------------------------------------------------------------------------ trained once


def test_the_second_call_loads_and_trains_nothing(fits: list[int]) -> None:
    seen: list[dict[str, float]] = []
    first = train_or_load(tiny(), callback=seen.append)
    assert fits == [0]
    assert [r["step"] for r in seen] == [1, 2, 3, 4]
    stamps = {p.name: p.stat().st_mtime_ns for p in first.folder.iterdir() if p.name != ".lock"}
    second = train_or_load(tiny(), callback=seen.append)
    assert fits == [0]
    assert len(seen) == 4
    assert {p.name: p.stat().st_mtime_ns for p in second.folder.iterdir() if p.name != ".lock"} == stamps
    assert (second.history, second.config, second.provenance) == (first.history, first.config, first.provenance)
    for name, value in first.net.state_dict().items():
        assert torch.equal(value, second.net.state_dict()[name])


def test_a_run_is_what_a_trainer_would_have_made(tiny_split: Split) -> None:
    run, trainer = train_or_load(tiny()), Trainer(tiny(), tiny_split)
    trainer.fit(bar=False)
    for name, value in trainer.net.state_dict().items():
        assert torch.equal(value, run.net.state_dict()[name]), name
    assert [r["L"] for r in run.history] == [r["L"] for r in trainer.history]
    assert run.folder.parent.name == "runs"
    assert run.folder.name == run_key(tiny())
    assert not any(m.training for m in run.net.modules())


def test_a_killed_run_is_continued(tiny_split: Split, fits: list[int], tmp_path: Path) -> None:
    folder = tmp_path / "run"
    Trainer(tiny(), tiny_split, folder).fit(until=2, bar=False)
    run = train_or_load(tiny(), folder=folder)
    assert fits == [0, 2]
    assert [r["step"] for r in run.history] == [1, 2, 3, 4]
    assert (folder / "run.json").exists()


def test_a_run_killed_just_before_it_was_declared_finished(tiny_split: Split, tmp_path: Path) -> None:
    Trainer(tiny(), tiny_split, tmp_path).fit(bar=False)
    stamp = (tmp_path / "history.jsonl").read_text()
    run = train_or_load(tiny(), folder=tmp_path)
    assert (tmp_path / "history.jsonl").read_text() == stamp
    assert run.provenance["training_seconds"] >= 0


def test_a_finished_run_whose_checkpoint_was_deleted_is_trained_again(fits: list[int]) -> None:
    run = train_or_load(tiny())
    (run.folder / "checkpoint.pt").unlink()
    again = train_or_load(tiny())
    assert fits == [0, 0]
    assert [r["L"] for r in again.history] == [r["L"] for r in run.history]


def test_a_folder_with_another_run_is_refused(tmp_path: Path) -> None:
    train_or_load(tiny(), folder=tmp_path)
    kept = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    with pytest.raises(ValueError, match=rf"lr was {tiny().optim.lr:g}, now 0\.5.*another folder"):
        train_or_load(tiny(lr=0.5), folder=tmp_path)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == kept
    assert train_or_load(tiny(log_every=2), folder=tmp_path).config == tiny()


TWO = """
import sys
sys.path.insert(0, sys.argv[1])
import json
from people import noise_split
from cadnet_edu import runs
from cadnet_edu.training import code_version as versions
from cadnet_edu.config import Config
from cadnet_edu.training.trainer import Trainer

runs.open_split = lambda config: noise_split()
fit = Trainer.fit
Trainer.fit = lambda self, *a, **k: (print("trained", flush=True), fit(self, *a, **k))[1]
run = runs.train_or_load(Config.from_dict(json.loads(sys.argv[2])))
print(run.history[-1]["L"])
"""


def test_two_processes_that_want_the_same_run_train_it_once() -> None:
    arguments = [sys.executable, "-c", TWO, str(Path(__file__).parent), json.dumps(tiny(steps=20).to_dict())]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    both = [subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, env=env) for _ in range(2)]
    said = [process.communicate(timeout=300)[0].split() for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert sum("trained" in words for words in said) == 1
    assert said[0][-1] == said[1][-1]


# ------------------------------------------------------------------------------------------------ provenance, loading


def test_provenance_is_complete_and_ready_for_json() -> None:
    run = train_or_load(tiny(seed=3))
    about = run.provenance
    assert set(about) == {
        "config",
        "seed",
        "data",
        "package",
        "code",
        "commit",
        "torch",
        "python",
        "device",
        "devices",
        "threads",
        "precision",
        "training_seconds",
        "date",
    }
    assert json.loads(json.dumps(about, allow_nan=False)) == about == json.loads((run.folder / "run.json").read_text())
    assert Config.from_dict(about["config"]) == tiny(seed=3)
    assert (about["seed"], about["precision"], about["code"]) == (3, "fp32", code_version())
    assert about["devices"] == 1
    assert about["training_seconds"] >= 0
    assert about["torch"] == torch.__version__
    assert "cores" in about["device"]


def test_provenance_of_a_root_on_disk_is_plain_text(tmp_path: Path) -> None:
    assert provenance(tiny(root=tmp_path))["config"]["root"] == str(tmp_path)


def test_an_installed_package_has_no_commit(package: Path) -> None:
    assert git_commit() is None


def test_git_that_is_missing_is_no_error(monkeypatch: pytest.MonkeyPatch, package: Path) -> None:
    (package.parent / ".git").mkdir()
    monkeypatch.setenv("PATH", "")
    assert git_commit() is None


def test_load_run_of_a_run_still_going_on(tiny_split: Split, tmp_path: Path) -> None:
    Trainer(tiny(steps=4), tiny_split, tmp_path).fit(until=2, bar=False)
    run = load_run(tmp_path)
    assert [r["step"] for r in run.history] == [1, 2]
    assert run.provenance["training_seconds"] is None


def test_a_run_trained_on_a_gpu_can_be_asked_without_one(
    tiny_split: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Trainer(tiny(), tiny_split, tmp_path).fit(until=1, bar=False)
    state = load_checkpoint(tmp_path / "checkpoint.pt")
    state["config"] = json.dumps({**json.loads(state["config"]), "device": "cuda:77"})
    torch.save(state, tmp_path / "checkpoint.pt")
    run = load_run(tmp_path)
    assert run.config.run.device == "cuda:77"
    assert set(run.evaluate(rates=(4,))) == {"4"}


def test_load_run_of_nothing_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no such folder"):
        load_run(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="no checkpoint"):
        load_run(tmp_path)


# ------------------------------------------------------------------------------------------------ evaluation


def test_evaluate_equals_evaluate_and_is_asked_once(tiny_split: Split, monkeypatch: pytest.MonkeyPatch) -> None:
    run = train_or_load(tiny())
    results = run.evaluate(rates=(1, 2, 4))
    assert results == evaluate(run.model, tiny_split, (1, 2, 4), (32, 16))
    assert list(results) == ["1", "2", "4"]

    def never(*_: Any, **__: Any) -> Any:
        raise AssertionError("asked twice")

    monkeypatch.setattr(runs, "evaluate", never)
    assert run.evaluate(rates=(1, 2, 4)) == results
    assert load_run(run.folder).evaluate(rates=(1, 2, 4)) == results
    for other in (dict(rates=(1, 2)), dict(rates=(1, 2, 4), protocol="market1501"), dict(rates=(1, 2, 4), quality=0)):
        with pytest.raises(AssertionError, match="asked twice"):
            run.evaluate(**other)


def test_extra_scores_are_kept_by_their_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """By name and not by their place in memory, which is another one in each process."""
    run = train_or_load(tiny())

    def make() -> Any:
        def darkness(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            return 1 - x.mean((1, 2, 3))

        return darkness

    results = run.evaluate(rates=(2,), extra={"dark": make()})
    assert 0 < results["2"]["dark"] < 1
    files = sorted(p.name for p in run.folder.glob("evaluation-*.json"))
    assert run.evaluate(rates=(2,), extra={"dark": make()}) == results
    assert sorted(p.name for p in run.folder.glob("evaluation-*.json")) == files


def test_a_baseline_is_scored_against_bilinear_up_sampling(tiny_split: Split) -> None:
    run = train_or_load(method("baseline_mlr", tiny()))
    results = run.evaluate(rates=(1, 4))
    assert results == evaluate(run.net.embed, tiny_split, (1, 4), (32, 16))
    assert results["1"]["psnr"] is None  # nothing is lost at r = 1
    assert results["4"]["psnr"] > 10


def test_a_run_opens_the_data_it_was_trained_on(tiny_split: Split) -> None:
    assert train_or_load(tiny()).split() is tiny_split
    assert read_history(train_or_load(tiny()).folder)[-1]["step"] == 4


def test_methods_change_what_they_are_about_and_nothing_else() -> None:
    config = tiny(seed=7, auxiliary_heads=True)
    assert method("cadnet", config) == config
    mlr, hr = method("baseline_mlr", config), method("baseline_hr", config)
    assert hr == replace(mlr, method="baseline_hr", rates=(1,))
    changed = {k for k, v in mlr.to_dict().items() if v != config.to_dict()[k]}
    assert changed == {"method", "features", "auxiliary_heads", "lam"}
    assert mlr.to_dict()["lam"] == {"adv_DF": 0, "rec": 0, "adv_DI": 0, "cls": 1}
    assert mlr.data.batch_size == config.data.batch_size  # all methods see the same number of images a step
    with pytest.raises(ValueError, match=r"there is no method 'sr'\. Choose one of: cadnet, baseline_hr, baseline_mlr"):
        method("sr", config)


def test_a_run_started_again_is_not_taken_for_finished(tmp_path: Path, tiny_split: Split, monkeypatch: Any) -> None:
    monkeypatch.setattr(runs, "open_split", lambda config: tiny_split)
    config = tiny()
    folder = tmp_path / "run"
    train_or_load(config, folder=folder)
    (folder / "checkpoint.pt").unlink()
    trainer = Trainer(config, tiny_split, folder)
    assert not trainer.resume()
    trainer.fit(until=config.run.checkpoint_every, bar=False)  # and killed here
    assert not (folder / "run.json").exists()
    assert not runs.is_finished(folder, config)
    assert train_or_load(config, folder=folder).history[-1]["step"] == config.optim.steps


def test_scores_follow_the_weights_and_never_a_function_of_ones_own(
    tmp_path: Path, tiny_split: Split, monkeypatch: Any
) -> None:
    monkeypatch.setattr(runs, "open_split", lambda config: tiny_split)
    run = train_or_load(tiny(), folder=tmp_path / "run")
    first = run.evaluate((1,), extra={"e": lambda x, y: (x - y).abs().mean((1, 2, 3))})
    second = run.evaluate((1,), extra={"e": lambda x, y: (x - y).square().mean((1, 2, 3))})
    assert first["1"]["e"] != second["1"]["e"]
    before = run.evaluate((2,))
    with torch.no_grad():
        for p in run.net.parameters():
            p.add_(0.1 * torch.randn_like(p))
    assert run.evaluate((2,)) != before
