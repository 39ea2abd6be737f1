"""E and F: images in [0, 1] in, f and the maps for the skips out."""

import torch

from cadnet_edu.models.encoder import Encoder


def test_images_are_normalised_inside():
    E = Encoder("slim", width=4).eval()
    x = torch.rand(2, 3, 32, 16)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    by_hand = (x - mean[:, None, None]) / std[:, None, None]
    torch.testing.assert_close(E(x).f, E.resnet(by_hand)[-1])
    assert {name.split(".")[0] for name in E.state_dict()} == {"resnet"}  # and files of weights hold none
