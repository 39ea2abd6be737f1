"""`same`: what agrees and what differs is told."""

import re

import numpy as np
import pytest
import torch
import torch.nn.functional as nnf
from torch import nn

from cadnet_edu.teach.check import same


def shifted(x):
    y = x * 2
    y[1, 2] += 0.5
    return {"out": (x, y)}


class Cut(nn.Linear):
    def forward(self, x):
        return nnf.linear(x, self.weight.detach(), self.bias)


PAIR = (torch.ones(2), torch.zeros(2))


@pytest.mark.parametrize(
    ("mine", "package", "examples", "printed"),
    [
        (lambda x, y: (x - y).abs().mean(), nnf.l1_loss, [PAIR, PAIR], "same values, same gradients: .* over 2 inputs"),
        (np.sort, lambda x: np.array(sorted(x)), [np.array([3, 1, 2])], "there is no gradient to compare"),
        (nnf.dropout, lambda x: nnf.dropout(x), [torch.ones(100)], "largest difference 0 "),
    ],
    ids=["two arguments", "no gradient", "the same noise for both"],
)
def test_same_prints_one_line_for_equal_functions(mine, package, examples, printed, capsys):
    same(mine, package, *examples)
    line = capsys.readouterr().out
    assert line.count("\n") == 1
    assert re.search(printed, line)


@pytest.mark.parametrize(
    ("mine", "package", "example", "message"),
    [
        (shifted, lambda x: {"out": (x, x * 2)}, torch.ones(2, 3),
         r"input 1 of 1, value\.out\[1\]\[1, 2\]: yours is 2\.5.*is 2 \(1 of 6"),
        (lambda x: x.detach() + 0 * x, lambda x: x + 0, torch.ones(3), "gradient for argument 1"),
        (lambda x: x.detach(), torch.clone, torch.ones(3), "gradient for argument 1 is given by one version only"),
        (lambda x: x[0], lambda x: x * 1, torch.ones(1, 3), r"your shape is \(3,\), the package's is \(1, 3\)"),
        (Cut(3, 2), nn.Linear(3, 2), torch.rand(4, 3), "gradient for weight"),
        (nn.Linear(3, 2), nn.Linear(3, 4), torch.rand(4, 3), "different weights"),
        (nnf.l1_loss, nnf.l1_loss, torch.ones(2), "go into a tuple"),
    ],
)  # fmt: skip
def test_same_names_the_first_difference(mine, package, example, message):
    with pytest.raises(AssertionError, match=message):
        same(mine, package, example)


def test_same_needs_an_example():
    with pytest.raises(ValueError, match="at least one example"):
        same(torch.sin, torch.sin)


def test_same_lends_a_network_the_weights_of_the_other_and_leaves_both_alone(capsys):
    mine, package = nn.Linear(3, 2), nn.Linear(3, 2)
    before = mine.weight.clone()
    same(mine, package, torch.rand(4, 3))
    assert "same values, same gradients" in capsys.readouterr().out
    assert torch.equal(mine.weight, before)
    assert mine.weight.grad is None
