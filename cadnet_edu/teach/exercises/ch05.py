"""Checks for chapter 05: laying out pixels, the corner of L1, SSIM of one window, gains in decibels."""

from collections.abc import Callable

import numpy as np
import torch

from cadnet_edu.teach.exercises.report import answer, expect, reports, require

__all__ = ["check_gain", "check_lay_out", "check_rounded", "check_window_ssim"]


@reports("s x s colours a place become s x s pixels: the sub-pixel convolution's last step.")
def check_lay_out(student: Callable) -> None:
    """Check ``lay_out(x, s)``: the layout of a sub-pixel convolution.

    ``x`` is ``(b, c * s * s, h, w)``; the result is ``(b, c, s * h, s * w)``. The first ``s * s`` channels belong to
    the first colour; among them, the first s fill the first row of each s x s square from left to right.
    """
    x = torch.arange(16.0).view(1, 4, 2, 2)  # channel k holds 4 k, 4 k + 1 / 4 k + 2, 4 k + 3
    want = [[0, 4, 1, 5], [8, 12, 9, 13], [2, 6, 3, 7], [10, 14, 11, 15]]
    turned = [[0, 8, 1, 9], [4, 12, 5, 13], [2, 10, 3, 11], [6, 14, 7, 15]]
    tiled = [[0, 1, 4, 5], [2, 3, 6, 7], [8, 9, 12, 13], [10, 11, 14, 15]]
    got = answer(student, x, 2)
    require(
        got.shape == (1, 1, 4, 4),
        f"(1, 4, 2, 2) at s = 2 must become (1, 1, 4, 4): a colour fewer for each pixel more. Yours is {got.shape}.",
    )
    mistakes = {
        "rows and columns are exchanged inside the squares: the second channel goes right of the first.": [[turned]],
        "you put whole maps side by side; the pixels of one square come from one place of all maps.": [[tiled]],
        "the numbers were only reshaped in the order in which they lie in memory; move the axes first (permute).": [
            [np.arange(16.0).reshape(4, 4)]
        ],
    }  # fmt: skip
    expect(got, [[want]], "four channels of 2 x 2, numbered", mistakes)
    x = torch.arange(2.0 * 2 * 9 * 2).view(2, 18, 2, 1)
    colours = torch.stack([x[:, :9], x[:, 9:]], 1)  # (b, c, 9, h, w)
    right = colours.view(2, 2, 3, 3, 2, 1).permute(0, 1, 4, 2, 5, 3).reshape(2, 2, 6, 3).numpy()
    mixed = x.view(2, 3, 3, 2, 2, 1).permute(0, 3, 4, 1, 5, 2).reshape(2, 2, 6, 3).numpy()
    mistakes = {
        "the colours are mixed: the first s x s channels belong to the first colour, the next to the second.": mixed
    }
    expect(answer(student, x, 3), right, "two images of two colours, s = 3", mistakes)


@reports("a square near 0, a straight line beyond, and no step where they meet.")
def check_rounded(student: Callable) -> None:
    """Check ``rounded(d, smooth)``: the L1 norm with its corner rounded off, for each difference.

    ``d`` is a tensor of differences, ``smooth`` a number above 0. Where ``|d| < smooth`` the result is
    ``d^2 / (2 smooth)``, elsewhere ``|d| - smooth / 2``.
    """
    d, smooth = torch.tensor([-0.5, -0.1, 0.0, 0.05, 0.2, 1.0]), 0.2
    a = np.abs(d.numpy())
    near = a < smooth
    line, square = a - smooth / 2, a**2 / (2 * smooth)
    want, steep = np.where(near, square, line), np.where(near, 2 * square, line)
    mistakes = {
        "this is plain L1: the corner is still there.": a,
        "there is a step where square and line meet: take smooth / 2 off the line.": np.where(near, square, a),
        "this is Huber's form, smooth times too small: its slope far out is smooth, and should be 1.": smooth * want,
        "the square is not divided by 2 smooth, so it does not meet the line.": np.where(near, a**2, line),
        "the square is divided by smooth, not by 2 smooth: its slope where it meets the line is 2, not 1.": steep,
        "near and far are exchanged.": np.where(near, line, square),
        "a difference has no sign here: take its size first.": np.where(near, square, d.numpy() - smooth / 2),
    }
    got = answer(student, d, smooth)
    require(got.size > 1, "one number: give one for each difference; the mean comes later.")
    expect(got, want, "six differences, smooth = 0.2", mistakes)
    expect(answer(student, d, 0.5), np.where(a < 0.5, a**2, a - 0.25), "the same, smooth = 0.5")


@reports("a difference of decibels, image by image: the gain over the floor.")
def check_gain(student: Callable) -> None:
    """Check ``gain(x_hat, x, truth)``: how much nearer recovered images are to the truth than their inputs, in dB.

    All three are ``(b, 3, h, w)`` in [0, 1]. The result is a number: the mean over the images of the difference of the
    two PSNRs.
    """
    truth = torch.full((2, 3, 4, 2), 0.5)
    before, after = np.array([0.1, 0.2]), np.array([0.01, 0.1])  # errors of the inputs, and what is left of them
    x, x_hat = (truth + torch.tensor(e).view(2, 1, 1, 1).float() for e in (before, after))
    floor, left = -20 * np.log10(before), -20 * np.log10(after)
    pooled = 10 * np.log10((before**2).mean() / (after**2).mean())
    of_inputs = -20 * np.log10(before - after).mean()
    gains = left - floor
    mistakes = {
        "the sign is turned: a recovered image that is nearer to the truth gains.": -gains.mean(),
        "this is the PSNR of the recovered images; take off that of their inputs, the floor.": left.mean(),
        "errors were pooled over images before the logarithm; take each image's decibels, then the mean.": pooled,
        "decibels are logarithms already: a gain is their difference, not their ratio.": left.mean() / floor.mean(),
        "decibels are logarithms already: a gain is their difference, not their ratio. ": (left / floor).mean(),
        "the recovered image is compared with its input; both are to be compared with the truth.": of_inputs,
        "this is a sum over the images; take the mean.": gains.sum(),
    }
    got = answer(student, x_hat, x, truth)
    require(got.size == 1, "one number for each image: take the mean over the images at the end.")
    expect(got, gains.mean(), "two images, errors 0.1 and 0.2 that fall to 0.01 and 0.1", mistakes, atol=1e-3)
    expect(answer(student, x, x_hat, truth), -gains.mean(), "images that recovery made worse", atol=1e-3)


@reports("means, contrasts and pattern in one number: SSIM of one window.")
def check_window_ssim(student: Callable) -> None:
    """Check ``window_ssim(a, b)``: SSIM of one grey window, all pixels counting alike.

    ``a`` and ``b`` are tensors of one shape with values in [0, 1]; variances and covariance are divided by the number
    of pixels, ``C1 = 0.01^2`` and ``C2 = 0.03^2``. The result is a number.
    """
    a, b = torch.tensor([[0.1, 0.3], [0.5, 0.7]]), torch.tensor([[0.2, 0.3], [0.6, 0.5]])
    C1, C2 = 1e-4, 9e-4
    m_a, m_b, v_a, v_b, c = 0.4, 0.4, 0.05, 0.025, 0.03  # by hand: deviations -.3 -.1 .1 .3 and -.2 -.1 .2 .1
    # lightness = (2 * .16 + C1) / (.32 + C1) = 1, the means being equal
    want = (2 * c + C2) / (v_a + v_b + C2)
    n = 4 / 3
    mistakes = {
        "variances and covariance were divided by n - 1; here divide by the number of pixels.": (2 * n * c + C2)
        / (n * (v_a + v_b) + C2),
        "this is the correlation; SSIM also asks for equal contrast: 2 s_ab / (s_a^2 + s_b^2).": c / (v_a * v_b) ** 0.5,
        "standard deviations in the place of variances.": (2 * c + C2) / (v_a**0.5 + v_b**0.5 + C2),
        "C1 and C2 are missing: flat windows would give 0/0.": 2 * c / (v_a + v_b),
        "C1 and C2 are exchanged.": (2 * c + C1) / (v_a + v_b + C1),
        "the factor 2 before the covariance is missing.": (c + C2) / (v_a + v_b + C2),
        "the means were not taken off before multiplying: s_ab = mean(ab) - m_a m_b.": (2 * (c + m_a * m_b) + C2)
        / (v_a + v_b + 2 * m_a * m_b + C2),
    }
    expect(answer(student, a, b), want, "two windows of equal mean", mistakes, atol=1e-5)
    light, dark = torch.full((3, 3), 0.5), torch.full((3, 3), 1.0)
    only_pattern = {
        "the means do not count yet: multiply by (2 m_a m_b + C1) / (m_a^2 + m_b^2 + C1).": 1.0,
        "the answer 0 for two flat windows: without C2 above and below they would give 0/0.": 0.0,
    }
    expect(answer(student, light, dark), (1 + C1) / (1.25 + C1), "two flat windows, 0.5 and 1", only_pattern, atol=1e-5)
