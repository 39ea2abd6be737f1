"""Checks for chapter 09: fair means, decibels as shares, what a small image can hold, rulers that agree."""

from collections.abc import Callable

import numpy as np

from cadnet_edu.teach.exercises.report import answer, expect, reports, require

__all__ = ["check_agreement", "check_error_left", "check_known_share", "check_over_rates"]


@reports("rates above 1 only, and each rate counts once.")
def check_over_rates(student: Callable) -> None:
    """Check ``over_rates(scores)``: one number for the quality at several rates.

    ``scores`` maps a rate to the PSNR of each image at that rate, a NumPy array ``(n,)``; n may differ between rates.
    The result is the mean over the rates above 1 of the mean over images.
    """
    scores = {1: np.array([50.0, 54.0]), 2: np.array([30.0, 27.0, 27.0]), 4: np.array([22.0])}
    blurred = np.concatenate([scores[2], scores[4]])
    everything = np.concatenate(list(scores.values()))
    of_mean_error = -10 * np.log10((10 ** (-blurred / 10)).mean())
    mistakes = {
        "r = 1 is in the mean: nothing was lost there, so nothing can be recovered.": np.mean([52, 28, 22]),
        "all images went into one heap, so a rate with more images counts more: take the mean at each rate first, "
        "then over the rates.": blurred.mean(),
        "all images went into one heap, those of r = 1 too.": everything.mean(),
        "r = 1 was left out of the sum only: divide by the number of rates that are left.": 50 / 3,
        "this is a sum over the rates; take the mean.": 50.0,
        "the errors were averaged and then turned into decibels; take the mean of the decibels.": of_mean_error,
        "this is the median.": np.median(blurred),
    }
    expect(answer(student, scores), 25.0, "r = 1: 50, 54; r = 2: 30, 27, 27; r = 4: 22", mistakes)
    scores[1] = np.array([np.inf, np.inf])
    got = answer(student, scores)
    require(np.isfinite(got).all(), "infinity: at r = 1 input and truth are one image. Leave r = 1 out.")
    expect(got, 25.0, "the same with infinity at r = 1")
    halves = {1.5: np.array([33.0]), 3.0: np.array([24.0, 26.0])}
    mistakes = {"r = 1.5 is above 1 and counts.": 25.0}
    expect(answer(student, halves), 29.0, "r = 1.5: 33; r = 3: 24, 26", mistakes)


@reports("a gain of 3 dB halves the squared error, 10 dB leave a tenth.")
def check_error_left(student: Callable) -> None:
    """Check ``error_left(gain)``: the share of the mean squared error that is left after a gain in PSNR.

    ``gain`` is a NumPy array of decibels; the result has its shape: 1 for 0 dB, 0.1 for 10 dB.
    """
    gain = np.array([0.0, 10.0, 3.0, -1.0])
    want, unsquared = 10 ** (-gain / 10), 10 ** (-gain / 20)
    mistakes = {
        "the sign is turned: a gain makes the error smaller.": 1 / want,
        "this is the share of the error itself; PSNR is of the squared error, so divide by 10, not by 20.": unsquared,
        "this is the share that is gone; asked is the share that is left.": 1 - want,
        "these are per cent; give a share, 1 for the whole.": 100 * want,
        "decibels are tenths of a power of ten: 10 ** (...), not exp(...).": np.exp(-gain / 10),
        "ten decibels, not one, are a factor of ten.": 10**-gain,
        "a decibel is no per cent: 10 dB leave a tenth, and 100 dB would still leave something.": 1 - gain / 100,
    }
    got = answer(student, gain)
    expect(got, want, "gains of 0, 10, 3 and -1 dB", mistakes)


@reports("everything below H / (2 r) is in the small image; what lies above it can only be guessed.")
def check_known_share(student: Callable) -> None:
    """Check ``known_share(bands, height, r)``: how much of each band of frequency the small image can hold.

    ``bands`` is a NumPy array ``(n, 2)`` of cycles per image height, ``height`` the pixels of the original. The result
    ``(n,)`` is the share of each band's width that lies below the Nyquist limit of an image of ``height / r`` pixels:
    1 where the whole band does, 0 where nothing does.
    """
    bands = np.array([[1, 2], [2, 4], [4, 8], [8, 16], [16, 32], [32, 48]])
    low, high = bands.T.astype(float)

    def share(limit: float) -> np.ndarray:
        return ((limit - low) / (high - low)).clip(0, 1)

    def mistakes(limit: float) -> dict[str, np.ndarray]:
        logs, of_upper = (np.log2(limit / low) / np.log2(high / low)).clip(0, 1), (limit / high).clip(0, 1)
        one_pixel = share(2 * limit)
        return {
            "you counted one pixel a cycle; a cycle needs two (light, dark): the limit is height / (2 r).": one_pixel,
            "turned round: this is the share that must be guessed.": 1 - share(limit),
            "the shares leave the range from 0 to 1: cut them off.": (limit - low) / (high - low),
            "this is yes or no; a band that the limit cuts is known in part.": (high <= limit).astype(float),
            "this is yes or no; a band that the limit cuts is known in part. ": (low < limit).astype(float),
            "the share of the band on a logarithmic axis; asked is that of its width in cycles.": logs,
            "the limit is divided by the upper end of the band; a band begins at its lower end.": of_upper,
        }

    expect(answer(student, bands, 96, 4), share(12), "height = 96, r = 4", mistakes(12))
    expect(answer(student, bands, 96, 2), share(24), "height = 96, r = 2", mistakes(24))
    expect(answer(student, bands, 96, 1), np.ones(6), "height = 96, r = 1: nothing was lost", mistakes(48))


@reports("image by image, and with less LPIPS being better.")
def check_agreement(student: Callable) -> None:
    """Check ``agreement(psnr_a, psnr_b, lpips_a, lpips_b)``: on how many images do two rulers prefer the same method?

    Each argument is a NumPy array ``(n,)``, one number an image, of method a or b. The result is the share of the
    images, from 0 to 1, on which PSNR and LPIPS prefer the same one of the two methods.
    """
    psnr_a, psnr_b = np.array([22.0, 24, 21, 26, 23, 30, 20, 25, 19]), np.array([21.0, 23, 20, 25, 22, 20, 21, 26, 20])
    lpips_a = np.array([0.30, 0.20, 0.50, 0.40, 0.35, 0.90, 0.20, 0.33, 0.60])
    lpips_b = np.array([0.40, 0.30, 0.40, 0.30, 0.30, 0.20, 0.30, 0.30, 0.50])
    p, q = psnr_a > psnr_b, lpips_a < lpips_b  # a is preferred; 6 and 3 of 9
    means_agree = float((psnr_a.mean() > psnr_b.mean()) == (lpips_a.mean() < lpips_b.mean()))
    correlation = np.corrcoef(psnr_a - psnr_b, lpips_b - lpips_a)[0, 1]
    mistakes = {
        "for LPIPS less is better; here it counts as if more were.": (p != q).mean(),
        "this is how often PSNR prefers a; LPIPS was not asked.": p.mean(),
        "this is how often LPIPS prefers a; PSNR was not asked.": q.mean(),
        "this counts only images on which both prefer a; both preferring b is agreement too.": (p & q).mean(),
        "the means of all images were compared; ask image by image.": means_agree,
        "this is a number of images; divide by how many there are.": (p == q).sum(),
        "this is a correlation of the two differences; asked is a share of images.": correlation,
        "these are per cent; give a share from 0 to 1.": 100 * (p == q).mean(),
    }
    expect(answer(student, psnr_a, psnr_b, lpips_a, lpips_b), (p == q).mean(), "nine images", mistakes)
    mistakes = {"exchanging a and b must change nothing: both preferring b is agreement too.": (~p & ~q).mean()}
    expect(answer(student, psnr_b, psnr_a, lpips_b, lpips_a), (p == q).mean(), "a and b exchanged", mistakes)
