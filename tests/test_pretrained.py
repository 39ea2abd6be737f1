"""Networks that come with the package: small files that give the scores they tell."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from cadnet_edu import pretrained as module
from cadnet_edu import runs
from cadnet_edu.cli import export as export_command
from cadnet_edu.cli.main import main
from cadnet_edu.config import Config, LossWeights, preset
from cadnet_edu.data.samples import Split
from cadnet_edu.evaluation.evaluate import evaluate
from cadnet_edu.lab import export as lab_export
from cadnet_edu.lab.records import Records, committed_folders
from cadnet_edu.methods import method
from cadnet_edu.methods.cadnet import model_of
from cadnet_edu.pretrained import LARGEST, WEIGHTS, export, model_card, names, pretrained
from cadnet_edu.runs import Run, open_split, train_or_load
from cadnet_edu.training.trainer import build_network

ROOT = Path(__file__).parents[1]
TINY = dict(
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


@pytest.fixture(autouse=True)
def _own_world(tiny_split: Split, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "open_split", lambda config, train=True: tiny_split)
    monkeypatch.setattr(lab_export, "open_split", lambda config, train=True: tiny_split)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, tiny_split: Split) -> Run:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runs, "open_split", lambda config, train=True: tiny_split)
        folder = tmp_path_factory.mktemp("run")
        return train_or_load(method("cadnet", preset("smoke", **TINY)), folder=folder)  # type: ignore[arg-type]


def test_a_run_made_on_the_spot_gives_the_scores_it_tells(run: Run, tmp_path: Path, tiny_split: Split) -> None:
    """What a committed file says of itself is what comes out when it is asked again."""
    path = lab_export.export_run(run, "tiny", tmp_path)
    one = pretrained("tiny", tmp_path)
    assert one.config == run.config
    assert one.history == run.history
    told = one.record["scores"]
    again = evaluate(model_of(one.net), tiny_split, (1, 4, 8), (32, 16))
    for r, scores in again.items():
        for name in ("rank1", "rank5", "mAP", "psnr", "ssim"):
            assert told[r][name] == pytest.approx(scores[name], rel=1e-5), (r, name)
    assert one.record["budget"]["steps"] == 4
    assert one.record["provenance"]["code"]
    assert path.stat().st_size < 500_000
    card = (tmp_path / "README.md").read_text()
    assert "## `tiny`" in card
    assert f"| 4 | {told['4']['rank1']:.3f} |" in card


def test_half_precision_changes_little_and_halves_the_file(run: Run, tmp_path: Path) -> None:
    export(run.net, run.config, {}, [], "tiny", tmp_path)
    net = pretrained("tiny", tmp_path).net
    x = torch.rand(4, 3, 32, 16, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.allclose(net.embed(x), run.net.embed(x), rtol=2e-2, atol=2e-2)
        assert not torch.equal(net.embed(x), run.net.embed(x))
        assert torch.allclose(net.recover(x), run.net.recover(x), atol=1e-2)
    assert next(net.parameters()).dtype == torch.float32
    assert not any(p.requires_grad for p in net.parameters())
    assert not net.training
    with safe_open(tmp_path / "tiny.safetensors", "pt") as file:
        kept = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    assert {t.dtype for t in kept.values()} == {torch.float16, torch.int64}  # BatchNorm counts its batches
    assert not [key for key in kept if key.startswith(("D_F", "D_I"))]
    assert net.D_F is net.D_I is None


@pytest.mark.parametrize("name", ["baseline_mlr", "two_encoders", "without_adv_DF", "g_only"])
def test_every_kind_of_network_comes_back(name: str, tiny_split: Split, tmp_path: Path) -> None:
    from cadnet_edu.training.trainer import Trainer

    config = method(name, preset("smoke", **TINY))  # type: ignore[arg-type]
    net = Trainer(config, tiny_split).net.eval()
    export(net, config, {}, [], name, tmp_path)
    x = torch.rand(2, 3, 32, 16)
    with torch.no_grad():
        assert torch.allclose(pretrained(name, tmp_path).net.embed(x), net.embed(x), rtol=2e-2, atol=2e-2)


def test_the_history_is_thinned(run: Run, tmp_path: Path) -> None:
    export(run.net, run.config, {}, run.history, "tiny", tmp_path, every=2)
    assert [r["step"] for r in pretrained("tiny", tmp_path).history] == [2, 4]


def test_nobody_learns_where_the_data_lay(run: Run, tmp_path: Path) -> None:
    export(run.net, run.config.replace(root=tmp_path / "secret"), {}, [], "tiny", tmp_path)
    assert pretrained("tiny", tmp_path).config.data.root is None
    assert b"secret" not in (tmp_path / "tiny.safetensors").read_bytes()


def test_mistakes_are_told(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match=r"no trained network 'other' .* There: none"):
        pretrained("other", tmp_path)
    export(run.net, run.config, {}, [], "tiny", tmp_path)
    with pytest.raises(ValueError, match="There: tiny"):
        pretrained("other", tmp_path)
    with pytest.raises(ValueError, match="letters, digits"):
        export(run.net, run.config, {}, [], "../tiny", tmp_path)
    monkeypatch.setattr(module, "WEIGHTS", tmp_path)
    monkeypatch.setattr(module, "LARGEST", 1.5 * (tmp_path / "tiny.safetensors").stat().st_size)
    export(run.net, run.config, {}, [], "tiny", tmp_path)  # it replaces itself
    with pytest.raises(ValueError, match=r"than the \d MB that the package may carry"):
        export(run.net, run.config, {}, [], "second", tmp_path)
    assert names(tmp_path) == ["tiny"]
    export(run.net, run.config, {}, [], "second", tmp_path / "elsewhere")  # a folder of one's own has no limit


def test_damaged_and_foreign_files_are_told(run: Run, tmp_path: Path) -> None:
    path = export(run.net, run.config, {}, [], "tiny", tmp_path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=r"tiny\.safetensors: damaged"):
        pretrained("tiny", tmp_path)
    save_file({"x": torch.zeros(1)}, path)
    with pytest.raises(ValueError, match="not one that `export`"):
        pretrained("tiny", tmp_path)
    about = {"format": module.FORMAT, "config": json.dumps(run.config.to_dict()), "record": "{}", "history": "[]"}
    save_file({"C.fc.weight": torch.zeros(6, 3)}, path, about)
    with pytest.raises(ValueError, match="the weights do not fit"):
        pretrained("tiny", tmp_path)


def test_numbers_beyond_half_precision_are_refused(run: Run, tmp_path: Path) -> None:
    state = {key: value.clone() for key, value in run.net.state_dict().items()}
    try:
        with torch.no_grad():
            run.net.C.fc.bias[0] = 1e6
        with pytest.raises(ValueError, match=r"C.fc.bias holds a number beyond half precision"):
            export(run.net, run.config, {}, [], "tiny", tmp_path)
    finally:
        run.net.load_state_dict(state)
    assert names(tmp_path) == []


def test_the_command_makes_the_file_and_the_card(run: Run, tmp_path: Path, capsys: Any) -> None:
    assert main(["export", str(run.folder), "--name", "mine", "--out", str(tmp_path)]) == 0
    assert names(tmp_path) == ["mine"]
    assert "model card" in capsys.readouterr().err
    assert main(["export", str(tmp_path / "nowhere"), "--out", str(tmp_path)]) == 2


def test_a_run_on_data_on_disk_is_exported(
    run: Run, tmp_path: Path, tiny_split: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is scored on its own data set, wherever that lies now, and the card says that there were photographs."""
    opened: list[tuple[str, Path | None, bool]] = []

    def spy(config: Config, train: bool = True) -> Split:
        opened.append((config.data.dataset, config.data.root, train))
        return tiny_split

    monkeypatch.setattr(lab_export, "open_split", spy)
    on_disk = replace(run, config=run.config.replace(dataset="market1501", root=Path("/data/market")))
    monkeypatch.setattr(export_command, "load_run", lambda folder: on_disk)
    assert main(["export", "run", "--name", "mine", "--out", str(tmp_path)]) == 0
    assert main(["export", "run", "--name", "mine", "--out", str(tmp_path), "--root", "/moved"]) == 0
    assert opened == [("market1501", Path("/data/market"), False), ("market1501", Path("/moved"), False)]
    assert pretrained("mine", tmp_path).config.data.root is None
    card = (tmp_path / "README.md").read_text()
    assert "Photographs of people (market1501)" in card
    assert "size" not in card.split("## `mine`")[1]
    assert "drawn people only" not in card
    monkeypatch.setattr(export_command, "load_run", lambda folder: run)
    assert run.config.data.dataset == "walkers"
    assert main(["export", "run", "--out", str(tmp_path), "--root", "/moved"]) == 2


@pytest.mark.parametrize("identities", [6, 9])
def test_an_exported_network_is_a_start_for_another_run(run: Run, tmp_path: Path, identities: int) -> None:
    """All of E, G and F, and C where it has as many people; what was not exported starts as it always does."""
    path = export(run.net, run.config, {}, [], "tiny", tmp_path)
    config = run.config.replace(weights=str(path))
    net, fresh = build_network(config, identities), build_network(run.config, identities)
    state, random = net.state_dict(), fresh.state_dict()
    for name, value in pretrained("tiny", tmp_path).net.state_dict().items():
        same = state[name].shape == value.shape
        assert same or (name.startswith(("C.fc.", "branch_C.")) and identities != 6), name
        assert torch.equal(state[name], value if same else random[name]), name
    judges = [name for name in state if name.startswith(("D_F.", "D_I."))]
    assert judges
    assert all(torch.equal(state[name], random[name]) for name in judges)


def test_a_start_that_does_not_fit_is_refused(run: Run, tmp_path: Path) -> None:
    path = export(run.net, run.config, {}, [], "tiny", tmp_path)
    for changes in ({"backbone_width": 16}, {"recovery": False, "lam": LossWeights(rec=0, adv_DI=0)}):
        with pytest.raises(ValueError, match=r"do not fit this network .* Give the method, backbone and widths"):
            build_network(run.config.replace(weights=str(path), **changes), 6)  # type: ignore[arg-type]
    state = {"net": {name: value.clone() for name, value in run.net.state_dict().items()}}
    state["net"]["E.resnet.conv1.weight"][0] = float("nan")
    torch.save(state, tmp_path / "nan.pt")
    with pytest.raises(ValueError, match=r"conv1\.weight holds a number that is not finite"):
        build_network(run.config.replace(weights=str(tmp_path / "nan.pt")), 6)


def test_what_comes_with_the_package_gives_the_scores_that_it_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each file of the package is asked again at r = 4; its card and its committed record tell the same."""
    monkeypatch.undo()
    found = [pretrained(name) for name in names()]
    assert [one.name for one in found] == ["cadnet", "without_adv_DF"]
    assert sum(path.stat().st_size for path in WEIGHTS.glob("*.safetensors")) <= LARGEST
    for one in found:
        c: Config = one.config
        scores = evaluate(model_of(one.net), open_split(c), (4,), (c.data.height, c.data.width))["4"]
        for name in ("rank1", "mAP", "ssim"):
            assert one.record["scores"]["4"][name] == pytest.approx(scores[name], abs=0.003), (one.name, name)
        assert one.record["scores"]["4"]["psnr"] == pytest.approx(scores["psnr"], abs=0.01)
        committed = Records(None, committed_folders(c.run.preset)).find(c)
        assert committed is not None  # scored in bf16, before the weights were halved
        for name, within in (("rank1", 0.005), ("mAP", 0.005), ("ssim", 0.002), ("psnr", 0.02)):
            assert committed.record["scores"]["4"][name] == pytest.approx(scores[name], abs=within), (one.name, name)
    assert (WEIGHTS / "README.md").read_text(encoding="utf-8") == model_card(found)
