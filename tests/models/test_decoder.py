"""G: from f and E's maps to an image in [0, 1] of the input's size."""

import pytest
import torch
from torch import nn

from cadnet_edu.models.decoder import Decoder, UpBlock
from cadnet_edu.models.encoder import Encoder


def test_an_up_block_is_its_two_paths():
    """Up-sampling before the 1x1 convolution of the shortcut, as published, or after it: the same numbers."""
    block = UpBlock(6, 4).double().eval()
    x = torch.rand(2, 6, 3, 5, dtype=torch.float64)
    big = x.repeat_interleave(2, 2).repeat_interleave(2, 3)
    main = block.conv2(block.bn2(block.conv1(block.bn1(big).clamp(min=0))).clamp(min=0))
    torch.testing.assert_close(block(x), main + block.shortcut(big))


@pytest.mark.parametrize("size", [(64, 32), (96, 64)])
@pytest.mark.parametrize("backbone", ["slim", "resnet18"])
@pytest.mark.parametrize("last_stride", [1, 2])
@pytest.mark.parametrize("skips", [True, False])
def test_shapes(size, backbone, last_stride, skips):
    with torch.device("meta"):
        E = Encoder(backbone, width=8, last_stride=last_stride)
        G = Decoder(E.d, E.reduction, E.tap_channels if skips else {}, width=4)
        f, taps = E(torch.empty(2, 3, *size))
        assert G(f, taps).shape == (2, 3, *size)
    assert set(G.skips) == ({str(r) for r in E.tap_channels} if skips else set())


@pytest.mark.parametrize(
    ("settings", "channels"),
    [
        ((2048, 32, {2: 64, 4: 256, 8: 512, 16: 1024}, 64), [1024, 512, 256, 128, 64]),  # the paper's
        ((16, 8, {}, 8), [16, 16, 8]),  # never more than f has
    ],
)
def test_channels_of_the_blocks(settings, channels):
    with torch.device("meta"):
        assert [block.conv2.out_channels for block in Decoder(*settings).blocks] == channels


@pytest.mark.parametrize("residual", [False, True])
def test_images_stay_in_0_1(residual):
    torch.manual_seed(0)
    G = Decoder(16, 4, {}, width=8, residual=residual)
    nn.init.normal_(G.to_rgb.weight, std=3)
    x_hat = G(10 * torch.randn(2, 16, 8, 4), x=torch.rand(2, 3, 32, 16))
    assert x_hat.min() >= 0
    assert x_hat.max() <= 1
    assert x_hat.std() > 0.1


def test_a_residual_g_starts_as_the_input_and_listens_to_it():
    torch.manual_seed(0)
    E = Encoder("slim", width=8, last_stride=1)
    G = Decoder(E.d, E.reduction, E.tap_channels, width=8, pixel_shuffle=2, residual=True)
    x = torch.rand(2, 3, 64, 32, requires_grad=True)
    f, taps = E(x.detach())
    assert torch.equal(G(f, taps, x), x)
    nn.init.normal_(G.to_rgb.weight, std=0.01)
    added = G(f, taps, x) - x
    (gradient,) = torch.autograd.grad(added.sum(), x)
    assert gradient.abs().max() > 0
    with pytest.raises(ValueError, match=r"a residual G adds to the input image: call G\(f, taps, x\)\."):
        G(f, taps)


@pytest.mark.parametrize("residual", [False, True])
def test_a_subpixel_g_ends_one_block_earlier(residual):
    whole, half, quarter = (Decoder(16, 8, {2: 8}, width=8, pixel_shuffle=s, residual=residual) for s in (1, 2, 4))
    assert (len(whole.blocks), len(half.blocks), len(quarter.blocks)) == (3, 2, 1)
    assert (whole.to_rgb.out_channels, half.to_rgb.out_channels, quarter.to_rgb.out_channels) == (3, 12, 48)
    f, tap, x = torch.rand(2, 16, 4, 2), torch.rand(2, 8, 16, 8), torch.rand(2, 3, 32, 16)
    for G in (whole, half, quarter):
        assert G(f, [tap], x).shape == (2, 3, 32, 16)


@pytest.mark.parametrize(
    ("reduction", "changes", "message"),
    [
        *((8, {"pixel_shuffle": s}, f"pixel_shuffle = {s}: give 1, 2 or 4") for s in (0, 3, 8)),
        *((r, {}, f"reduction = {r}: .* power of two") for r in (0, 1, 6, -4)),
    ],
)
def test_decoders_that_cannot_be(reduction, changes, message):
    with pytest.raises(ValueError, match=message):
        Decoder(16, reduction, {}, width=8, **changes)


@pytest.mark.parametrize(
    ("reduction", "skips", "taps"), [(4, {2: 5}, [(1, 5, 16, 8)]), (2, {1: 3}, []), (4, {2: 5}, [])]
)
def test_a_missing_map_is_named(reduction, skips, taps):
    with pytest.raises(ValueError, match=r"lacks the map of height 8: call G\(f, taps, x\)"):
        Decoder(8, reduction, skips, width=4)(torch.rand(1, 8, 4, 2), [torch.rand(t) for t in taps])


def test_a_wide_f_is_brought_down_first():
    G = Decoder(64, 8, {}, width=2)
    assert G.reduce.weight.shape == (16, 64, 1, 1)
    assert isinstance(Decoder(64, 8, {}, width=8).reduce, nn.Identity)


def test_skips_get_the_later_map_of_a_size():
    """slim's stem and first stage have one size: the skip at reduction 2 listens to the stage."""
    torch.manual_seed(0)
    E = Encoder("slim", width=4, last_stride=1).eval()
    G = Decoder(E.d, E.reduction, E.tap_channels, width=4).eval()
    f, taps = E(torch.rand(1, 3, 32, 16))
    assert taps[0].shape[-2] == taps[1].shape[-2] == 16
    usual = G(f, taps)
    for i, heard in ((0, False), (1, True), (2, True), (3, False)):  # taps[3] has f's own size
        moved = [t + 1 if i == j else t for j, t in enumerate(taps)]
        assert (not torch.equal(G(f, moved), usual)) == heard, i


def test_a_skip_adds_its_map_after_a_1x1_convolution():
    torch.manual_seed(0)
    G = Decoder(8, 4, {2: 5}, width=4).double().eval()
    f, tap = torch.rand(1, 8, 4, 2, dtype=torch.float64), torch.rand(1, 5, 8, 4, dtype=torch.float64)
    middle = G.blocks[0](f) + torch.einsum("oi,bihw->bohw", G.skips["2"].weight[:, :, 0, 0], tap)
    middle = middle + G.skips["2"].bias[:, None, None]
    z = G.to_rgb(G.bn(G.blocks[1](middle)).clamp(min=0))
    torch.testing.assert_close(G(f, [tap]), (1 + z.tanh()) / 2)


def test_gradients_reach_e_through_the_skips():
    torch.manual_seed(0)
    E = Encoder("slim", width=4, last_stride=1)
    G = Decoder(E.d, E.reduction, E.tap_channels, width=4)
    f, taps = E(torch.rand(2, 3, 32, 16))
    G(f.detach(), taps).square().mean().backward()  # f itself is cut off
    assert E.resnet.conv1.weight.grad.abs().sum() > 0
    assert E.resnet.layer2[0].conv1.weight.grad.abs().sum() > 0
    assert E.resnet.layer4[0].conv1.weight.grad is None  # only f comes from there
