"""The first cell of each chapter: seeds, device, style, and honest words about where it runs."""

from __future__ import annotations

import random
import sys
from types import ModuleType

import numpy as np
import pytest
import torch

from cadnet_edu import notebook
from cadnet_edu.config import PROFILES, profile


def draws() -> tuple[float, float, float]:
    return random.random(), float(np.random.rand()), float(torch.rand(()))


def test_setup_returns_the_profile_and_seeds_everything(capsys: pytest.CaptureFixture[str]) -> None:
    config = notebook.setup("smoke")
    first = draws()
    assert config == profile("smoke")
    notebook.setup("smoke")
    assert draws() == first
    assert notebook.setup("smoke", seed=3).seed == 3
    assert draws() != first
    assert "profile smoke: walkers, 64 x 32 pixels, seed 0" in capsys.readouterr().out


def test_setup_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CADNET_EDU_PROFILE", "reduced")
    assert notebook.setup(quiet=True).profile == "reduced"
    monkeypatch.delenv("CADNET_EDU_PROFILE")
    assert notebook.setup(quiet=True).profile == "quick"


def test_unknown_profile_is_refused() -> None:
    with pytest.raises(ValueError, match=r"no profile 'huge'.*smoke"):
        notebook.setup("huge")


@pytest.mark.parametrize("name", sorted(PROFILES))
@pytest.mark.parametrize("place", ["colab", "kaggle", "local"])
def test_a_missing_gpu_is_said_where_one_is_wanted(name: str, place: notebook.Place) -> None:
    config = profile(name)
    without = notebook._report(config, place, torch.device("cpu"))
    with_one = notebook._report(config, place, torch.device("cuda"))
    assert ("wants a GPU" in without) == (name == "full")
    assert "wants a GPU" not in with_one
    if name == "full":
        assert notebook.HINTS[place] in without
        assert max(map(len, without.splitlines())) <= 80
    assert without.splitlines()[0].startswith(f"profile {name}:")


def test_where_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KAGGLE_KERNEL_RUN_TYPE", raising=False)
    assert notebook.where() == "local"
    monkeypatch.setenv("KAGGLE_KERNEL_RUN_TYPE", "Interactive")
    assert notebook.where() == "kaggle"
    found = ModuleType("google.colab")
    monkeypatch.setattr(notebook.importlib.util, "find_spec", lambda name: found)
    assert notebook.where() == "colab"


def test_device() -> None:
    best = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    assert notebook.device().type == best
    assert notebook.device("cpu") == torch.device("cpu")


def test_glue_keeps_values_for_the_prose(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: dict[str, object] = {}
    tool = ModuleType("myst_nb")
    tool.glue = lambda name, value, display: kept.update({name: (value, display)})  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "myst_nb", tool)
    notebook.glue("rank1", 0.5)
    assert kept == {"rank1": (0.5, False)}


def test_glue_does_nothing_elsewhere(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "myst_nb", None)
    notebook.glue("rank1", 0.5)
    assert capsys.readouterr() == ("", "")
