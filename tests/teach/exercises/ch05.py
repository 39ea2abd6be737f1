import torch
import torch.nn.functional as nnf

from cadnet_edu.evaluation.image_quality import psnr


def lay_out(x, s, order=(0, 1, 4, 2, 5, 3)):
    b, c, h, w = x.shape
    return x.view(b, c // s**2, s, s, h, w).permute(*order).reshape(b, c // s**2, s * h, s * w)


def lay_out_by_steps(x, s):
    b, c, h, w = x.shape
    out = torch.zeros(b, c // s**2, s * h, s * w)
    for i in range(s):
        for j in range(s):
            out[:, :, i::s, j::s] = x[:, i * s + j :: s * s]
    return out


def mixed_colours(x, s):
    b, c, h, w = x.shape
    n = c // s**2
    return x.view(b, s, s, n, h, w).permute(0, 3, 4, 1, 5, 2).reshape(b, n, s * h, s * w)


def rounded(d, smooth, square=1.0, step=0.5):
    a = d.abs()
    return torch.where(a < smooth, square * a**2 / (2 * smooth), a - step * smooth)


def window_ssim(a, b, correction=0, C1=1e-4, C2=9e-4, two=2.0, root=1.0, light=True):
    m_a, m_b, n = a.mean(), b.mean(), a.numel()
    s_ab = ((a - m_a) * (b - m_b)).sum() / (n - correction)
    spread = a.var(correction=correction) ** root + b.var(correction=correction) ** root
    lightness = (2 * m_a * m_b + C1) / (m_a**2 + m_b**2 + C1) if light else 1.0
    return lightness * (two * s_ab + C2) / (spread + C2)


def window_ssim_by_moments(a, b):
    def mean(x):
        return x.double().mean()

    v_a, v_b = mean(a * a) - mean(a) ** 2, mean(b * b) - mean(b) ** 2
    light = (2 * mean(a) * mean(b) + 1e-4) / (mean(a) ** 2 + mean(b) ** 2 + 1e-4)
    return light * (2 * (mean(a * b) - mean(a) * mean(b)) + 9e-4) / (v_a + v_b + 9e-4)


def correlation(a, b):
    return torch.corrcoef(torch.stack([a.flatten(), b.flatten()]))[0, 1]


def gain(x_hat, x, truth):
    return (psnr(x_hat, truth) - psnr(x, truth)).mean()


def gain_by_loop(x_hat, x, truth):
    gains = [10 * torch.log10((b - t).pow(2).mean() / (a - t).pow(2).mean()) for a, b, t in zip(x_hat, x, truth)]
    return sum(gains) / len(gains)


def pooled(x, y):
    return -10 * nnf.mse_loss(x, y).log10()


RIGHT = [
    ("lay_out", lay_out, nnf.pixel_shuffle, lay_out_by_steps),
    ("rounded", rounded, lambda d, smooth: nnf.smooth_l1_loss(d, 0 * d, reduction="none", beta=smooth)),
    ("window_ssim", window_ssim, window_ssim_by_moments),
    ("gain", gain, gain_by_loop),
]
WRONG = [
    ("lay_out", lambda x, s: lay_out(x, s, (0, 1, 4, 3, 5, 2)), "rows and columns are exchanged"),
    ("lay_out", lambda x, s: lay_out(x, s, (0, 1, 2, 4, 3, 5)), "whole maps side by side"),
    ("lay_out", lambda x, s: x.reshape(len(x), -1, s * x.shape[2], s * x.shape[3]), "only reshaped"),
    ("lay_out", mixed_colours, "the colours are mixed"),
    ("lay_out", lambda x, s: x.repeat_interleave(s, 2).repeat_interleave(s, 3), "a colour fewer"),
    ("rounded", lambda d, smooth: d.abs(), "this is plain L1"),
    ("rounded", lambda d, smooth: rounded(d, smooth, step=0.0), "there is a step"),
    ("rounded", lambda d, smooth: nnf.huber_loss(d, 0 * d, reduction="none", delta=smooth), "Huber's form"),
    ("rounded", lambda d, smooth: rounded(d, smooth, square=2 * smooth), "does not meet the line"),
    ("rounded", lambda d, smooth: rounded(d, smooth, square=2.0), "its slope where it meets"),
    (
        "rounded",
        lambda d, smooth: torch.where(d.abs() < smooth, d.abs() - smooth / 2, d**2 / (2 * smooth)),
        "near and far are exchanged",
    ),
    (
        "rounded",
        lambda d, smooth: torch.where(d.abs() < smooth, d**2 / (2 * smooth), d - smooth / 2),
        "take its size first",
    ),
    ("rounded", lambda d, smooth: rounded(d, smooth).mean(), "one for each difference"),
    ("window_ssim", lambda a, b: window_ssim(a, b, correction=1), "divided by n - 1"),
    ("window_ssim", correlation, "this is the correlation"),
    ("window_ssim", lambda a, b: window_ssim(a, b, root=0.5), "standard deviations"),
    ("window_ssim", lambda a, b: window_ssim(a, b, C1=0.0, C2=0.0), "C1 and C2 are missing"),
    ("window_ssim", lambda a, b: window_ssim(a, b, C1=9e-4, C2=1e-4), "C1 and C2 are exchanged"),
    ("window_ssim", lambda a, b: window_ssim(a, b, two=1.0), "the factor 2"),
    ("window_ssim", lambda a, b: window_ssim(a, b, light=False), "the means do not count"),
    ("gain", lambda x_hat, x, truth: gain(x, x_hat, truth), "the sign is turned"),
    ("gain", lambda x_hat, x, truth: psnr(x_hat, truth).mean(), "take off that of their inputs"),
    ("gain", lambda x_hat, x, truth: pooled(x_hat, truth) - pooled(x, truth), "were pooled"),
    ("gain", lambda x_hat, x, truth: psnr(x_hat, truth).mean() / psnr(x, truth).mean(), "not their ratio"),
    ("gain", lambda x_hat, x, truth: psnr(x_hat, x).mean(), "compared with its input"),
    ("gain", lambda x_hat, x, truth: psnr(x_hat, truth) - psnr(x, truth), "one number for each image"),
]
