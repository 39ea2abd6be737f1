import math

import numpy as np
import torch
import torch.nn.functional as nnf


def degrade(x, r):
    small = x.unflatten(2, (-1, r)).mean(3).unflatten(3, (-1, r)).mean(4)
    return small.repeat_interleave(r, 2).repeat_interleave(r, 3)


def degrade_bilinear(x, r):
    return nnf.interpolate(nnf.avg_pool2d(x, r), size=x.shape[2:], mode="bilinear", align_corners=False)


def degrade_antialiased(x, r):
    small = nnf.interpolate(x, scale_factor=1 / r, mode="bilinear", antialias=True) if r > 1 else x
    return nnf.interpolate(small, size=x.shape[2:], mode="bilinear", align_corners=False)


def psnr(x, y):
    return 10 * (1 / (x - y).square().mean((1, 2, 3))).log10()


def spoiled(x, r):
    x *= 0
    return x


RIGHT = [
    ("degrade", degrade, degrade_bilinear, degrade_antialiased),
    ("nyquist", lambda r, height: height / r / 2, lambda r, height: np.float32(0.5 * height / r)),
    ("psnr", psnr, lambda x, y: -20 * torch.log10(nnf.mse_loss(x, y, reduction="none").mean((1, 2, 3)).sqrt())),
]
WRONG = [
    ("degrade", lambda x, r: nnf.interpolate(x[:, :, ::r, ::r], size=x.shape[2:]), "aliasing"),
    ("degrade", lambda x, r: nnf.avg_pool2d(x, r), "the small image"),
    ("degrade", lambda x, r: x.clone(), "nothing was lost"),
    ("degrade", lambda x, r: degrade(x, 2), "a fixed 2"),
    ("degrade", lambda x, r: degrade(x, r**4), "only once"),
    ("degrade", lambda x, r: degrade(x, r).mean(0, keepdim=True).expand_as(x), "wrong for r = 1"),
    ("nyquist", lambda r, height: height / r, "one pixel a cycle"),
    ("nyquist", lambda r, height: 1 / (2 * r), "cycles per pixel"),
    ("nyquist", lambda r, height: height / 2, "the limit of the full image"),
    ("nyquist", lambda r, height: 2 * r, "length of one cycle"),
    ("nyquist", lambda r, height: height // (2 * r), "wrong for r = 1.5"),
    ("psnr", lambda x, y: 10 * (1 / (x - y).square().mean((1, 2, 3))).log(), "natural log"),
    ("psnr", lambda x, y: 10 * (1 / (x - y).square().sum((1, 2, 3))).log10(), "MSE without mean"),
    ("psnr", lambda x, y: psnr(x, y) + 20 * math.log10(255), "data range 255"),
    ("psnr", lambda x, y: psnr(x, y) / 2, "the root"),
    ("psnr", lambda x, y: -psnr(x, y), "the sign"),
    ("psnr", lambda x, y: psnr(x, y).mean(), "one number for the whole batch"),
    ("degrade", spoiled, "in place"),
    ("degrade", lambda x, r: x.resize_(1), "in place"),
]
