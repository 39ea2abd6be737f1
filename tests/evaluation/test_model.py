"""Models: plain functions become one, and networks come out of evaluation in the mode they came in."""

from functools import partial

import pytest
import torch
from torch import nn

from cadnet_edu.evaluation.model import Model, as_model, eval_mode


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.BatchNorm2d(3), nn.Flatten())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.body(x)

    def embed(self, x: torch.Tensor) -> torch.Tensor:
        return self(x)


def test_eval_mode_gives_each_module_its_own_mode_back() -> None:
    net = Net().train()
    net.body[1].eval()
    modes = [m.training for m in net.modules()]
    for model in (as_model(net), as_model(net.embed), Model(lambda x, r: net(x), parts={"net": net, "mean": 3})):
        with eval_mode(model):
            assert not any(m.training for m in net.modules())
        assert [m.training for m in net.modules()] == modes
        with pytest.raises(KeyError), eval_mode(model):
            raise KeyError
        assert [m.training for m in net.modules()] == modes
    with eval_mode(None):
        pass


def test_a_function_becomes_a_model_and_a_model_stays_one() -> None:
    x = torch.rand(2, 3, 4, 4)
    model = as_model(lambda x: x.mean((2, 3)))
    assert torch.equal(model.embed(x, torch.ones(2)), x.mean((2, 3)))
    net = Net().eval()
    for callable_ in (net, net.forward, net.embed, partial(nn.Module.__call__, net)):
        assert torch.equal(as_model(callable_).embed(x, torch.ones(2)), net(x))
    assert as_model(model) is model
    assert (model.networks, model.device.type, model.to("cpu")) == ([], "cpu", model)


def test_a_model_moves_with_its_networks() -> None:
    net = Net()
    assert as_model(net).to("meta").device.type == "meta"
    assert next(net.parameters()).device.type == "meta"
