"""Measure the detail of images, and the error left after recovery, by spatial frequency."""

from itertools import pairwise
from typing import Any

import numpy as np

from cadnet_edu.evaluation.distances import Array, to_array


def radial_power_spectrum(images: Any) -> tuple[np.ndarray, np.ndarray]:
    """The power spectrum of images, averaged over images and directions.

    Of grey images, with their mean removed and a Hann window.

    Args:
        images: ``(n, 3, h, w)`` or ``(n, h, w, 3)``, values in [0, 1] or ``uint8``.

    Returns:
        frequencies in cycles per image height, ``(h / 2,)``, and mean power at each.
    """
    x = to_array(images)
    x = x.astype(float) / (255 if x.dtype == np.uint8 else 1)
    grey = x.mean(axis=1) if x.shape[1] == 3 else x.mean(axis=-1)
    h, w = grey.shape[1:]
    grey = (grey - grey.mean(axis=(1, 2), keepdims=True)) * np.outer(np.hanning(h), np.hanning(w))
    power = (np.abs(np.fft.fft2(grey)) ** 2).mean(axis=0) / (h * w)
    cycles = h * np.hypot(np.fft.fftfreq(h)[:, None], np.fft.fftfreq(w)[None])  # pixels are square: per height
    ring = np.rint(cycles).astype(int)
    rings = np.arange(1, h // 2 + 1)
    total = np.bincount(ring.ravel(), power.ravel(), minlength=h)
    count = np.bincount(ring.ravel(), minlength=h)
    mean = np.divide(total, count, out=np.full(len(total), np.nan), where=count > 0)
    return rings.astype(float), mean[rings]


def octaves(height: int) -> list[tuple[int, int]]:
    """Bands of spatial frequency, each twice as fine as the one before, in cycles per image height.

    >>> octaves(64)
    [(1, 2), (2, 4), (4, 8), (8, 16), (16, 32)]
    """
    edges = [2**k for k in range(height.bit_length()) if 2**k < height // 2] + [height // 2]
    return list(pairwise(edges))


def restore_band(x: Array, x_H: Array, cycles: float) -> np.ndarray:
    """Images with all detail up to a frequency as in the originals: what a perfect recovery of this band would give.

    Down-sampling by r attenuates and shifts detail up to ``H / (2 r)`` cycles per image height, the finest that the LR
    grid can hold, and destroys what is finer. So with that number this is the ceiling of recovery from the LR image
    alone; beyond it detail can only be guessed from other images.

    Args:
        x: the bilinearly up-sampled LR images ``(n, 3, H, W)`` in [0, 1].
        x_H: the HR images.
        cycles: per image height, in both directions.

    Returns:
        ``(n, 3, H, W)`` in [0, 1].
    """
    seen, truth = (np.asarray(a, dtype=np.float64) for a in (x, x_H))
    height, width = truth.shape[-2:]
    f_y, f_x = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None]  # cycles per pixel
    inside = height * np.maximum(np.abs(f_y), f_x) <= cycles + 1e-9
    spectrum = np.where(inside, np.fft.rfft2(truth), np.fft.rfft2(seen))
    return np.fft.irfft2(spectrum, s=(height, width)).clip(0, 1)


def error_by_frequency(x_hat: Array, x: Array, x_H: Array) -> dict[str, Any]:
    """The error of recovered images against that of the inputs, band by band of spatial frequency.

    The power of ``x_hat - x_H`` and of ``x - x_H`` is averaged over the images and the frequencies of each band. Where
    the ratio is below 1, detail was restored; where it is above 1, false detail was added.

    Args:
        x_hat: recovered images ``(n, 3, H, W)`` in [0, 1].
        x: its inputs, the bilinearly up-sampled LR images.
        x_H: the HR images.

    Returns:
        ``bands`` (pairs of cycles per image height, upper end not included), ``recovered`` and ``input`` (error
        power) and ``ratio`` (None where the input has no error, as at r = 1).

    Raises:
        ValueError: when the shapes differ.
    """
    arrays = [np.asarray(a, dtype=np.float64) for a in (x_hat, x, x_H)]
    if len({a.shape for a in arrays}) != 1 or arrays[0].ndim != 4:
        raise ValueError(f"three batches of one shape (n, 3, H, W) are needed; given {[a.shape for a in arrays]}.")
    recovered, seen, truth = arrays
    frequency, power = radial_power_spectrum(recovered - truth)
    _, floor = radial_power_spectrum(seen - truth)
    bands = octaves(truth.shape[2])
    inside = [(frequency >= low) & (frequency < high) for low, high in bands]
    inside[-1] |= frequency == bands[-1][1]  # the finest there is
    left, right = ([float(p[band].mean()) for band in inside] for p in (power, floor))
    return {
        "bands": [list(band) for band in bands],
        "recovered": left,
        "input": right,
        "ratio": [a / b if b > 1e-12 else None for a, b in zip(left, right, strict=True)],
    }
