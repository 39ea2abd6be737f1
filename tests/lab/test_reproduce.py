"""`cadnet-edu reproduce`: every run once, also after failures, and the same numbers at the end."""

import json
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fixtures import write_viper
from people import environment, tiny
from PIL import Image
from safetensors.torch import save_file

from cadnet_edu import runs
from cadnet_edu.cli.console import read
from cadnet_edu.cli.main import main
from cadnet_edu.cli.reproduce import Reproduce, base_config, same_numbers
from cadnet_edu.config import Config, cache_dir, flatten, preset
from cadnet_edu.data import open_split
from cadnet_edu.data.image_cache import cached_images
from cadnet_edu.data.resolution import degrade
from cadnet_edu.data.samples import Split
from cadnet_edu.evaluation.lpips_weights import SHAPES
from cadnet_edu.io import read_json
from cadnet_edu.lab import measure as measure_module
from cadnet_edu.lab import publish as publish_module
from cadnet_edu.lab import records as records_module
from cadnet_edu.lab import run_all, scoring
from cadnet_edu.lab.analyses import NAMES
from cadnet_edu.lab.gradient_contributions import gradients_at_E
from cadnet_edu.lab.image_strips import read_strip, sample_queries
from cadnet_edu.lab.records import Records
from cadnet_edu.lab.rows import LABELS, ONLY, ROWS, row, rows
from cadnet_edu.lab.run_all import tasks
from cadnet_edu.methods import METHODS, method
from cadnet_edu.training.objective import generator_terms, total
from cadnet_edu.training.trainer import Trainer

ROOT = Path(__file__).parents[2]


def alexnet_of_chance(cache: Path) -> None:
    """Weights for LPIPS without a network: any will do to see that it is measured."""
    torch.manual_seed(0)
    weights = {}
    for place, shape in SHAPES.items():
        weights[f"features.{place}.weight"] = torch.randn(shape) / 50
        weights[f"features.{place}.bias"] = torch.zeros(shape[0])
    (cache / "lpips").mkdir(parents=True, exist_ok=True)
    save_file(weights, cache / "lpips" / "alexnet.safetensors")


@contextmanager
def world(place: Path, split: Split) -> Iterator[None]:
    """Tiny networks on the small synthetic set, in a cache of their own, with no committed records in sight."""

    def small(name: str, **options: Any) -> Config:
        return tiny(**{**options, "device": "cpu", "precision": "fp32"}) if name == "smoke" else preset(name, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CADNET_EDU_CACHE", str(place / "cache"))
        for module in (runs, measure_module):
            patch.setattr(module, "open_split", lambda config: split)
        for module in (records_module, publish_module):
            patch.setattr(module, "COMMITTED_RUNS", place / "committed")
        patch.setattr("cadnet_edu.cli.reproduce.preset", small)
        scoring.lpips_missing.cache_clear()
        yield
    scoring.lpips_missing.cache_clear()


@pytest.fixture(autouse=True)
def _own_world(tiny_split: Split, tmp_path: Path) -> Iterator[None]:
    with world(tmp_path, tiny_split):
        yield


@pytest.fixture(scope="module")
def all_records(tmp_path_factory: pytest.TempPathFactory, tiny_split: Split) -> Path:
    """Records and pictures of several rows, made once."""
    place = tmp_path_factory.mktemp("records")
    with world(place, tiny_split):
        assert smoke(place, "--seeds", 2, what="figure3") == 0
        assert smoke(place, "--seeds", 2, "--rows", "baseline_mlr", "two_encoders", what="beyond") == 0
        assert smoke(place, "--seeds", 1, "--rows", "without_adv_DF", what="beyond") == 0
    return place / "runs"


@pytest.fixture
def measured(all_records: Path, tmp_path: Path, fits: list[str]) -> Iterator[Path]:
    """A folder that holds them, in which nothing is trained again."""
    shutil.copytree(all_records, tmp_path / "runs")
    yield tmp_path
    assert fits == []


@pytest.fixture
def fits(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The method of each network that was trained, in order."""
    trained: list[str] = []
    fit = Trainer.fit

    def counted(self: Trainer, *arguments: Any, **named: Any) -> Any:
        trained.append(f"{self.config.run.method} {self.config.run.seed}")
        return fit(self, *arguments, **named)

    monkeypatch.setattr(Trainer, "fit", counted)
    return trained


def cli(*arguments: Any) -> int:
    return main(["reproduce", *map(str, arguments)])


def smoke(out: Path, *more: Any, what: str = "table3") -> int:
    return cli(what, "--preset", "smoke", "--regimes", "all", "--out", out, *more)


def numbers(out: Path, name: str = "table3") -> Any:
    """A table's regimes without the times it took."""
    data = read_json(out / f"{name}.json")
    for regime in data["regimes"]:
        for each in regime["budgets"]:
            del each["cpu_seconds"], each["wall_seconds"]
    return data["regimes"]


# ---------------------------------------------------------------------------------------------------- rows


def test_rows_are_the_methods_and_the_floors_each_run_named_apart_and_floors_once() -> None:
    for name in set(LABELS) - {"super_resolution", *ONLY}:  # which only the regime with fixed networks has
        made = row(name, preset("smoke"))
        assert (made.trained, made.config.run.method) == (name in METHODS, name)
        assert not made.trained or made.config == method(name, preset("smoke"))
    assert row("super_resolution", preset("smoke"), "fixed").config.run.method == "fixed_super_resolution"
    assert {*ROWS["claims"], *ROWS["regimes"]} == set(LABELS) - {"colour_histogram"}
    todo = tasks(rows(["bilinear", "cadnet", "baseline_mlr"], preset("smoke"), ["all", "few"]), range(3))
    assert len({task.name for task in todo}) == len(todo) == 1 + 2 * 2 * 3
    assert [str(t) for t in todo if not t.row.trained] == ["bilinear"]


def test_only_the_headline_has_further_seeds() -> None:
    todo = tasks(rows(["bilinear", "g_only", "cadnet"], preset("smoke")), range(2), range(4))
    assert [str(t) for t in todo] == [
        "bilinear", "g_only, seed 0", "cadnet, seed 0", "g_only, seed 1", "cadnet, seed 1", "cadnet, seed 2",
        "cadnet, seed 3",
    ]  # fmt: skip
    alone = rows(["g_only"], preset("smoke"))
    assert tasks(alone, range(2), range(4)) == tasks(alone, range(2))


def test_the_regime_reaches_the_settings() -> None:
    few = row("cadnet", preset("smoke"), "few").config
    assert (few.data.label_fraction, row("cadnet", preset("smoke")).config.data.label_fraction) == (0.2, 1)
    longer = row("baseline_mlr_long", preset("smoke"), "few").config
    assert longer.optim.steps == round(3.5 * few.optim.steps)
    assert row("baseline_mlr", preset("smoke"), "few").config == longer.replace(
        steps=few.optim.steps, method="baseline_mlr"
    )


# ---------------------------------------------------------------------------------------------------- the command


def test_a_table_from_nothing_then_from_records(tmp_path: Path, fits: list[str], capsys: Any) -> None:
    def files() -> dict[str, bytes]:
        return {p.name: p.read_bytes() for p in (tmp_path / "runs").glob("*.json")}

    arguments = ("--seeds", 2, "--rows", "cadnet", "bilinear", "without_rec")
    assert smoke(tmp_path, *arguments) == 0
    assert sorted(fits) == ["cadnet 0", "cadnet 1", "without_rec 0", "without_rec 1"]
    text = (tmp_path / "table3.md").read_text()
    assert "± " in text
    assert "CAD-Net minus: CAD-Net w/o L_rec" in text
    assert text in capsys.readouterr().out
    before = numbers(tmp_path), files()
    assert len(before[1]) == 5
    assert smoke(tmp_path, *arguments) == 0
    assert len(fits) == 4
    assert (numbers(tmp_path), files()) == before


def test_a_record_holds_scores_budget_and_provenance(measured: Path) -> None:
    (path,) = (measured / "runs").glob("cadnet-smoke-*-seed0.json")
    told = read_json(path)
    assert list(told["scores"]) == list(told["parts"]["f"]) == ["1", "2", "3", "4", "8", "mlr"]
    assert {"rank1", "rank5", "rank10", "mAP", "psnr", "ssim"} <= set(told["scores"]["mlr"])
    assert set(told["parts"]) == {"f", "g"}
    budget = told["budget"]
    assert (told["seed"], budget["steps"], budget["images"]) == (0, 4, 4 * 2 * 6)
    assert min(budget["cpu_seconds"], budget["wall_seconds"]) > 0
    assert {"code", "commit", "device", "threads", "precision", "torch", "date"} <= set(told["provenance"])
    assert "too small" in told["missing"]["lpips"]
    assert list(told["analyses"]) == list(NAMES)
    assert set(told["analyses"]["margins"]) == set(told["analyses"]["frequency"]) | {"1"} == {"1", "2", "4", "8"}
    assert path.stat().st_size < 25_000


def test_the_picture_of_the_first_seed_shows_what_was_recovered(measured: Path, tiny_split: Split) -> None:
    pictures = [p for p in sorted((measured / "runs").glob("*.webp")) if p.name.startswith(("bilinear", "cadnet"))]
    assert [p.name.split("-")[0] for p in pictures] == ["bilinear", "cadnet"]
    truth = [tiny_split.query[i].load(32, 16) for i in sample_queries(cached_images(tiny_split.query, 32, 16))]
    shown = read_strip(pictures[0], (32, 16))
    assert list(shown) == ["1", "2", "4", "8"]
    assert np.abs(shown["1"].astype(int) - np.stack(truth)).mean() < 6  # at r = 1 the floor is the image itself
    told = read_json(pictures[1].with_suffix(".json"))["picture"]
    assert told["queries"] == sample_queries(cached_images(tiny_split.query, 32, 16)).tolist()
    assert {len(numbers) for numbers in told["psnr"].values()} == {len(truth)}
    with pytest.raises(ValueError, match="pixels, not rows of 30 x 16"):
        read_strip(pictures[0], (30, 16))


def test_gradients_at_E_add_up_to_that_of_the_step(tiny_split: Split) -> None:
    """The gradients of the single terms add up to that of eq. (6), and no weight moves."""
    trainer = Trainer(method("cadnet", tiny()), tiny_split)
    trainer.step(), trainer.step()  # a G that starts as the identity passes nothing on before it has moved
    before = {name: value.clone() for name, value in trainer.net.named_parameters()}
    batch = next(trainer.batches)
    found = gradients_at_E(trainer, batch)
    assert list(found) == ["L_cls", "L_adv_DF", "L_rec", "L_adv_DI"]
    assert all(gradient.norm() > 0 for gradient in found.values())
    assert all(torch.equal(value, before[name]) for name, value in trainer.net.named_parameters())
    terms, _ = generator_terms(trainer.net, batch, *trainer.forward(batch), trainer.loss)
    slopes = torch.autograd.grad(total(terms, trainer.loss), list(trainer.net.E.parameters()))
    whole = torch.cat([slope.flatten().double() for slope in slopes])
    assert torch.allclose(sum(found.values()), whole, atol=1e-4 * float(whole.norm()))
    for name, named in (("without_adv_DF", ["L_cls", "L_rec", "L_adv_DI"]), ("baseline_mlr", ["L_cls"])):
        trainer = Trainer(method(name, tiny()), tiny_split)
        assert list(gradients_at_E(trainer, next(trainer.batches))) == named  # a loss of weight 0 has none


def test_finished_runs_alone_make_a_table_and_nothing_is_trained(measured: Path, capsys: Any) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cadnet_edu.cli.reproduce.run_all", None)  # nor is anything measured again
        assert smoke(measured, "--finished", "--seeds", 4) == 0
    (regime,) = numbers(measured)
    runs = {row["row"]: row["runs"] for row in regime["parts"][0]["rows"]}
    assert runs == {"bilinear": 1, "cadnet": 2, "without_adv_DI": 2, "without_adv_DF": 1, "without_cls": 2}
    capsys.readouterr()
    assert smoke(measured, "--finished", "--rows", "cadnet", "--num-identities", 2) == 2
    assert "no run of these rows is finished yet" in capsys.readouterr().err
    assert smoke(measured, "--finished", "--fresh") == 2
    assert "give one of them" in capsys.readouterr().err


def test_a_dry_run_lists_every_run_and_trains_nothing(measured: Path, tmp_path: Path, capsys: Any) -> None:
    (path,) = (tmp_path / "runs").glob("cadnet-*-seed1.json")
    told = read_json(path)
    told["provenance"]["code"] = "anothercode1"
    committed = tmp_path / "committed" / "smoke"
    committed.mkdir(parents=True)
    (committed / path.name).write_text(json.dumps(told))
    path.unlink()
    assert smoke(tmp_path, "--rows", "cadnet", "without_rec", "--seeds", 3, "--dry-run") == 0
    lines = {line.split("  ")[0]: line for line in capsys.readouterr().out.splitlines()}
    for name, words in (
        ("cadnet, seed 0", f"finished here, code {runs.code_version()} (the training code is the same)"),
        ("cadnet, seed 1", "committed, code anothercode1 (the training code has changed since)"),
        ("cadnet, seed 2", "to do, about"),
        ("cadnet, seed 2", "(as other seeds took)"),
        ("without_rec, seed 0", "(from trial steps)"),
    ):
        assert words in lines[name]
    assert any(line.startswith("6 runs, 2 done, 4 to do") for line in lines)
    assert smoke(tmp_path, "--rows", "cadnet", "--seeds", 2) == 0  # a committed run is not done again
    assert "from 2 records" in (tmp_path / "table3.md").read_text().lower()


def test_fresh_does_everything_again(tmp_path: Path, fits: list[str]) -> None:
    assert smoke(tmp_path, "--rows", "cadnet") == 0
    first = numbers(tmp_path)
    (kept,) = (cache_dir() / "runs").glob("cadnet-smoke-*")
    (kept / "notes" / "old").mkdir(parents=True)
    assert smoke(tmp_path, "--rows", "cadnet", "--fresh") == 0
    assert not (kept / "notes").exists()
    assert fits == ["cadnet 0", "cadnet 0"]
    assert numbers(tmp_path) == first


def test_a_data_set_named_on_the_command_line_comes_without_the_folder_of_another(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CADNET_EDU_DATASET", "market1501")
    monkeypatch.setenv("CADNET_EDU_ROOT", str(tmp_path))
    for options, expected in ({}, ("market1501", tmp_path)), ({"dataset": "walkers"}, ("walkers", None)):
        data = base_config(Reproduce("table1", preset="smoke", **options)).data
        assert (data.dataset, data.root) == expected


def test_the_printed_command_gives_the_same_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever changes a number is in it, and it can be pasted."""
    plain = Reproduce("claims", preset="reduced", seeds=3, main_seeds=5)
    assert same_numbers(plain, base_config(plain)) == (
        "cadnet-edu reproduce claims --preset reduced --seeds 3 --main-seeds 5"
    )
    changes: dict[str, Any] = dict(steps=9, dataset="own", filename_pattern="{pid}/*", data_seed=2, num_identities=2,
                                   allow_withdrawn=True, bbox="labeled")  # fmt: skip
    options = Reproduce("claims", preset="smoke", regimes=("all",), rows=("cadnet", "f_only"), **changes)
    words = shlex.split(same_numbers(options, base_config(options)))
    assert words[0] == "cadnet-edu"
    again = read(Reproduce, words[2:], "reproduce")
    assert again == options
    settings = flatten(base_config(again).to_dict())
    assert {name: settings[name] for name in changes} == changes


def test_networks_of_earlier_code_are_taken_when_asked_for(
    tmp_path: Path, fits: list[str], monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    def done(folder: str, *more: str) -> str:
        assert smoke(tmp_path / folder, "--rows", "cadnet", *more) == 0
        return capsys.readouterr().out

    done("a")
    old = runs.code_version()
    for module in (runs, run_all):
        monkeypatch.setattr(module, "code_version", lambda *_: "todayscode12")
    assert "trial steps" in done("b", "--dry-run")
    assert "trained already, only to be measured" in done("b", "--dry-run", "--allow-stale-code")
    done("b", "--allow-stale-code")
    assert fits == ["cadnet 0"]
    assert read_json(next((tmp_path / "b" / "runs").glob("*.json")))["provenance"]["code"] == old
    done("c")
    assert fits == ["cadnet 0", "cadnet 0"]


def test_one_failure_loses_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any, fits: list[str]
) -> None:
    step = Trainer.step

    def breaks(self: Trainer, *arguments: Any) -> Any:
        if self.config.run.method == "cadnet" and self.step_number == 2:
            raise RuntimeError("a fuse blew")
        return step(self, *arguments)

    monkeypatch.setattr(Trainer, "step", breaks)
    assert smoke(tmp_path, "--rows", "without_rec", "cadnet") == 1
    said = capsys.readouterr().err
    assert said.count("a fuse blew") == 2  # when it happened, and at the end
    assert said.splitlines()[-1] == "failed: cadnet, seed 0: RuntimeError: a fuse blew"
    (error,) = (tmp_path / "runs").glob("*.error.json")
    assert "fuse" in read_json(error)["traceback"]
    assert len(list((tmp_path / "runs").glob("without_rec-*.json"))) == 1
    assert re.search(r"\| CAD-Net +\| - ", (tmp_path / "table3.md").read_text())
    monkeypatch.setattr(Trainer, "step", step)
    assert smoke(tmp_path, "--rows", "without_rec", "cadnet") == 0  # and the failed one is tried again
    assert not error.exists()
    assert fits == ["cadnet 0", "without_rec 0", "cadnet 0"]


def test_a_run_that_another_process_is_at_is_left_to_it(all_records: Path, tmp_path: Path, fits: list[str]) -> None:
    """Two processes on one folder: together they do each run once."""
    code = (
        "import sys, pathlib, filelock\n"
        "with filelock.FileLock(sys.argv[1]):\n"
        "    print('held', flush=True); sys.stdin.readline()\n"
        "    pathlib.Path(sys.argv[2]).write_text(sys.argv[3])\n"
    )
    (path,) = all_records.glob("cadnet-*-seed0.json")
    target = tmp_path / "b" / "runs" / path.name
    target.parent.mkdir(parents=True)
    arguments = [sys.executable, "-c", code, str(target.parent / f".{path.stem}.lock"), str(target), path.read_text()]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout
        assert other.stdout.readline() == "held\n"

        def log(line: str) -> None:
            if "without_rec" in line and other.stdin:  # all that could be done meanwhile is done
                print(file=other.stdin, flush=True)

        todo = tasks(rows(["cadnet", "without_rec"], tiny()), [0])
        assert run_all.run_all(todo, target.parent, Records(target.parent), log) == {}
    assert fits == ["without_rec 0"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--seeds", 0), "give at least 1"),
        (("--seeds", 2, "--main-seeds", 1), "--main-seeds 1: give at least as many as --seeds, 2"),
        (("--rows", "baseline_mlr"), "has no row 'baseline_mlr'"),
        (("--preset", "huge"), "no preset 'huge'"),
    ],
)
def test_mistakes_end_in_an_error_message(tmp_path: Path, arguments: Any, words: str, capsys: Any) -> None:
    assert smoke(tmp_path, *arguments) == 2
    assert words in capsys.readouterr().err


# ---------------------------------------------------------------------------------------------------- the numbers


def test_bicubic_is_sharper_than_bilinear_and_whole_at_rate_1() -> None:
    x = torch.rand(2, 3, 32, 16, generator=torch.Generator().manual_seed(0)).cumsum(3) / 16
    assert torch.equal(scoring.bicubic(x, 1), x)
    assert (scoring.bicubic(x, 2) - x).abs().mean() < (degrade(x, 2) - x).abs().mean()


def test_lpips_is_measured_later_when_it_could_not_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fits: list[str]
) -> None:
    """A machine without network writes its records; where LPIPS can be had they are completed, and nothing trained."""
    monkeypatch.setattr("cadnet_edu.cli.reproduce.preset", lambda name, **_: tiny(height=64, width=32))
    alexnet_of_chance(cache_dir())
    for why in ("no network", None):
        for module in (scoring, run_all):
            monkeypatch.setattr(module, "lpips_missing", lambda why=why: why)
        assert smoke(tmp_path, "--rows", "cadnet", "bilinear") == 0
        assert ("Not measured: lpips: no network" in (tmp_path / "table3.md").read_text()) == bool(why)
    assert fits == ["cadnet 0"]
    assert all(f.record["scores"]["8"]["lpips"] > 0 for f in Records(tmp_path / "runs"))


# ---------------------------------------------------------------------------------------------------- killed


def started(out: Path, cache: Path) -> subprocess.Popen[str]:
    """The real command in a process of its own, on the embedded set: two seeds."""
    arguments = f"reproduce table3 --preset smoke --steps 20 --regimes all --seeds 2 --rows cadnet --out {out}"
    command = [sys.executable, "-m", "cadnet_edu", *arguments.split()]
    env = environment(CADNET_EDU_CACHE=str(cache))
    return subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def half_trained(cache: Path) -> bool:
    """Whether some run has a checkpoint and is not finished."""
    runs_there = cache.glob("runs/*/checkpoint.pt")
    return any(not (checkpoint.parent / "run.json").exists() for checkpoint in runs_there)


@pytest.mark.slow
def test_killed_in_the_middle_it_goes_on_and_gives_the_same_numbers(tmp_path: Path) -> None:
    killed, whole, caches = tmp_path / "killed", tmp_path / "whole", [tmp_path / "cache1", tmp_path / "cache2"]
    for cache in caches:
        alexnet_of_chance(cache)

    def records() -> dict[Path, tuple[int, bytes]]:
        return {p: (p.stat().st_mtime_ns, p.read_bytes()) for p in (killed / "runs").glob("*-seed?.json")}

    process = started(killed, caches[0])
    deadline = time.monotonic() + 400
    while not (records() and half_trained(caches[0])):
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    before = records()
    assert len(before) == 1  # and the second run was cut short
    again, straight = started(killed, caches[0]), started(whole, caches[1])
    said = again.communicate(timeout=500)[1]
    assert again.returncode == 0, said
    assert said.count("finished here") == 1
    assert before.items() <= records().items()
    said = straight.communicate(timeout=500)[1]
    assert straight.returncode == 0, said
    assert numbers(killed) == numbers(whole)


# ---------------------------------------------------------------------------------------------------- what is shown


def test_figure_3_shows_people_and_scores(measured: Path, tmp_path: Path, capsys: Any) -> None:
    assert smoke(tmp_path, "--seeds", 2, what="figure3") == 0
    data = read_json(tmp_path / "figure3.json")
    assert set(data["people"]) == set(ROWS["figure3"])
    assert len(data["people"]["cadnet"]["psnr"]["8"]) == len(data["people"]["cadnet"]["queries"])
    mean, low, high = data["all_queries"]["cadnet"]["4"]["psnr"]
    assert low < mean < high
    assert data["all_queries"]["bilinear"]["4"]["psnr"][1] is None
    for name in ("figure3", "figure3_methods"):
        with Image.open(tmp_path / f"{name}.png") as picture:
            assert picture.width > 500
    assert "| bicubic up-sampling" in capsys.readouterr().out
    next((tmp_path / "runs").glob("bilinear*.webp")).unlink()
    assert smoke(tmp_path, "--rows", "bilinear", what="figure3") == 2
    assert "--fresh" in capsys.readouterr().err
    assert smoke(tmp_path, "--rows", "bilinear", "--fresh", what="figure3") == 0


def test_figure_4_holds_points_and_probes(measured: Path, tmp_path: Path) -> None:
    assert smoke(tmp_path, "--seeds", 1, what="figure4") == 0
    data = read_json(tmp_path / "figure4.json")
    for name in ("without_adv_DF", "cadnet"):
        found = data["maps"][name]
        assert len(found["points"]) == len(found["pids"]) == len(found["rates"]) == 5 * 4  # people x rates
        assert set(found["rates"]) == {1, 2, 4, 8}
        assert 0 <= data["numbers"]["probe, r in {1,2,3,4}"][name][0] <= 1
    assert (tmp_path / "figure4.png").exists()


def test_beyond_draws_what_there_are_numbers_for(measured: Path, tmp_path: Path) -> None:
    rows_ = ("baseline_mlr", "two_encoders", "cadnet")
    assert smoke(tmp_path, "--seeds", 2, "--rows", *rows_, what="beyond") == 0
    drawn = {p.name for p in tmp_path.glob("*.png")}
    assert {"beyond_sweep.png", "beyond_frequency.png", "beyond_gradients.png"} <= drawn
    block = read_json(tmp_path / "beyond.json")["beyond"]["all"]
    assert list(block) == list(rows_)
    assert len(block["cadnet"]["sweep"]) == 13
    assert block["baseline_mlr"]["margins"] == block["baseline_mlr"]["frequency"] == {}
    assert set(block["cadnet"]["gradients"]) == {"start", "end"}
    assert sum(share[0] for share in block["cadnet"]["gradients"]["end"].values()) == pytest.approx(1, abs=1e-3)
    assert (tmp_path / "beyond.md").read_text().count("| CAD-Net ") == 2


def test_claims_are_evaluated_on_the_records_there_are(measured: Path, tmp_path: Path) -> None:
    assert smoke(tmp_path, "--seeds", 2, "--rows", "cadnet", what="claims") == 0
    told = {claim["name"]: claim for claim in read_json(tmp_path / "claims.json")["claims"]}
    for name in ("little-is-lost-at-the-unseen-rate", "any-rate-will-do", "w-is-free-of-resolution"):
        assert told[name]["verdict"] != "not testable here"
        assert {number["seeds"] for number in told[name]["numbers"]} == {2}
    assert told["joint-beats-its-halves"]["verdict"] == "not testable here"


def test_published_results_count_as_committed(measured: Path, tmp_path: Path, capsys: Any) -> None:
    book = tmp_path / "book"
    (book / "results").mkdir(parents=True)
    with pytest.MonkeyPatch.context() as patch:
        for module in (records_module, publish_module):
            patch.setattr(module, "COMMITTED_RUNS", book / "results" / "runs")
        assert smoke(measured, "--rows", "cadnet", "bilinear", "--publish") == 0
        folder = book / "results" / "runs" / "smoke"
        assert sorted(p.suffix for p in folder.iterdir()) == [".json", ".json", ".webp", ".webp"]
        assert read_json(book / "results" / "table3.json") == read_json(measured / "table3.json")
        capsys.readouterr()
        assert smoke(tmp_path / "b", "--rows", "cadnet", "bilinear", "--dry-run") == 0
        assert capsys.readouterr().out.count("committed, code") == 2
        assert smoke(tmp_path / "b", "--rows", "cadnet", "bilinear") == 0
        assert numbers(tmp_path / "b") == numbers(measured)
        assert smoke(tmp_path / "b", "--rows", "cadnet", "--publish", what="claims") == 0
        assert (book / "claims.md").read_text() == (tmp_path / "b" / "claims.md").read_text()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(publish_module, "COMMITTED_RUNS", tmp_path / "nowhere" / "results" / "runs")
        assert smoke(measured, "--rows", "cadnet", "--publish") == 2
    assert "there is no book" in capsys.readouterr().err


def test_the_page_of_the_regimes_is_published_with_its_figure_and_the_restored_grid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = tmp_path / "book"
    for folder in ("results", "_static"):
        (book / folder).mkdir(parents=True)
    monkeypatch.setattr(publish_module, "COMMITTED_RUNS", book / "results" / "runs")
    one = ("--regimes", "all", "--rows", "baseline_hr", "cadnet", "--publish")
    assert smoke(tmp_path, *one, what="regimes") == 0
    assert (book / "regimes.md").read_text() == (tmp_path / "regimes.md").read_text()
    assert (book / "_static" / "regimes.svg").stat().st_size > 10_000
    ranks, quality = (part["rows"][-1]["values"] for part in numbers(tmp_path, "regimes")[0]["parts"])
    assert [v is not None for v in ranks] == [False, True, True, True, True, True]  # none at r = 1
    assert ranks[4][0] == pytest.approx(sum(v[0] for v in ranks[1:4]) / 3)  # of mixed rates the mean
    assert [v is not None for v in quality] == [True] * 4
    assert quality[0][0] > quality[1][0] > quality[3][0]


def test_every_committed_record_can_be_found_again() -> None:
    """Each is of a preset and seed that its name says, and names the code that made it."""
    for path in sorted((ROOT / "book" / "results" / "runs").rglob("*-seed*.json")):
        told = read_json(path)
        config = Config.from_dict(told["config"])
        assert told["provenance"]["code"], path
        assert told["provenance"]["commit"], path
        assert path.stat().st_size < 40_000, path
        assert path.parent.name == config.run.preset
        assert path.stem.endswith(f"-seed{told['seed']}")
        assert config.data.root is None


def test_another_data_set_gives_its_own_numbers_into_the_same_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fits: list[str]
) -> None:
    for module in ("cadnet_edu.runs", "cadnet_edu.lab.measure"):
        monkeypatch.setattr(f"{module}.open_split", open_split)
    first, second = write_viper(tmp_path / "a"), write_viper(tmp_path / "b", people=10)
    wanted = ("--dataset", "viper", "--rows", "bilinear", "baseline_mlr", "--out", tmp_path / "out")
    psnr = []
    for root in (first, second, first):
        assert cli("table2", "--preset", "smoke", "--regimes", "all", "--root", root, *wanted) == 0
        psnr.append((tmp_path / "out" / "table2.json").read_text())
    assert psnr[0] != psnr[1]
    assert json.loads(psnr[0])["regimes"] == json.loads(psnr[2])["regimes"]
    assert fits == ["baseline_mlr 0", "baseline_mlr 0"]
