"""ResNet (He et al., 2016) that returns the feature maps of all stages."""

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as nnf
from safetensors.torch import load_file
from torch import Tensor, nn

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
WALKERS = Path(__file__).parents[1] / "weights" / "walkers.safetensors"  # a slim network, see its model card


class StridedConv2d(nn.Conv2d):
    """``nn.Conv2d`` with a stride, and a workaround for two faulty CPU kernels of PyTorch 2.14.

    In channels_last the weight gradient of a strided 1x1 convolution of few channels is wrong, or the process crashes:
    such a convolution is computed as a slice and a convolution of stride 1. In bf16 a strided convolution whose output
    is one pixel wide reads out of bounds: it is computed in float32, at no cost on so small a map.
    Parameters and values are those of ``nn.Conv2d``.
    """

    def forward(self, x: Tensor) -> Tensor:
        (_, k), (_, stride) = self.kernel_size, self.stride
        if k == 1 and stride > 1:
            return nnf.conv2d(x[..., ::stride, ::stride], self.weight, self.bias)
        width = x.shape[-1] + 2 * int(self.padding[1]) - k
        low = x.dtype == torch.bfloat16 or torch.is_autocast_enabled("cpu")
        if stride > 1 and width < stride and low and x.device.type == "cpu":
            with torch.autocast("cpu", enabled=False):
                y = self._conv_forward(x.float(), self.weight.float(), self.bias)
            return y.to(x.dtype)
        return super().forward(x)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut: the block of ResNet-18."""

    expansion = 1

    def __init__(self, c_in: int, c: int, stride: int = 1, track: bool = True) -> None:
        super().__init__()
        self.conv1 = StridedConv2d(c_in, c, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(c, track_running_stats=track)
        self.conv2 = nn.Conv2d(c, c, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(c, track_running_stats=track)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = shortcut(c_in, c, stride, track)

    def forward(self, x: Tensor) -> Tensor:
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        return self.relu(out + self.downsample(x))


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 convolutions and a shortcut: the block of ResNet-50. The 3x3 has the stride, as in torchvision."""

    expansion = 4

    def __init__(self, c_in: int, c: int, stride: int = 1, track: bool = True) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(c_in, c, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(c, track_running_stats=track)
        self.conv2 = StridedConv2d(c, c, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(c, track_running_stats=track)
        self.conv3 = nn.Conv2d(c, 4 * c, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * c, track_running_stats=track)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = shortcut(c_in, 4 * c, stride, track)

    def forward(self, x: Tensor) -> Tensor:
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        return self.relu(out + self.downsample(x))


def shortcut(c_in: int, c_out: int, stride: int, track: bool) -> nn.Module:
    """The identity, or a strided 1x1 convolution where the shape changes."""
    if stride == 1 and c_in == c_out:
        return nn.Identity()
    conv = StridedConv2d(c_in, c_out, 1, stride, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(c_out, track_running_stats=track))


class ResNet(nn.Module):
    """A residual network without classifier; it returns the map of every stage.

    The parameter names are torchvision's, so published weights load as they are.

    Args:
        block: ``BasicBlock`` or ``Bottleneck``.
        layers: blocks in each of the four stages; (3, 4, 6, 3) of ``Bottleneck`` is ResNet-50.
        width: channels of the first stage; each later stage doubles them.
        last_stride: stride of the fourth stage. 2 as published; 1 keeps its maps twice as large.
        small: a 3x3 stem without max-pooling, for images far below 224 pixels.
        track: whether BatchNorm keeps running statistics; a discriminator, used in training only, does not need them.

    Shapes:
        input ``(b, 3, H, W)`` -> five maps ``(b, channels[i], H / reductions[i], W / reductions[i])``.
    """

    def __init__(
        self,
        block: type[BasicBlock] | type[Bottleneck],
        layers: Sequence[int],
        width: int = 64,
        last_stride: int = 2,
        small: bool = False,
        track: bool = True,
    ) -> None:
        super().__init__()
        self.conv1 = StridedConv2d(3, width, 3 if small else 7, 2, 1 if small else 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width, track_running_stats=track)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.Identity() if small else nn.MaxPool2d(3, 2, 1)
        strides = (1, 2, 2, last_stride)
        c_in = width
        self.channels, self.reductions = [width], [2]
        reduction = 2 if small else 4
        for i in range(4):
            c = width * 2**i
            blocks = [block(c_in, c, strides[i], track)]
            c_in = c * block.expansion
            blocks += [block(c_in, c, 1, track) for _ in range(layers[i] - 1)]
            setattr(self, f"layer{i + 1}", nn.Sequential(*blocks))
            reduction *= strides[i]
            self.channels.append(c_in)
            self.reductions.append(reduction)
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> list[Tensor]:
        maps = [self.relu(self.bn1(self.conv1(x)))]
        x = self.maxpool(maps[0])
        for i in range(1, 5):
            x = getattr(self, f"layer{i}")(x)
            maps.append(x)
        return maps


def resnet(name: str, width: int = 64, last_stride: int = 2, weights: str = "none") -> ResNet:
    """Build a backbone by its usual name.

    Args:
        name: ``resnet50`` and ``resnet18`` as published, or ``slim``: one block a stage and a small stem.
        width: channels of the first stage (64 as published).
        last_stride: see ``ResNet``.
        weights: ``none``; ``imagenet``, from torchvision; ``walkers``, of a slim network trained on drawn people; or
            the path of a weights file.

    Raises:
        ValueError: for an unknown name, or when the weights cannot be loaded; they are never left random.
    """
    if name == "resnet50":
        net = ResNet(Bottleneck, (3, 4, 6, 3), width, last_stride)
    elif name == "resnet18":
        net = ResNet(BasicBlock, (2, 2, 2, 2), width, last_stride)
    elif name == "slim":
        net = ResNet(BasicBlock, (1, 1, 1, 1), width, last_stride, small=True)
    else:
        raise ValueError(f"there is no backbone {name!r}. Choose resnet50, resnet18 or slim.")
    if weights != "none":
        load_weights(net, name, weights)
    return net


def load_weights(net: ResNet, name: str, weights: str) -> None:
    """Load published or local weights into ``net``; a classifier ``fc`` is left out.

    Args:
        net: a backbone.
        name: of the backbone.
        weights: ``imagenet``, ``walkers``, or the path of a file.

    Raises:
        ValueError: when they cannot be downloaded, are damaged, or do not fit.
    """
    if weights == "walkers":
        if name != "slim":
            raise ValueError(f"the weights 'walkers' are of a slim backbone, not of {name}: set backbone to 'slim'.")
        E = "E.resnet."
        state = {name.removeprefix(E): t for name, t in load_file(WALKERS).items() if name.startswith(E)}
        width = len(state["conv1.weight"])
        if width != net.channels[0]:
            raise ValueError(
                f"the weights 'walkers' are of a slim backbone of width {width}, not {net.channels[0]}: set "
                f"backbone_width to {width}."
            )
    elif weights == "imagenet":
        import torchvision

        if name == "slim":
            raise ValueError(
                "there are no published ImageNet weights for the slim backbone: set weights to 'walkers' or 'none'."
            )
        # V1: those that PyTorch users of 2019 had, trained with the recipe of the ResNet paper
        published = torchvision.models.get_weight(f"{name.replace('resnet', 'ResNet')}_Weights.IMAGENET1K_V1")
        try:
            state = published.get_state_dict(progress=False, check_hash=True)
        except Exception as error:  # no network, no space, or a file cut short on its way
            raise ValueError(
                f"the ImageNet weights of {name} could not be downloaded ({error}). Connect to the internet once, give "
                "the path of a local copy in `weights`, or set weights='none' to start from random numbers."
            ) from None
        kept = Path(torch.hub.get_dir(), "checkpoints", Path(published.url).name)
        if kept.is_file():  # torchvision checks downloads only, not cached files
            check_digits(kept)
    else:
        path = Path(weights)
        if not path.is_file():
            raise ValueError(
                f"weights = {weights!r} is neither 'imagenet', 'walkers' nor 'none', and no such file exists."
            )
        check_digits(path)
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:
            raise ValueError(f"{path}: cannot be read as a file of weights ({type(error).__name__}).") from None
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise ValueError(
            f"{weights}: this file is no plain state_dict (parameter name -> tensor). "
            "Save one with torch.save(net.state_dict(), path)."
        )
    state = {k: v for k, v in state.items() if not str(k).startswith("fc.")}
    try:
        net.load_state_dict(state)
    except RuntimeError as error:
        why = str(error).splitlines()[-1].strip()
        raise ValueError(
            f"the weights {weights!r} do not fit a {name} of width {net.channels[0]}: {why[:300]}"
        ) from None


def check_digits(path: Path) -> None:
    """Check a file against its name, which for published weights ends in the first digits of their SHA-256.

    ``resnet50-0676ba61.pth`` is such a name. A file without digits in its name is not checked.

    Raises:
        ValueError: when they differ.
    """
    named = re.search(r"-([0-9a-f]{8,64})\.[a-z]+$", path.name)
    if named is None:
        return
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if not digest.startswith(named[1]):
        raise ValueError(
            f"{path}: its SHA-256 begins with {digest[: len(named[1])]}, and not with {named[1]} as its name says, so "
            "it is not the file that was published, or is damaged. Copy or download it again; if it is a file of your "
            "own, give it a name without digits at the end."
        )
