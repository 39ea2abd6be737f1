"""CAD-Net: shapes of the paper, variants, which parameters learn from what, and combinations that cannot be."""

import pytest
import torch
from torch import nn

from cadnet_edu.losses import L_id
from cadnet_edu.models.cadnet import CADNet
from cadnet_edu.models.classifier import GAP

SMALL = {
    "size": (32, 16), "backbone": "slim", "backbone_width": 4, "last_stride": 1, "decoder_width": 4,
    "discriminator_width": 4,
}  # fmt: skip


def small(seed: int = 0, **changes) -> CADNet:
    torch.manual_seed(seed)
    return CADNet(5, **{**SMALL, **changes})


def images(b: int = 2) -> torch.Tensor:
    return torch.rand(b, 3, 32, 16, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize(("last_stride", "h", "w"), [(2, 8, 4), (1, 16, 8)])
def test_the_papers_shapes(last_stride, h, w):
    """Sec. 3.1: f and g are h x w x d, v = [f, g] is h x w x 2d, u is 2d; ResNet-50 has d = 2048."""
    with torch.device("meta"):
        net = CADNet(751, last_stride=last_stride)
        out = net(torch.empty(2, 3, 256, 128))
        assert net.D_F(out.f).shape == (2, 1, 8, 4)
        assert net.D_I(out.x_hat).shape == (2,)
    assert out.f.shape == out.g.shape == (2, 2048, h, w)
    assert out.v.shape == (2, 4096, h, w)
    assert out.u.shape == (2, 4096)
    assert out.x_hat.shape == (2, 3, 256, 128)
    assert out.logits.shape == (2, 751)
    assert out.branch_logits == ()


def test_v_is_f_and_g_side_by_side():
    net = small().eval()
    x = images()
    out = net(x)
    torch.testing.assert_close(out.v, torch.cat([out.f, out.g], 1))
    torch.testing.assert_close(out.u, torch.cat([GAP(out.f), GAP(out.g)], 1))
    f, taps = net.E(x)
    torch.testing.assert_close(out.f, f)
    torch.testing.assert_close(out.x_hat, net.G(f, taps, x))
    torch.testing.assert_close(out.g, net.F(out.x_hat).f)
    torch.testing.assert_close(out.logits, net.C.fc(out.u))


def test_a_plain_re_identification_network():
    net = small(features="f", decoder=False, feature_discriminator=False, image_discriminator=False).eval()
    out = net(images())
    assert net.G is net.F is net.D_F is net.D_I is None
    assert out.x_hat is out.g is None
    assert net.discriminator_parameters() == []
    torch.testing.assert_close(net.recover(images()), images())


def test_branch_heads():
    net = small(auxiliary_heads=True, bnneck=True).eval()
    assert all(isinstance(C.neck, nn.BatchNorm1d) for C in (net.C, *net.branch_C))
    net = small(auxiliary_heads=True).eval()
    out = net(images())
    assert len(out.branch_logits) == 2
    for C, branch, logits in zip(net.branch_C, (out.f, out.g), out.branch_logits):
        torch.testing.assert_close(logits, C.fc(GAP(branch)))
    assert {id(p) for p in net.branch_C.parameters()} <= {id(p) for p in net.generator_parameters()}


@pytest.mark.parametrize(
    "changes",
    [
        {}, {"features": "f"}, {"features": "g"}, {"auxiliary_heads": True}, {"feature_discriminator": False},
        {"image_discriminator": False}, {"decoder": False, "image_discriminator": False},
        {"features": "f", "decoder": False, "image_discriminator": False},
    ],
)  # fmt: skip
def test_each_parameter_is_on_one_side(changes):
    net = small(**changes)
    sides = [{id(p) for p in ps} for ps in (net.generator_parameters(), net.discriminator_parameters())]
    assert not sides[0] & sides[1]
    assert sides[0] | sides[1] == {id(p) for p in net.parameters()}
    judges = [p for D in (net.D_F, net.D_I) if D is not None for p in D.parameters()]
    assert sides[1] == {id(p) for p in judges}


@pytest.mark.parametrize("changes", [{}, {"features": "f"}, {"features": "g"}, {"skips": "encoder+residual"}])
def test_the_short_ways_agree_with_forward(changes):
    """Table 1, "f only": the classifier sees f; G still recovers images, F is not built."""
    net = small(**changes).eval()
    x, out = images(), net(images())
    features = changes.get("features", "v")
    assert (net.F is None) == (out.g is None) == (features == "f")
    assert out.v is getattr(out, features)
    torch.testing.assert_close(out.u, GAP(out.v))
    torch.testing.assert_close(net.embed(x), out.u)
    torch.testing.assert_close(net.recover(x), out.x_hat)
    torch.testing.assert_close(net.w(x), GAP(out.f))
    assert net.w(x).shape == (2, net.E.d)


def gradient(module: nn.Module | None) -> float:
    return sum(0.0 if p.grad is None else p.grad.abs().sum().item() for p in module.parameters())


@pytest.mark.parametrize(("features", "reaches"), [("joint", True), ("g", True), ("f", False)])
def test_the_identity_loss_reaches_g_through_f(features, reaches):
    """Sec. 3.3: L_id "also refines the HR decoder G", hence "re-ID oriented" images. Only a classifier on g does so."""
    net = small(features=features)
    L_id(net(images()).logits, torch.tensor([0, 3])).backward()
    assert gradient(net.E) > 0
    assert gradient(net.C) > 0
    assert (gradient(net.G) > 0) == reaches
    assert gradient(net.D_F) == gradient(net.D_I) == 0


def test_weights_go_to_both_encoders_which_share_none(tmp_path):
    torch.save(small(seed=9).E.resnet.state_dict(), tmp_path / "weights.pth")
    net = small(weights=str(tmp_path / "weights.pth"))
    assert not {p.data_ptr() for p in net.E.parameters()} & {p.data_ptr() for p in net.F.parameters()}
    for a, b, c in zip(*(m.resnet.parameters() for m in (net.E, net.F, small(seed=9).E))):
        assert torch.equal(a, c)
        assert torch.equal(b, c)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"features": "both"}, "features = 'both': choose 'joint', 'f' or 'g'"),
        ({"skips": "all"}, "skips = 'all': choose 'encoder', 'encoder.residual' or 'none'"),
        ({"backbone": "vgg"}, "no backbone 'vgg'"),
        ({"decoder": False}, "D_I needs the recovered image: keep the decoder"),
        ({"features": "f", "auxiliary_heads": True}, "auxiliary_heads need both f and g"),
        ({"size": (36, 16)}, "images of 36 x 16: slim needs multiples of 8"),
        ({"size": (32, 20)}, "images of 32 x 20: slim needs multiples of 8"),
        ({"backbone": "resnet18", "last_stride": 2, "size": (48, 32)}, "resnet18 needs multiples of 32"),
    ],
)
def test_what_cannot_be_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        small(**changes)


def test_backflow_is_the_share_of_g_s_gradient_that_reaches_e():
    """The output is the same; what L_rec sends into E is that share, what it sends into G is all."""
    whole, slow, cut = (small(decoder_grad_scale=share) for share in (1.0, 0.25, 0.0))
    for net in (whole, slow, cut):
        net.eval()
        x_hat = net(images()).x_hat
        torch.testing.assert_close(x_hat, net.recover(images()))
        x_hat.mean().backward()
    torch.testing.assert_close(gradient(slow.G), gradient(whole.G))
    assert gradient(slow.E) == pytest.approx(0.25 * gradient(whole.E), rel=1e-4)
    assert gradient(cut.E) == 0
