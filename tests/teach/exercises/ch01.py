"""Answers to the exercises of chapter 01: right ones, and mistakes with a part of the message meant for them."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as nnf

from cadnet_edu.teach import check


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
    (check.check_degrade, degrade),
    (check.check_degrade, degrade_bilinear),
    (check.check_degrade, degrade_antialiased),
    (check.check_nyquist, lambda r, height: height / r / 2),
    (check.check_nyquist, lambda r, height: np.float32(0.5 * height / r)),
    (check.check_psnr, psnr),
    (check.check_psnr, lambda x, y: -20 * torch.log10(nnf.mse_loss(x, y, reduction="none").mean((1, 2, 3)).sqrt())),
]
WRONG = [
    (check.check_degrade, lambda x, r: nnf.interpolate(x[:, :, ::r, ::r], size=x.shape[2:]), "aliasing"),
    (check.check_degrade, lambda x, r: nnf.avg_pool2d(x, r), "the small image"),
    (check.check_degrade, lambda x, r: x.clone(), "nothing was lost"),
    (check.check_degrade, lambda x, r: degrade(x, 2), "a fixed 2"),
    (check.check_degrade, lambda x, r: degrade(x, r**4), "only once"),
    (check.check_degrade, lambda x, r: degrade(x, r).mean(0, keepdim=True).expand_as(x), "wrong for r = 1"),
    (check.check_nyquist, lambda r, height: height / r, "one pixel a cycle"),
    (check.check_nyquist, lambda r, height: 1 / (2 * r), "cycles per pixel"),
    (check.check_nyquist, lambda r, height: height / 2, "the limit of the full image"),
    (check.check_nyquist, lambda r, height: 2 * r, "length of one cycle"),
    (check.check_nyquist, lambda r, height: height // (2 * r), "wrong for r = 1.5"),
    (check.check_psnr, lambda x, y: 10 * (1 / (x - y).square().mean((1, 2, 3))).log(), "natural log"),
    (check.check_psnr, lambda x, y: 10 * (1 / (x - y).square().sum((1, 2, 3))).log10(), "MSE without mean"),
    (check.check_psnr, lambda x, y: psnr(x, y) + 20 * math.log10(255), "data range 255"),
    (check.check_psnr, lambda x, y: psnr(x, y) / 2, "the root"),
    (check.check_psnr, lambda x, y: -psnr(x, y), "the sign"),
    (check.check_psnr, lambda x, y: psnr(x, y).mean(), "one number for the whole batch"),
    (check.check_degrade, spoiled, "in place"),
    (check.check_degrade, lambda x, r: x.resize_(1), "in place"),
]
