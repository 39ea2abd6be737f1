"""A run that starts from the weights of another run."""

from pathlib import Path

import pytest
import torch
from people import tiny

from cadnet_edu.pretrained import export, pretrained
from cadnet_edu.training.trainer import build_network


@pytest.mark.parametrize("identities", [6, 9])
def test_an_exported_network_is_a_start_for_another_run(tmp_path: Path, identities: int) -> None:
    """All of E, G and F, and C where it has as many people; what was not exported starts as it always does."""
    path = export(build_network(tiny(seed=1), 6), tiny(), {}, [], "tiny", tmp_path)
    state = build_network(tiny(weights=str(path)), identities).state_dict()
    random = build_network(tiny(), identities).state_dict()
    for name, value in pretrained("tiny", tmp_path).net.state_dict().items():
        same = state[name].shape == value.shape
        assert same or (name.startswith(("C.fc.", "branch_C.")) and identities != 6), name
        assert torch.equal(state[name], value if same else random[name]), name
    discriminators = [name for name in state if name.startswith(("D_F.", "D_I."))]
    assert discriminators
    assert all(torch.equal(state[name], random[name]) for name in discriminators)


def test_a_start_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    net = build_network(tiny(), 6)
    path = export(net, tiny(), {}, [], "tiny", tmp_path)
    for changes in ({"backbone_width": 16}, {"use_decoder": False, "lambda_rec": 0, "lambda_adv_DI": 0}):
        with pytest.raises(ValueError, match=r"do not fit this network .* Give the method, backbone and widths"):
            build_network(tiny(weights=str(path), **changes), 6)
    state = {"net": {name: value.clone() for name, value in net.state_dict().items()}}
    state["net"]["E.resnet.conv1.weight"][0] = float("nan")
    torch.save(state, tmp_path / "nan.pt")
    with pytest.raises(ValueError, match=r"conv1\.weight holds a number that is not finite"):
        build_network(tiny(weights=str(tmp_path / "nan.pt")), 6)
