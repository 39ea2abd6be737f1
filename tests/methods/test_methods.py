"""What every method keeps to: what it may read, one answer for one seed, a way back from its folder, its cost."""

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from people import tiny

from cadnet_edu.cli.main import main
from cadnet_edu.config import Config
from cadnet_edu.data.samples import Split, load_images
from cadnet_edu.evaluation.evaluate import embed
from cadnet_edu.evaluation.model import Model
from cadnet_edu.lab.analyses import NAMES
from cadnet_edu.lab.measure import budget, measure
from cadnet_edu.lab.records import Records, write_record
from cadnet_edu.lab.rows import LABELS, row
from cadnet_edu.lab.tables import table
from cadnet_edu.methods import METHODS, Progress, method, method_of
from cadnet_edu.methods.interface import cpu_seconds
from cadnet_edu.runs import load_run, train_or_load


class Unread(tuple):
    """A part of a split that must not be looked at."""

    def __iter__(self) -> Iterator[Any]:
        raise AssertionError("fit has read a test image")

    __getitem__ = __len__ = __iter__


def settings(name: str, **changes: Any) -> Config:
    return method(name, tiny(steps=2, checkpoint_every=1, **changes))


def u_of(model: Model, split: Split, batch_size: int = 128) -> torch.Tensor:
    return embed(model, load_images(split.query, 32, 16), 2, batch_size)


@pytest.mark.parametrize("name", METHODS)
def test_every_method_keeps_the_rules(name: str, tiny_split: Split, tmp_path: Path) -> None:
    made, config = METHODS[name], settings(name)
    assert config.run.method == name
    train_only = replace(tiny_split, query=Unread(), gallery=Unread())
    model = made.fit(train_only, config)
    again = made.fit(train_only, config, Progress(folder=tmp_path))  # and one seed gives one model
    assert torch.equal(u_of(model, tiny_split), u_of(again, tiny_split))
    modes = [m.training for network in model.networks for m in network.modules()]
    torch.testing.assert_close(u_of(model, tiny_split, 1), u_of(model, tiny_split))
    assert [m.training for network in model.networks for m in network.modules()] == modes
    assert made.sees == "HR+LR" or not made.trained or config.data.rates == (1,)
    assert model.cost.images == (config.optim.steps * 2 * 6 if made.trained else 0)
    assert (model.cost.parameters > 0) == made.trained
    back = made.load(torch.load(tmp_path / "checkpoint.pt", weights_only=True), config, "cpu")
    assert torch.equal(u_of(back, tiny_split), u_of(model, tiny_split))


def test_under_a_name_of_ones_own_settings_are_those_of_the_network() -> None:
    assert method_of(settings("cadnet").replace(method="mine")) is METHODS["cadnet"]


def test_cpu_time_counts_each_step_once(tmp_path: Path) -> None:
    """Steps 3 and 4 were done twice, because the run was killed after its checkpoint at step 2."""
    assert cpu_seconds(tmp_path) is None
    lines = [(1, 5.0), (2, 1.0), (3, 7.0), (4, 7.0), (3, 1.5), (4, 1.0), (5, 2.0)]
    text = "".join(json.dumps({"step": s, "cpu": c}) + "\n" for s, c in lines) + '{"step": 6, "c'
    (tmp_path / "cpu.jsonl").write_text(text)
    assert cpu_seconds(tmp_path) == 5 + 1 + 1.5 + 1 + 2


def test_a_method_without_training_is_kept_found_and_evaluated_as_any_other(
    market: Path, tmp_path: Path, capsys: Any
) -> None:
    config, folder = settings("colour_histogram", dataset="market1501", root=market), tmp_path / "run"
    run = train_or_load(config, folder=folder)
    assert (run.config, run.history, run.model.cost.steps) == (config, [], 0)
    before = (folder / "checkpoint.pt").stat().st_mtime_ns
    assert train_or_load(config, folder=folder).provenance == run.provenance
    assert (folder / "checkpoint.pt").stat().st_mtime_ns == before
    assert run.evaluate(rates=(1, 4)) == load_run(folder).evaluate(rates=(1, 4))
    assert main(["evaluate", str(folder), "--rates", "4", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["rates"]["4"] == run.evaluate(rates=(4,))["4"]
    assert told["provenance"]["recovered_by"] == "bilinear up-sampling"
    assert main(["recover", str(folder), "x.jpg", "--out", str(tmp_path / "out")]) == 2
    assert "a colour_histogram run has no decoder G" in capsys.readouterr().err
    with pytest.raises(ValueError, match="a colour_histogram run has no CADNet: use its `model`"):
        run.net  # noqa: B018
    with pytest.raises(ValueError, match="another configuration"):
        train_or_load(config.replace(data_seed=5), folder=folder)


def test_the_command_line_fits_a_method_without_training(tmp_path: Path, capsys: Any) -> None:
    assert main(["train", "--method", "colour_histogram", "--preset", "smoke", "--dry-run"]) == 0
    assert "a dry run shows the steps of networks only" in capsys.readouterr().out
    command = ["train", "--method", "colour_histogram", "--preset", "smoke", "--out", str(tmp_path / "run")]
    for _ in range(2):  # the second time it is there
        assert main(command) == 0
        assert "fitted, 0 parameters" in capsys.readouterr().err
    assert load_run(tmp_path / "run").config.run.method == "colour_histogram"


def test_a_method_without_network_fills_a_record_and_a_row(market: Path, tmp_path: Path) -> None:
    line = row("colour_histogram", tiny(dataset="market1501", root=market))
    run = train_or_load(line.config, folder=tmp_path / "run")
    made = measure(line, run, tmp_path / "colour.json")
    assert made["label"] == LABELS["colour_histogram"]
    assert list(made["analyses"]) == list(NAMES)
    empty = {name for name, found in made["analyses"].items() if not found}
    assert empty == {"probe", "silhouette", "margins", "frequency", "gradients", "map"}
    assert (made["parts"], made["picture"], made["missing"]) == ({}, {}, {})
    assert made["budget"] == budget(run.model.cost)
    assert asdict(run.model.cost)["steps"] == made["budget"]["steps"] == 0
    scores = run.evaluate(rates=(4,), quality=False)["4"]
    assert np.isclose(made["scores"]["4"]["rank1"], scores["rank1"])
    write_record(tmp_path / "runs" / "colour.json", made)
    shown = table("table1", [line], Records(tmp_path / "runs"), [0])
    assert str(shown).count("colour_histogram") > 0
