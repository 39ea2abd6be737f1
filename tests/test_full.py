"""The paper's run, at its own sizes: one step with numbers, from weights on disk, and on from a checkpoint."""

import hashlib
from pathlib import Path

import pytest
import torch
import torchvision

from cadnet_edu.config import preset
from cadnet_edu.data.samples import noise_split
from cadnet_edu.lab.records import published
from cadnet_edu.training.trainer import Trainer

pytestmark = pytest.mark.slow
IDENTITIES = 751


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file such as torchvision's: a whole ResNet-50 with its classifier, its checksum in its name."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("weights")
    torch.save(torchvision.models.resnet50(weights=None).state_dict(), folder / "new.pth")
    digest = hashlib.sha256((folder / "new.pth").read_bytes()).hexdigest()
    return (folder / "new.pth").rename(folder / f"resnet50-{digest[:8]}.pth")


def test_a_step_of_the_papers_run(weights: Path, tmp_path: Path) -> None:
    """ResNet-50 twice from a local file, 256 x 128, 751 identities, the smallest legal batch: 2 identities x 2 images.

    A step, a checkpoint and another step, in one trainer; then the second step again in a new one that resumes.
    """
    config = preset("full", num_identities=2, num_instances=2, weights=str(weights), device="cpu")
    split = noise_split(config, IDENTITIES)
    trainer = Trainer(config, split, tmp_path)
    started = torch.load(weights, weights_only=True)
    for encoder in (trainer.net.E, trainer.net.F):
        assert torch.equal(encoder.resnet.layer4[2].conv3.weight, started["layer4.2.conv3.weight"])
    counts = {name: sum(p.numel() for p in part.parameters()) for name, part in trainer.net.named_children()}
    assert counts == published("plan_full")["parameters"] | {"branch_C": 0}
    assert counts["E"] == counts["F"] == 23_508_032
    assert counts["C"] == (4096 + 1) * IDENTITIES

    before = {name: p.detach().clone() for name, p in trainer.net.named_parameters() if name.endswith("weight")}
    assert all(value.isfinite() for value in trainer.step().values())
    still = [name for name, p in trainer.net.named_parameters() if name in before and torch.equal(p, before[name])]
    assert still == []  # every layer of every network has moved

    trainer.save()
    trainer.step()
    again = Trainer(config, split, tmp_path)
    assert again.resume()
    assert again.step_number == 1
    again.step()
    (tmp_path / "checkpoint.pt").unlink()  # 0.8 GiB
    ours, theirs = trainer.net.state_dict(), again.net.state_dict()
    assert [name for name in ours if not torch.equal(ours[name], theirs[name])] == []
    for a, b in zip(trainer.opt_G.state.values(), again.opt_G.state.values(), strict=True):
        assert torch.equal(a["momentum_buffer"], b["momentum_buffer"])
