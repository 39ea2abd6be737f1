"""D_F keeps the channel ladder of the network it cites on every map; D_I is a ResNet-18 with one logit."""

import pytest
import torch
import torchvision
from torch import nn

from cadnet_edu.models.discriminators import FeatureDiscriminator, ImageDiscriminator


def convolutions(net: nn.Module) -> list[nn.Conv2d]:
    return [m for m in net.modules() if isinstance(m, nn.Conv2d)]


@pytest.mark.parametrize(
    ("size", "strides"),
    [((8, 4), [1, 1, 1, 1, 1]), ((16, 8), [2, 1, 1, 1, 1]), ((64, 32), [2, 2, 2, 1, 1]), ((256, 256), [2, 2, 2, 2, 2])],
)
def test_the_ladder(size, strides):
    """64-128-256-512-1; at 256 x 128 ResNet-50's f is 8 x 4, or 16 x 8 with a last stride of 1."""
    with torch.device("meta"):
        D_F = FeatureDiscriminator(2048, size)
        z = D_F(torch.empty(2, 2048, *size))
    layers = convolutions(D_F)
    assert [c.in_channels for c in layers] == [2048, 64, 128, 256, 512]
    assert [c.out_channels for c in layers] == [64, 128, 256, 512, 1]
    assert [c.stride[0] for c in layers] == strides
    assert [c.kernel_size[0] for c in layers] == [4 if s == 2 else 3 for s in strides]
    halvings = 2 ** strides.count(2)
    assert z.shape == (2, 1, size[0] // halvings, size[1] // halvings)


def test_the_map_never_vanishes():
    for h in (1, 2, 3, 4, 5, 7, 8, 9, 12, 16, 31):
        for w in (1, 2, 3, 4, 5, 6, 8, 16):
            with torch.device("meta"):
                z = FeatureDiscriminator(3, (h, w), width=2)(torch.empty(1, 3, h, w))
            assert z.shape[:2] == (1, 1)
            assert min(z.shape[2:]) >= min(h, w, 2), (h, w)


def test_leaky_relus_lie_between_the_layers_and_logits_are_free():
    D_F = FeatureDiscriminator(6, (8, 4), width=2)
    slopes = [m.negative_slope for m in D_F.modules() if isinstance(m, nn.LeakyReLU)]
    assert slopes == [0.2] * 4
    assert isinstance(D_F.layers[-1], nn.Conv2d)  # no sigmoid, no ReLU on the answer
    assert not any(isinstance(m, (nn.BatchNorm2d, nn.Sigmoid)) for m in D_F.modules())
    f = torch.randn(3, 6, 8, 4)
    torch.testing.assert_close(D_F(f)[1:2], D_F(f[1:2]))  # images do not influence one another


def test_d_i_has_resnet_18s_parameters():
    with torch.device("meta"):
        D_I, theirs = ImageDiscriminator(), torchvision.models.resnet18(weights=None)
    ours = {name: p.shape for name, p in D_I.resnet.named_parameters()}
    assert ours == {name: p.shape for name, p in theirs.named_parameters() if not name.startswith("fc.")}
    assert sum(p.numel() for p in D_I.parameters()) == 11_176_512 + 512 + 1  # and one logit


@pytest.mark.parametrize("args", [(), ((1, 1, 1, 1), True)], ids=["ResNet-18", "small"])
def test_d_i_keeps_no_statistics(args):
    torch.manual_seed(0)
    D_I = ImageDiscriminator(4, *args)
    assert list(D_I.buffers()) == []
    x = torch.rand(3, 3, 64, 32)
    first = D_I(x)
    assert first.shape == (3,)  # one logit an image
    D_I(torch.rand(3, 3, 64, 32))
    torch.testing.assert_close(D_I(x), first)
    torch.testing.assert_close(D_I.eval()(x), first)
