"""E and F: images in [0, 1] in, f and the maps for the skips out."""

from __future__ import annotations

import pytest
import torch

from cadnet_edu.models.encoder import Encoder


@pytest.mark.parametrize("size", [(64, 32), (96, 48)])
@pytest.mark.parametrize(("backbone", "last_stride"), [("slim", 1), ("slim", 2), ("resnet18", 1), ("resnet50", 1)])
def test_shapes(size, backbone, last_stride):
    with torch.device("meta"):
        E = Encoder(backbone, width=8, last_stride=last_stride)
        f, taps = E(torch.empty(2, 3, *size))
    assert f.shape == (2, E.d, size[0] // E.reduction, size[1] // E.reduction)
    heights = [tap.shape[-2] for tap in taps]
    assert heights == sorted(heights, reverse=True)
    latest = {size[0] // tap.shape[-2]: tap.shape[1] for tap in taps}  # the later map of a size wins
    latest.pop(E.reduction, None)
    assert E.tap_channels == latest


def test_the_papers_f():
    """ResNet-50 at 256 x 128: f is 2048 x 8 x 4 (Sec. 3.2 and 4.1)."""
    with torch.device("meta"):
        E = Encoder()
        f, _ = E(torch.empty(1, 3, 256, 128))
    assert f.shape == (1, 2048, 8, 4)
    assert (E.d, E.reduction) == (2048, 32)
    assert E.tap_channels == {2: 64, 4: 256, 8: 512, 16: 1024}


def test_images_are_normalised_inside():
    E = Encoder("slim", width=4).eval()
    x = torch.rand(2, 3, 32, 16)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    by_hand = (x - mean[:, None, None]) / std[:, None, None]
    torch.testing.assert_close(E(x).f, E.resnet(by_hand)[-1])


def test_weights_files_hold_no_normalisation():
    E = Encoder("slim", width=4)
    assert {name.split(".")[0] for name in E.state_dict()} == {"resnet"}
