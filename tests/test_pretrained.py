"""Networks that come with the package: small files that give the scores they tell."""

import json
import shlex
import shutil
from pathlib import Path

import pytest
import torch
from commands import cli
from people import tiny
from safetensors import safe_open
from safetensors.torch import save_file

from cadnet_edu import pretrained as module
from cadnet_edu.cli.console import read
from cadnet_edu.cli.train import Train, preset_and_method
from cadnet_edu.config import preset
from cadnet_edu.data.resolution import degrade
from cadnet_edu.data.samples import load_images
from cadnet_edu.data.walkers import walkers
from cadnet_edu.evaluation.evaluate import evaluate
from cadnet_edu.evaluation.image_quality import psnr
from cadnet_edu.lab.export import export_run
from cadnet_edu.methods import method
from cadnet_edu.methods.cadnet import model_of
from cadnet_edu.pretrained import LARGEST, WEIGHTS, export, model_card, names, pretrained, training_command
from cadnet_edu.runs import Run, train_or_load
from cadnet_edu.training.checkpoints import identity
from cadnet_edu.training.trainer import build_network


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, market: Path) -> Run:
    return train_or_load(tiny(dataset="market1501", root=market), folder=tmp_path_factory.mktemp("run"))


def test_a_run_made_on_the_spot_gives_the_scores_it_tells(run: Run, tmp_path: Path) -> None:
    path = export_run(run, "tiny", tmp_path)
    one = pretrained("tiny", tmp_path)
    assert one.config == run.config.replace(root=None)
    assert one.history == run.history
    told = one.record["scores"]
    again = evaluate(model_of(one.net), run.split(), (1, 4, 8), (32, 16))
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
def test_every_kind_of_network_comes_back(name: str, tmp_path: Path) -> None:
    config = method(name, tiny())
    net = build_network(config, 6).eval()
    export(net, config, {}, [], name, tmp_path)
    x = torch.rand(2, 3, 32, 16)
    with torch.no_grad():
        assert torch.allclose(pretrained(name, tmp_path).net.embed(x), net.embed(x), rtol=2e-2, atol=2e-2)


def test_the_history_is_thinned_and_where_the_data_lay_stays_private(run: Run, tmp_path: Path) -> None:
    config = run.config.replace(root=tmp_path / "secret")
    export(run.net, config, {}, run.history, "tiny", tmp_path, every=2)
    assert [r["step"] for r in pretrained("tiny", tmp_path).history] == [2, 4]
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


def test_numbers_beyond_half_precision_are_refused(tmp_path: Path) -> None:
    net = build_network(tiny(), 6)
    torch.nn.init.constant_(net.C.fc.bias, 1e6)
    with pytest.raises(ValueError, match=r"C.fc.bias holds a number beyond half precision"):
        export(net, tiny(), {}, [], "tiny", tmp_path)
    assert names(tmp_path) == []


def test_the_command_makes_the_file_and_the_card_of_data_on_disk(run: Run, tmp_path: Path, market: Path) -> None:
    """A run is scored on its own data set, wherever that lies now, and the card says that there were photographs."""
    said = cli("export", run.folder, "--name", "mine", "--out", tmp_path / "out")
    assert (said.code, "model card" in said.err) == (0, True), said.err
    assert names(tmp_path / "out") == ["mine"]
    card = (tmp_path / "out" / "README.md").read_text()
    assert "Photographs of people (market1501)" in card
    assert "on `market1501`, " in card  # which has no sizes
    assert "drawn people only" not in card
    moved = shutil.copytree(market, tmp_path / "moved")
    shutil.rmtree(moved / "bounding_box_train")  # not needed to score
    assert cli("export", run.folder, "--name", "moved", "--out", tmp_path / "out", "--root", moved).code == 0
    assert (
        pretrained("moved", tmp_path / "out").record["scores"] == pretrained("mine", tmp_path / "out").record["scores"]
    )
    assert cli("export", tmp_path / "nowhere", "--out", tmp_path).code == 2
    walkers = shutil.copytree(run.folder, tmp_path / "walkers")
    state = torch.load(walkers / "checkpoint.pt", weights_only=True)
    torch.save({**state, "config": json.dumps(tiny().to_dict())}, walkers / "checkpoint.pt")
    assert cli("export", walkers, "--out", tmp_path, "--root", moved).code == 2


@pytest.mark.parametrize("name", names())
def test_the_cards_command_gives_the_settings_of_the_file(name: str) -> None:
    config = pretrained(name).config
    words = shlex.split(training_command(config))[2:]
    assert f"`{' '.join(['cadnet-edu', 'train', *words])}`" in (WEIGHTS / "README.md").read_text(encoding="utf-8")
    preset_name, method_name = preset_and_method(words)
    told = read(Train, words, "train", Train(method(method_name, preset(preset_name))))
    assert identity(told.config) == identity(config)


@pytest.mark.slow
def test_what_comes_with_the_package_gives_the_scores_that_it_tells() -> None:
    found = [pretrained(name) for name in names()]
    assert [one.name for one in found] == ["cadnet", "walkers", "without_adv_DF"]
    assert sum(path.stat().st_size for path in WEIGHTS.glob("*.safetensors")) <= LARGEST
    for one in found:
        c = one.config
        people = walkers(c.data.walkers_size, *c.data.size, seed=c.data.data_seed, train=False)
        scores = evaluate(model_of(one.net), people, (4,), c.data.size)["4"]
        for name in ("rank1", "mAP", *(["ssim"] if one.net.G else [])):
            assert one.record["scores"]["4"][name] == pytest.approx(scores[name], abs=0.003), (one.name, name)
        if one.name == "walkers":  # recovers nothing, and is no row of a table
            continue
        assert one.record["scores"]["4"]["psnr"] == pytest.approx(scores["psnr"], abs=0.01)
        truth = load_images(people.query, *c.data.size).float() / 255
        floor = psnr(degrade(truth, 4), truth).double().mean().item()
        assert scores["psnr"] > floor + 2, one.name  # recovery that one can see
        told = [(one.record["scores"][r], one.record["floor"][r]) for r in ("2", "3", "4", "8")]
        assert told[2][1]["psnr"] == pytest.approx(floor, abs=0.01)
        assert all(ours["lpips"] < blurred["lpips"] for ours, blurred in told), one.name
    assert (WEIGHTS / "README.md").read_text(encoding="utf-8") == model_card(found)
