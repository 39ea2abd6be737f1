"""The first cell of each chapter: seeds, device, style, and honest words about where it runs."""

import random
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from cadnet_edu.config import PRESETS, cache_dir, preset
from cadnet_edu.data.samples import noise_split
from cadnet_edu.lab.records import published
from cadnet_edu.methods import method
from cadnet_edu.teach import notebook
from cadnet_edu.training.dry_run import training_identities
from cadnet_edu.training.trainer import Trainer


def draws() -> tuple[float, float, float]:
    return random.random(), float(np.random.rand()), float(torch.rand(()))


def test_setup_returns_the_profile_and_seeds_everything(capsys: pytest.CaptureFixture[str]) -> None:
    config = notebook.setup("smoke")
    first = draws()
    assert config == preset("smoke")
    notebook.setup("smoke")
    assert draws() == first
    assert notebook.setup("smoke", seed=3).run.seed == 3
    assert draws() != first
    assert "preset smoke: walkers, 64 x 32 pixels, seed 0" in capsys.readouterr().out


def test_setup_follows_the_environment_and_refuses_an_unknown_preset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CADNET_EDU_PRESET", "reduced")
    assert notebook.setup(quiet=True).run.preset == "reduced"
    monkeypatch.delenv("CADNET_EDU_PRESET")
    assert notebook.setup(quiet=True).run.preset == "quick"
    with pytest.raises(ValueError, match=r"no preset 'huge'.*smoke"):
        notebook.setup("huge")


@pytest.mark.parametrize("name", sorted(PRESETS))
@pytest.mark.parametrize("place", ["colab", "kaggle", "local"])
def test_a_missing_gpu_is_said_where_one_is_wanted(
    name: str, place: notebook.Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = preset(name)
    monkeypatch.setattr(notebook, "measured_speed", lambda on, precision: 10.0 if on.type == "cpu" else 10_000.0)
    without = notebook.report(config, place, torch.device("cpu"))
    with_one = notebook.report(config, place, torch.device("meta"))  # stands for a GPU: this machine may lack one
    assert ("wants a GPU" in without) == (name == "full")
    assert "wants a GPU" not in with_one
    if name == "full":
        assert notebook.HINTS[place] in without
        assert max(map(len, without.splitlines())) <= 80
    assert re.match(rf"preset {name}:.*\nTo train a CAD-Net of this preset takes about ", without)
    assert ("A GPU is faster" in without) == (place != "local" and name in ("quick", "reduced"))
    assert "A GPU is faster" not in with_one
    assert ("keep_on_drive()" in without) == (place == "colab")


@pytest.mark.parametrize("name", PRESETS)
def test_the_estimate_counts_what_a_step_really_does(name: str) -> None:
    if name == "full":  # too large to be tried
        flops = published("plan_full")["flops"]
    else:
        config = method("cadnet", preset(name, device="cpu"))
        trainer = Trainer(config, noise_split(config, training_identities(config)))
        with FlopCounterMode(display=False) as counter:  # convolutions and matrix products, forward and backward
            trainer.step()
        flops = counter.get_total_flops()
    assert notebook.STEP[name] == pytest.approx(flops / 1e9, rel=0.05)


def test_the_estimate_grows_with_steps_and_with_slowness(monkeypatch: pytest.MonkeyPatch) -> None:
    config, cpu = preset("quick"), torch.device("cpu")
    monkeypatch.setattr(notebook, "measured_speed", lambda *_: 50.0)
    low, high = notebook.expected_seconds(config, cpu)
    overhead = notebook.OVERHEAD * config.optim.steps
    assert (low - overhead, high - overhead) == pytest.approx((89.4, 89.4 / 0.3))
    monkeypatch.setattr(notebook, "measured_speed", lambda *_: 25.0)
    assert notebook.expected_seconds(config, cpu)[0] - overhead == pytest.approx(178.8)


def test_this_machine_does_something_a_second() -> None:
    before = torch.random.get_rng_state()
    notebook.measured_speed.cache_clear()
    assert 0.1 < notebook.measured_speed(torch.device("cpu"), "fp32") < 1e6
    assert torch.equal(before, torch.random.get_rng_state()), "a trial must not change what is drawn after it"


def test_where_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KAGGLE_KERNEL_RUN_TYPE", raising=False)
    assert notebook.where() == "local"
    monkeypatch.setenv("KAGGLE_KERNEL_RUN_TYPE", "Interactive")
    assert notebook.where() == "kaggle"
    monkeypatch.setattr(notebook.importlib.util, "find_spec", lambda name: name)
    assert notebook.where() == "colab"


class Colab:
    """Stands for Colab's own module: mounts a folder of this machine."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self.mounted: list[str] = []
        monkeypatch.setitem(sys.modules, "google.colab.drive", SimpleNamespace(mount=self.mounted.append))
        monkeypatch.setattr(notebook, "where", lambda: "colab")
        monkeypatch.setattr(notebook, "DRIVE", folder / "drive")
        monkeypatch.setenv("CADNET_EDU_CACHE", str(folder / "cache"))


def test_nothing_goes_to_drive_unless_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    colab = Colab(monkeypatch, tmp_path)
    notebook.setup("smoke")
    assert colab.mounted == []
    assert not (tmp_path / "drive").exists()
    monkeypatch.setattr(notebook, "where", lambda: "local")
    with pytest.raises(RuntimeError, match=r"not Colab.*kept on this machine anyway, in .*cache"):
        notebook.keep_on_drive()


def test_on_request_runs_are_kept_on_drive(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    colab = Colab(monkeypatch, tmp_path)
    place = notebook.keep_on_drive("mine")
    assert colab.mounted == [str(tmp_path / "drive")]
    assert place == cache_dir() == tmp_path / "drive/MyDrive/mine"
    run = cache_dir() / "runs/cadnet-quick-1"
    run.mkdir(parents=True)
    (run / "checkpoint.pt").write_bytes(b"weights")
    monkeypatch.setenv("CADNET_EDU_CACHE", str(tmp_path / "another session"))
    notebook.keep_on_drive("mine")
    assert (cache_dir() / "runs/cadnet-quick-1/checkpoint.pt").read_bytes() == b"weights"
    assert "1 lie there already" in capsys.readouterr().out


def test_glue_keeps_values_for_the_prose_and_does_nothing_elsewhere(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kept: dict[str, object] = {}
    tool = SimpleNamespace(glue=lambda name, value, display: kept.update({name: (value, display)}))
    monkeypatch.setitem(sys.modules, "myst_nb", tool)
    notebook.glue("rank1", 0.5)
    assert kept == {"rank1": (0.5, False)}
    monkeypatch.setitem(sys.modules, "myst_nb", None)
    notebook.glue("rank1", 0.5)
    assert capsys.readouterr() == ("", "")
