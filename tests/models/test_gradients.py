"""No layer of any network has a wrong gradient on this machine's CPU, on one thread or on two."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from cadnet_edu.models.backbone import StridedConv1x1, resnet

TOLERANCE = 1e-4  # the largest deviation of correct kernels is about 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(
    ("networks", "instructions"),  # AVX2: the kernels of processors that have no more, where this one has
    [("presets", "DEFAULT"), ("narrow", "DEFAULT"), ("narrow", "AVX2")],
)
def test_gradients_of_every_layer_are_those_of_float64(networks: str, instructions: str, threads: int) -> None:
    """In a process of its own: where a kernel writes past its end, the process dies."""
    environment = dict(os.environ, OMP_NUM_THREADS=str(threads), OMP_WAIT_POLICY="PASSIVE",
                       ONEDNN_MAX_CPU_ISA=instructions)  # fmt: skip
    script = Path(__file__).with_name("layer_gradients.py")
    ended = subprocess.run(
        [sys.executable, str(script), networks], env=environment, capture_output=True, text=True, timeout=300
    )
    assert ended.returncode == 0, f"the process ended with {ended.returncode}:\n{ended.stderr[-2000:]}"
    found = json.loads(ended.stdout)
    assert len(found) == {"presets": 4, "narrow": 24}[networks]
    assert all(count > 150 for count, _, _ in found.values()), found
    wrong = {network: (where, by) for network, (_, where, by) in found.items() if not by < TOLERANCE}
    assert wrong == {}


@pytest.mark.parametrize("size", [(8, 6), (9, 7)])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_the_strided_1x1_convolution_is_pytorchs(size: tuple[int, int], stride: int) -> None:
    torch.manual_seed(0)
    ours, published = StridedConv1x1(3, 5, stride), torch.nn.Conv2d(3, 5, 1, stride, bias=False)
    published.load_state_dict(ours.state_dict())
    x = torch.randn(2, 3, *size)
    torch.testing.assert_close(ours(x), published(x))


def test_no_network_has_a_strided_1x1_convolution_of_pytorchs() -> None:
    """A second one would bring the wrong gradient back."""
    for name in ("resnet18", "resnet50", "slim"):
        strided = [
            name for name, m in resnet(name, width=4).named_modules()
            if isinstance(m, torch.nn.Conv2d) and m.kernel_size == (1, 1) and m.stride != (1, 1)
        ]  # fmt: skip
        assert strided == []
