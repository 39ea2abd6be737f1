"""Shares of gradients."""

import numpy as np
import pytest

from cadnet_edu.analysis import gradient_shares


def test_shares_of_gradients() -> None:
    found = gradient_shares({"with": np.array([4.0, 0.0]), "against": np.array([-1.0, 0.0]), "off": np.zeros(2)})
    assert [found[k]["norm"] for k in found] == [4, 1, 0]
    assert [found[k]["share"] for k in found] == pytest.approx([0.8, 0.2, 0])
    assert [found[k]["cosine"] for k in found] == pytest.approx([1, -1, 0])
