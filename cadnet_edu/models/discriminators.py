"""The discriminators: D_F of feature maps (Sec. 3.2, eq. 1), D_I of images (eq. 3). Both output logits."""

import torch
from torch import Tensor, nn

from cadnet_edu.models.backbone import BasicBlock, ResNet


class FeatureDiscriminator(nn.Module):
    """The resolution discriminator D_F: "the same as that adopted by Tsai et al." (Sec. 4.1).

    Five convolutions with channels 64-128-256-512-1 and leaky ReLUs of slope 0.2; no normalisation, no sigmoid.
    It outputs one logit for each location; ``D_F(f) = sigmoid(logit)`` is the probability that f came from an HR image.

    Args:
        d: channels of f.
        size: ``(h, w)`` of f.
        width: channels of the first layer.

    Shapes:
        f ``(b, d, h, w)`` -> logits ``(b, 1, h', w')``.

    Choice:
        The cited network halves the map five times (4x4 kernels, stride 2), which would shrink a 16x8 map to
        nothing. We keep its channels, and its stride of 2 as long as both sides are longer than 4; the remaining
        layers are 3x3 with stride 1.
    """

    def __init__(self, d: int, size: tuple[int, int], width: int = 64) -> None:
        super().__init__()
        h, w = size
        layers: list[nn.Module] = []
        c_in = d
        for c_out in (width, 2 * width, 4 * width, 8 * width, 1):
            if min(h, w) > 4:
                layers.append(nn.Conv2d(c_in, c_out, 4, stride=2, padding=1))
                h, w = h // 2, w // 2
            else:
                layers.append(nn.Conv2d(c_in, c_out, 3, stride=1, padding=1))
            layers.append(nn.LeakyReLU(0.2, inplace=True))
            c_in = c_out
        self.layers = nn.Sequential(*layers[:-1])

    def forward(self, f: Tensor) -> Tensor:
        return self.layers(f)


class ImageDiscriminator(nn.Module):
    """The HR image discriminator D_I, "similar to ResNet-18" (Sec. 4.1), with one logit an image.

    ``D_I(x) = sigmoid(logit)`` is the probability that x is a real HR image and not a recovered one.

    Args:
        width: channels of the first stage; 64 is ResNet-18.
        blocks: blocks in each stage; (2, 2, 2, 2) is ResNet-18.
        small: a 3x3 stem without max-pooling, for images far below 224 pixels.

    Shapes:
        image ``(b, 3, H, W)`` in [0, 1] -> logits ``(b,)``.

    Choice:
        BatchNorm always uses the statistics of the current batch, and real and recovered images come in separate
        batches: in a mixed batch, its mean would give away the class.
    """

    def __init__(self, width: int = 64, blocks: tuple[int, int, int, int] = (2, 2, 2, 2), small: bool = False) -> None:
        super().__init__()
        self.resnet = ResNet(BasicBlock, blocks, width, small=small, track=False)
        self.fc = nn.Linear(self.resnet.channels[-1], 1)

    def forward(self, x: Tensor) -> Tensor:
        out = self.resnet(2 * x - 1)[-1]  # (b, c, h, w)
        return self.fc(torch.mean(out, dim=(2, 3)))[:, 0]  # (b,)
