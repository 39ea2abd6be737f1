"""The HR decoder G of Sec. 3.2: residual up-sampling blocks with skip connections from E."""

from collections.abc import Sequence

import torch
import torch.nn.functional as nnf
from torch import Tensor, nn


class UpBlock(nn.Module):
    """Double the size of a map: the generator block of Miyato & Koyama (2018).

    BN - ReLU - up x 2 - conv 3x3 - BN - ReLU - conv 3x3, beside a shortcut of up x 2 and conv 1x1.

    Shapes:
        ``(b, c_in, h, w)`` -> ``(b, c_out, 2 h, 2 w)``
    """

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(c_in)
        self.conv1 = nn.Conv2d(c_in, c_out, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(c_out)
        self.conv2 = nn.Conv2d(c_out, c_out, 3, padding=1)
        self.shortcut = nn.Conv2d(c_in, c_out, 1)
        self.up = nn.Upsample(scale_factor=2, mode="nearest")
        for conv in (self.conv1, self.conv2):
            nn.init.xavier_uniform_(conv.weight, gain=2**0.5)
        nn.init.xavier_uniform_(self.shortcut.weight)

    def forward(self, x: Tensor) -> Tensor:
        out = self.conv1(self.up(torch.relu(self.bn1(x))))
        out = self.conv2(torch.relu(self.bn2(out)))
        return out + self.up(self.shortcut(x))  # conv 1x1 before up: they commute, and the small map is cheaper


class Decoder(nn.Module):
    """G: from the resolution-invariant map f back to an HR image.

    Args:
        d: channels of f.
        reduction: how many times smaller than the image f is; a power of two.
        tap_channels: ``{reduction: channels}`` of E's maps that skip connections bring; empty for none.
        width: channels at full image size; a map ``r`` times smaller has ``r * width`` (at most d). A wider f is
            brought down to that by a 1x1 convolution first.
        pixel_shuffle: 1: up-blocks up to full size. 2 or 4: a sub-pixel convolution (Shi et al., 2016) replaces the
            last one or two doublings, at a fraction of the cost.
        residual: G also gets the input image, through two convolutions, and its output is added to that image; it
            is initialised to 0.

    Shapes:
        f ``(b, d, h, w)``, taps, x ``(b, 3, H, W)`` -> x_hat ``(b, 3, H, W)`` in [0, 1].

    Raises:
        ValueError: when a map that a skip connection needs, or the input image of a residual G, is missing.

    Choice:
        Sec. 3.2 has skip connections "following Ledig et al." and does not specify where. Here the map of the same
        size is added to each up-block's output, after a 1x1 convolution. ``residual`` is ours: a G trained from
        scratch spends a short training on learning to copy. It needs ``joint_batchnorm``: with separate BatchNorm
        statistics for HR and LR images, f does not show G which of them it decodes.
    """

    def __init__(
        self, d: int, reduction: int, tap_channels: dict[int, int], width: int = 64, pixel_shuffle: int = 1,
        residual: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        if reduction < 2 or reduction & (reduction - 1):
            raise ValueError(f"reduction = {reduction}: f must be smaller than the image by a power of two.")
        if pixel_shuffle not in (1, 2, 4) or pixel_shuffle >= reduction:
            raise ValueError(
                f"pixel_shuffle = {pixel_shuffle}: give 1, 2 or 4, less than the reduction of f, {reduction}."
            )
        self.pixel_shuffle = pixel_shuffle
        self.sizes = []  # the reduction after each block
        c_in = min(d, width * reduction)
        self.reduce = nn.Identity() if c_in == d else nn.Conv2d(d, c_in, 1)
        blocks, skips = [], {}
        while reduction > pixel_shuffle:
            reduction //= 2
            c_out = min(d, width * reduction)
            blocks.append(UpBlock(c_in, c_out))
            if reduction in tap_channels:
                skips[str(reduction)] = nn.Conv2d(tap_channels[reduction], c_out, 1)
            self.sizes.append(reduction)
            c_in = c_out
        self.blocks = nn.ModuleList(blocks)
        self.skips = nn.ModuleDict(skips)
        self.look = nn.Sequential(
            nn.Conv2d(3, c_in, pixel_shuffle + 2, stride=pixel_shuffle, padding=1),
            nn.ReLU(),
            nn.Conv2d(c_in, c_in, 3, padding=1),
        ) if residual else None  # fmt: skip
        self.bn = nn.BatchNorm2d(c_in)
        self.to_rgb = nn.Conv2d(c_in, 3 * pixel_shuffle**2, 3, padding=1)
        nn.init.xavier_uniform_(self.to_rgb.weight)
        if residual:
            nn.init.zeros_(self.to_rgb.weight)
        nn.init.zeros_(self.to_rgb.bias)  # type: ignore[arg-type]

    def forward(self, f: Tensor, taps: Sequence[Tensor] = (), x: Tensor | None = None) -> Tensor:
        by_height = {m.shape[-2]: m for m in taps}  # of maps of one size the later one, as in Encoder.tap_channels
        out = self.reduce(f)
        for block, size in zip(self.blocks, self.sizes, strict=True):
            out = block(out)
            if str(size) in self.skips:
                if out.shape[-2] not in by_height:
                    raise ValueError(f"a skip connection lacks the map of height {out.shape[-2]}: call G(f, taps, x).")
                out = out + self.skips[str(size)](by_height[out.shape[-2]])
        if self.look is None:
            return (1 + torch.tanh(self._pixels(out))) / 2
        if x is None:
            raise ValueError("a residual G adds to the input image: call G(f, taps, x).")
        out = out + self.look(x)
        return (x + torch.tanh(self._pixels(out))).clamp(0, 1)

    def _pixels(self, out: Tensor) -> Tensor:
        return nnf.pixel_shuffle(self.to_rgb(torch.relu(self.bn(out))), self.pixel_shuffle)
