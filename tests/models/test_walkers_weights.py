"""``weights="walkers"``: both encoders start from the shipped network, and only a slim backbone can."""

import pytest
import torch
from people import tiny
from safetensors.torch import load_file

from cadnet_edu.models.backbone import WALKERS, resnet
from cadnet_edu.training.trainer import build_network

WIDTH = 16


def test_both_encoders_start_from_it_and_nothing_else_does():
    shipped = {k: t.float() for k, t in load_file(WALKERS).items() if k.startswith("E.resnet.") and t.ndim}
    net = build_network(tiny(weights="walkers", backbone_width=WIDTH), identities=5)
    fresh = build_network(tiny(weights="none", backbone_width=WIDTH), identities=5)
    for name, tensor in shipped.items():
        part = name.removeprefix("E.")
        assert torch.equal(net.E.state_dict()[part], tensor)
        assert torch.equal(net.F.state_dict()[part], tensor)
    for name in ("G", "C", "D_F", "D_I"):
        ours, theirs = getattr(net, name).state_dict(), getattr(fresh, name).state_dict()
        assert all(torch.equal(ours[k], theirs[k]) for k in ours)


@pytest.mark.parametrize(
    ("name", "width", "message"),
    [
        ("resnet18", 64, "are of a slim backbone, not of resnet18: set backbone to 'slim'"),
        ("slim", 24, "are of a slim backbone of width 16, not 24: set backbone_width to 16"),
    ],
)
def test_another_backbone_is_refused(name, width, message):
    with pytest.raises(ValueError, match=message):
        resnet(name, width, weights="walkers")


def test_the_file_is_small():
    assert WALKERS.stat().st_size < 2 * 2**20
