"""No layer of any network has a wrong gradient on this machine's CPU, on one thread or on two."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from cadnet_edu.models.backbone import StridedConv2d, resnet

TOLERANCE = {"": 1e-4, "bf16": 0.03}  # correct kernels deviate by about 1e-5, and by 0.005


@pytest.mark.slow
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(
    ("networks", "precision", "instructions"),  # AVX2: the kernels of processors that have no more, where this one has
    [("presets", "", "DEFAULT"), ("narrow", "", "DEFAULT"), ("narrow", "", "AVX2"), ("presets", "bf16", "DEFAULT")],
)
def test_gradients_of_every_layer_are_those_of_float64(
    networks: str, precision: str, instructions: str, threads: int
) -> None:
    """In a process of its own: where a kernel writes past its end, the process dies."""
    environment = dict(os.environ, OMP_NUM_THREADS=str(threads), OMP_WAIT_POLICY="PASSIVE",
                       ONEDNN_MAX_CPU_ISA=instructions)  # fmt: skip
    script = Path(__file__).with_name("layer_gradients.py")
    command = [sys.executable, str(script), networks, precision]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert ended.returncode == 0, f"the process ended with {ended.returncode}:\n{ended.stderr[-2000:]}"
    found = json.loads(ended.stdout)
    assert len(found) == {"presets": 4, "narrow": 24}[networks]
    assert all(count > (60 if precision else 150) for count, _, _ in found.values()), found
    wrong = {network: (where, by) for network, (_, where, by) in found.items() if not by < TOLERANCE[precision]}
    assert wrong == {}


@pytest.mark.parametrize("size", [(8, 6), (9, 7), (4, 2), (2, 1)])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("kernel", [1, 3])
@pytest.mark.parametrize("bf16", [False, True])
def test_a_strided_convolution_is_pytorchs(size: tuple[int, int], stride: int, kernel: int, bf16: bool) -> None:
    torch.manual_seed(0)
    ours = StridedConv2d(3, 5, kernel, stride, kernel // 2, bias=False)
    published = torch.nn.Conv2d(3, 5, kernel, stride, kernel // 2, bias=False)
    published.load_state_dict(ours.state_dict())
    x = torch.randn(2, 3, *size)
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        value = ours(x)
    torch.testing.assert_close(value.float(), published(x), atol=0.02 if bf16 else 1e-5, rtol=0.02 if bf16 else 1e-5)


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "slim"])
def test_every_strided_convolution_of_a_backbone_is_ours(name: str) -> None:
    """Another one would bring wrong numbers back."""
    strided = [m for m in resnet(name, width=4).modules() if isinstance(m, torch.nn.Conv2d) and m.stride != (1, 1)]
    assert len(strided) >= 7
    assert all(isinstance(m, StridedConv2d) for m in strided)
