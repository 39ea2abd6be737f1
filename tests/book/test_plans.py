"""The plans that chapter 15 shows are those of the full run as it is now."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cadnet_edu.config import Config, profile
from cadnet_edu.data.checks import PUBLISHED
from cadnet_edu.plan import GPUS, plan

KEPT = Path(__file__).resolve().parents[2] / "book" / "results" / "plan_full.json"


@pytest.fixture(scope="module")
def known() -> dict[str, Any]:
    return json.loads(KEPT.read_text(encoding="utf-8"))


def test_they_are_of_the_full_profile(known: dict[str, Any]) -> None:
    now, then = profile("full"), Config.from_dict(known["config"])
    assert now == then, "the full profile has changed: run python book/tools/plans.py"
    assert known["images"] == PUBLISHED["market1501"]["train images"]
    assert known["passes"] == pytest.approx(now.steps * now.batch_size / known["images"])


def test_every_gpu_of_the_table_is_there(known: dict[str, Any]) -> None:
    assert set(known["plans"]) == set(GPUS)
    for name, made in known["plans"].items():
        assert made["there"] == GPUS[name].memory
        assert made["fits"] == (made["memory"] <= made["there"])
        assert made["precision"] == ("bf16" if GPUS[name].bf16 else "fp32")
        assert 0 < made["hours"][0] < made["hours"][1]


def test_every_change_saves_memory(known: dict[str, Any]) -> None:
    before = known["plans"][known["changed_on"]]["memory"]
    assert next(iter(known["changes"])) == "--precision 16-mixed"
    for what, made in known["changes"].items():
        assert made["memory"] < before, what
        assert made["cost"]


@pytest.mark.slow
def test_a_rehearsal_of_now_finds_the_same(known: dict[str, Any]) -> None:
    made = plan(profile("full"), "l4", advise=False)
    kept = known["plans"]["l4"]
    assert vars(made.tensors) == pytest.approx(kept["tensors"], rel=0.02), "run python book/tools/plans.py"
    assert list(made.hours) == pytest.approx(kept["hours"], rel=0.05)
    assert made.parameters == known["parameters"]
