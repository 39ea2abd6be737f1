"""The encoders E and F of Sec. 3.2 and 3.3: a backbone with normalised input that returns all its maps."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from cadnet_edu.models.backbone import IMAGENET_MEAN, IMAGENET_STD, resnet


class Encoded(NamedTuple):
    """The output of an encoder: the last map, and the earlier ones for skip connections."""

    f: Tensor  # (b, d, h, w)
    taps: list[Tensor]  # from fine to coarse, without f


class Encoder(nn.Module):
    """The cross-resolution encoder E (Sec. 3.2) and the HR encoder F (Sec. 3.3).

    E and F have the same architecture and do not share weights (Sec. 4.1).

    Args:
        backbone, width, last_stride, weights: see ``cadnet_edu.models.backbone.resnet``.

    Shapes:
        image ``(b, 3, H, W)`` in [0, 1] -> f ``(b, d, h, w)`` with ``h = H / reduction``; d is 2048 for ResNet-50.

    Choice:
        Images are in [0, 1] everywhere else; the normalisation with ImageNet's mean and standard deviation is part of
        the encoder, so that L1 distances, G's output and F's input have the same range.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, backbone: str = "resnet50", width: int = 64, last_stride: int = 2, weights: str = "none"
    ) -> None:
        super().__init__()
        self.resnet = resnet(backbone, width, last_stride, weights)
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(1, 3, 1, 1), persistent=False)

    @property
    def d(self) -> int:
        """Channels of f."""
        return self.resnet.channels[-1]

    @property
    def reduction(self) -> int:
        """The stride of f: image height over height of f."""
        return self.resnet.reductions[-1]

    @property
    def tap_channels(self) -> dict[int, int]:
        """Reduction -> channels of the earlier maps; of two maps of one size, the later one."""
        pairs = zip(self.resnet.reductions[:-1], self.resnet.channels[:-1], strict=True)
        return {r: c for r, c in pairs if r < self.reduction}

    def forward(self, x: Tensor) -> Encoded:
        maps = self.resnet((x - self.mean) / self.std)
        return Encoded(maps[-1], maps[:-1])
