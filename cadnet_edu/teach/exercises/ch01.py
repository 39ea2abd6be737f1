"""Checks for chapter 01: what down-sampling does to an image."""

import math
from collections.abc import Callable

import numpy as np
import torch

from cadnet_edu.teach.exercises.report import CheckFailed, answer, expect, reports, require

__all__ = ["check_degrade", "check_nyquist", "check_psnr"]


def _stripes(height: int, width: int, period: int) -> torch.Tensor:
    """A batch of one: rows of period/2 black and period/2 white pixels, ``(1, 3, height, width)``."""
    rows = (torch.arange(height) // (period // 2) % 2).float()
    return rows.view(1, 1, height, 1).expand(1, 3, height, width).clone()


def _inside(image: np.ndarray, border: int = 8) -> np.ndarray:
    """The image without its border, where ways of up-sampling rightly differ."""
    return image[..., border:-border, border:-border]


@reports("detail finer than r pixels is gone, the size and the rest are kept: that is a low-resolution image.")
def check_degrade(student: Callable) -> None:
    """Check ``degrade_by_hand(x, r)``: average blocks of r x r pixels, then bring the result back to the old size.

    ``x`` is a float tensor ``(b, 3, h, w)`` in [0, 1], ``r`` a whole number that divides h and w; the result has
    the shape of ``x``. Up-sampling by repetition and bilinear up-sampling both pass.
    """
    fine = _stripes(32, 32, 2)
    low = answer(student, fine, 2)
    require(
        low.shape != (1, 3, 16, 16),
        "you returned the small image. Bring it back to the size of the input (Sec. 3.1): the networks take one size.",
    )
    require(low.shape == tuple(fine.shape), f"the shape must stay {tuple(fine.shape)}; yours is {low.shape}.")
    grey = _inside(low)
    require(
        not np.allclose(low, fine.numpy(), atol=1e-3), "nothing was lost: stripes one pixel wide came back unchanged."
    )
    require(
        grey.min() > 0.4 and grey.max() < 0.6,
        "you subsampled without averaging (aliasing): stripes one pixel wide must turn grey at r = 2, "
        f"yours range from {grey.min():.2f} to {grey.max():.2f}. Average each block of r x r pixels.",
    )
    coarse = _inside(answer(student, _stripes(64, 64, 16), 2))
    require(
        coarse.max() - coarse.min() > 0.8,
        "stripes eight pixels wide must survive r = 2; yours have lost their contrast. Does the rate enter only once?",
    )
    middle = _inside(answer(student, _stripes(64, 64, 4), 4))
    require(
        middle.max() - middle.min() < 0.2,
        "stripes two pixels wide must vanish at r = 4; yours are still there. Is the rate r used, and not a fixed 2?",
    )
    x = torch.rand(2, 3, 32, 16, generator=torch.Generator().manual_seed(0))
    expect(answer(student, x, 1), x.numpy(), "r = 1, which must leave every image as it is")
    sides = torch.stack([torch.full((3, 32, 16), 0.2), torch.full((3, 32, 16), 0.7)])
    expect(answer(student, sides, 4), sides.numpy(), "two plain images, one of value 0.2 and one of 0.7")


@reports("a cycle needs two pixels, and there are height / r of them.")
def check_nyquist(student: Callable) -> None:
    """Check ``nyquist(r, height)``: the finest pattern that survives rate r, in cycles per image height.

    Up to that frequency down-sampling keeps the pattern: half of the number of rows that are left.
    """
    for r, height in ((4, 256), (2, 128), (3, 96), (1.5, 100)):
        mistakes = {
            "you counted one pixel a cycle; a cycle needs two (light, dark).": height / r,
            "this is in cycles per pixel; multiply by the height to get cycles per image.": 1 / (2 * r),
            "this is the limit of the full image; the rate r leaves only height / r rows.": height / 2,
            "this is the length of one cycle in pixels; the question asks how many cycles fit in the image.": 2 * r,
        }
        expect(answer(student, r, height), height / (2 * r), f"r = {r}, height = {height}", mistakes, atol=1e-6)


@reports("decibels, the mean over each image, range 1: the PSNR of Table 2.")
def check_psnr(student: Callable) -> None:
    """Check ``psnr(x, y)``: peak signal-to-noise ratio in dB, one value an image.

    ``x`` and ``y`` are float tensors ``(b, 3, h, w)`` in [0, 1]; the result has shape ``(b,)``.
    """
    x = torch.full((1, 3, 4, 2), 0.5)
    where, mse, n = "two grey images 0.1 apart", 0.01, x.numel()
    mistakes = {
        "natural log: decibels use the logarithm to base 10.": 10 * math.log(1 / mse),
        "MSE without mean: divide the sum of squares by the number of values.": 10 * math.log10(1 / (mse * n)),
        "data range 255: these images lie in [0, 1], so the peak is 1.": 10 * math.log10(255**2 / mse),
        "the root of the error was taken: use 10 log10(1 / MSE), or 20 log10(1 / RMSE).": 5 * math.log10(1 / mse),
        "the sign is turned: a smaller error must give a larger PSNR.": -10 * math.log10(1 / mse),
        "the factor 10 of the decibel is missing.": math.log10(1 / mse),
    }
    expect(answer(student, x, x + 0.1), 20.0, where, mistakes)
    pair = torch.cat([x, x])
    error = torch.tensor([0.1, 0.01]).view(2, 1, 1, 1)
    got = answer(student, pair, pair + error)
    if got.size == 1:
        raise CheckFailed(
            "one number for the whole batch: average over the pixels of each image; give one PSNR an image."
        )
    expect(got, [20.0, 40.0], "a batch of two images, 0.1 and 0.01 apart", atol=1e-3)
    require(np.all(answer(student, x, x) > 100), "two equal images have an unlimited PSNR (infinity, or very large).")
