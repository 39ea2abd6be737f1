"""Store the images of Fig. 3: some queries at several rates, in one image file beside each record."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from cadnet_edu.data.resolution import degrade
from cadnet_edu.evaluation.evaluate import Evaluator
from cadnet_edu.evaluation.image_quality import psnr, ssim
from cadnet_edu.io import write_atomically
from cadnet_edu.lab.scoring import bicubic, rate_name, recover_batch, with_lpips

STRIP_RATES = (1.0, 2.0, 4.0, 8.0)  # Fig. 3
STRIP_PEOPLE = 6
ENDING = ".webp"


def sample_queries(query: Tensor) -> np.ndarray:
    """Positions of the queries of Fig. 3: evenly from first to last, the same for every method.

    >>> sample_queries(torch.zeros(11, 3, 4, 4)).tolist()
    [0, 2, 4, 6, 8, 10]
    """
    return np.linspace(0, len(query) - 1, min(STRIP_PEOPLE, len(query))).round().astype(int)


def recovered_people(query: Tensor, evaluator: Evaluator | None, floor: str = "bilinear") -> dict[str, Tensor]:
    """The sampled queries, recovered, or up-sampled without an evaluator: rate -> images ``(n, 3, H, W)``."""
    truth = query[torch.from_numpy(sample_queries(query))].float() / 255
    found = {}
    for r in STRIP_RATES:
        if evaluator is not None:
            found[rate_name(r)] = recover_batch(evaluator, degrade(truth, r), r)
        else:
            found[rate_name(r)] = bicubic(truth, r) if floor == "bicubic" else degrade(truth, r)
    return found


def strip_scores(query: Tensor, images: dict[str, Tensor]) -> dict[str, Any]:
    """score -> rate -> one number for each of the sampled queries."""
    truth = query[torch.from_numpy(sample_queries(query))].float() / 255
    extra, _ = with_lpips((truth.shape[2], truth.shape[3]))
    scores = {"psnr": psnr, "ssim": ssim, **extra}
    return {name: {r: score(x, truth).tolist() for r, x in images.items()} for name, score in scores.items()}


def write_strip(images: dict[str, Tensor], path: Path) -> None:
    """Write all images, rate -> ``(n, 3, H, W)``, as one: a row a person, a column a rate."""
    columns = [torch.cat(list(x), dim=1) for x in images.values()]  # (3, n H, W)
    pixels = (torch.cat(columns, dim=2).clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
    picture = Image.fromarray(pixels)
    write_atomically(path, lambda file: picture.save(file, "WEBP", quality=92, method=6))


def read_strip(path: Path, size: tuple[int, int]) -> dict[str, np.ndarray]:
    """Inverse of ``write_strip``, for images of size ``(H, W)``: rate -> ``uint8`` ``(n, H, W, 3)``."""
    height, width = size
    try:
        pixels = np.asarray(Image.open(path).convert("RGB"))
    except OSError as error:
        raise ValueError(f"{path}: these images of Fig. 3 cannot be read ({error}). Run with --fresh.") from None
    if pixels.shape[0] % height or pixels.shape[1] != width * len(STRIP_RATES):
        raise ValueError(f"{path}: {pixels.shape[0]} x {pixels.shape[1]} pixels, not rows of {height} x {width}.")
    tiles = pixels.reshape(-1, height, len(STRIP_RATES), width, 3).transpose(2, 0, 1, 3, 4)
    return {rate_name(r): tile for r, tile in zip(STRIP_RATES, tiles, strict=True)}
