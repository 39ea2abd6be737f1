"""Our ResNet is torchvision's, with its inner maps handed out; weights load whole or not at all."""

import hashlib
from pathlib import Path
from unittest.mock import Mock

import pytest
import torch
import torchvision
from torch import nn

from cadnet_edu.models.backbone import resnet

NAMES = ["resnet18", "resnet50"]


def published(name: str) -> nn.Module:
    torch.manual_seed(0)
    net = getattr(torchvision.models, name)(weights=None)
    for m in net.modules():  # BatchNorm as after some training, so that a wrong copy would show
        if isinstance(m, nn.BatchNorm2d):
            nn.init.uniform_(m.weight, 0.5, 1.5)
            nn.init.normal_(m.bias, std=0.1)
            nn.init.normal_(m.running_mean, std=0.1)
            nn.init.uniform_(m.running_var, 0.5, 1.5)
    del net.fc
    return net


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("mode", ["train", "eval"])
def test_outputs_are_torchvisions(name, mode):
    """In float64: the shortcuts' convolutions are computed another way, and float32 rounds in another order."""
    theirs, ours = published(name).double(), resnet(name).double()
    ours.load_state_dict(theirs.state_dict())  # the same names and shapes
    assert sum(p.numel() for p in ours.parameters()) == {"resnet18": 11_176_512, "resnet50": 23_508_032}[name]
    ours.train(mode == "train")
    theirs.train(mode == "train")
    x = torch.rand(2, 3, 64, 32, dtype=torch.float64)
    expected = [theirs.relu(theirs.bn1(theirs.conv1(x)))]
    h = theirs.maxpool(expected[0])
    for layer in (theirs.layer1, theirs.layer2, theirs.layer3, theirs.layer4):
        h = layer(h)
        expected.append(h)
    maps = ours(x)
    assert len(maps) == 5
    for a, b in zip(maps, expected):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "slim"])
@pytest.mark.parametrize("last_stride", [1, 2])
@pytest.mark.parametrize("size", [(64, 32), (256, 128)])
def test_maps_have_the_channels_and_sizes_that_are_told(name, last_stride, size):
    with torch.device("meta"):
        net = resnet(name, width=8, last_stride=last_stride)
        maps = net(torch.empty(2, 3, *size))
    assert [tuple(m.shape) for m in maps] == [
        (2, c, size[0] // r, size[1] // r) for c, r in zip(net.channels, net.reductions)
    ]
    assert net.reductions[-1] == (16 if name == "slim" else 32) // (2 if last_stride == 1 else 1)
    assert net.channels == ([8, 32, 64, 128, 256] if name == "resnet50" else [8, 8, 16, 32, 64])


def test_slim_has_one_block_a_stage_and_no_max_pooling():
    net = resnet("slim", width=4)
    assert [len(getattr(net, f"layer{i}")) for i in (1, 2, 3, 4)] == [1, 1, 1, 1]
    assert not any(isinstance(m, nn.MaxPool2d) for m in net.modules())
    assert net.conv1.kernel_size == (3, 3)
    with pytest.raises(ValueError, match=r"no backbone 'resnet51'. Choose resnet50, resnet18 or slim"):
        resnet("resnet51")


@pytest.fixture(scope="module")
def weights_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small published-looking file: with the classifier that we do not have."""
    torch.manual_seed(1)
    state = dict(resnet("resnet18", width=4).state_dict())
    path = tmp_path_factory.mktemp("weights") / "resnet18.pth"
    torch.save({**state, "fc.weight": torch.rand(10, 32), "fc.bias": torch.rand(10)}, path)
    return path


def test_a_local_file_loads(weights_file):
    torch.manual_seed(2)
    net = resnet("resnet18", width=4, weights=str(weights_file))
    expected = torch.load(weights_file)
    for name, value in net.state_dict().items():
        torch.testing.assert_close(value, expected[name], rtol=0, atol=0)


def test_the_digits_of_a_files_name_are_checked(weights_file, tmp_path):
    """Published files are called resnet18-f37072fd.pth and the like, after their SHA-256."""
    content = weights_file.read_bytes()
    right = tmp_path / f"resnet18-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    right.write_bytes(content)
    resnet("resnet18", width=4, weights=str(right))
    wrong = tmp_path / "resnet18-f37072fd.pth"
    wrong.write_bytes(content)
    with pytest.raises(ValueError, match=r"SHA-256 begins with .* and not with f37072fd as its name says"):
        resnet("resnet18", width=4, weights=str(wrong))


def test_a_download_of_an_earlier_day_is_checked(monkeypatch, weights_file, tmp_path):
    """torchvision takes what lies in its folder without a look."""
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    kept = tmp_path / "checkpoints" / "resnet18-f37072fd.pth"
    kept.parent.mkdir()
    kept.write_bytes(weights_file.read_bytes())
    with pytest.raises(ValueError, match=r"resnet18-f37072fd\.pth: its SHA-256 begins with"):
        resnet("resnet18", width=4, weights="imagenet")


NO_FILE, NO_DICT, UNFIT = r"cannot be read as a file of weights", "this file is no plain state_dict", "do not fit a"


@pytest.mark.parametrize(
    ("name", "width", "change", "message"),
    [
        (
            "resnet18",
            4,
            lambda path: path.unlink(),
            "is neither 'imagenet', 'walkers' nor 'none', and no such file exists",
        ),
        ("resnet18", 4, lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]), NO_FILE),
        ("resnet18", 4, lambda path: path.write_bytes(b"<html>404</html>"), NO_FILE),
        ("resnet18", 4, lambda path: torch.save(torch.zeros(3), path), NO_DICT),
        ("resnet18", 4, lambda path: torch.save({"state_dict": {"conv1.weight": torch.ones(3)}}, path), NO_DICT),
        ("resnet50", 4, lambda path: None, rf"{UNFIT} resnet50 of width 4"),
        ("resnet18", 8, lambda path: None, rf"{UNFIT} resnet18 of width 8: size mismatch for .*"),
        ("resnet18", 4, lambda path: torch.save(without("layer2.0.conv1.weight"), path), r"layer2\.0\.conv1\.weight"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(weights_file, tmp_path, name, width, change, message):
    path = tmp_path / "mine.pth"
    path.write_bytes(weights_file.read_bytes())
    change(path)
    with pytest.raises(ValueError, match=rf"mine\.pth.*{message}"):
        resnet(name, width=width, weights=str(path))
    with pytest.raises(ValueError, match="no published ImageNet weights for the slim backbone"):
        resnet("slim", weights="imagenet")


def without(name):
    return {k: v for k, v in resnet("resnet18", width=4).state_dict().items() if k != name}


@pytest.mark.parametrize("name", NAMES)
def test_imagenet_asks_for_the_weights_of_2019(monkeypatch, name):
    asked = []

    def get_state_dict(self, **kwargs):
        asked.append((str(self), kwargs))
        return published(name).state_dict()

    monkeypatch.setattr(torchvision.models.WeightsEnum, "get_state_dict", get_state_dict)
    net = resnet(name, weights="imagenet")
    torch.testing.assert_close(net.conv1.weight, published(name).conv1.weight)
    assert asked[0][0] == f"{name.replace('resnet', 'ResNet')}_Weights.IMAGENET1K_V1"
    assert asked[0][1]["check_hash"]

    for error in (OSError("no route to host"), RuntimeError("invalid hash value")):
        monkeypatch.setattr(torchvision.models.WeightsEnum, "get_state_dict", Mock(side_effect=error))
        with pytest.raises(ValueError, match=f"could not be downloaded .{error}.*path of a local copy"):
            resnet(name, weights="imagenet")
