"""CAD-Net (Sec. 3): E, G, F and C, and the discriminators D_F and D_I."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from cadnet_edu.models.classifier import GAP, Classifier
from cadnet_edu.models.decoder import Decoder
from cadnet_edu.models.discriminators import FeatureDiscriminator, ImageDiscriminator
from cadnet_edu.models.encoder import Encoder


class Output(NamedTuple):
    """All outputs of CAD-Net, under the paper's names; None for parts that a variant does not have."""

    f: Tensor  # resolution-invariant map (b, d, h, w)
    x_hat: Tensor | None  # recovered HR image G(f) (b, 3, H, W) in [0, 1]
    g: Tensor | None  # HR map F(x_hat) (b, d, h, w)
    v: Tensor  # joint map [f, g] (b, 2d, h, w)
    u: Tensor  # joint vector GAP(v) (b, 2d)
    logits: Tensor  # C(v) (b, identities)
    branch_logits: tuple[Tensor, ...] = ()  # of the heads on f and on g, where they are built


class _ScaleGradient(torch.autograd.Function):
    """The identity, whose backward pass multiplies the gradient by a factor."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, share: float) -> Tensor:
        ctx.share = share
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return ctx.share * gradient, None


def scale_gradient(x: Tensor, share: float) -> Tensor:
    """The identity, with the gradient multiplied by a factor.

    Args:
        x: any tensor.
        share: the factor, from 0 (as ``detach``) to 1.

    >>> x = torch.ones(1, requires_grad=True)
    >>> scale_gradient(3 * x, 0.5).backward()
    >>> x.grad
    tensor([1.5000])
    """
    return x if share == 1 else _ScaleGradient.apply(x, share)


class CADNet(nn.Module):
    """The Cross-resolution Adversarial Dual Network (Fig. 2).

    Args:
        identities: number of training identities.
        size: ``(H, W)`` of the images, 256 x 128 in the paper.
        backbone, weights, backbone_width, last_stride: of E and F; see ``cadnet_edu.models.backbone.resnet``.
        features: the classifier's input: ``joint`` v = [f, g], or the paper's variants ``f`` only and ``g`` only.
        decoder: whether to build G. "f only" without G is a plain re-identification network; in
            ``joint`` without G, F gets the input image.
        feature_discriminator, image_discriminator: whether to build D_F and D_I.
        decoder_width, discriminator_width: channels of G's last and of the discriminators' first layer.
        skips: what G gets besides f: E's maps (``encoder``), those and the input image, to which its output is added
            (``encoder+residual``), or ``none``.
        pixel_shuffle: the upscale factor of G's last layer, see ``Decoder``.
        decoder_grad_scale: factor of the gradient that flows from G into E; see Choice.
        auxiliary_heads: whether f and g have a classifier each, besides the one on v; see Choice.
        bnneck: whether classifiers have a BatchNorm neck, see ``Classifier``.

    Shapes:
        image ``(b, 3, H, W)`` in [0, 1] -> ``Output``. With ``n_labelled`` only that many images are classified, the
        first ones; the others get f and x_hat only.

    Raises:
        ValueError: for an unknown choice, parts that cannot work together, or a size that E cannot halve often enough.

    Choice:
        ``decoder_grad_scale`` and ``auxiliary_heads`` are ours. Recovery needs the resolution in f,
        which L_adv^{D_F} removes. With a single classifier on v = [f, g] the branch that learns faster gets
        nearly the whole gradient, and the other one hardly learns.
    """

    def __init__(
        self,
        identities: int,
        size: tuple[int, int] = (256, 128),
        backbone: str = "resnet50",
        weights: str = "none",
        backbone_width: int = 64,
        last_stride: int = 2,
        features: str = "joint",
        decoder: bool = True,
        feature_discriminator: bool = True,
        image_discriminator: bool = True,
        decoder_width: int = 64,
        discriminator_width: int = 64,
        skips: str = "encoder",
        pixel_shuffle: int = 1,
        decoder_grad_scale: float = 1.0,
        auxiliary_heads: bool = False,
        bnneck: bool = False,
    ) -> None:
        super().__init__()
        if features not in ("joint", "f", "g"):
            raise ValueError(f"features = {features!r}: choose 'joint', 'f' or 'g'.")
        if skips not in ("encoder", "encoder+residual", "none"):
            raise ValueError(f"skips = {skips!r}: choose 'encoder', 'encoder+residual' or 'none'.")
        if auxiliary_heads and features != "joint":
            raise ValueError(f"auxiliary_heads need both f and g, but features = {features!r}: use 'joint'.")
        if not decoder and image_discriminator:
            raise ValueError("D_I needs the recovered image: keep the decoder, or leave D_I out.")
        self.features, self.size, self.decoder_grad_scale = features, size, decoder_grad_scale
        small = backbone == "slim"
        self.E = Encoder(backbone, backbone_width, last_stride, weights)
        d, reduction = self.E.d, self.E.reduction
        if any(side % reduction for side in size):
            raise ValueError(f"images of {size[0]} x {size[1]}: {backbone} needs multiples of {reduction}.")
        h, w = (side // reduction for side in size)
        taps = {} if skips == "none" else self.E.tap_channels
        residual = skips == "encoder+residual"
        self.G = Decoder(d, reduction, taps, decoder_width, pixel_shuffle, residual) if decoder else None
        self.F = Encoder(backbone, backbone_width, last_stride, weights) if features != "f" else None
        self.C = Classifier(2 * d if features == "joint" else d, identities, bnneck)
        self.branch_C = nn.ModuleList([Classifier(d, identities, bnneck) for _ in range(2)] if auxiliary_heads else [])
        self.D_F = FeatureDiscriminator(d, (h, w), discriminator_width) if feature_discriminator else None
        blocks = (1, 1, 1, 1) if small else (2, 2, 2, 2)
        tiny = min(size) < 32  # too small for five halvings
        self.D_I = ImageDiscriminator(discriminator_width, blocks, tiny) if image_discriminator else None

    def forward(self, x: Tensor, n_labelled: int | None = None) -> Output:
        f, taps = self.E(x)  # (b, d, h, w)
        x_hat = None if self.G is None else self._recovered(f, taps, x)  # (b, 3, H, W)
        seen_by_F = x if x_hat is None else x_hat
        f_C = f  # what C classifies
        if n_labelled is not None:  # unlabelled images need neither g nor logits
            f_C, seen_by_F = f[:n_labelled], seen_by_F[:n_labelled]
        g = None if self.F is None else self.F(seen_by_F).f  # (b, d, h, w)
        v = f_C if g is None else g if self.features == "g" else torch.cat([f_C, g], dim=1)  # (b, 2d, h, w)
        u, logits = self.C(v)  # (b, 2d), (b, identities)
        branches = tuple(C(m)[1] for C, m in zip(self.branch_C, (f_C, g), strict=False))
        return Output(f, x_hat, g, v, u, logits, branches)

    def embed(self, x: Tensor) -> Tensor:
        """u, the vector that images are matched by (Sec. 3.1): ``(b, 3, H, W)`` -> ``(b, 2d)``."""
        return self(x).u

    def recover(self, x: Tensor) -> Tensor:
        """The recovered HR image G(E(x)): ``(b, 3, H, W)`` -> the same; without G, x itself."""
        if self.G is None:
            return x
        f, taps = self.E(x)
        return self._recovered(f, taps, x)

    def _recovered(self, f: Tensor, taps: Sequence[Tensor], x: Tensor) -> Tensor:
        assert self.G is not None
        share = self.decoder_grad_scale
        return self.G(scale_gradient(f, share), [scale_gradient(tap, share) for tap in taps], x)

    def w(self, x: Tensor) -> Tensor:
        """w = GAP(f), the resolution-invariant vector of Sec. 4.7: ``(b, 3, H, W)`` -> ``(b, d)``."""
        return GAP(self.E(x).f)

    def generator_parameters(self) -> list[nn.Parameter]:
        """Parameters of E, G, F and C: those that descend eq. (6)."""
        return [p for name, p in self.named_parameters() if not name.startswith(("D_F.", "D_I."))]

    def discriminator_parameters(self) -> list[nn.Parameter]:
        """Parameters of D_F and D_I: those that ascend eq. (1) and eq. (3)."""
        return [p for name, p in self.named_parameters() if name.startswith(("D_F.", "D_I."))]
