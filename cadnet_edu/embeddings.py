"""Vectors of images kept in files, so that another protocol or another meaning asks the network nothing."""

from __future__ import annotations

import hashlib
import json
import shutil
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from torch import Tensor

from cadnet_edu.data.fingerprint import fingerprint
from cadnet_edu.data.samples import Sample
from cadnet_edu.files import write_atomically


@dataclass(frozen=True)
class Embeddings:
    """A folder of vectors, each file found again by what its images are and how they were seen.

    Files are plain ``.npy``, float32 ``(n, d)``, one row an image. Those of other versions are removed when the first
    file of this one is written: a network that is trained on makes its earlier vectors useless.

    Args:
        folder: where they are kept, in a folder for the version.
        version: what made them: the weights and the code.
    """

    folder: Path
    version: str

    def get(self, samples: Sequence[Sample], how: Any, make: Callable[[], Iterator[Tensor]]) -> Tensor:
        """The vectors of some images: those kept, or newly made ones, which are kept from then on.

        Args:
            samples: the images. Their content counts, not who they show; ``Sample.rate`` only as far as ``how`` says.
            how: all else that the vectors depend on, such as size and rate; ready for JSON.
            make: gives them, float32 on the CPU, some rows at a time.

        Returns:
            float32 ``(n, d)``, mapped into memory: a million vectors need not fit there.
        """
        key = hashlib.sha256(json.dumps([fingerprint(samples), how]).encode()).hexdigest()[:24]
        path = self.folder / self.version / f"{key}.npy"
        found = _read(path, len(samples))
        if found is not None:
            return found
        try:
            if not path.parent.exists() and self.folder.exists():
                shutil.rmtree(self.folder)
            write_atomically(path, lambda file: _write(file, len(samples), make()))
        except OSError as error:
            warnings.warn(
                f"{self.folder}: vectors cannot be kept here ({error.strerror or error}), so they stay in memory and "
                "are made again next time.",
                RuntimeWarning,
                stacklevel=2,
            )
            return torch.cat(list(make()))
        found = _read(path, len(samples))
        assert found is not None, path
        return found


def _read(path: Path, n: int) -> Tensor | None:
    """The vectors in a file; none when it is missing, cut short or of another shape."""
    try:
        vectors = np.load(path, mmap_mode="c")  # whoever writes into them changes a copy of his own
    except (OSError, ValueError, EOFError):
        return None
    fits = vectors.ndim == 2 and len(vectors) == n and vectors.dtype == np.float32
    return torch.from_numpy(vectors.view(np.ndarray)) if fits else None


def _write(file: BinaryIO, n: int, batches: Iterator[Tensor]) -> None:
    """Write an ``.npy`` file batch by batch."""
    done = 0
    for batch in batches:
        if not done:
            header = {"descr": "<f4", "fortran_order": False, "shape": (n, batch.shape[1])}
            np.lib.format.write_array_header_1_0(file, header)
        file.write(batch.numpy().astype("<f4").tobytes())
        done += len(batch)
    if done != n:
        raise ValueError(f"{done} vectors for {n} images.")
